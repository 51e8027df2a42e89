//! Owns what is served at a time, as all loops share it. It is made whole, and swapped whole.

use std::sync::Arc;

use super::household::Household;
use super::trial::Trial;
use crate::config::{HandlerConfig, ModuleConfig};
use crate::deployments::ID_LENGTH;
use crate::event_loop::OffloadQueue;
use crate::handlers::Deployment;
use crate::jobs::Module;
use crate::tenants::Routes;

/// What is served at a time. What two snapshots have in common is the same `Arc` in both.
#[derive(Default)]
pub(super) struct Snapshot {
    pub(super) handlers: Vec<Arc<ServedHandler>>,
    pub(super) modules: Vec<Arc<ServedModule>>,
    /// To the places of handlers in their list.
    pub(super) routes: Routes,
    /// Connections by which a loop may send requests.
    pub(super) outbound_connections: usize,
}

/// A handler with all it needs.
pub(super) struct ServedHandler {
    pub(super) config: HandlerConfig,
    pub(super) deployment: Arc<Deployment>,
    pub(super) household: Household,
    /// Those it may offload to.
    pub(super) modules: Vec<Arc<ServedModule>>,
    /// There while it is judged by its first requests.
    pub(super) trial: Option<Trial>,
}

/// A module with all it needs.
pub(super) struct ServedModule {
    pub(super) config: ModuleConfig,
    pub(super) module: Arc<Module>,
    pub(super) household: Household,
    pub(super) queue: OffloadQueue,
}

impl ServedHandler {
    /// Whether it would come out the same of these.
    pub(super) fn is_of(
        &self,
        config: &HandlerConfig,
        deployment: &Arc<Deployment>,
        modules: &[Arc<ServedModule>],
    ) -> bool {
        self.config == *config
            && Arc::ptr_eq(&self.deployment, deployment)
            && self.modules.len() == modules.len()
            && self.modules.iter().zip(modules).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl ServedModule {
    /// Whether it would come out the same of these.
    pub(super) fn is_of(&self, config: &ModuleConfig, module: &Arc<Module>) -> bool {
        self.config == *config && Arc::ptr_eq(&self.module, module)
    }
}

/// The name of the version that is served, wherever it is from: the beginning of its digest.
pub(super) fn version_of(handler: &ServedHandler) -> String {
    let mut digest = handler.deployment.digest.to_string();
    digest.truncate(ID_LENGTH);
    digest
}
