//! Owns what a handler has of its tenant's: the tenants are told apart here.

use std::collections::BTreeMap;

use super::StartError;
use crate::capabilities::{Dns, Granted, HeldBytes, Stores};
use crate::config::Config;
use crate::event_loop::{HostQueue, HostThreads};

/// What a handler has of its tenant's: its place in the host threads' turns, and what it is
/// granted.
#[derive(Clone)]
pub(super) struct Household {
    /// Which of the tenants it is.
    pub(super) tenant: usize,
    pub(super) queue: HostQueue,
    pub(super) dns: Dns,
    pub(super) held: HeldBytes,
    pub(super) granted: Granted,
}

/// Opens what the handlers are granted. Each tenant has one queue, one cache of names and one set of
/// stores.
pub(super) fn households(
    config: &Config,
    pool: &HostThreads,
) -> Result<Vec<Household>, StartError> {
    let mut tenants: BTreeMap<&str, (Household, Stores)> = BTreeMap::new();
    let mut households = Vec::new();
    for handler in &config.handlers {
        let tenant = tenants.len();
        let (household, stores) = tenants.entry(&handler.tenant).or_insert_with(|| {
            let granted = Granted::default();
            let (queue, dns, held) = (pool.queue(), Dns::default(), HeldBytes::default());
            let household = Household { tenant, queue, dns, held, granted };
            (household, Stores::new(&config.data, &handler.tenant))
        });
        let granted = stores.open(&handler.grants).map_err(StartError::Store)?;
        households.push(Household { granted, ..household.clone() });
    }
    Ok(households)
}
