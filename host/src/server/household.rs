//! Owns what a handler or a module has of its tenant's: the tenants are told apart here.

use std::collections::BTreeMap;

use super::StartError;
use crate::capabilities::{Dns, Granted, Grants, HeldBytes, Stores};
use crate::config::Config;
use crate::event_loop::{HostQueue, HostThreads, OffloadQueue, OffloadThreads};

/// What a handler or a module has of its tenant's: its place in the host threads' turns, and what it
/// is granted.
#[derive(Clone)]
pub(super) struct Household {
    /// Which of the tenants it is.
    pub(super) tenant: usize,
    pub(super) queue: HostQueue,
    pub(super) dns: Dns,
    pub(super) held: HeldBytes,
    pub(super) granted: Granted,
}

/// One for each handler, and one for each module with its tenant's place in the turns of the offload
/// threads.
pub(super) struct Households {
    pub(super) handlers: Vec<Household>,
    pub(super) modules: Vec<(Household, OffloadQueue)>,
}

/// Each tenant has one queue of each kind, one cache of names and one set of stores.
struct Tenants<'a> {
    config: &'a Config,
    host_threads: &'a HostThreads,
    known: BTreeMap<&'a str, (Household, Stores)>,
    offload_queues: BTreeMap<&'a str, OffloadQueue>,
}

impl Households {
    /// Opens what the handlers and modules are granted. There are offload threads where there are
    /// modules.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn open(
        config: &Config,
        host_threads: &HostThreads,
        offload_threads: Option<&OffloadThreads>,
    ) -> Result<Self, StartError> {
        let (known, offload_queues) = (BTreeMap::new(), BTreeMap::new());
        let mut tenants = Tenants { config, host_threads, known, offload_queues };
        let mut households = Households { handlers: Vec::new(), modules: Vec::new() };
        for handler in &config.handlers {
            households.handlers.push(tenants.household(&handler.tenant, &handler.grants)?);
        }
        for module in &config.modules {
            let Some(threads) = offload_threads else { break };
            let household = tenants.household(&module.tenant, &module.grants)?;
            let queues = &mut tenants.offload_queues;
            let queue = queues.entry(&module.tenant).or_insert_with(|| threads.queue());
            households.modules.push((household, queue.clone()));
        }
        Ok(households)
    }
}

impl<'a> Tenants<'a> {
    fn household(&mut self, name: &'a str, grants: &Grants) -> Result<Household, StartError> {
        let tenant = self.known.len();
        let (household, stores) = self.known.entry(name).or_insert_with(|| {
            let granted = Granted::default();
            let queue = self.host_threads.queue();
            let (dns, held) = (Dns::default(), HeldBytes::default());
            let household = Household { tenant, queue, dns, held, granted };
            (household, Stores::new(&self.config.data, name))
        });
        let granted = stores.open(grants).map_err(StartError::Store)?;
        Ok(Household { granted, ..household.clone() })
    }
}
