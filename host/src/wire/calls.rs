//! Owns the requests of one connection between hyper and the service: which one is under way, what
//! it waits for, and what the state of the connection comes to.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, TE};
use http::{Method, Request, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::channel::Channel;
use super::connection::{Ended, Shared};
use super::framing::{Fault, Phase};
use super::{Exchange, RequestId, Service, WireLimits};
use crate::limits;

/// The answer to a request.
pub(super) type Answer<S> = http::Response<CountedBody<<S as Service>::Body>>;

/// A service at work on a request. Dropping it gives the request up.
type Call<S> = Pin<Box<dyn Future<Output = Answer<S>>>>;

/// The requests of a connection.
pub(super) struct Calls<S: Service> {
    peer: Option<SocketAddr>,
    /// Requests hyper has passed on.
    started: Cell<u64>,
    /// Requests whose response is done, or given up.
    ended: Rc<Cell<u64>>,
    /// The request under way, or the last one.
    exchange: RefCell<Rc<Exchange>>,
    /// The service at work on it. It is here, and not in hyper, so that it outlives hyper.
    call: RefCell<Option<Call<S>>>,
    /// The same, taken away from hyper, which is about to go.
    kept: RefCell<Option<Call<S>>>,
    /// The answer for a hyper that is told the request again.
    answer: RefCell<Option<Answer<S>>>,
    /// What that hyper must be told.
    shape: RefCell<Shape>,
}

/// What of a request's head hyper's answer depends on.
#[derive(Clone, Default)]
struct Shape {
    is_head: bool,
    is_1_0: bool,
    closes: bool,
    keeps_alive: bool,
    takes_trailers: bool,
}

impl Shape {
    fn of(request: &Request<Incoming>) -> Self {
        let names = |header, word: &str| {
            let values = request.headers().get_all(header).iter();
            values
                .filter_map(|value| value.to_str().ok())
                .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        };
        let is_1_0 = request.version() == Version::HTTP_10;
        Shape {
            is_head: *request.method() == Method::HEAD,
            is_1_0,
            closes: names(CONNECTION, "close"),
            keeps_alive: is_1_0 && names(CONNECTION, "keep-alive"),
            takes_trailers: names(TE, "trailers"),
        }
    }
}

impl<S: Service> Calls<S> {
    pub(super) fn new(peer: Option<SocketAddr>) -> Self {
        Calls {
            peer,
            started: Cell::default(),
            ended: Rc::default(),
            exchange: RefCell::default(),
            call: RefCell::default(),
            kept: RefCell::default(),
            answer: RefCell::default(),
            shape: RefCell::default(),
        }
    }

    /// Whether a request waits for its answer or the end of it.
    pub(super) fn in_flight(&self) -> bool {
        self.started.get() > self.ended.get()
    }

    /// The call that was taken away from hyper.
    pub(super) fn take_call(&self) -> Option<Call<S>> {
        self.kept.take()
    }

    /// Has the next request hyper passes on answered with this: it is the one told again.
    pub(super) fn answer_with(&self, answer: Answer<S>) {
        self.answer.replace(Some(answer));
    }

    /// The head that makes a new hyper treat the answer as the old one would have.
    pub(super) fn head_again(&self, closes: bool) -> Vec<u8> {
        let shape = self.shape.borrow();
        let method = if shape.is_head { "HEAD" } else { "GET" };
        let version = if shape.is_1_0 { "1.0" } else { "1.1" };
        let mut head = format!("{method} / HTTP/{version}\r\nhost: -\r\n");
        if closes || shape.closes {
            head.push_str("connection: close\r\n");
        } else if shape.keeps_alive {
            head.push_str("connection: keep-alive\r\n");
        }
        if shape.takes_trailers {
            head.push_str("te: trailers\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Whether the service waits for more of a request's body.
    pub(super) fn awaits_body(&self) -> bool {
        self.exchange.borrow().awaited.is_set()
    }

    /// The request whose own body was refused.
    pub(super) fn faulted(&self) -> Option<RequestId> {
        let exchange = self.exchange.borrow();
        exchange.fault.get().and_then(|_| exchange.id.get())
    }

    /// Whether hyper can be done without: between two requests, and while a request that has come
    /// whole waits for its handler, whose call is then kept from going with hyper.
    pub(super) fn judge_rest(&self, channel: &Channel) -> Option<Ended> {
        let at_rest = channel.framer.phase() == Phase::Idle
            && channel.framer.heads() == self.started.get()
            && channel.write_waits_since.is_none();
        if !at_rest || self.started.get() == 0 {
            return None;
        }
        if !self.in_flight() {
            return Some(Ended::Dormant);
        }
        if !self.exchange.borrow().received.get() {
            return None;
        }
        let call = self.call.take()?;
        self.kept.replace(Some(call));
        Some(Ended::Suspended)
    }

    /// What a fault comes to. The answers to the requests before it are sent first; a request
    /// whose own body is at fault is not waited for.
    pub(super) fn judge_fault(&self, channel: &Channel) -> Option<Ended> {
        let fault = channel.fault?;
        let all_started = self.started.get() == channel.framer.heads();
        let in_body = channel.framer.phase() == Phase::Body;
        if !self.in_flight() {
            let flushed = channel.write_waits_since.is_none();
            // The request whose body it is has had its answer: another would be taken for the next one's.
            let ended = if in_body { Ended::Closed } else { Ended::Refused(fault) };
            return (all_started && flushed).then_some(ended);
        }
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

    /// What the deadlines come to.
    pub(super) fn judge_time(
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
            Phase::Idle if channel.framer.heads() == 0 => {
                longer(channel.phase_since, limits.head_deadline).then_some(Ended::Closed)
            }
            Phase::Idle => {
                let rest = limits::DORMANT_AFTER.min(limits.keep_alive);
                longer(channel.phase_since, rest).then(|| self.judge_rest(channel)).flatten()
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
pub(super) struct CallCounter<S: Service> {
    pub(super) shared: Rc<Shared<S>>,
    pub(super) calls: Rc<Calls<S>>,
}

impl<S: Service> hyper::service::Service<Request<Incoming>> for CallCounter<S> {
    type Response = Answer<S>;
    type Error = Infallible;
    type Future = Waiting<S>;

    fn call(&self, request: Request<Incoming>) -> Waiting<S> {
        let calls = &self.calls;
        let ready = calls.answer.take();
        if ready.is_none() {
            let exchange = Rc::new(Exchange { peer: calls.peer, ..Exchange::default() });
            calls.started.set(calls.started.get() + 1);
            calls.exchange.replace(exchange.clone());
            calls.shape.replace(Shape::of(&request));
            let in_call = InCall(calls.ended.clone());
            let answer = self.shared.service.call(request, exchange);
            let counted = |answer: http::Response<S::Body>| {
                answer.map(|body| CountedBody { body, _in_call: in_call })
            };
            calls.call.replace(Some(Box::pin(answer.map(counted))));
        }
        Waiting { calls: calls.clone(), ready }
    }
}

/// What hyper waits for. Dropped by a hyper whose client has left: then the call goes too.
pub(super) struct Waiting<S: Service> {
    calls: Rc<Calls<S>>,
    ready: Option<Answer<S>>,
}

impl<S: Service> Future for Waiting<S> {
    type Output = Result<Answer<S>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.ready.take() {
            return Poll::Ready(Ok(answer));
        }
        let calls = &self.calls;
        let mut call = calls.call.borrow_mut();
        // The call is not here when the connection has taken it to wait without hyper.
        let Some(pending) = call.as_mut() else { return Poll::Pending };
        let Poll::Ready(answer) = pending.as_mut().poll(cx) else { return Poll::Pending };
        *call = None;
        calls.exchange.borrow().responded.set(true);
        Poll::Ready(Ok(answer))
    }
}

impl<S: Service> Drop for Waiting<S> {
    fn drop(&mut self) {
        let call = self.calls.call.take();
        // What the call holds may look at the calls when it goes.
        drop(call);
    }
}

impl<S: Service> Unpin for Waiting<S> {}

/// Counts its call as ended when it is dropped, wherever that is.
struct InCall(Rc<Cell<u64>>);

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// A response's body; the request is in flight as long as it lives.
pub(super) struct CountedBody<B> {
    body: B,
    _in_call: InCall,
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
