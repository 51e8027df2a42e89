//! Owns the life of one connection: active while there is a request or may soon be one, dormant
//! while there is none, and refused when its bytes are no request.
//!
//! # Memory
//! hyper's state and buffers are some 10 KB. A connection that has been idle for a while drops
//! them and is a socket and a deadline until the next byte comes.
//!
//! # Deadlines
//! One timer a connection, moved a second at a time, looks at all of them.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::server::conn::http1;
use tokio::io::AsyncWrite;

use super::channel::{Channel, ChannelIo, ReadBuffer};
use super::framing::{Fault, Phase};
use super::{Exchange, Service, WireLimits, refusal};
use crate::event_loop::{Handle, TcpStream};
use crate::limits;

/// What all connections of a listener share.
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) limits: WireLimits,
    pub(super) handle: Handle,
    pub(super) buffer: ReadBuffer,
    /// Set once: no further request is taken, and idle connections close.
    pub(super) draining: Cell<bool>,
}

/// How a connection's active phase ends.
enum Ended {
    /// There is nothing more to be said on it.
    Closed,
    /// Idle for a while.
    Dormant,
    /// To be answered with a status, then closed.
    Refused(Fault),
}

/// Serves a connection until it is closed.
pub(super) async fn serve<S: Service>(
    stream: TcpStream,
    peer: Option<SocketAddr>,
    shared: Rc<Shared<S>>,
) {
    let channel =
        Channel::new(stream, &shared.limits, shared.buffer.clone(), shared.handle.clone());
    let channel = Rc::new(RefCell::new(channel));
    loop {
        // Boxed, so that a dormant connection does not carry room for an active one.
        match Box::pin(active(&channel, peer, &shared)).await {
            Ended::Dormant => {}
            Ended::Refused(fault) => {
                let id = shared.service.refused(fault, peer);
                let answer = refusal::answer(fault.status(), fault.code(), &id);
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
        if !dormant(&channel, &shared).await {
            return;
        }
    }
}

/// Waits for the first byte of the next request; false when the connection is to be closed.
async fn dormant<S>(channel: &RefCell<Channel>, shared: &Shared<S>) -> bool {
    let deadline = channel.borrow().phase_since + shared.limits.keep_alive;
    let mut sleep = shared.handle.sleep_until(deadline);
    poll_fn(|cx| {
        if shared.draining.get() {
            return Poll::Ready(false);
        }
        if channel.borrow().stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        Pin::new(&mut sleep).poll(cx).map(|()| false)
    })
    .await
}

/// Lets hyper serve the connection.
async fn active<S: Service>(
    channel: &Rc<RefCell<Channel>>,
    peer: Option<SocketAddr>,
    shared: &Rc<Shared<S>>,
) -> Ended {
    let calls =
        Rc::new(Calls { heads_before: channel.borrow().framer.heads(), ..Calls::default() });
    let service = CallCounter { shared: shared.clone(), calls: calls.clone(), peer };
    let mut http = http1::Builder::new();
    // The framer and this file keep the deadlines and the bounds of a head.
    http.header_read_timeout(None)
        .max_headers(limits::HEADER_COUNT_MAX)
        .max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX);
    let mut http = pin!(http.serve_connection(ChannelIo(channel.clone()), service));

    let check_every = shared.limits.check_every();
    let mut next_check = shared.handle.now() + check_every;
    let mut sleep = shared.handle.sleep_until(next_check);
    let mut sleeps = false;
    let mut told_to_drain = false;
    poll_fn(|cx| {
        if shared.draining.get() && !told_to_drain {
            told_to_drain = true;
            http.as_mut().graceful_shutdown();
        }
        if http.as_mut().poll(cx).is_ready() || channel.borrow().has_left {
            return Poll::Ready(Ended::Closed);
        }
        if let Some(ended) = calls.judge_fault(&channel.borrow()) {
            return Poll::Ready(ended);
        }
        let now = shared.handle.now();
        if now >= next_check {
            if let Some(ended) = calls.judge_time(&channel.borrow(), &shared.limits, now, cx) {
                return Poll::Ready(ended);
            }
            next_check = now + check_every;
            sleep.reset(next_check);
            sleeps = false;
        }
        // Once is enough: the timer keeps this task's waker, which is always the same, and this
        // runs several times a request.
        if !std::mem::replace(&mut sleeps, true) && Pin::new(&mut sleep).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Sends the last bytes of a connection and reads on for a while: a socket that is closed with
/// unread bytes is reset, and the reset may overtake the answer.
async fn send_and_linger<S>(channel: &RefCell<Channel>, shared: &Shared<S>, answer: Vec<u8>) {
    let mut sleep = shared.handle.sleep_until(shared.handle.now() + limits::LINGER);
    let mut sent = 0;
    let mut discarded = 0;
    poll_fn(|cx| {
        let stream = &mut channel.borrow_mut().stream;
        while sent < answer.len() {
            match Pin::new(&mut *stream).poll_write(cx, &answer[sent..]) {
                Poll::Ready(Ok(count @ 1..)) => sent += count,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Pin::new(&mut sleep).poll(cx),
            }
        }
        // It fails when the client has left, and that is what is waited for.
        let _ = Pin::new(&mut *stream).poll_shutdown(cx);
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

/// The requests of a connection's active phase.
#[derive(Default)]
struct Calls {
    /// Heads the framer had seen before this phase.
    heads_before: u64,
    /// Requests hyper has passed on.
    started: Cell<u64>,
    /// Requests whose response is done, or given up.
    ended: Cell<u64>,
    /// The request under way, or the last one.
    exchange: RefCell<Rc<Exchange>>,
}

impl Calls {
    fn in_flight(&self) -> bool {
        self.started.get() > self.ended.get()
    }

    /// What a fault comes to. The answers to the requests before it are sent first; a request
    /// whose own body is at fault is not waited for.
    fn judge_fault(&self, channel: &Channel) -> Option<Ended> {
        let fault = channel.fault?;
        let all_started = self.heads_before + self.started.get() == channel.framer.heads();
        if !self.in_flight() {
            let flushed = channel.write_waits_since.is_none();
            return (all_started && flushed).then_some(Ended::Refused(fault));
        }
        let in_body = channel.framer.phase() == Phase::Body;
        (all_started && in_body).then(|| self.refuse_body(fault))
    }

    /// A client that has seen part of a response must not see an error in its place.
    fn refuse_body(&self, fault: Fault) -> Ended {
        let exchange = self.exchange.borrow();
        if exchange.responded.get() {
            return Ended::Closed;
        }
        exchange.fault.set(Some(fault));
        Ended::Refused(fault)
    }

    fn judge_time(
        &self,
        channel: &Channel,
        limits: &WireLimits,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Option<Ended> {
        let longer = |since: Instant, than| now.saturating_duration_since(since) >= than;
        if let Some(since) = channel.write_waits_since {
            return longer(since, limits.write_idle_deadline).then_some(Ended::Closed);
        }
        match channel.framer.phase() {
            Phase::Idle if self.in_flight() => None,
            Phase::Idle if channel.framer.heads() == 0 => {
                longer(channel.phase_since, limits.head_deadline).then_some(Ended::Closed)
            }
            Phase::Idle => {
                let idle = limits::DORMANT_AFTER.min(limits.keep_alive);
                longer(channel.phase_since, idle).then_some(Ended::Dormant)
            }
            Phase::Head if self.in_flight() => None,
            Phase::Head => longer(channel.phase_since, limits.head_deadline)
                .then_some(Ended::Refused(Fault::TimedOut)),
            Phase::Body => {
                // Bytes that lie ready are waited for by no one: the handler is the slow one.
                let since = channel.read_waits_since?;
                let starved = channel.stream.poll_readable(cx).is_pending();
                (starved && longer(since, limits.body_idle_deadline))
                    .then(|| self.refuse_body(Fault::TimedOut))
            }
        }
    }
}

/// The service as hyper sees it: counts calls.
struct CallCounter<S> {
    shared: Rc<Shared<S>>,
    calls: Rc<Calls>,
    peer: Option<SocketAddr>,
}

impl<S: Service> hyper::service::Service<http::Request<hyper::body::Incoming>> for CallCounter<S> {
    type Response = http::Response<CountedBody<S::Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn call(&self, request: http::Request<hyper::body::Incoming>) -> Self::Future {
        let exchange = Rc::new(Exchange { peer: self.peer, ..Exchange::default() });
        self.calls.started.set(self.calls.started.get() + 1);
        self.calls.exchange.replace(exchange.clone());
        let call = InCall(self.calls.clone());
        let answer = self.shared.service.call(request, exchange.clone());
        Box::pin(async move {
            let response = answer.await;
            exchange.responded.set(true);
            Ok(response.map(|body| CountedBody { body, _call: call }))
        })
    }
}

/// Counts its call as ended when it is dropped, wherever that is.
struct InCall(Rc<Calls>);

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.ended.set(self.0.ended.get() + 1);
    }
}

/// A response's body; the request is in flight as long as it lives.
struct CountedBody<B> {
    body: B,
    _call: InCall,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for CountedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
