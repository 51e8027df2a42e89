//! Owns what the guests on one loop stand on: each handler and module has a context there, of what is
//! its own, its tenant's, and the loop's.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::Site;
use super::household::Household;
use crate::capabilities::{GuestContext, Settings, Stdio, Worker};
use crate::config::HandlerConfig;
use crate::event_loop::Handle;
use crate::handlers::{Handler, Isolation};
use crate::jobs::ModuleRunner;
use crate::observe::Timeline;
use crate::wire::Client;

/// What is one loop's.
pub(super) struct Ground<'a> {
    pub(super) site: &'a Site,
    pub(super) handle: &'a Handle,
    pub(super) client: Client,
    pub(super) timeline: Timeline,
}

/// What is a guest's own.
struct Own<'a> {
    name: &'a str,
    environment: &'a [(String, String)],
    settings: &'a Arc<Settings>,
    stdio: Stdio,
    household: &'a Household,
}

impl Ground<'_> {
    /// The handlers of this loop, in the order of the configuration.
    pub(super) fn handlers(&self) -> Vec<Rc<Handler>> {
        let Site { handlers, households, log, ticker, .. } = self.site;
        let runners = self.runners();
        let handlers = handlers.iter().zip(&households.handlers);
        handlers
            .map(|((config, deployment), household)| {
                let context = self.context(Own {
                    name: &config.name,
                    environment: &config.environment,
                    settings: &config.settings,
                    stdio: Stdio::new(&config.name, log.clone()),
                    household,
                });
                let is_shared = deployment.isolation == Isolation::Shared;
                let context = GuestContext {
                    workers: self.workers(config, &runners),
                    resumed: is_shared.then(Mutex::default),
                    ..context
                };
                let (ticker, handle) = (ticker.clone(), self.handle.clone());
                Handler::new(deployment.clone(), Arc::new(context), ticker, handle)
            })
            .collect()
    }

    /// What runs the modules' jobs that are ordered on this loop.
    fn runners(&self) -> Vec<Arc<ModuleRunner>> {
        let Site { modules, households, log, ticker, .. } = self.site;
        let modules = modules.iter().zip(&households.modules);
        modules
            .map(|((config, module), (household, queue))| {
                let context = self.context(Own {
                    name: &config.name,
                    environment: &config.environment,
                    settings: &config.settings,
                    stdio: Stdio::of_module(&config.name, log.clone()),
                    household,
                });
                let (ticker, queue, log) = (ticker.clone(), queue.clone(), log.clone());
                ModuleRunner::new(module.clone(), Arc::new(context), ticker, queue, log)
            })
            .collect()
    }

    /// The modules of its tenant that a handler is granted.
    fn workers(
        &self,
        handler: &HandlerConfig,
        runners: &[Arc<ModuleRunner>],
    ) -> BTreeMap<String, Worker> {
        let modules = self.site.modules.iter().zip(runners);
        modules
            .filter(|((module, _), _)| {
                module.tenant == handler.tenant && handler.grants.offload.contains(&module.name)
            })
            .map(|((module, _), runner)| (module.name.clone(), runner.worker()))
            .collect()
    }

    /// The context of a guest that serves no one else and offloads nothing.
    fn context(&self, own: Own<'_>) -> GuestContext {
        let Own { name, environment, settings, stdio, household } = own;
        GuestContext {
            name: name.to_owned(),
            environment: environment.to_owned(),
            settings: settings.clone(),
            remote: self.handle.remote(),
            stdio,
            queue: household.queue.clone(),
            granted: household.granted.clone(),
            party: household.tenant,
            client: self.client.clone(),
            dns: household.dns.clone(),
            held: household.held.clone(),
            workers: BTreeMap::new(),
            coders: Arc::default(),
            timeline: self.timeline.clone(),
            resumed: None,
        }
    }
}
