//! Owns what the guests on one loop stand on: each handler and module has a context there, of what is
//! its own, its tenant's, and the loop's.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::Site;
use super::household::Household;
use super::serving::Serving;
use super::snapshot::{ServedFolder, ServedHandler, ServedModule, Snapshot};
use crate::assets::{Assets, OpenFiles};
use crate::capabilities::{Additions, GuestContext, Settings, Stdio};
use crate::event_loop::Handle;
use crate::handlers::{Handler, Isolation};
use crate::jobs::ModuleRunner;
use crate::observe::Timeline;
use crate::wire::Client;

/// What is one loop's.
pub(super) struct Ground {
    pub(super) site: Arc<Site>,
    pub(super) handle: Handle,
    pub(super) client: Client,
    pub(super) timeline: Timeline,
    pub(super) open_files: OpenFiles,
}

/// What a guest has of its loop.
pub(crate) struct OfLoop<'a> {
    pub(crate) handle: &'a Handle,
    pub(crate) client: &'a Client,
    pub(crate) timeline: &'a Timeline,
}

/// What is a guest's own, and its tenant's.
pub(crate) struct Own<'a> {
    pub(crate) name: &'a str,
    pub(crate) environment: &'a [(String, String)],
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) stdio: Stdio,
    pub(crate) household: &'a Household,
    pub(crate) additions: &'a Additions,
}

impl Ground {
    /// What this loop serves of a snapshot. A handler or a module that it served before, and that is
    /// the same, goes on with its instances.
    pub(super) fn serving(&self, snapshot: &Arc<Snapshot>, before: Option<&Serving>) -> Serving {
        let known: HashMap<_, _> = before
            .into_iter()
            .flat_map(Serving::runners)
            .map(|(served, runner)| (Arc::as_ptr(served), runner))
            .collect();
        let runners: Vec<_> = snapshot
            .modules
            .iter()
            .map(|served| match known.get(&Arc::as_ptr(served)) {
                Some(same) => Arc::clone(same),
                None => self.runner(served),
            })
            .collect();
        let runner_of: HashMap<_, _> =
            snapshot.modules.iter().map(Arc::as_ptr).zip(&runners).collect();
        let known: HashMap<_, _> = before
            .into_iter()
            .flat_map(Serving::handlers)
            .map(|(served, handler)| (Arc::as_ptr(served), handler))
            .collect();
        let handlers = snapshot
            .handlers
            .iter()
            .map(|served| match known.get(&Arc::as_ptr(served)) {
                Some(same) => Rc::clone(same),
                None => self.handler(served, &runner_of),
            })
            .collect();
        let folders = snapshot.folders.iter().map(|served| {
            let ServedFolder { folder, queue } = served;
            let remote = self.handle.remote();
            Rc::new(Assets::new(folder.clone(), remote, queue.clone(), self.open_files.clone()))
        });
        Serving { snapshot: snapshot.clone(), handlers, runners, folders: folders.collect() }
    }

    fn handler(
        &self,
        served: &ServedHandler,
        runners: &HashMap<*const ServedModule, &Arc<ModuleRunner>>,
    ) -> Rc<Handler> {
        let ServedHandler { config, deployment, household, modules, .. } = served;
        let context = self.context(Own {
            name: &config.name,
            environment: &config.environment,
            settings: &config.settings,
            stdio: Stdio::new(&config.label, self.site.log.clone()),
            household,
            additions: &self.site.additions,
        });
        let workers = modules
            .iter()
            .map(|module| {
                let runner = runners[&Arc::as_ptr(module)];
                (module.config.name.clone(), runner.worker())
            })
            .collect();
        let mut context = GuestContext { workers, ..context };
        if deployment.isolation == Isolation::Shared {
            // To suspend one of several guests in an instance costs less than two switches of threads.
            context.remote = self.handle.remote();
            context.resumed = Some(Mutex::default());
        }
        let (ticker, handle) = (self.site.ticker.clone(), self.handle.clone());
        Handler::new(deployment.clone(), Arc::new(context), ticker, handle)
    }

    /// What runs a module's jobs that are ordered on this loop.
    fn runner(&self, served: &ServedModule) -> Arc<ModuleRunner> {
        let ServedModule { config, module, household, queue } = served;
        let Site { log, ticker, .. } = &*self.site;
        let context = self.context(Own {
            name: &config.name,
            environment: &config.environment,
            settings: &config.settings,
            stdio: Stdio::of_module(&config.name, log.clone()),
            household,
            // A module has no loop that the product's functions could wait on.
            additions: &Additions::default(),
        });
        let (ticker, queue, log) = (ticker.clone(), queue.clone(), log.clone());
        ModuleRunner::new(module.clone(), Arc::new(context), ticker, queue, log)
    }

    fn context(&self, own: Own<'_>) -> GuestContext {
        let Ground { handle, client, timeline, .. } = self;
        guest_context(OfLoop { handle, client, timeline }, own)
    }
}

/// The context of a guest that serves no one else and offloads nothing.
pub(crate) fn guest_context(of_loop: OfLoop<'_>, own: Own<'_>) -> GuestContext {
    let OfLoop { handle, client, timeline } = of_loop;
    let Own { name, environment, settings, stdio, household, additions } = own;
    GuestContext {
        name: name.to_owned(),
        environment: environment.to_owned(),
        settings: settings.clone(),
        remote: handle.remote().at_once(),
        stdio,
        queue: household.queue.clone(),
        granted: household.granted.clone(),
        tenant: household.tenant.clone(),
        client: client.clone(),
        dns: household.dns.clone(),
        held: household.held.clone(),
        workers: BTreeMap::new(),
        coders: Arc::default(),
        timeline: timeline.clone(),
        resumed: None,
        additions: additions.clone(),
    }
}
