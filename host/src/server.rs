//! Owns the whole: builds the rooms, gives each request to its handler, maps every failure to a
//! status in one place, and drains.

mod access;
mod compression;
mod deployed;
mod descriptors;
mod dispatch;
mod ground;
mod household;
mod index;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use futures_util::future::{Either, select};

use crate::admin::AdminService;
use crate::capabilities::StoreError;
use crate::config::{Config, HandlerConfig, ModuleConfig};
use crate::engine::{FileError, Ticker, TickerHandle};
use crate::event_loop::{Clock, EventLoop, HostThreads, OffloadThreads, Pending, Settle};
use crate::handlers::{DeployError, Deployment, Handler};
use crate::jobs::{Module, ModuleError};
use crate::limits;
use crate::observe::{
    HandlerMetrics, HostThreadMetrics, Line, Log, LoopMetrics, ServerMetrics, Timeline,
};
use crate::tenants::Routes;
use crate::wire::{self, Acceptor, Client, Tls, TlsError};
use descriptors::{connections_allowed, outbound_allowed};
use dispatch::{Dispatcher, Parts};
use ground::Ground;
use household::Households;

pub use deployed::{Deployed, deploy};
pub use descriptors::raise_descriptor_limit;

/// Why a server does not start. The message says what is wrong, where, and what to do.
#[derive(Debug)]
pub enum StartError {
    /// A component's file.
    File(FileError),
    /// A component.
    Deploy(DeployError),
    /// A module.
    Module(ModuleError),
    /// What a tenant keeps.
    Store(StoreError),
    /// What outbound requests trust.
    Trust(TlsError),
    /// A listening address.
    Listen(SocketAddr, io::Error),
    /// The machine refuses something else: a thread, a descriptor.
    System(&'static str, io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::File(error) => error.fmt(f),
            StartError::Deploy(error) => error.fmt(f),
            StartError::Module(error) => error.fmt(f),
            StartError::Store(error) => error.fmt(f),
            StartError::Trust(error) => error.fmt(f),
            StartError::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: another program does; stop it, or choose another \
                     address with --listen or --admin (port 0 takes a free one)"
                )
            }
            StartError::Listen(address, error)
                if error.kind() == io::ErrorKind::AddrNotAvailable =>
            {
                write!(f, "cannot listen on {address}: {error}; choose an address of this machine")
            }
            StartError::Listen(address, error)
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                write!(
                    f,
                    "cannot listen on {address}: {error}; a port below 1024 needs a privilege: \
                     give hob the capability CAP_NET_BIND_SERVICE, or choose a port from 1024 up"
                )
            }
            StartError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A server that listens, with its loops not yet turning.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its second listener listens.
    pub admin_address: Option<SocketAddr>,
    config: Config,
    deployed: Deployed,
    log: Log,
    listeners: Vec<std::net::TcpListener>,
    admin_listener: Option<std::net::TcpListener>,
}

/// Stops a server: the first call counts. Cheap to clone.
#[derive(Clone)]
pub struct Stop(Arc<Mutex<Vec<Settle<()>>>>);

impl Stop {
    /// No new connections; requests in flight finish within the bound.
    pub fn stop(&self) {
        let loops = std::mem::take(&mut *self.0.lock().expect("stop"));
        loops.into_iter().for_each(|settle| settle.settle(()));
    }
}

/// Stops the other loops when one ends, in whatever way: a server without one of its loops would
/// leave the connections that the kernel gives to that loop unanswered.
struct StopOthers(Stop);

impl Drop for StopOthers {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Server {
    /// Binds the addresses.
    ///
    /// # Errors
    /// When one is in use or not ours.
    pub fn bind(config: Config, deployed: Deployed, log: Log) -> Result<Self, StartError> {
        let listen = |address, shared| {
            wire::bind(address, shared).map_err(|error| StartError::Listen(address, error))
        };
        let local = |listener: &std::net::TcpListener| {
            listener.local_addr().map_err(|error| StartError::Listen(config.listen, error))
        };
        let several = config.loops > 1;
        // Without SO_REUSEPORT first, so that an address in use is noticed.
        if several && config.listen.port() != 0 {
            listen(config.listen, false)?;
        }
        let first = listen(config.listen, several)?;
        let address = local(&first)?;
        let mut listeners = vec![first];
        for _ in 1..config.loops {
            listeners.push(listen(address, true)?);
        }
        let admin_listener = config.admin.map(|admin| listen(admin, false)).transpose()?;
        let admin_address = admin_listener.as_ref().map(local).transpose()?;
        Ok(Server { address, admin_address, config, deployed, log, listeners, admin_listener })
    }

    /// Lets the loops turn, the first on this thread, until the server is stopped and drained.
    /// `started` is given the means to stop it, when all loops can take requests.
    ///
    /// # Errors
    /// When a loop or a thread cannot be made.
    pub fn run(self, started: impl FnOnce(Stop)) -> Result<(), StartError> {
        let Server { config, deployed, log, listeners, admin_listener, .. } = self;
        let system = |what| move |error| StartError::System(what, error);
        let host_thread_metrics = Arc::<HostThreadMetrics>::default();
        let origin = Instant::now();
        let of_loops = listeners.len();
        let timelines: Vec<_> = (0..of_loops + 2).map(|_| Timeline::new(origin)).collect();
        let host_threads = HostThreads::new(
            config.host_threads,
            host_thread_metrics.clone(),
            timelines[of_loops].clone(),
        )
        .map_err(system("make the host threads"))?;
        let tls = tls(&config)?;
        let ticker = Ticker::start(deployed.engines.made().cloned().collect())
            .map_err(system("start the epoch's thread"))?;
        // After the ticker, and so gone before it: it is what stops a job that computes.
        let offload_threads = (!deployed.modules.is_empty())
            .then(|| {
                let timeline = timelines[of_loops + 1].clone();
                OffloadThreads::start(config.offload_threads, &host_threads, timeline)
            })
            .transpose()
            .map_err(system("start the offload threads"))?;
        let households = Households::open(&config, &host_threads, offload_threads.as_ref())?;
        let loop_metrics: Vec<_> =
            listeners.iter().map(|_| Arc::<LoopMetrics>::default()).collect();
        let unrouted = HandlerMetrics::new("-");
        let of_handlers = deployed.deployments().map(|d| d.metrics.clone());
        let metrics = Arc::new(ServerMetrics {
            loops: loop_metrics.clone(),
            handlers: of_handlers.chain([unrouted.clone()]).collect(),
            host_threads: host_thread_metrics,
            modules: deployed.modules().map(|module| module.metrics.clone()).collect(),
            timelines: timelines.clone(),
            log_lines_dropped: log.dropped(),
        });
        let site = Arc::new(Site {
            config,
            handlers: deployed.handlers,
            modules: deployed.modules,
            log,
            ticker: ticker.handle(),
            host_threads,
            households,
            tls,
            metrics,
            unrouted,
            ready: AtomicBool::new(true),
        });

        let mut settles = Vec::new();
        let mut seats = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let (settle, stopped) = Pending::new();
            settles.push(settle);
            let metrics = loop_metrics[index].clone();
            let timeline = timelines[index].clone();
            seats.push(Seat { index, site: site.clone(), listener, metrics, timeline, stopped });
        }
        let stop = Stop(Arc::new(Mutex::new(settles)));
        let stop_others = StopOthers(stop.clone());
        let first = seats.remove(0);
        let others = seats
            .into_iter()
            .map(|seat| seat.start(stop.clone()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(system("start another event loop"))?;
        let _pool = site.host_threads.enter();
        let seated = first.sit(admin_listener).map_err(system("make the event loop"))?;
        started(stop);
        let outcome = seated.run().map_err(system("run the event loop"));
        drop(stop_others);
        let joined: Vec<_> = others.into_iter().map(JoinHandle::join).collect();
        site.log.close();
        for other in joined {
            match other {
                Ok(outcome) => outcome.map_err(system("run the event loop"))?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcome
    }
}

/// What all loops of a server share.
struct Site {
    config: Config,
    handlers: Vec<(HandlerConfig, Arc<Deployment>)>,
    modules: Vec<(ModuleConfig, Arc<Module>)>,
    log: Log,
    ticker: TickerHandle,
    host_threads: HostThreads,
    households: Households,
    /// There only when someone may send requests.
    tls: Option<Tls>,
    metrics: Arc<ServerMetrics>,
    unrouted: Arc<HandlerMetrics>,
    /// Cleared when the server begins to drain.
    ready: AtomicBool,
}

/// One loop's place at the site.
struct Seat {
    index: usize,
    site: Arc<Site>,
    listener: std::net::TcpListener,
    metrics: Arc<LoopMetrics>,
    timeline: Timeline,
    stopped: Pending<()>,
}

/// Loading the system's certificates takes a while, and most servers need none.
fn tls(config: &Config) -> Result<Option<Tls>, StartError> {
    let sends = config.grants().any(|(_, grants)| grants.fetch.is_some());
    let tls = sends.then(|| Tls::new(config.trust.as_deref()));
    tls.transpose().map_err(StartError::Trust)
}

/// A loop that is ready to turn.
struct Seated {
    site: Arc<Site>,
    event_loop: EventLoop,
    acceptor: Acceptor<Dispatcher>,
    admin: Option<Acceptor<AdminService>>,
    handlers: Vec<Rc<Handler>>,
    stopped: Pending<()>,
}

impl Seat {
    /// Starts the loop on a thread of its own, and returns once it can take requests.
    fn start(self, stop: Stop) -> io::Result<JoinHandle<io::Result<()>>> {
        let (report, outcome) = mpsc::channel();
        let name = format!("event-loop-{}", self.index);
        let serve = move || {
            let _stop_others = StopOthers(stop);
            let site = self.site.clone();
            let _pool = site.host_threads.enter();
            let seated = match self.sit(None) {
                Ok(seated) => seated,
                Err(error) => {
                    // The starting thread waits for exactly this.
                    let _ = report.send(Err(error));
                    return Ok(());
                }
            };
            let _ = report.send(Ok(()));
            seated.run()
        };
        let thread = std::thread::Builder::new().name(name).spawn(serve)?;
        outcome.recv().unwrap_or_else(|_| Err(io::Error::other("its thread has panicked")))?;
        Ok(thread)
    }

    /// Makes the loop and all that lives on it.
    fn sit(self, admin: Option<std::net::TcpListener>) -> io::Result<Seated> {
        let Seat { index, site, listener, metrics, timeline, stopped } = self;
        let event_loop = EventLoop::new(Clock::Real, metrics.clone())?;
        let handle = event_loop.handle();
        let client = Client::new(
            &handle,
            site.tls.clone(),
            outbound_allowed(&site.config, site.tls.is_some()),
        );
        let ground = Ground { site: &site, handle: &handle, client, timeline: timeline.clone() };
        let handlers = ground.handlers();
        let paths = site.handlers.iter().enumerate();
        let routes = Routes::new(paths.map(|(index, (config, _))| (config.path.clone(), index)));
        let dispatcher = Dispatcher::new(Parts {
            index,
            routes,
            handlers: handlers.clone(),
            handle: handle.clone(),
            log: site.log.clone(),
            metrics: metrics.clone(),
            timeline,
            unrouted: site.unrouted.clone(),
            config: &site.config,
        });
        let mut wire_limits = site.config.wire;
        wire_limits.connections =
            wire_limits.connections.min(connections_allowed(&site.config, site.tls.is_some()));
        let acceptor = Acceptor::new(handle.clone(), dispatcher, wire_limits, metrics);
        acceptor.listen(listener)?;
        let admin = match admin {
            Some(listener) => {
                let (remote, queue) = (handle.remote(), site.host_threads.queue_of_the_host());
                let is_ready = {
                    let site = site.clone();
                    move || site.ready.load(Ordering::Relaxed)
                };
                let service = AdminService::new(site.metrics.clone(), is_ready, remote, queue);
                wire_limits.connections = limits::ADMIN_CONNECTIONS_MAX;
                let acceptor = Acceptor::new(handle, service, wire_limits, Arc::default());
                acceptor.listen(listener)?;
                Some(acceptor)
            }
            None => None,
        };
        Ok(Seated { site, event_loop, acceptor, admin, handlers, stopped })
    }
}

impl Seated {
    /// Turns until the server is stopped and drained, or the time for that is over.
    fn run(self) -> io::Result<()> {
        let Seated { site, mut event_loop, acceptor, admin, handlers, stopped } = self;
        let handle = event_loop.handle();
        event_loop.run(async move {
            stopped.await;
            site.ready.store(false, Ordering::Relaxed);
            site.log.write(Line::new("server").text("event", "draining"));
            let deadline = handle.sleep_until(handle.now() + site.config.drain);
            let drained = pin!(async {
                acceptor.drain().await;
                // What guests are about after their answers.
                for handler in &handlers {
                    handler.drain().await;
                }
            });
            if let Either::Right(_) = select(drained, deadline).await {
                let cut = acceptor.connection_count() as u64;
                site.log.write(
                    Line::new("server").text("event", "drain-deadline").number("connections", cut),
                );
            }
            drop(admin);
        })
    }
}
