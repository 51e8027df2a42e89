//! Owns what a host is built of, and the building.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::errors::BuildError;
use super::handle::{HostHandle, attend};
use super::host::{Host, OpenLog, RunningHost};
use super::residents::Residents;
use super::workshop::Workshop;
use crate::capabilities::{Additions, Extension, Waiting};
use crate::engine::{Cache, Engines, Ticker};
use crate::event_loop::{
    Bound, Clock, EventLoop, HostThreads, Lookout, Weight, compute_beside_loops,
};
use crate::handlers::GuestLimits;
use crate::limits;
use crate::observe::{Log, Timeline};
use crate::server::Households;
use crate::tenants::TenantLimits;
use crate::wire::Client;

/// What a host is to be built of. Nothing of it must be given.
#[must_use]
pub struct HostBuilder {
    data: Option<PathBuf>,
    cache: Option<PathBuf>,
    trust: Option<PathBuf>,
    host_threads: usize,
    limits: GuestLimits,
    drain: Duration,
    tenants: Vec<(String, u32, TenantLimits)>,
    pub(super) log: Option<Box<dyn Write + Send>>,
    pub(super) additions: Additions,
}

impl Default for HostBuilder {
    fn default() -> Self {
        HostBuilder {
            data: None,
            cache: None,
            trust: None,
            host_threads: limits::HOST_THREADS,
            limits: GuestLimits::default(),
            drain: limits::DRAIN,
            tenants: Vec::new(),
            log: None,
            additions: Additions::default(),
        }
    }
}

impl HostBuilder {
    /// The folder below which tenants have their files, databases and keys. Without one no plug-in can
    /// be granted these.
    pub fn data(self, folder: impl Into<PathBuf>) -> Self {
        HostBuilder { data: Some(folder.into()), ..self }
    }

    /// The folder in which compiled code is kept from one start to the next. Only this user may be able
    /// to write there. Without one all is compiled at each start.
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        HostBuilder { cache: Some(folder.into()), ..self }
    }

    /// A file of certificates that outbound requests trust instead of the system's.
    pub fn trust(self, file: impl Into<PathBuf>) -> Self {
        HostBuilder { trust: Some(file.into()), ..self }
    }

    /// Threads for what blocks; there are [`limits::HOST_THREADS`] without this, and at the most
    /// [`limits::HOST_THREADS_MAX`].
    pub fn host_threads(self, threads: usize) -> Self {
        let host_threads = threads.clamp(1, limits::HOST_THREADS_MAX);
        HostBuilder { host_threads, ..self }
    }

    /// What one call of a plug-in may use for which nothing else is said.
    pub fn limits(self, limits: GuestLimits) -> Self {
        HostBuilder { limits, ..self }
    }

    /// What a tenant's plug-ins may have together, and the tenant's share of the loop's time beside those
    /// of others. Without this it has no such limits, and a weight of [`limits::TENANT_WEIGHT`].
    pub fn tenant(mut self, name: impl Into<String>, weight: u32, limits: TenantLimits) -> Self {
        self.tenants.push((name.into(), weight, limits));
        self
    }

    /// How long a host that ends waits for what plug-ins are about after their answers.
    pub fn drain(self, time: Duration) -> Self {
        HostBuilder { drain: time, ..self }
    }

    /// Where the log goes: lines of JSON, among them what plug-ins write to their standard output. It
    /// is written by a thread of its own. Without this there is no log.
    pub fn log(self, sink: impl Write + Send + 'static) -> Self {
        HostBuilder { log: Some(Box::new(sink)), ..self }
    }

    /// What the product adds to what plug-ins may import.
    pub fn extension(self, extension: impl Extension) -> Self {
        HostBuilder { additions: Additions::of(extension), ..self }
    }

    /// Builds the host, whose loop is this thread's.
    ///
    /// # Errors
    /// When the machine refuses a thread or a descriptor, or a folder.
    pub fn build(self) -> Result<Host, BuildError> {
        let system = |what| move |error| BuildError::System(what, error);
        let cache = self.open_cache()?;
        let sink = self.log.unwrap_or_else(|| Box::new(io::sink()));
        let log = Log::new(sink).map_err(system("start the log's thread"))?;
        let timeline = Timeline::new(Instant::now());
        let host_threads = HostThreads::new(self.host_threads, Arc::default(), timeline.clone());
        let host_threads = host_threads.map_err(system("make the host threads"))?;
        let lookout = Lookout::default();
        let of_ticker = lookout.clone();
        let ticker =
            Ticker::start(move || of_ticker.begin()).map_err(system("start the epoch's thread"))?;
        let event_loop = EventLoop::new(Clock::Real, Arc::default());
        let event_loop = event_loop.map_err(system("make the event loop"))?;
        lookout.add(&event_loop);
        let handle = event_loop.handle();
        let tls = Arc::<OnceLock<_>>::default();
        let client = Client::new(&handle, tls.clone(), limits::OUTBOUND_CONNECTIONS_MAX);
        let keeps_data = self.data.is_some();
        // Where there is no such folder, nothing is granted that would be there.
        let data = self.data.unwrap_or_default();
        let households = Households::new(data, host_threads.clone(), log.clone());
        for (name, weight, limits) in self.tenants {
            let tenant = households.tenants().get(&name);
            tenant.set_weight(weight);
            tenant.set_limits(limits);
        }
        let workshop = Arc::new(Workshop {
            engines: Engines::new(compute_beside_loops),
            cache,
            additions: self.additions,
            households: Mutex::new(households),
            keeps_data,
            limits: self.limits,
            tls,
            trust: self.trust,
            ticker: ticker.handle(),
        });
        // Of the program's own work, and of its loads, each takes turns as a tenant does.
        let queue = || host_threads.queue(Weight::default(), Bound::default());
        let (orders, taken) = mpsc::channel(limits::PLUGIN_CALLS_MAX);
        let of_program = HostHandle::new(orders, Waiting::new(handle.remote().at_once(), queue()));
        let residents = Rc::new(Residents {
            handle: handle.clone(),
            client,
            timeline,
            log: log.clone(),
            workshop,
            queue: queue(),
            plugins: RefCell::new(BTreeMap::new()),
            retired: RefCell::default(),
            loads: Cell::default(),
            // So that the ids of two hosts in one log do not meet.
            next_request: Cell::new(RandomState::new().hash_one("host") & 0x00ff_ffff_0000_0000),
            under_way: Cell::default(),
            end: RefCell::default(),
        });
        handle.spawn(attend(residents.clone(), taken));
        let drain = self.drain;
        let log = OpenLog(log);
        Ok(Host { event_loop, residents, handle: of_program, drain, log, host_threads, ticker })
    }

    pub(super) fn open_cache(&self) -> Result<Cache, BuildError> {
        let Some(folder) = &self.cache else { return Ok(Cache::none()) };
        Cache::at(folder).map_err(|error| BuildError::Cache(folder.clone(), error))
    }

    /// Builds the host on a thread of its own, which runs its loop until the host is stopped.
    ///
    /// # Errors
    /// As [`HostBuilder::build`], and when the thread cannot be started.
    pub fn start(self) -> Result<RunningHost, BuildError> {
        RunningHost::start(self)
    }
}
