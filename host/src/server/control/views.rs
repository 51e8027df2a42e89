//! Owns what operators are told of what is served.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Desk;
use super::overlay::{of_preview, preview_host};
use crate::admin::{
    Answer, Denial, HandlerName, HandlerView, HandlersView, ReloadView, VersionView, VersionsView,
};
use crate::deployments::State;
use crate::server::notice::Notice;
use crate::server::snapshot::{ServedHandler, Snapshot, version_of};

/// A view in the form that the API gives it in.
pub(super) fn shown(view: impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("a view is JSON")
}

impl Desk {
    /// What is served now that was not before, and what is not.
    pub(super) fn reloaded(
        &self,
        before: &Snapshot,
        needs_restart: Vec<String>,
        left_out: Vec<String>,
    ) -> Value {
        let is_new = |one: &&Arc<ServedHandler>| {
            !before.handlers.iter().any(|known| Arc::ptr_eq(known, one))
        };
        let changed = self.snapshot.whole_handlers().filter(is_new);
        let changed = changed.map(|one| format!("{}/{}", one.config.tenant, one.config.name));
        let set_aside = self.set_aside.all().map(|one| Notice::from(one.clone()).to_string());
        shown(ReloadView {
            handlers: self.snapshot.whole_handlers().count(),
            changed: changed.collect(),
            needs_restart,
            left_out,
            set_aside: set_aside.collect(),
        })
    }

    /// What is served, what waits for its first deployment, and what is set aside: of a tenant, or of all.
    pub(super) fn handlers_view(&self, tenant: Option<&str>) -> Answer {
        if let Some(name) = tenant.filter(|name| !self.config.tenants().any(|one| one == *name)) {
            return Err(Denial::NotFound(no_such_tenant(name)));
        }
        let served = self.snapshot.whole_handlers().map(|one| self.handler_view(one));
        let handlers = served.chain(self.waiting());
        let is_asked_for = |one: &HandlerView| tenant.is_none_or(|tenant| one.tenant == tenant);
        Ok(shown(HandlersView { handlers: handlers.filter(is_asked_for).collect() }))
    }

    fn handler_view(&self, one: &ServedHandler) -> HandlerView {
        let (config, deployment) = (&one.config, &one.deployment);
        let preview = self.preview_of(&config.tenant, &config.name);
        let source = match (&config.version, &preview) {
            (_, Some(_)) => "preview",
            (Some(_), None) => "deployed",
            (None, None) => "file",
        };
        HandlerView {
            tenant: config.tenant.clone(),
            handler: config.name.clone(),
            path: deployment.path.clone().unwrap_or_default(),
            preview_url: preview.map(|host| self.url_of(&host)),
            generation: Some(deployment.lane.generation().to_string()),
            isolation: Some(deployment.isolation.to_string()),
            version: Some(version_of(one)),
            source: source.to_owned(),
            set_aside: None,
        }
    }

    /// The handlers of `hob.toml`, and those with versions, of which none is served.
    fn waiting(&self) -> impl Iterator<Item = HandlerView> {
        let of_file = self.config.handlers.iter().map(|one| (&one.tenant, &one.name));
        let of_ledger = self.ledger.handlers.iter().map(|one| (&one.tenant, &one.handler));
        let names: BTreeSet<_> = of_file.chain(of_ledger).collect();
        let names = names.into_iter().map(|(tenant, handler)| HandlerName {
            tenant: tenant.clone(),
            handler: handler.clone(),
        });
        names.filter(|name| self.served(name).is_none()).map(|name| {
            let set_aside = self.set_aside.find(&name.tenant, &name.handler);
            let source = if set_aside.is_some() { "set-aside" } else { "waiting" };
            HandlerView {
                path: self.path_for(&name, None),
                tenant: name.tenant,
                handler: name.handler,
                preview_url: None,
                generation: None,
                isolation: None,
                version: None,
                source: source.to_owned(),
                set_aside: set_aside.map(|one| one.why.clone()),
            }
        })
    }

    /// The host name of a version that is served at one, by the name that it has as a handler.
    fn preview_of(&self, tenant: &str, name: &str) -> Option<String> {
        let host = self.config.deploy.preview_host.as_ref()?;
        let (handler, id) = of_preview(name)?;
        let record = self.ledger.find(tenant, handler)?;
        let is_known = record.versions.iter().any(|version| version.id == id);
        is_known.then(|| preview_host(tenant, handler, id, host))
    }

    /// The address of this server's public side by a host name.
    pub(super) fn url_of(&self, host: &str) -> String {
        match self.public.port() {
            80 => format!("http://{host}/"),
            port => format!("http://{host}:{port}/"),
        }
    }

    pub(super) fn versions_view(&self, name: &HandlerName) -> Answer {
        let record = self.ledger.find(&name.tenant, &name.handler);
        if record.is_none() && self.served(name).is_none() {
            return Err(Denial::NotFound(no_such_handler(name)));
        }
        let set_aside = self.set_aside.find(&name.tenant, &name.handler);
        let versions = record.iter().flat_map(|record| {
            record.versions.iter().map(|version| {
                let set_aside = set_aside.filter(|one| one.version == version.id);
                let is_current = record.current.as_ref() == Some(&version.id);
                VersionView {
                    id: version.id.clone(),
                    digest: version.digest.clone(),
                    bytes: version.bytes,
                    deployed: version.deployed,
                    current: is_current && set_aside.is_none(),
                    failed: match &version.state {
                        State::Ready => None,
                        State::Failed(why) => Some(why.clone()),
                    },
                    set_aside: set_aside.map(|one| one.why.clone()),
                }
            })
        });
        Ok(shown(VersionsView {
            tenant: name.tenant.clone(),
            handler: name.handler.clone(),
            versions: versions.collect(),
            file: self
                .served(name)
                .filter(|one| one.config.version.is_none())
                .map(|one| version_of(one)),
        }))
    }

    /// What is served under this name.
    pub(super) fn served(&self, name: &HandlerName) -> Option<&Arc<ServedHandler>> {
        let mut handlers = self.snapshot.whole_handlers();
        handlers.find(|one| one.config.tenant == name.tenant && one.config.name == name.handler)
    }
}

pub(super) fn no_such_tenant(name: &str) -> String {
    format!("there is no tenant `{name}`; name it in hob.toml, and have that read again")
}

pub(super) fn no_such_handler(name: &HandlerName) -> String {
    format!("the tenant `{}` has no handler `{}`", name.tenant, name.handler)
}
