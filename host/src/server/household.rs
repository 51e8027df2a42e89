//! Owns what a handler or a module has of its tenant's: the tenants are told apart here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::capabilities::{Dns, Granted, Grants, HeldBytes, StoreError, Stores};
use crate::config::Config;
use crate::event_loop::{HostQueue, HostThreads, OffloadQueue, OffloadThreads};
use crate::observe::Log;
use crate::tenants::{Tenant, Tenants};

/// What a handler or a module has of its tenant's: its place in the host threads' turns, and what it
/// is granted.
#[derive(Clone)]
pub(crate) struct Household {
    /// Whose it is.
    pub(super) tenant: Arc<Tenant>,
    pub(super) queue: HostQueue,
    pub(super) dns: Dns,
    pub(super) held: HeldBytes,
    pub(super) granted: Granted,
}

/// The households of all tenants there have been since the start. Each has one queue of each kind, one
/// cache of names and one set of stores, however often what is served changes.
pub(crate) struct Households {
    data: PathBuf,
    host_threads: HostThreads,
    log: Log,
    tenants: Tenants,
    known: BTreeMap<String, Home>,
}

struct Home {
    household: Household,
    stores: Stores,
    offload: Option<OffloadQueue>,
}

impl Households {
    /// None yet. What tenants keep is below `data`; of who has too much there the log is told.
    pub(crate) fn new(data: PathBuf, host_threads: HostThreads, log: Log) -> Self {
        let tenants = Tenants::default();
        Households { data, host_threads, log, tenants, known: BTreeMap::new() }
    }

    /// Opens what a handler or a module of this tenant is granted. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn open(&mut self, tenant: &str, grants: &Grants) -> Result<Household, StoreError> {
        let home = self.home(tenant);
        let granted = home.stores.open(grants)?;
        Ok(Household { granted, ..home.household.clone() })
    }

    /// Gives tenants the weights and limits that `hob.toml` has for them. Blocks. What was changed since while
    /// the server ran stays, unless the file says something else than before.
    pub(super) fn configure(&self, config: &Config) {
        // One of which the file says something can be limited before it has anything that is served, and after
        // it had.
        let said = config.tenants.iter().map(|tenant| tenant.name.clone());
        let met = self.tenants.all().into_iter().map(|tenant| tenant.name().to_owned());
        let names: BTreeSet<_> = said.chain(met).collect();
        for name in &names {
            let tenant = self.configure_one(config, name);
            // Known before the first that takes some of it, whose work need not wait for that.
            tenant.storage().measure();
        }
    }

    /// The same of one tenant, which may be new.
    pub(super) fn configure_one(&self, config: &Config, name: &str) -> Arc<Tenant> {
        let tenant = self.tenants.get(name);
        let said = config.tenant(name);
        self.tenants.configure(name, said.weight, said.limits);
        tenant
    }

    /// All tenants there have been.
    pub(crate) fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The tenant's place in the turns of the offload threads.
    pub(super) fn offload_queue(&mut self, tenant: &str, threads: &OffloadThreads) -> OffloadQueue {
        let home = self.home(tenant);
        let weight = home.household.tenant.weight_handle();
        home.offload.get_or_insert_with(|| threads.queue(weight)).clone()
    }

    fn home(&mut self, name: &str) -> &mut Home {
        let tenant = self.tenants.get(name);
        self.known.entry(name.to_owned()).or_insert_with(|| {
            let queue = self.host_threads.queue(tenant.weight_handle(), tenant.host_jobs());
            let granted = Granted::default();
            let (dns, held) = (Dns::default(), HeldBytes::default());
            let stores = Stores::new(&self.data, &tenant, &self.log);
            let household = Household { tenant, queue, dns, held, granted };
            Home { household, stores, offload: None }
        })
    }
}
