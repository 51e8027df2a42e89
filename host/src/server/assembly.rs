//! Owns the step from code that is ready to a snapshot that can be served: everything a handler needs
//! of its tenant's is opened, and what the snapshot before it had is taken over.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use super::StartError;
use super::deployed::Deployed;
use super::descriptors::outbound_allowed;
use super::household::Households;
use super::routing::Routing;
use super::snapshot::{ServedFolder, ServedHandler, ServedModule, Snapshot};
use super::trial::Trial;
use crate::admin::HandlerName;
use crate::capabilities::Grants;
use crate::config::{Config, RouteConfig, TargetConfig, TrialTerms};
use crate::event_loop::{HostThreads, OffloadThreads};
use crate::observe::Timeline;
use crate::wire::Tls;

/// What snapshots are made with. It outlives them.
pub(super) struct Assembly {
    pub(super) households: Households,
    pub(super) host_threads: HostThreads,
    pub(super) loops: usize,
    /// Started when there is a module.
    pub(super) offload_threads: Option<OffloadThreads>,
    pub(super) offload_timeline: Timeline,
    /// Made when someone may send requests.
    pub(super) tls: Arc<OnceLock<Tls>>,
}

impl Assembly {
    /// Makes the snapshot that serves what is deployed. A handler on trial is judged by its first
    /// requests. Blocks.
    ///
    /// # Errors
    /// When something of it cannot be opened, or started.
    pub(super) fn assemble(
        &mut self,
        config: &Config,
        deployed: &Deployed,
        before: &Snapshot,
        on_trial: Option<&HandlerName>,
    ) -> Result<Arc<Snapshot>, StartError> {
        self.load_certificates(config)?;
        let modules = self.modules(config, deployed, before)?;
        let mut handlers = self.handlers(deployed, before, &modules)?;
        if let Some(name) = on_trial {
            handlers.iter_mut().for_each(|one| begin_trial(one, name, config.deploy.trial));
        }
        let folders = self.folders(config, deployed)?;
        let routing = Routing::new(config);
        let outbound_connections = outbound_allowed(config, self.loops);
        Ok(Arc::new(Snapshot { handlers, modules, folders, routing, outbound_connections }))
    }

    /// Has the tenants of a configuration have what it says of them.
    pub(super) fn configure_tenants(&self, config: &Config) {
        self.households.configure(config);
    }

    /// Loading the system's certificates takes a while, and most servers need none.
    fn load_certificates(&self, config: &Config) -> Result<(), StartError> {
        let sends = config.grants().any(|(_, grants)| grants.fetch.is_some());
        if sends && self.tls.get().is_none() {
            let tls = Tls::new(config.trust.as_deref()).map_err(StartError::Trust)?;
            // No one else sets it.
            let _ = self.tls.set(tls);
        }
        Ok(())
    }

    fn modules(
        &mut self,
        config: &Config,
        deployed: &Deployed,
        before: &Snapshot,
    ) -> Result<Vec<Arc<ServedModule>>, StartError> {
        let known: BTreeMap<_, _> = before
            .modules
            .iter()
            .map(|one| ((one.config.tenant.as_str(), one.config.name.as_str()), one))
            .collect();
        let mut modules = Vec::new();
        for (of_module, module) in &deployed.modules {
            let key = (of_module.tenant.as_str(), of_module.name.as_str());
            if let Some(same) = known.get(&key).filter(|one| one.is_of(of_module, module)) {
                modules.push(Arc::clone(same));
                continue;
            }
            let household = self
                .households
                .open(&of_module.tenant, &of_module.grants)
                .map_err(StartError::Store)?;
            let threads = match &mut self.offload_threads {
                Some(threads) => threads,
                none => {
                    let timeline = self.offload_timeline.clone();
                    let started =
                        OffloadThreads::start(config.offload_threads, &self.host_threads, timeline);
                    let started = started
                        .map_err(|error| StartError::System("start the offload threads", error))?;
                    none.insert(started)
                }
            };
            let queue = self.households.offload_queue(&of_module.tenant, threads);
            let (config, module) = (of_module.clone(), module.clone());
            modules.push(Arc::new(ServedModule { config, module, household, queue }));
        }
        Ok(modules)
    }

    fn handlers(
        &mut self,
        deployed: &Deployed,
        before: &Snapshot,
        modules: &[Arc<ServedModule>],
    ) -> Result<Vec<Arc<ServedHandler>>, StartError> {
        let known: HashMap<_, _> =
            before.handlers.iter().map(|one| (Arc::as_ptr(&one.deployment), one)).collect();
        let mut handlers = Vec::new();
        let whole = deployed.handlers.iter().map(|(config, deployment)| (config, deployment));
        let variants = deployed.variants.iter().map(|one| (&one.config, &one.code));
        for (config, deployment) in whole.chain(variants) {
            let granted: Vec<_> = modules
                .iter()
                .filter(|one| {
                    one.config.tenant == config.tenant
                        && config.grants.offload.contains(&one.config.name)
                })
                .cloned()
                .collect();
            let key = Arc::as_ptr(deployment);
            let same = known.get(&key).filter(|one| one.is_of(config, deployment, &granted));
            if let Some(same) = same {
                handlers.push(Arc::clone(same));
                continue;
            }
            let household =
                self.households.open(&config.tenant, &config.grants).map_err(StartError::Store)?;
            let (config, deployment) = (config.clone(), deployment.clone());
            let modules = granted;
            let trial = None;
            handlers.push(Arc::new(ServedHandler {
                config,
                deployment,
                household,
                modules,
                trial,
            }));
        }
        Ok(handlers)
    }
}

impl Assembly {
    /// The folders of routes, each read in the turn of its tenant.
    fn folders(
        &mut self,
        config: &Config,
        deployed: &Deployed,
    ) -> Result<Vec<ServedFolder>, StartError> {
        let mut folders = Vec::new();
        let is_folder = |route: &&RouteConfig| matches!(route.target, TargetConfig::Folder(_));
        for (route, (_, folder)) in config.routes.iter().filter(is_folder).zip(&deployed.folders) {
            let household = self
                .households
                .open(&route.tenant, &Grants::default())
                .map_err(StartError::Store)?;
            folders.push(ServedFolder { folder: folder.clone(), queue: household.queue });
        }
        Ok(folders)
    }
}

/// One that is served already has had its first requests.
fn begin_trial(handler: &mut Arc<ServedHandler>, name: &HandlerName, terms: TrialTerms) {
    let is_it = handler.config.tenant == name.tenant && handler.config.name == name.handler;
    if is_it && let Some(new) = Arc::get_mut(handler) {
        new.trial = Some(Trial::new(terms));
    }
}
