//! Owns the whole: builds the rooms, gives each request to its handler, maps every failure to a
//! status in one place, changes what is served while it runs, and drains.

mod access;
mod answer;
mod assembly;
mod code;
mod compression;
mod control;
mod cors;
mod deployed;
mod descriptors;
mod dispatch;
mod failure_page;
mod ground;
mod handover;
mod household;
mod index;
mod listeners;
mod methods;
mod notice;
mod params;
mod passage;
mod redirect;
mod refusal;
mod routing;
mod seat;
mod serving;
mod set_aside;
mod snapshot;
mod start;
mod status;
mod swap;
mod trial;
mod unfit;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::capabilities::Additions;
use crate::config::Config;
use crate::engine::{Ticker, TickerHandle};
use crate::event_loop::{HostThreads, Lookout, Pending, Settle};
use crate::limits;
use crate::observe::{
    HandlerMetrics, HostThreadMetrics, Line, Log, LoopMetrics, ServerMetrics, Timeline,
};
use crate::wire::{CertificateFiles, Identity, Tls};
use assembly::Assembly;
use control::{Desk, control};
use descriptors::connections_allowed;
use handover::{Sockets, Successors};
use listeners::Listeners;
use seat::{Seat, SecondListener};
use snapshot::Snapshot;
use swap::{Loops, door};

pub use code::Code;
pub use control::{Control, ReadConfig};
pub use deployed::{Builder, Deployed, Files};
pub use descriptors::raise_descriptor_limit;
pub(crate) use ground::{OfLoop, Own, guest_context};
pub(crate) use household::{Household, Households};
pub use notice::Notice;
pub use start::StartError;

/// A server that listens, with its loops not yet turning.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its second listener listens.
    pub admin_address: Option<SocketAddr>,
    config: Config,
    read_config: ReadConfig,
    code: Code,
    log: Log,
    listeners: Listeners,
    /// What the second listener shows, if it speaks TLS.
    identity: Option<Identity>,
    /// What is not as it should be.
    pub notices: Vec<Notice>,
}

/// Stops a server: the first call counts. Cheap to clone.
#[derive(Clone)]
pub struct Stop {
    loops: Arc<Mutex<Vec<Settle<Leave>>>>,
    /// What a process that comes next would be given: closed here, no one can connect any more.
    for_successors: Arc<Mutex<Option<Sockets>>>,
    /// Held while what is served is changed. False from when sockets are handed over.
    changing: Arc<Mutex<bool>>,
}

/// Why a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It was told to.
    Stopped,
    /// Another process goes on with its sockets.
    HandedOver,
}

impl Stop {
    /// No new connections; requests in flight finish within the bound.
    pub fn stop(&self) {
        self.leave(Leave::Stopped);
    }

    fn leave(&self, why: Leave) {
        drop(self.for_successors.lock().expect("sockets").take());
        let loops = std::mem::take(&mut *self.loops.lock().expect("stop"));
        loops.into_iter().for_each(|settle| settle.settle(why));
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

/// The means to have a server that runs do something else.
pub struct Running {
    /// Stops it.
    pub stop: Stop,
    /// Changes what it serves.
    pub control: Control,
}

impl Server {
    /// Binds the addresses. `read_config` reads the configuration again, when that is asked for.
    ///
    /// # Errors
    /// When an address is in use or not ours, a certificate cannot be used, or something of what the process
    /// before this one serves cannot be served here.
    pub fn bind(
        config: Config,
        read_config: ReadConfig,
        mut code: Code,
        log: Log,
    ) -> Result<Self, StartError> {
        let certificate = config.admin_certificate.as_ref().map(CertificateFiles::read);
        let identity = certificate.transpose().map_err(StartError::Certificate)?.map(Identity::new);
        let listeners = Listeners::open(&config)?;
        if listeners.predecessor.is_some() {
            code.catch_up(&config)?;
        }
        let given_up = listeners.given_up.iter().copied().map(Notice::given_up);
        let left_out = config.left_out.iter().cloned().map(Notice::left_out);
        let notices = code.notices().into_iter().chain(left_out).chain(given_up).collect();
        let local = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| StartError::Listen(config.listen, error))
        };
        let address = local(&listeners.public[0])?;
        let admin_address = listeners.admin.as_ref().map(local).transpose()?;
        Ok(Server {
            address,
            admin_address,
            config,
            read_config,
            code,
            log,
            listeners,
            identity,
            notices,
        })
    }

    /// Lets the loops turn, the first on this thread, until the server is stopped and drained.
    /// `started` is given the means to stop it, when all loops can take requests.
    ///
    /// # Errors
    /// When a loop or a thread cannot be made.
    pub fn run(self, started: impl FnOnce(Running)) -> Result<(), StartError> {
        let Server {
            config,
            read_config,
            code,
            log,
            listeners,
            identity,
            address,
            admin_address,
            notices,
        } = self;
        let Listeners { public, admin, predecessor, .. } = listeners;
        let set_aside = code.set_aside();
        let Code { engines, cache, additions, store, ledger, whole, deployed, .. } = code;
        let system = |what| move |error| StartError::System(what, error);
        let host_thread_metrics = Arc::<HostThreadMetrics>::default();
        let origin = Instant::now();
        let of_loops = config.loops;
        let timelines: Vec<_> = (0..of_loops + 2).map(|_| Timeline::new(origin)).collect();
        let host_threads = HostThreads::new(
            config.host_threads,
            host_thread_metrics.clone(),
            timelines[of_loops].clone(),
        )
        .map_err(system("make the host threads"))?;
        // Outlives the offload threads: it is what stops a job that computes.
        let lookout = Lookout::default();
        let of_ticker = lookout.clone();
        let ticker =
            Ticker::start(move || of_ticker.begin()).map_err(system("start the epoch's thread"))?;
        ticker.handle().tick_for(engines.made());
        let tls = Arc::<OnceLock<Tls>>::default();
        let mut assembly = Assembly {
            households: Households::new(config.data.clone(), host_threads.clone(), log.clone()),
            host_threads: host_threads.clone(),
            loops: of_loops,
            offload_threads: None,
            offload_timeline: timelines[of_loops + 1].clone(),
            tls: tls.clone(),
        };
        let snapshot = assembly.assemble(&whole, &deployed, &Snapshot::default(), None)?;
        assembly.configure_tenants(&whole);
        let loop_metrics: Vec<_> = (0..of_loops).map(|_| Arc::<LoopMetrics>::default()).collect();
        let metrics = Arc::new(ServerMetrics {
            loops: loop_metrics.clone(),
            host_threads: host_thread_metrics,
            timelines: timelines.clone(),
            log_lines_dropped: log.dropped(),
            ..ServerMetrics::default()
        });
        let (control, orders) = control();
        let site = Arc::new(Site {
            config: config.clone(),
            log,
            additions,
            ticker: ticker.handle(),
            lookout,
            host_threads,
            tls,
            metrics,
            unrouted: HandlerMetrics::new("-", "-"),
            control: control.clone(),
            ready: AtomicBool::new(true),
        });
        site.show(&snapshot);
        notices.iter().for_each(|notice| site.log.write(notice.line()));
        site.warn_of_clear_text(admin_address.filter(|_| identity.is_none()));

        let mut settles = Vec::new();
        let mut seats = Vec::new();
        let mut doors = Vec::new();
        let by_loop = Listeners::by_loop(&public, of_loops)?;
        for (index, listeners) in by_loop.into_iter().enumerate() {
            let (settle, stopped) = Pending::new();
            settles.push(settle);
            let (door, swaps) = door();
            doors.push(door);
            let (site, snapshot) = (site.clone(), snapshot.clone());
            let (metrics, timeline) = (loop_metrics[index].clone(), timelines[index].clone());
            seats.push(Seat {
                index,
                site,
                snapshot,
                swaps,
                listeners,
                metrics,
                timeline,
                stopped,
            });
        }
        let for_successors = match &config.handover {
            None => {
                // A copy would be connected to when the loops have closed theirs.
                drop(public);
                None
            }
            Some(_) => {
                let admin = admin.as_ref().map(TcpListener::try_clone).transpose();
                Some(Sockets { public, admin: admin.map_err(system("share a socket"))? })
            }
        };
        let stop = Stop {
            loops: Arc::new(Mutex::new(settles)),
            for_successors: Arc::new(Mutex::new(for_successors)),
            changing: Arc::new(Mutex::new(true)),
        };
        let stop_others = StopOthers(stop.clone());
        let first = seats.remove(0);
        let others = seats
            .into_iter()
            .map(|seat| seat.start(stop.clone()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(system("start another event loop"))?;
        let _pool = site.host_threads.enter();
        let handover = config.handover.clone();
        let second = admin.map(|listener| SecondListener {
            listener,
            identity: identity.clone(),
            control: control.clone(),
        });
        let seated = first.sit(second).map_err(system("make the event loop"))?;
        let desk = Desk {
            site: site.clone(),
            engines,
            cache,
            assembly,
            loops: Loops(doors),
            read_config,
            config,
            store,
            ledger,
            set_aside,
            deployed,
            snapshot,
            stop: stop.clone(),
            identity,
            public: address,
        };
        let (changes, ended) =
            desk.start(orders).map_err(system("start the thread for changes"))?;
        let successors = handover.as_deref().map(Successors::listen).transpose()?;
        if let Some(predecessor) = predecessor {
            predecessor.leave().map_err(system("take the place of the hob that serves"))?;
        }
        if let Some(successors) = successors {
            successors
                .attend(stop.clone())
                .map_err(system("wait for the process that comes next"))?;
        }
        started(Running { stop, control: control.clone() });
        let outcome = seated.run().map_err(system("run the event loop"));
        drop(stop_others);
        let joined: Vec<_> = others.into_iter().map(JoinHandle::join).collect();
        control.end();
        // A compilation may take minutes. Nothing is lost when it is left behind: what it is for is written
        // down when it is done, and then whole.
        let changed = match ended.recv_timeout(limits::CHANGE_END) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            _ => changes.join(),
        };
        site.log.close();
        for other in joined {
            match other {
                Ok(outcome) => outcome.map_err(system("run the event loop"))?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        if let Err(panic) = changed {
            std::panic::resume_unwind(panic);
        }
        outcome
    }
}

/// What all loops of a server share, whatever they serve.
struct Site {
    /// As it was at the start.
    config: Config,
    log: Log,
    /// What the program around adds for handlers.
    additions: Additions,
    ticker: TickerHandle,
    lookout: Lookout,
    host_threads: HostThreads,
    /// There as soon as someone may send requests.
    tls: Arc<OnceLock<Tls>>,
    metrics: Arc<ServerMetrics>,
    /// Counts the requests that no handler is there for.
    unrouted: Arc<HandlerMetrics>,
    control: Control,
    /// Cleared when the server begins to drain.
    ready: AtomicBool,
}

impl Site {
    /// Tells the log when others than this machine may ask the second listener without TLS.
    fn warn_of_clear_text(&self, admin: Option<SocketAddr>) {
        let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if let Some(address) = admin.filter(|address| !is_local(address)) {
            let line = Line::new("server").text("event", "admin-in-clear");
            let detail = format!(
                "the second listener speaks HTTP without TLS on {address}: tokens can be read on their \
                 way; give it `admin_certificate` and `admin_key`, or an address of this machine only"
            );
            self.log.write(line.text("detail", &detail));
        }
    }

    /// Has the metrics tell of what is served.
    fn show(&self, snapshot: &Snapshot) {
        let handlers = snapshot.whole_handlers().map(|one| one.deployment.metrics.clone());
        let handlers = handlers.chain([self.unrouted.clone()]).collect();
        *self.metrics.handlers.lock().expect("metrics") = handlers;
        let modules = snapshot.modules.iter().map(|one| one.module.metrics.clone()).collect();
        *self.metrics.modules.lock().expect("metrics") = modules;
        let of_handlers = snapshot.handlers.iter().map(|one| &one.household);
        let households = of_handlers.chain(snapshot.modules.iter().map(|one| &one.household));
        let tenants: BTreeMap<_, _> = households
            .map(|household| (household.tenant.name(), household.tenant.metrics().clone()))
            .collect();
        *self.metrics.tenants.lock().expect("metrics") = tenants.into_values().collect();
    }
}
