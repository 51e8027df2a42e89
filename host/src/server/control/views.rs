//! Owns what operators are told of what is served.

use std::sync::Arc;

use serde_json::Value;

use super::Desk;
use crate::admin::{
    Answer, Denial, HandlerName, HandlerView, HandlersView, ReloadView, VersionView, VersionsView,
};
use crate::deployments::State;
use crate::server::snapshot::{ServedHandler, Snapshot, version_of};

/// A view in the form that the API gives it in.
pub(super) fn shown(view: impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("a view is JSON")
}

/// What the second of two snapshots has that the first has not.
pub(super) fn reloaded(
    before: &Snapshot,
    after: &Snapshot,
    needs_restart: Vec<String>,
    left_out: Vec<String>,
) -> Value {
    let is_new =
        |one: &&Arc<ServedHandler>| !before.handlers.iter().any(|known| Arc::ptr_eq(known, one));
    let changed = after.whole_handlers().filter(is_new);
    shown(ReloadView {
        handlers: after.whole_handlers().count(),
        changed: changed.map(|one| format!("{}/{}", one.config.tenant, one.config.name)).collect(),
        needs_restart,
        left_out,
    })
}

impl Desk {
    pub(super) fn handlers_view(&self) -> Value {
        let handlers = self.snapshot.whole_handlers().map(|one| {
            let (config, deployment) = (&one.config, &one.deployment);
            let record = self.ledger.find(&config.tenant, &config.name);
            let is_deployed = record.is_some_and(|record| record.current.is_some());
            HandlerView {
                tenant: config.tenant.clone(),
                handler: config.name.clone(),
                path: deployment.path.clone().unwrap_or_default(),
                generation: deployment.lane.generation().to_string(),
                isolation: deployment.isolation.to_string(),
                version: version_of(one),
                source: if is_deployed { "deployed" } else { "file" }.to_owned(),
            }
        });
        shown(HandlersView { handlers: handlers.collect() })
    }

    pub(super) fn versions_view(&self, name: &HandlerName) -> Answer {
        let record = self.ledger.find(&name.tenant, &name.handler);
        if record.is_none() && self.served(name).is_none() {
            return Err(Denial::NotFound(no_such_handler(name)));
        }
        let versions = record.iter().flat_map(|record| {
            record.versions.iter().map(|version| VersionView {
                id: version.id.clone(),
                digest: version.digest.clone(),
                bytes: version.bytes,
                deployed: version.deployed,
                current: record.current.as_ref() == Some(&version.id),
                failed: match &version.state {
                    State::Ready => None,
                    State::Failed(why) => Some(why.clone()),
                },
            })
        });
        Ok(shown(VersionsView {
            tenant: name.tenant.clone(),
            handler: name.handler.clone(),
            versions: versions.collect(),
        }))
    }

    /// What is served under this name.
    pub(super) fn served(&self, name: &HandlerName) -> Option<&Arc<ServedHandler>> {
        let mut handlers = self.snapshot.whole_handlers();
        handlers.find(|one| one.config.tenant == name.tenant && one.config.name == name.handler)
    }
}

pub(super) fn no_such_handler(name: &HandlerName) -> String {
    format!("the tenant `{}` has no handler `{}`", name.tenant, name.handler)
}
