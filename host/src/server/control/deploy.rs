//! Owns the deployment of a version, the way back from it, and its end.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::overlay::{path_of, plain, preview_host, taken, without_place};
use super::views::{no_such_handler, no_such_tenant, shown};
use super::{Change, Desk, NotChanged};
use crate::admin::{Answer, ChangeView, Denial, Deploy, DeployView, HandlerName, Intent};
use crate::config::{HandlerConfig, check_name, check_path};
use crate::deployments::{NameTaken, Version};
use crate::engine::ComponentFile;
use crate::observe::Line;
use crate::server::set_aside::Aside;
use crate::server::snapshot::version_of;
use crate::tenants::Pattern;

impl Desk {
    pub(super) fn deploy(&mut self, deploy: &Deploy) -> Answer {
        self.check(deploy)?;
        let name = &deploy.name;
        let component = read(name, &deploy.component)?;
        let digest = component.digest.to_string();
        let version = Version::new(digest.clone(), component.bytes.len() as u64, now());
        let before = self.served(name).cloned();
        let record = self.ledger.find(&name.tenant, &name.handler);
        let moves = deploy.path.is_some() && record.is_some_and(|one| one.path != deploy.path);
        let is_current = self.current(name) == Some(digest.as_str());
        let is_served = is_current && !moves && !self.is_aside(name);
        let outcome = match deploy.intent {
            _ if is_served => "unchanged",
            Intent::Serve => "deployed",
            Intent::Preview => "previewed",
            Intent::Check => "could-be-deployed",
        };
        let (id, mut ledger) = (version.id.clone(), self.ledger.clone());
        let path = deploy.path.clone();
        let entered = match deploy.intent {
            Intent::Preview => ledger.keep(&name.tenant, &name.handler, path, version),
            _ => ledger.deploy(&name.tenant, &name.handler, path, version),
        };
        entered.map_err(|NameTaken(other)| {
            Denial::Refused(format!(
                "another version of `{}` is called `{id}` already: the digests of both, {digest} and \
                 {other}, begin so; change something in the component and build it anew",
                name.handler
            ))
        })?;
        let is_of_file = self.of_file(name).is_some();
        ledger.note_of_file(&name.tenant, &name.handler, is_of_file);
        if !is_served {
            self.store.keep(&digest, &component.bytes).map_err(NotChanged::Store)?;
            let can_go_back = before.is_some() && deploy.intent == Intent::Serve;
            let on_trial = can_go_back.then(|| name.clone());
            let is_preview = deploy.intent == Intent::Preview;
            let kept = ComponentFile { path: self.store.component(&digest), ..component.clone() };
            let mut change = Change {
                on_trial,
                is_preview,
                component: Some(kept),
                ..self.with_version(name, ledger)
            };
            if is_preview && !is_current {
                // What is to be served of the handler is what it was.
                change.set_aside = self.set_aside.clone();
            }
            let changed = match deploy.intent {
                Intent::Check => self.try_out(&change),
                Intent::Serve | Intent::Preview => self.serve(change),
            };
            // A ledger of which it is not known whether it was written may name the component.
            let is_known = !matches!(changed, Err(NotChanged::Store(_)));
            if is_known && (deploy.intent == Intent::Check || changed.is_err()) {
                self.store.collect(&self.ledger);
            }
            changed?;
        }
        if ["deployed", "previewed"].contains(&outcome) {
            self.note(name, outcome, Some(&id), None);
        }
        let preview = self.config.deploy.preview_host.as_ref();
        let preview = preview.map(|host| preview_host(&name.tenant, &name.handler, &id, host));
        let known = before.as_deref().map_or(&[][..], |one| &one.deployment.imports);
        let path = match (deploy.intent, self.served(name)) {
            (Intent::Serve, Some(one)) => one.deployment.path.clone().unwrap_or_default(),
            _ => self.path_for(name, deploy.path.as_deref()),
        };
        let preview = preview.filter(|_| deploy.intent != Intent::Check);
        Ok(shown(DeployView {
            tenant: name.tenant.clone(),
            handler: name.handler.clone(),
            path,
            version: id,
            before: before.as_deref().map(version_of),
            outcome: outcome.to_owned(),
            preview_url: preview.as_deref().map(|host| self.url_of(host)),
            preview,
            new_imports: difference(&component.imports, known),
            dropped_imports: difference(known, &component.imports),
        }))
    }

    /// What can be said of a deployment before its component is looked at.
    fn check(&self, deploy: &Deploy) -> Result<(), Denial> {
        let HandlerName { tenant, handler } = &deploy.name;
        check_name("handler", handler).map_err(Denial::Refused)?;
        if deploy.intent == Intent::Preview && self.config.deploy.preview_host.is_none() {
            let why = "versions have no host names of their own; write `preview_host` into the table \
                       [deploy] of hob.toml, and have that read again";
            return Err(Denial::Refused(why.to_owned()));
        }
        let mut tenants = self.config.tenants();
        if !tenants.any(|known| known == tenant) {
            return Err(Denial::NotFound(no_such_tenant(tenant)));
        }
        match (self.of_file(&deploy.name).is_some(), &deploy.path) {
            (true, None) => return Ok(()),
            (true, Some(_)) => {
                return Err(Denial::Refused(format!(
                    "hob.toml says where `{handler}` answers; deploy without a path, or change it there"
                )));
            }
            (false, None) => {}
            (false, Some(path)) => check_path(path).map_err(Denial::Refused)?,
        }
        let record = self.ledger.find(tenant, handler);
        let known = record.and_then(|record| record.path.as_deref());
        let path = path_of(handler, deploy.path.as_deref().or(known));
        let is_of_another = |one: &HandlerConfig| {
            one.path.as_ref() == Some(&path) && (one.tenant != *tenant || one.name != *handler)
        };
        let served = self.snapshot.whole_handlers().map(|one| &one.config);
        // What waits for its first deployment, or is set aside, has its path for when it is served.
        let mut known = served.chain(&self.config.handlers);
        let other = known.find(|one| is_of_another(one)).cloned();
        if let Some(other) = other.or_else(|| self.asides().find(is_of_another)) {
            return Err(Denial::Refused(format!(
                "`{}` of the tenant `{}` has the path {path} already; name another path",
                other.name, other.tenant
            )));
        }
        match taken(&self.config, &Pattern::below(&path)) {
            None => Ok(()),
            Some(route) => Err(Denial::Refused(format!(
                "the route `{route}` of hob.toml is for the same requests as the path {path}; name \
                 another path"
            ))),
        }
    }

    /// The path below which a version answers, or would if it were deployed with this one.
    pub(super) fn path_for(&self, name: &HandlerName, given: Option<&str>) -> String {
        let path = match self.of_file(name) {
            Some(handler) => handler.path.clone(),
            None => {
                let record = self.ledger.find(&name.tenant, &name.handler);
                let known = record.and_then(|record| record.path.as_deref());
                Some(path_of(&name.handler, given.or(known)))
            }
        };
        match path {
            Some(path) if path.is_empty() => "/".to_owned(),
            path => path.unwrap_or_default(),
        }
    }

    /// The digest of the version that is served, if it was deployed.
    fn current(&self, name: &HandlerName) -> Option<&str> {
        let record = self.ledger.find(&name.tenant, &name.handler)?;
        Some(&record.current()?.digest)
    }

    /// Whether the version that is to be served is set aside.
    fn is_aside(&self, name: &HandlerName) -> bool {
        self.set_aside.find(&name.tenant, &name.handler).is_some()
    }

    /// The handlers that are set aside and of which `hob.toml` says nothing.
    fn asides(&self) -> impl Iterator<Item = HandlerConfig> {
        let known = self.set_aside.all();
        known.filter_map(|one| self.ledger.find(&one.tenant, &one.handler)).map(plain)
    }

    /// Whether this could be served.
    fn try_out(&mut self, change: &Change) -> Result<(), NotChanged> {
        self.prepare(change)?;
        self.loops.abandon();
        Ok(())
    }

    pub(super) fn roll_back(&mut self, name: &HandlerName, to: Option<&str>) -> Answer {
        let mut places = without_place(&self.config, &self.ledger);
        let is_its = |one: &Aside| one.tenant == name.tenant && one.handler == name.handler;
        if let Some(aside) = places.find(is_its) {
            return Err(Denial::Refused(aside.why));
        }
        drop(places);
        let mut ledger = self.ledger.clone();
        ledger.roll_back(&name.tenant, &name.handler, to, self.has_own(name)).map_err(|_| {
            Denial::NotFound(match to {
                Some(id) => format!("`{}` has no version `{id}`", name.handler),
                None => format!("`{}` has no earlier version to go back to", name.handler),
            })
        })?;
        self.serve(self.with_version(name, ledger))?;
        Ok(self.changed(name, "rolled-back"))
    }

    pub(super) fn undeploy(&mut self, name: &HandlerName) -> Answer {
        let mut ledger = self.ledger.clone();
        ledger.undeploy(&name.tenant, &name.handler).map_err(|_| {
            Denial::NotFound(match self.served(name) {
                Some(_) => format!(
                    "`{}` was not deployed but is of hob.toml; take it away there",
                    name.handler
                ),
                None => no_such_handler(name),
            })
        })?;
        self.serve(self.with_version(name, ledger))?;
        Ok(self.changed(name, "undeployed"))
    }

    /// Takes back a version that fails, unless another is served by now.
    pub(super) fn take_back(&mut self, name: &HandlerName, id: &str) {
        let record = self.ledger.find(&name.tenant, &name.handler);
        if record.and_then(|record| record.current.as_deref()) != Some(id) {
            return;
        }
        let mut ledger = self.ledger.clone();
        ledger.fail(&name.tenant, &name.handler, id, "too many of its first requests failed");
        let back = ledger.roll_back(&name.tenant, &name.handler, None, self.has_own(name));
        if back.is_err() {
            // There is nothing to go back to.
            return;
        }
        match self.serve(self.with_version(name, ledger)) {
            Ok(()) => {
                let now = self.served(name).map(|one| version_of(one));
                self.note(name, "taken-back", now.as_deref(), Some(id));
            }
            Err(reason) => {
                let line = Line::new("server").text("event", "not-taken-back");
                let line = line.text("tenant", &name.tenant).text("handler", &name.handler);
                self.site.log.write(line.text("detail", &Denial::from(reason).to_string()));
            }
        }
    }

    /// The handler as `hob.toml` has it.
    pub(super) fn of_file(&self, name: &HandlerName) -> Option<&HandlerConfig> {
        let mut handlers = self.config.handlers.iter();
        handlers.find(|one| one.tenant == name.tenant && one.name == name.handler)
    }

    /// Whether `hob.toml` has a version of its own: one that waits for its first deployment has none.
    fn has_own(&self, name: &HandlerName) -> bool {
        self.of_file(name).is_some_and(|handler| handler.component.is_some())
    }

    fn changed(&self, name: &HandlerName, event: &str) -> serde_json::Value {
        let version = self.served(name).map(|one| version_of(one));
        self.note(name, event, version.as_deref(), None);
        let (tenant, handler) = (name.tenant.clone(), name.handler.clone());
        shown(ChangeView { tenant, handler, version })
    }

    /// Says which version is served now, and which has failed.
    fn note(&self, name: &HandlerName, event: &str, version: Option<&str>, failed: Option<&str>) {
        let line = Line::new("server").text("event", event).text("tenant", &name.tenant);
        let line = line.text("handler", &name.handler);
        let versions = [("version", version), ("failed", failed)];
        let said = versions.into_iter().filter_map(|(key, version)| Some((key, version?)));
        self.site.log.write(said.fold(line, |line, (key, version)| line.text(key, version)));
    }
}

fn read(name: &HandlerName, component: &[u8]) -> Result<ComponentFile, Denial> {
    // What its file is called is not known here.
    let path = format!("the component of `{}`", name.handler);
    ComponentFile::parse(Path::new(&path), Arc::from(component))
        .map_err(|error| Denial::Refused(error.to_string()))
}

/// What the one has and the other has not.
fn difference(one: &[String], other: &[String]) -> Vec<String> {
    one.iter().filter(|name| !other.contains(name)).cloned().collect()
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
