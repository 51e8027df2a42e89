//! Owns the chain of plug-ins before a handler, for one request: the call of what is behind each, its
//! answer on the way back, and whose failure it was.
//!
//! A plug-in's calls are carried out by a task of the loop. That ends with the plug-in's own call, and
//! what is behind it with that.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use http::header::CONTENT_LENGTH;
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::sync::{mpsc, oneshot};
use wasmtime_wasi_http::{Error, WasiBody};

use super::invocation::{GuestBody, Invocation};
use super::{Call, Failure, Handler};
use crate::capabilities::{BehindCall, BehindError, Next};
use crate::limits;
use crate::observe::HandlerMetrics;
use crate::wire::{BodyBroken, RequestBody, RequestId};

/// The plug-ins of a request, the outermost first, and then its handler.
pub struct Chain {
    links: Vec<Link>,
    /// Calls of what is behind that may still be made for this request.
    calls_left: Cell<u32>,
    /// Why the answer of one that was behind broke off, for the log.
    broken: RefCell<Option<(usize, String)>>,
    /// The request is at its end.
    closed: Cell<bool>,
}

/// One of them, with what has come of its last call.
struct Link {
    handler: Rc<Handler>,
    begun: Cell<Option<Instant>>,
    outcome: RefCell<Option<Outcome>>,
    on_loop: Cell<Duration>,
    /// What the one before it was told of its failure.
    told: RefCell<Option<Told>>,
}

/// A failure as it was told to who is before, to know it again when that passes it on.
struct Told {
    code: String,
    failure: Failure,
    /// Whose it was.
    place: usize,
}

/// What has come of a call of a plug-in or a handler.
#[derive(Clone)]
pub enum Outcome {
    /// It has answered.
    Answered(StatusCode),
    /// It has failed.
    Failed(Failure),
    /// It has passed on the failure of what is behind it.
    PassedOn(Failure),
}

impl Chain {
    /// The plug-ins, the outermost first, and then the handler.
    pub fn new(handlers: impl Iterator<Item = Rc<Handler>>) -> Rc<Self> {
        let links = handlers.map(|handler| Link {
            handler,
            begun: Cell::default(),
            outcome: RefCell::default(),
            on_loop: Cell::default(),
            told: RefCell::default(),
        });
        Rc::new(Chain {
            links: links.collect(),
            calls_left: Cell::new(limits::CALLS_BEHIND_MAX),
            broken: RefCell::default(),
            closed: Cell::new(false),
        })
    }

    /// The outermost, who gets the request first.
    pub fn first(&self) -> &Rc<Handler> {
        &self.links[0].handler
    }

    /// Calls the outermost. Nothing happens until the invocation is polled.
    pub fn invoke(self: &Rc<Self>, call: Box<Call>) -> Invocation {
        self.call(0, call)
    }

    /// Notes what the outermost has answered. A failure comes with the name of who has failed.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn settle<T>(
        &self,
        answer: Result<Response<T>, Failure>,
    ) -> Result<Response<T>, (Failure, &HandlerMetrics)> {
        self.settle_at(0, answer)
            .map_err(|(failure, place)| (failure, &*self.links[place].handler.deployment.metrics))
    }

    /// Time the guests of the handler itself have held the loop for this request.
    pub fn on_loop(&self) -> Duration {
        self.links.last().map_or(Duration::ZERO, |link| link.on_loop.get())
    }

    /// The name of who was behind and whose answer broke off, and why.
    pub fn broken(&self) -> Option<(String, String)> {
        let broken = self.broken.borrow();
        let (place, why) = broken.as_ref()?;
        Some((self.links[*place].handler.deployment.metrics.name.clone(), why.clone()))
    }

    /// What came of those that were called, by their place. None: its call was given up.
    pub fn outcomes(&self) -> impl Iterator<Item = (usize, Option<Outcome>)> {
        let called = self.links.iter().enumerate().filter(|(_, link)| link.begun.get().is_some());
        called.map(|(place, link)| (place, link.outcome.borrow().clone()))
    }

    /// Counts the plug-ins that were called, at the end of the request: each is told the status that its
    /// outcome stands for. What is counted of the handler is counted with the request.
    pub fn close(&self, ended: Instant, status_of: impl Fn(Option<&Outcome>) -> u16) {
        self.closed.set(true);
        let plugins = &self.links[..self.links.len() - 1];
        for link in plugins {
            let Some(begun) = link.begun.get() else { continue };
            let metrics = &link.handler.deployment.metrics;
            metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
            metrics.finished(status_of(link.outcome.borrow().as_ref()), ended - begun);
        }
    }

    fn call(self: &Rc<Self>, place: usize, mut call: Box<Call>) -> Invocation {
        let Link { handler, begun, outcome, .. } = &self.links[place];
        outcome.replace(None);
        let is_last = place + 1 == self.links.len();
        if begun.get().is_none() {
            begun.set(Some(handler.handle.now()));
            if !is_last {
                handler.deployment.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
            }
        }
        if is_last {
            return handler.invoke(call);
        }
        let (next, calls) = Next::open();
        let (tether, cut) = oneshot::channel();
        handler.handle.spawn(self.clone().attend(place + 1, call.id, calls, cut));
        call.next = Some(next);
        handler.invoke(call).tethered(tether)
    }

    /// Carries out the calls of a plug-in until there can be no more, or until it is cut off.
    async fn attend(
        self: Rc<Self>,
        place: usize,
        id: RequestId,
        mut orders: mpsc::Receiver<BehindCall>,
        mut cut: oneshot::Receiver<()>,
    ) {
        let mut under_way = FuturesUnordered::new();
        let mut more = true;
        poll_fn(|cx| {
            if Pin::new(&mut cut).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            while more && let Poll::Ready(order) = orders.poll_recv(cx) {
                match order {
                    Some(order) => under_way.push(self.carry_out(place, id, order)),
                    None => more = false,
                }
            }
            while let Poll::Ready(Some(())) = under_way.poll_next_unpin(cx) {}
            if more || !under_way.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Calls what is behind, and sends its answer on, as long as someone wants it.
    async fn carry_out(self: &Rc<Self>, place: usize, id: RequestId, order: BehindCall) {
        let BehindCall { request, mut reply } = order;
        let answer = match select(pin!(self.answer(place, id, request)), pin!(reply.closed())).await
        {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => return,
        };
        // Who has called may have given up just now.
        match answer {
            Err(code) => drop(reply.send(Err(code))),
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                if body.is_whole() {
                    let body = Full::new(body.whole().cloned().unwrap_or_default());
                    let body = body.map_err(|never| match never {}).boxed_unsync();
                    return drop(reply.send(Ok(Response::from_parts(head, body))));
                }
                let (pieces, streamed) = mpsc::channel(1);
                let streamed = Forwarded(streamed).boxed_unsync();
                if reply.send(Ok(Response::from_parts(head, streamed))).is_ok() {
                    self.pump(place, body, pieces).await;
                }
            }
        }
    }

    async fn answer(
        self: &Rc<Self>,
        place: usize,
        id: RequestId,
        request: http::Request<WasiBody>,
    ) -> Result<Response<GuestBody>, BehindError> {
        if self.closed.get() || self.calls_left.get() == 0 {
            return Err(BehindError::ConnectionLimitReached);
        }
        self.calls_left.set(self.calls_left.get() - 1);
        let (head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let broken = |_| BehindError::InternalError(Some("the body broke off".to_owned()));
        let body = body.map_err(|_| BodyBroken::NotSentOn).boxed_unsync();
        let body = RequestBody::forwarded(body).await.map_err(broken)?;
        let body = self.links[place].handler.take_up(body).await.map_err(broken)?;
        let mut invocation = self.call(place, Call::new(head, body, id));
        let answer = poll_fn(|cx| invocation.poll_response(cx)).await;
        let mut charged = Duration::ZERO;
        self.charge(place, &mut charged, invocation.on_loop());
        drop(invocation);
        let told = &self.links[place].told;
        match self.settle_at(place, answer) {
            Ok(answer) => Ok(as_sent_on(answer, is_head)),
            Err((failure, culprit)) => {
                let code = error_code(&failure);
                told.replace(Some(Told { code: format!("{code:?}"), failure, place: culprit }));
                Err(code)
            }
        }
    }

    /// Notes what has come of a call; a failure comes with the place of who has failed. One that passes on
    /// what it was told of the failure behind it has not failed itself.
    fn settle_at<T>(
        &self,
        place: usize,
        answer: Result<Response<T>, Failure>,
    ) -> Result<Response<T>, (Failure, usize)> {
        let behind = self.links.get(place + 1).map(|link| link.told.borrow());
        let told = behind.as_ref().and_then(|told| told.as_ref());
        let (outcome, settled) = match answer {
            Ok(answer) => (Outcome::Answered(answer.status()), Ok(answer)),
            Err(Failure::Handler(code)) if told.is_some_and(|told| told.code == code) => {
                let Told { failure, place, .. } = told.expect("looked at a line above");
                (Outcome::PassedOn(failure.clone()), Err((failure.clone(), *place)))
            }
            Err(failure @ Failure::WallLimit) => match self.waited_for(place) {
                same if same == place => (Outcome::Failed(failure.clone()), Err((failure, place))),
                // Its time was over first, and it was not the one that took it.
                behind => (Outcome::PassedOn(failure.clone()), Err((failure, behind))),
            },
            Err(failure) => (Outcome::Failed(failure.clone()), Err((failure, place))),
        };
        self.links[place].outcome.replace(Some(outcome));
        settled
    }

    /// The last of those that have been called from here on and have not answered in time.
    fn waited_for(&self, place: usize) -> usize {
        let waits = |link: &&Link| {
            let is_late = |outcome: &Outcome| {
                matches!(
                    outcome,
                    Outcome::Failed(Failure::WallLimit) | Outcome::PassedOn(Failure::WallLimit)
                )
            };
            link.begun.get().is_some() && link.outcome.borrow().as_ref().is_none_or(is_late)
        };
        place + self.links[place + 1..].iter().take_while(waits).count()
    }

    /// Adds what a call has held the loop for since it was last looked at.
    fn charge(&self, place: usize, charged: &mut Duration, on_loop: Duration) {
        let so_far = &self.links[place].on_loop;
        so_far.set(so_far.get() + on_loop.saturating_sub(*charged));
        *charged = on_loop;
    }

    /// Sends a body on, piece by piece, each when there is room for it: who does not read stops the guest.
    async fn pump(
        &self,
        place: usize,
        mut body: GuestBody,
        pieces: mpsc::Sender<Result<Option<Frame<Bytes>>, Error>>,
    ) {
        let mut charged = body.on_loop();
        while let Ok(room) = pieces.reserve().await {
            let ended = body.is_end_stream();
            let frame = poll_fn(|cx| match ended {
                true => Poll::Ready(None),
                false => Pin::new(&mut body).poll_frame(cx),
            });
            let frame = match select(pin!(frame), pin!(pieces.closed())).await {
                Either::Left((frame, _)) => frame,
                Either::Right(_) => return,
            };
            self.charge(place, &mut charged, body.on_loop());
            match frame {
                Some(Ok(frame)) => room.send(Ok(Some(frame))),
                None => return room.send(Ok(None)),
                Some(Err(why)) => {
                    self.broken.borrow_mut().get_or_insert((place, why.0));
                    return room.send(Err(Error::ConnectionTerminated));
                }
            }
        }
    }
}

/// An answer as who is before gets it. The length of a body that is whole is the host's to say, and the
/// answer to HEAD has none.
fn as_sent_on(answer: Response<GuestBody>, is_head: bool) -> Response<GuestBody> {
    let (mut head, mut body) = answer.into_parts();
    if is_head {
        body.discard();
        body = GuestBody::of(Bytes::new());
    } else if body.is_whole() && head.status != StatusCode::NOT_MODIFIED {
        head.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(head, body)
}

/// A failure in the words of the standard; its details are not for those before it.
fn error_code(failure: &Failure) -> BehindError {
    match failure {
        Failure::WallLimit => BehindError::HttpResponseTimeout,
        Failure::NoInstance | Failure::TenantInstances | Failure::TenantMemory => {
            BehindError::ConnectionLimitReached
        }
        other => BehindError::InternalError(Some(other.code().to_owned())),
    }
}

/// The body of an answer on its way to who is before. It is complete when that is said, and only then.
struct Forwarded(mpsc::Receiver<Result<Option<Frame<Bytes>>, Error>>);

impl Body for Forwarded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_recv(cx).map(|piece| match piece {
            Some(piece) => piece.transpose(),
            None => Some(Err(Error::ConnectionTerminated)),
        })
    }
}
