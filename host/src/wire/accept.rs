//! Owns the listening socket: takes connections, up to a bound, and rests when the process has
//! no descriptor left.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use http::StatusCode;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::channel::ReadBuffer;
use super::connection::{self, Shared, Stage};
use super::identity::Identity;
use super::resting::Resting;
use super::{Service, WireLimits, refusal};
use crate::event_loop::{Handle, TaskId, TcpListener, TcpStream, step_back};
use crate::limits;
use crate::observe::LoopMetrics;

/// Binds a listening socket. `shared` lets several loops listen on the same address, each with a
/// socket of its own (`SO_REUSEPORT`): the kernel spreads the connections.
///
/// # Errors
/// When the address is in use or not ours.
pub fn bind(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Without it a small answer waits for the acknowledgement of the one before: 40 ms. What is set
    // on the listener its connections inherit.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

/// Takes a socket that listens already, and was bound by someone else.
///
/// # Errors
/// When it is none for TCP.
pub fn adopt(listener: std::net::TcpListener) -> io::Result<std::net::TcpListener> {
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    Ok(listener)
}

/// The connections of one loop, from every socket it listens on for one service.
pub struct Acceptor<S: Service> {
    inner: Rc<Inner<S>>,
}

struct Inner<S: Service> {
    shared: Rc<Shared<S>>,
    connections: RefCell<HashSet<TaskId>>,
    /// The accepting tasks; they end when the server drains.
    listeners: RefCell<HashSet<TaskId>>,
    /// Who waits for the last of both to end.
    last_gone: Cell<Option<std::task::Waker>>,
    metrics: Arc<LoopMetrics>,
}

impl<S: Service> Acceptor<S> {
    /// An acceptor without a socket yet. With an identity all of its connections are TLS.
    pub fn new(
        handle: Handle,
        service: S,
        limits: WireLimits,
        metrics: Arc<LoopMetrics>,
        identity: Option<Identity>,
    ) -> Self {
        let buffer: ReadBuffer =
            Rc::new(RefCell::new(vec![0; limits::READ_BYTES].into_boxed_slice()));
        let shared = Rc::new(Shared {
            service,
            limits,
            handle,
            buffer,
            identity,
            stage: Cell::new(Stage::Open),
            active: Cell::new(0),
            resting: Resting::default(),
        });
        Acceptor {
            inner: Rc::new(Inner {
                shared,
                connections: RefCell::default(),
                listeners: RefCell::default(),
                last_gone: Cell::new(None),
                metrics,
            }),
        }
    }

    /// Takes connections from a bound socket from now on.
    ///
    /// # Errors
    /// When the loop cannot watch the socket.
    pub fn listen(&self, listener: std::net::TcpListener) -> io::Result<()> {
        let handle = &self.inner.shared.handle;
        let listener = handle.listen(listener)?;
        let task = handle.spawn(accept_all(self.inner.clone(), listener));
        self.inner.listeners.borrow_mut().insert(task);
        Ok(())
    }

    /// Takes no more connections, closes those that are idle, and resolves when the last request
    /// in flight is answered.
    pub async fn drain(&self) {
        let inner = &self.inner;
        inner.go_on_to(Stage::Draining);
        poll_fn(|cx| {
            if inner.listeners.borrow().is_empty() && inner.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            inner.last_gone.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// The same, for a listener whose socket another process goes on with: connections that are open get
    /// some time to bring their last request.
    pub async fn hand_over(&self) {
        let Inner { shared, .. } = &*self.inner;
        self.inner.go_on_to(Stage::Leaving);
        shared.handle.sleep_until(shared.handle.now() + limits::HANDOVER_GRACE).await;
        self.drain().await;
    }

    /// Connections open now.
    pub fn connection_count(&self) -> usize {
        self.inner.connections.borrow().len()
    }
}

/// Takes connections until the server drains; then those the kernel has taken already, which are
/// reset otherwise.
async fn accept_all<S: Service>(inner: Rc<Inner<S>>, listener: TcpListener) {
    let handle = &inner.shared.handle;
    'accepting: loop {
        for _ in 0..limits::ACCEPTS_PER_TURN {
            let accepted = poll_fn(|cx| match inner.shared.stage.get() {
                Stage::Open => listener.poll_accept(cx).map(Some),
                _ => Poll::Ready(None),
            });
            match accepted.await {
                None => break 'accepting,
                Some(Ok((stream, peer))) => Inner::take(&inner, stream, peer),
                Some(Err(error)) if is_out_of_descriptors(&error) => {
                    inner.metrics.accept_backoffs.fetch_add(1, Ordering::Relaxed);
                    handle.sleep_until(handle.now() + limits::ACCEPT_BACKOFF).await;
                }
                // The connection is gone before it was taken; the next may be well.
                Some(Err(_)) => {}
            }
        }
        step_back().await;
    }
    // No more than the kernel can have kept: clients that go on coming are not waited for.
    for _ in 0..limits::ACCEPT_BACKLOG {
        let Ok(Some((stream, peer))) = listener.accept_waiting() else { break };
        Inner::take(&inner, stream, peer);
    }
    if let Some(task) = handle.current_task() {
        inner.listeners.borrow_mut().remove(&task);
    }
    inner.note_end();
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].map(Some).contains(&errno)
}

impl<S: Service> Inner<S> {
    fn go_on_to(&self, stage: Stage) {
        self.shared.stage.set(stage);
        for task in self.listeners.borrow().iter().chain(self.connections.borrow().iter()) {
            self.shared.handle.wake(*task);
        }
    }

    fn take(inner: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        inner.metrics.accepted.fetch_add(1, Ordering::Relaxed);
        if inner.is_full() {
            inner.make_room();
        }
        if inner.is_full() {
            inner.refuse(stream);
            return;
        }
        let place = Place { inner: inner.clone(), task: Cell::new(None) };
        let shared = inner.shared.clone();
        let task = inner.shared.handle.spawn(async move {
            place.task.set(place.inner.shared.handle.current_task());
            connection::serve(stream, Some(peer), shared).await;
        });
        inner.connections.borrow_mut().insert(task);
        if inner.shared.limits.gives_way {
            inner.shared.resting.enter(task, inner.shared.handle.now());
        }
        inner.count();
    }

    /// Closes the connection that has been without a request for the longest, where that is to give way. It
    /// has asked for nothing, and is told nothing.
    fn make_room(&self) {
        if let Some(task) = self.shared.resting.longest() {
            self.shared.handle.cancel(task);
            // One that has not run yet does not know its place.
            self.forget(task);
        }
    }

    fn forget(&self, task: TaskId) {
        self.connections.borrow_mut().remove(&task);
        self.shared.resting.leave(task);
        self.count();
    }

    fn is_full(&self) -> bool {
        self.connections.borrow().len() >= self.shared.limits.connections
    }

    /// Best effort, in one write that does not wait: the kernel has room for it on a new socket. An answer
    /// over TLS would take a handshake, so there it is closed without one.
    fn refuse(&self, mut stream: TcpStream) {
        self.metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
        if self.shared.identity.is_some() {
            return;
        }
        let refusal = self.shared.service.refusal("too-many-connections", "-");
        let answer = refusal::answer(StatusCode::SERVICE_UNAVAILABLE, "-", &refusal);
        let _ = stream.try_write(&answer);
    }

    /// A listener or a connection has ended.
    fn note_end(&self) {
        if self.listeners.borrow().is_empty()
            && self.connections.borrow().is_empty()
            && let Some(waker) = self.last_gone.take()
        {
            waker.wake();
        }
    }

    fn count(&self) {
        let open = self.connections.borrow().len() as u64;
        self.metrics.connections.store(open, Ordering::Relaxed);
    }
}

/// A connection's place among the others, given back when its task ends in whatever way.
struct Place<S: Service> {
    inner: Rc<Inner<S>>,
    task: Cell<Option<TaskId>>,
}

impl<S: Service> Drop for Place<S> {
    fn drop(&mut self) {
        let Some(task) = self.task.get() else { return };
        self.inner.forget(task);
        self.inner.note_end();
    }
}
