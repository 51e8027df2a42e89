//! Owns one loop's place in the server: the loop is made there, with all that lives on it, and turns
//! until the server is stopped and drained.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use tokio::sync::mpsc::Receiver;

use super::descriptors::files_allowed;
use super::dispatch::{Dispatcher, Parts};
use super::ground::Ground;
use super::serving::Current;
use super::snapshot::Snapshot;
use super::swap::{Swap, attend};
use super::{Control, Leave, Site, Stop, StopOthers, connections_allowed};
use crate::admin::{AdminService, Token};
use crate::assets::OpenFiles;
use crate::capabilities::Secret;
use crate::event_loop::{Clock, EventLoop, Pending};
use crate::limits;
use crate::observe::{Line, LoopMetrics, Timeline};
use crate::wire::{Acceptor, Client, Identity};

/// One loop's place at the site.
pub(super) struct Seat {
    pub(super) index: usize,
    pub(super) site: Arc<Site>,
    /// What it serves at first.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) swaps: Receiver<Swap>,
    pub(super) listeners: Vec<std::net::TcpListener>,
    pub(super) metrics: Arc<LoopMetrics>,
    pub(super) timeline: Timeline,
    pub(super) stopped: Pending<Leave>,
}

/// The second listener, on the loop that has it.
pub(super) struct SecondListener {
    pub(super) listener: std::net::TcpListener,
    pub(super) identity: Option<Identity>,
    pub(super) control: Control,
}

/// A loop that is ready to turn.
pub(super) struct Seated {
    site: Arc<Site>,
    event_loop: EventLoop,
    acceptor: Acceptor<Dispatcher>,
    admin: Option<Acceptor<AdminService>>,
    current: Rc<Current>,
    stopped: Pending<Leave>,
}

impl Seat {
    /// Starts the loop on a thread of its own, and returns once it can take requests.
    pub(super) fn start(self, stop: Stop) -> io::Result<JoinHandle<io::Result<()>>> {
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
    pub(super) fn sit(self, second: Option<SecondListener>) -> io::Result<Seated> {
        let Seat { index, site, snapshot, swaps, listeners, metrics, timeline, stopped } = self;
        let event_loop = EventLoop::new(Clock::Real, metrics.clone())?;
        site.lookout.add(&event_loop);
        let handle = event_loop.handle();
        let client = Client::new(&handle, site.tls.clone(), snapshot.outbound_connections);
        let ground = Ground {
            site: site.clone(),
            handle: handle.clone(),
            client,
            timeline: timeline.clone(),
            open_files: OpenFiles::new(files_allowed(site.config.loops)),
        };
        let current = Current::new(ground.serving(&snapshot, None));
        let dispatcher = Dispatcher::new(Parts {
            index,
            current: current.clone(),
            control: site.control.clone(),
            handle: handle.clone(),
            log: site.log.clone(),
            metrics: metrics.clone(),
            timeline,
            unrouted: site.unrouted.clone(),
            config: &site.config,
        });
        handle.spawn(attend(swaps, ground, current.clone()));
        let mut wire_limits = site.config.wire;
        wire_limits.connections = wire_limits
            .connections
            .min(connections_allowed(&site.config, snapshot.outbound_connections));
        let acceptor = Acceptor::new(handle.clone(), dispatcher, wire_limits, metrics, None);
        for listener in listeners {
            acceptor.listen(listener)?;
        }
        let admin = match second {
            Some(SecondListener { listener, identity, control }) => {
                let (remote, queue) = (handle.remote(), site.host_threads.queue_of_the_host());
                let is_ready = {
                    let site = site.clone();
                    move || site.ready.load(Ordering::Relaxed)
                };
                let token = Token {
                    configured: site.config.deploy.token.as_ref().map(Secret::reveal),
                    file: site.config.token_file(),
                };
                let (metrics, operator) = (site.metrics.clone(), Rc::new(control));
                let service = AdminService::new(metrics, is_ready, operator, token, remote, queue);
                wire_limits.connections = limits::ADMIN_CONNECTIONS_MAX;
                wire_limits.body_bytes = limits::COMPONENT_BYTES_MAX;
                wire_limits.first_byte_deadline = Some(limits::ADMIN_FIRST_BYTE_DEADLINE);
                wire_limits.gives_way = true;
                let acceptor =
                    Acceptor::new(handle, service, wire_limits, Arc::default(), identity);
                acceptor.listen(listener)?;
                Some(acceptor)
            }
            None => None,
        };
        Ok(Seated { site, event_loop, acceptor, admin, current, stopped })
    }
}

impl Seated {
    /// Turns until the server is stopped and drained, or the time for that is over.
    pub(super) fn run(self) -> io::Result<()> {
        let Seated { site, mut event_loop, acceptor, admin, current, stopped } = self;
        let handle = event_loop.handle();
        event_loop.run(async move {
            let why = stopped.await;
            site.ready.store(false, Ordering::Relaxed);
            site.log.write(Line::new("server").text("event", "draining"));
            // Connections that are to bring one more request are not being drained yet.
            let grace = match why {
                Leave::Stopped => Duration::ZERO,
                Leave::HandedOver => limits::HANDOVER_GRACE,
            };
            let deadline = handle.sleep_until(handle.now() + grace + site.config.drain);
            let drained = pin!(async {
                match (why, &admin) {
                    // Operators reach this process until it ends, to see how it does.
                    (Leave::Stopped, _) => acceptor.drain().await,
                    (Leave::HandedOver, None) => acceptor.hand_over().await,
                    // Operators reach the other process from now on.
                    (Leave::HandedOver, Some(admin)) => {
                        join(acceptor.hand_over(), admin.drain()).await;
                    }
                }
                // What guests are about after their answers.
                current.drain().await;
                // So that who has asked for it is answered.
                if let Some(admin) = &admin {
                    admin.drain().await;
                }
            });
            if let Either::Right(_) = select(drained, deadline).await {
                let cut = acceptor.connection_count() as u64;
                site.log.write(
                    Line::new("server").text("event", "drain-deadline").number("connections", cut),
                );
            }
        })
    }
}
