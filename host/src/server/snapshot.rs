//! Owns what is served at a time, as all loops share it. It is made whole, and swapped whole.

use std::sync::Arc;

use super::household::Household;
use super::routing::Routing;
use super::trial::Trial;
use crate::assets::Folder;
use crate::config::{HandlerConfig, ModuleConfig};
use crate::deployments::ID_LENGTH;
use crate::event_loop::{HostQueue, OffloadQueue};
use crate::handlers::Deployment;
use crate::jobs::Module;

/// What is served at a time. What two snapshots have in common is the same `Arc` in both.
#[derive(Default)]
pub(super) struct Snapshot {
    /// The handlers, and then the variants of them that routes want.
    pub(super) handlers: Vec<Arc<ServedHandler>>,
    pub(super) modules: Vec<Arc<ServedModule>>,
    pub(super) folders: Vec<ServedFolder>,
    pub(super) routing: Routing,
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

/// A folder, and in whose turn it is read.
pub(super) struct ServedFolder {
    pub(super) folder: Arc<Folder>,
    pub(super) queue: HostQueue,
}

/// A module with all it needs.
pub(super) struct ServedModule {
    pub(super) config: ModuleConfig,
    pub(super) module: Arc<Module>,
    pub(super) household: Household,
    pub(super) queue: OffloadQueue,
}

impl Snapshot {
    /// The handlers without the variants.
    pub(super) fn whole_handlers(&self) -> impl Iterator<Item = &Arc<ServedHandler>> {
        self.handlers.iter().filter(|one| !one.deployment.is_variant)
    }
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
