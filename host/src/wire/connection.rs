//! Owns the life of one connection: dormant while there is no request, active while hyper reads or
//! writes one, suspended while a handler is waited for, and refused when its bytes are no request.
//!
//! # Memory
//! hyper's state and buffers are some 20 KB. A connection has them only while it is active: a
//! dormant one is a socket and a deadline, and a suspended one a socket and the call. hyper cannot
//! be asked to give its buffers back, so it is dropped; when the answer of a suspended call is
//! there, a new one is told the request's head again and given the answer at once.
//! A connection becomes dormant or suspended when it has been so for a while, or at once when many
//! are active.
//!
//! # Deadlines
//! One timer a connection, moved a second at a time, looks at all of them.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http1;

use super::calls::{Answer, CallCounter, Calls};
use super::channel::{Channel, ChannelIo, ReadBuffer};
use super::framing::{Fault, Phase};
use super::handshake::{Greeted, greet};
use super::identity::Identity;
use super::resting::Resting;
use super::stream::Stream;
use super::{Service, WireLimits, refusal};
use crate::event_loop::{Handle, TcpStream};
use crate::limits;

/// What all connections of a listener share.
pub(super) struct Shared<S: Service> {
    pub(super) service: S,
    pub(super) limits: WireLimits,
    pub(super) handle: Handle,
    pub(super) buffer: ReadBuffer,
    /// What it shows of itself, if it speaks TLS.
    pub(super) identity: Option<Identity>,
    pub(super) stage: Cell<Stage>,
    /// Connections that hyper is at work on.
    pub(super) active: Cell<usize>,
    /// Those that may have to give way.
    pub(super) resting: Resting<S>,
}

/// How far a listener is from its end. It only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It takes connections and requests.
    Open,
    /// It takes no more connections. Each that is open may bring one more request, and is told with the
    /// answer that it was the last: a client whose request is on its way does not find it closed.
    Leaving,
    /// No further request is taken, and idle connections close.
    Draining,
}

impl<S: Service> Shared<S> {
    pub(super) fn is_draining(&self) -> bool {
        self.stage.get() == Stage::Draining
    }
}

/// How a connection's active phase ends.
pub(super) enum Ended {
    /// There is nothing more to be said on it.
    Closed,
    /// There is no request, and there was none for a while.
    Dormant,
    /// There is a request whose handler is waited for.
    Suspended,
    /// To be answered with a status, then closed.
    Refused(Fault),
}

/// Serves a connection until it is closed.
pub(super) async fn serve<S: Service>(
    stream: TcpStream,
    peer: Option<SocketAddr>,
    shared: Rc<Shared<S>>,
) {
    let taken = shared.handle.now();
    let channel = |stream| {
        let (buffer, handle) = (shared.buffer.clone(), shared.handle.clone());
        Rc::new(RefCell::new(Channel::new(stream, &shared.limits, buffer, handle, taken)))
    };
    let stream = match &shared.identity {
        None => Stream::Plain(stream),
        Some(identity) => match Box::pin(greet(stream, identity.config(), taken, &shared)).await {
            Greeted::Secure(stream) => stream,
            Greeted::Plain(stream) => {
                let answer = refusal::to_plain_http();
                let channel = channel(Stream::Plain(stream));
                Box::pin(send_and_linger(&channel, &shared, answer)).await;
                return;
            }
            Greeted::Gone => return,
        },
    };
    let channel = channel(stream);
    let calls = Rc::new(Calls::new(peer));
    if let Some(task) = shared.handle.current_task().filter(|_| shared.limits.gives_way) {
        shared.resting.show(task, &channel, &calls);
    }
    let mut ended = Ended::Dormant;
    loop {
        // What is boxed is not carried by a connection in another phase.
        ended = match ended {
            Ended::Dormant if dormant(&channel, &shared).await => {
                Box::pin(active(&channel, &shared, &calls, None)).await
            }
            Ended::Suspended => match suspended(&channel, &calls).await {
                Some(answer) => Box::pin(active(&channel, &shared, &calls, Some(answer))).await,
                None => return,
            },
            Ended::Dormant => {
                poll_fn(|cx| channel.borrow_mut().stream.poll_farewell(cx)).await;
                return;
            }
            Ended::Refused(fault) => {
                let id = match calls.faulted() {
                    Some(id) => id.to_string(),
                    None => shared.service.refused(fault, peer),
                };
                let refusal = shared.service.refusal(fault.code(), &id);
                let answer = refusal::answer(fault.status(), &id, &refusal);
                Box::pin(send_and_linger(&channel, &shared, answer)).await;
                return;
            }
            Ended::Closed => {
                if channel.borrow().framer.phase() != Phase::Idle {
                    Box::pin(send_and_linger(&channel, &shared, Vec::new())).await;
                }
                return;
            }
        }
    }
}

/// Waits for the first byte of the next request; false when the connection is to be closed.
async fn dormant<S: Service>(channel: &RefCell<Channel>, shared: &Shared<S>) -> bool {
    let is_new = channel.borrow().framer.heads() == 0;
    let patience = match (is_new, &shared.identity) {
        (false, _) => shared.limits.keep_alive,
        (true, None) => shared.limits.first_byte(),
        // Its first byte was one of the handshake's.
        (true, Some(_)) => shared.limits.head_deadline,
    };
    let mut sleep = shared.handle.sleep_until(channel.borrow().phase_since + patience);
    poll_fn(|cx| {
        let stream = &channel.borrow().stream;
        if stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if shared.is_draining() {
            // A request that has arrived is answered, also when the kernel has not told yet.
            return Poll::Ready(stream.has_arrived());
        }
        Pin::new(&mut sleep).poll(cx).map(|()| false)
    })
    .await
}

/// Waits for the answer to the request under way; none when the client has left meanwhile.
async fn suspended<S: Service>(channel: &RefCell<Channel>, calls: &Calls<S>) -> Option<Answer<S>> {
    let mut call = calls.take_call()?;
    let mut watches = true;
    poll_fn(|cx| {
        if let Poll::Ready(answer) = call.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        while watches && let Poll::Ready(peeked) = channel.borrow_mut().stream.poll_peek(cx) {
            // Another request may wait behind this one; it stays where it is.
            watches = false;
            if !peeked {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await
}

/// Counts an active connection.
struct Active<'a>(&'a Cell<usize>);

impl<'a> Active<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Active(count)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Lets hyper serve the connection. With an answer, hyper is told the head of its request first.
async fn active<S: Service>(
    channel: &Rc<RefCell<Channel>>,
    shared: &Rc<Shared<S>>,
    calls: &Rc<Calls<S>>,
    answer: Option<Answer<S>>,
) -> Ended {
    let _active = Active::new(&shared.active);
    // A hyper that is told to close before it has seen the head again would never answer it.
    let mut told_to_drain = answer.is_some() && shared.stage.get() > Stage::Open;
    if let Some(answer) = answer {
        channel.borrow_mut().replay = calls.head_again(told_to_drain);
        calls.answer_with(answer);
    }
    let mut was_in_flight = calls.in_flight();
    let service = CallCounter { shared: shared.clone(), calls: calls.clone() };
    let mut http = http1::Builder::new();
    // The framer and this file keep the deadlines and the bounds of a head.
    http.header_read_timeout(None).max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX);
    let mut http = pin!(http.serve_connection(ChannelIo(channel.clone()), service));

    let check_every = shared.limits.check_every();
    let mut next_check = shared.handle.now() + check_every;
    let mut sleep = shared.handle.sleep_until(next_check);
    let mut sleeps = false;
    poll_fn(|cx| {
        let mut done = http.as_mut().poll(cx).is_ready();
        // hyper closes at once when it is between two requests. So it reads first what has arrived,
        // also when the kernel has not told of it yet and this poll could not read it.
        let is_last = match shared.stage.get() {
            Stage::Open => false,
            Stage::Leaving => calls.in_flight(),
            Stage::Draining => calls.in_flight() || !channel.borrow().stream.has_arrived(),
        };
        if !done && is_last && !told_to_drain {
            told_to_drain = true;
            http.as_mut().graceful_shutdown();
            done = http.as_mut().poll(cx).is_ready();
        }
        if done || channel.borrow().has_left {
            return Poll::Ready(Ended::Closed);
        }
        let mut channel = channel.borrow_mut();
        let in_flight = calls.in_flight();
        if std::mem::replace(&mut was_in_flight, in_flight) && !in_flight {
            // What comes next is waited for from the end of the answer, not of the request.
            channel.phase_since = shared.handle.now();
        }
        if let Some(ended) = calls.judge_fault(&channel) {
            return Poll::Ready(ended);
        }
        if shared.active.get() > limits::ACTIVE_CONNECTIONS_MAX
            && let Some(ended) = calls.judge_rest(&channel)
        {
            return Poll::Ready(ended);
        }
        let now = shared.handle.now();
        if now >= next_check {
            if calls.in_flight() && channel.framer.phase() == Phase::Head {
                // The rest of a head is not read, and so not due, before the answer ahead of it.
                channel.phase_since = now;
            }
            if channel.framer.phase() == Phase::Body && !calls.awaits_body() {
                // hyper looks whether the client is still there; no one is kept waiting.
                channel.read_waits_since = channel.read_waits_since.map(|_| now);
            }
            if let Some(ended) = calls.judge_time(&channel, &shared.limits, now, cx) {
                return Poll::Ready(ended);
            }
            next_check = now + check_every;
            sleep.reset(next_check);
            sleeps = false;
        }
        // Once is enough: the timer keeps this task's waker, which is always the same, and this
        // runs several times a request.
        if !std::mem::replace(&mut sleeps, true) && Pin::new(&mut sleep).poll(cx).is_ready() {
            // By the clock itself it is time, though not yet by the reading of this turn.
            next_check = now;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Sends the last bytes of a connection and reads on for a while: a socket that is closed with
/// unread bytes is reset, and the reset may overtake the answer.
async fn send_and_linger<S: Service>(
    channel: &RefCell<Channel>,
    shared: &Shared<S>,
    answer: Vec<u8>,
) {
    let mut sleep = shared.handle.sleep_until(shared.handle.now() + limits::LINGER);
    let mut sent = 0;
    let mut discarded = 0;
    poll_fn(|cx| {
        let stream = &mut channel.borrow_mut().stream;
        while sent < answer.len() {
            match stream.poll_write(cx, &answer[sent..]) {
                Poll::Ready(Ok(count @ 1..)) => sent += count,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Pin::new(&mut sleep).poll(cx),
            }
        }
        // It fails when the client has left, and that is what is waited for.
        let _ = stream.poll_shutdown(cx);
        let mut buffer = shared.buffer.borrow_mut();
        while discarded < limits::LINGER_BYTES_MAX {
            match stream.poll_read_into(cx, &mut buffer) {
                Poll::Ready(Ok(count @ 1..)) => discarded += count,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Pin::new(&mut sleep).poll(cx),
            }
        }
        Poll::Ready(())
    })
    .await;
}
