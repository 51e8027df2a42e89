//! Owns the way of one request: route, admission, handler, response. And the one mapping from a
//! failure to a status.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, VARY,
};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;

use super::access::{AccessLog, ObservedBody, Record};
use super::answer::AnswerBody;
use super::compression::{Compression, Giver, Wish};
use super::methods::{allow, options};
use super::refusal::Refusal;
use super::routing::{Route, name_host};
use super::serving::{Current, Way};
use super::snapshot::{ServedHandler, version_of};
use super::status::limit_of;
use super::{Control, cors, failure_page, index, params, redirect};
use crate::admin::HandlerName;
use crate::assets::{AssetError, Assets, Question};
use crate::config::Config;
use crate::event_loop::{Handle, step_back};
use crate::handlers::{Call, CallBody, Failure, GuestBody, Handler};
use crate::observe::{HandlerMetrics, Line, Log, LoopMetrics, Timeline};
use crate::tenants::{Admission, Limit, Place, Wait};
use crate::wire::{BodyBroken, Cut, Exchange, Fault, Incoming, RequestId, Service, error_body};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The service of one loop.
pub(super) struct Dispatcher {
    inner: Rc<Inner>,
}

struct Inner {
    current: Rc<Current>,
    control: Control,
    handle: Handle,
    log: Log,
    access: AccessLog,
    metrics: Arc<LoopMetrics>,
    /// Counts the requests that no handler is there for.
    unrouted: Arc<HandlerMetrics>,
    /// Counts up from a start of its own in each process and loop.
    next_id: Cell<u64>,
    compression: Compression,
    in_flight: Rc<Cell<usize>>,
    in_flight_max: usize,
}

/// What a dispatcher is made of.
pub(super) struct Parts<'a> {
    pub(super) index: usize,
    pub(super) current: Rc<Current>,
    pub(super) control: Control,
    pub(super) handle: Handle,
    pub(super) log: Log,
    pub(super) metrics: Arc<LoopMetrics>,
    pub(super) timeline: Timeline,
    pub(super) unrouted: Arc<HandlerMetrics>,
    pub(super) config: &'a Config,
}

impl Dispatcher {
    pub(super) fn new(parts: Parts<'_>) -> Self {
        let Parts { index, current, control, handle, log, metrics, timeline, unrouted, config } =
            parts;
        Dispatcher {
            inner: Rc::new(Inner {
                current,
                control,
                handle,
                access: AccessLog::new(log.clone(), config.access_log, timeline, index),
                log,
                metrics,
                unrouted,
                next_id: Cell::new(first_id(index)),
                compression: Compression::default(),
                in_flight: Rc::default(),
                in_flight_max: config.requests_in_flight,
            }),
        }
    }
}

/// So that the ids of two processes, or of two loops of one, do not meet.
fn first_id(index: usize) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(index);
    (random & 0x00ff_ffff_0000_0000) | (index as u64) << 56
}

impl Service for Dispatcher {
    type Body = ObservedBody;

    fn call(
        &self,
        request: Request<Incoming>,
        exchange: Rc<Exchange>,
    ) -> impl Future<Output = Response<ObservedBody>> + 'static {
        self.inner.clone().answer(Box::new(request), exchange)
    }

    fn refused(&self, fault: Fault, peer: Option<SocketAddr>) -> String {
        let inner = &self.inner;
        inner.metrics.malformed.fetch_add(1, Ordering::Relaxed);
        let id = inner.new_id();
        inner.access.refused(id, fault, peer);
        id.to_string()
    }
}

impl Inner {
    fn new_id(&self) -> RequestId {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        RequestId(id)
    }

    /// The request is behind a box, so that the futures on its way do not each copy it.
    async fn answer(
        self: Rc<Self>,
        request: Box<Request<Incoming>>,
        exchange: Rc<Exchange>,
    ) -> Response<ObservedBody> {
        let id = self.new_id();
        exchange.id.set(Some(id));
        let is_head = *request.method() == Method::HEAD;
        let mut way = self.current.get().find(&request);
        let origin = way.cors().and_then(|_| request.headers().get(ORIGIN).cloned());
        let mut record = self.access.begin(
            id,
            &request,
            way.handler().map_or(&self.unrouted, |h| &h.deployment().metrics).clone(),
            exchange.clone(),
            self.in_flight.clone(),
            // The turn's reading: what the request has waited in this turn is counted too.
            self.handle.now(),
        );
        record.tenant = way.handler().map(|handler| handler.tenant().clone());
        if let Way::Handler(.., passage) = &mut way {
            record.passage = passage.take();
        }
        let is_1_0 = request.version() == Version::HTTP_10;
        let outcome = match (self.barred(&request), &way) {
            (None, Way::Handler(route, served, handler, _)) => {
                let outcome = self.call(handler, route, request, &exchange, id, &mut record).await;
                match &record.passage {
                    None => self.judge_answer(served, &outcome),
                    Some(passage) => passage.judgements().for_each(|(served, outcome)| {
                        self.judge(served, outcome.as_ref().copied())
                    }),
                }
                outcome
            }
            (barred, way) => Box::pin(self.by_itself(barred, way, request, id)).await,
        };
        let mut response = outcome.unwrap_or_else(|refusal| {
            self.refuse(&refusal, id, &mut record).map(AnswerBody::Plain)
        });
        if let Some(cors) = way.cors() {
            cors::mark(cors, origin.as_ref(), response.headers_mut());
        }
        // The guests of the other requests that are ready run before this response is written, so
        // that the writes of a turn come together: a client on this machine that waits for several
        // is then woken once for all of them, and waking is what a small write costs most.
        if self.handle.has_ready_tasks() {
            step_back().await;
        }
        finish(response, id, (is_head, is_1_0), record)
    }

    /// What is said to any request like this, wherever it leads.
    fn barred(&self, request: &Request<Incoming>) -> Option<Result<Response<AnswerBody>, Refusal>> {
        if *request.method() == Method::CONNECT {
            return Some(Err(Refusal::Method));
        }
        if self.in_flight.get() > self.in_flight_max {
            return Some(Err(Refusal::Overload));
        }
        let why = self.current.failure()?;
        Some(Ok(failure_page::page(request.headers(), &why).map(AnswerBody::Plain)))
    }

    /// Answers without a handler. Nobody reads the request's body: hyper, which has to say with the answer
    /// that the connection closes, is let see that first.
    async fn by_itself(
        &self,
        barred: Option<Result<Response<AnswerBody>, Refusal>>,
        way: &Way,
        request: Box<Request<Incoming>>,
        id: RequestId,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let outcome = match (barred, way) {
            (Some(outcome), _) => outcome,
            (None, Way::OtherMethods(methods)) if *request.method() == Method::OPTIONS => {
                Ok(options(methods))
            }
            (None, Way::OtherMethods(methods)) => Err(Refusal::OtherMethods(allow(methods))),
            (None, Way::Preflight(cors)) => {
                Ok(cors::preflight(cors, request.headers().get(ORIGIN)))
            }
            (None, Way::Folder(route, assets)) => self.file(assets, route, &request, id).await,
            (None, Way::Redirect(route)) => {
                redirect::answer(route, request.uri()).ok_or(Refusal::NoRoute)
            }
            (None, Way::Nowhere | Way::Handler(..)) => {
                self.without_handler(&request).map(|page| page.map(AnswerBody::Plain))
            }
        };
        let is_unread = !request.body().is_end_stream();
        drop(request);
        if is_unread {
            step_back().await;
        }
        outcome
    }

    /// Has a handler answer, with the parameters of the route among the fields of the request.
    async fn call(
        &self,
        handler: &Rc<Handler>,
        route: &Route,
        request: Box<Request<Incoming>>,
        exchange: &Exchange,
        id: RequestId,
        record: &mut Record,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let (mut head, body) = request.into_parts();
        name_host(&mut head);
        params::put(&mut head.headers, &route.params, &route.pattern, head.uri.path());
        let is_head = head.method == Method::HEAD;
        let chain = record.passage.as_ref().map(|passage| passage.chain.clone());
        let first = chain.as_ref().map_or(handler, |chain| chain.first());
        let mut call = Call::new(head, CallBody::Whole(Bytes::new()), id);
        call.body = self.admit_and_receive(first, body, record, exchange).await?;
        exchange.received.set(matches!(call.body, CallBody::Whole(_)));
        let (overrun, cut) = match &call.body {
            CallBody::Stream(body) => (body.overrun(), body.cut()),
            CallBody::Whole(_) => (None, None),
        };
        let compress = handler.deployment().compress;
        let wish = compress.then(|| Wish::of(&call.head.headers, is_head, id));
        let mut invocation = match &chain {
            None => handler.invoke(call),
            Some(chain) => chain.invoke(call),
        };
        let answer = poll_fn(|cx| invocation.poll_response(cx)).await;
        let answer = match &mut record.passage {
            None => answer,
            Some(passage) => passage.settle(answer),
        };
        // Whatever the guest has made of the part that came.
        if overrun.is_some_and(|overrun| overrun.has_happened()) {
            return Err(self.body_too_long(handler));
        }
        match (answer, wish) {
            (Err(failure), _) => {
                // A guest in a shared instance may go on, and hyper is to see first that no one reads.
                if cut.is_some_and(Cut::cut) {
                    step_back().await;
                }
                Err(Refusal::Failed(failure, invocation.on_loop()))
            }
            (Ok(answer), None) => Ok(answer.map(AnswerBody::Plain)),
            (Ok(answer), Some(wish)) => {
                let answer = answer.map(AnswerBody::Plain);
                let giver = Giver::Handler(handler.clone());
                Ok(Box::pin(self.compression.apply(answer, wish, giver)).await)
            }
        }
    }

    /// A file of a folder. What the client sends beside its head is of no use.
    async fn file(
        &self,
        assets: &Rc<Assets>,
        route: &Route,
        request: &Request<Incoming>,
        id: RequestId,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let path = request.uri().path();
        let question = Question {
            method: request.method(),
            path: route.pattern.remainder(path),
            target: (path, request.uri().query()),
            headers: request.headers(),
            request: id.0,
        };
        let answer = assets.answer(&question).await.map_err(|error| match error {
            AssetError::NotFound => Refusal::NoFile,
            AssetError::Busy => Refusal::Overload,
            AssetError::Failed(why) => {
                let line = Line::new("server").text("event", "file-failed");
                self.log.write(line.text("id", &id.to_string()).text("detail", &why));
                Refusal::FileFailed
            }
        })?;
        let answer = answer.map(AnswerBody::from);
        // Where it says nothing of codings, no client gets another one.
        if !assets.compresses() || !answer.headers().contains_key(VARY) {
            return Ok(answer);
        }
        let wish = Wish::of(question.headers, *question.method == Method::HEAD, id);
        Ok(self.compression.apply(answer, wish, Giver::Folder(assets.clone())).await)
    }

    /// Lets the request in as soon as its tenant's limits do, and receives its body.
    async fn admit_and_receive(
        &self,
        handler: &Handler,
        body: Incoming,
        record: &mut Record,
        exchange: &Exchange,
    ) -> Result<CallBody, Refusal> {
        let place = match handler.tenant().admit(self.handle.now()) {
            Ok(Admission::Place(place)) => place,
            Ok(Admission::Wait(wait, longest)) => {
                Box::pin(self.wait_for_place(handler, wait, longest)).await?
            }
            Err(over) => return Err(Refusal::Tenant(over)),
        };
        record.place = Some(place);
        self.receive(handler, body, exchange).await
    }

    /// A client that leaves drops this, and so gives up what it waits for.
    async fn wait_for_place(
        &self,
        handler: &Handler,
        wait: Wait,
        longest: Duration,
    ) -> Result<Place, Refusal> {
        let deadline = self.handle.sleep_until(self.handle.now() + longest);
        match select(wait, deadline).await {
            Either::Left((place, _)) => Ok(place),
            Either::Right(_) => Err(Refusal::Tenant(handler.tenant().waited_too_long())),
        }
    }

    /// The body as the handler's lane wants it. Most requests have none; what reads one is boxed, so
    /// that they do not carry it. A body that comes in drops must not hold its place for ever.
    async fn receive(
        &self,
        handler: &Handler,
        body: Incoming,
        exchange: &Exchange,
    ) -> Result<CallBody, Refusal> {
        if body.is_end_stream() {
            return Ok(CallBody::Whole(Bytes::new()));
        }
        let most = handler.tenant().limits().body_bytes;
        let received = Box::pin(handler.receive(body, most, &exchange.awaited));
        let deadline = self.handle.sleep_until(self.handle.now() + handler.wall());
        match select(received, deadline).await {
            Either::Left((received, _)) => received.map_err(|error| match error {
                BodyBroken::Off(_) | BodyBroken::NotSentOn | BodyBroken::Answered => {
                    Refusal::BodyBroken
                }
                BodyBroken::TooLong => self.body_too_long(handler),
            }),
            Either::Right(_) => Err(Refusal::BodyTimedOut),
        }
    }

    fn body_too_long(&self, handler: &Handler) -> Refusal {
        handler.tenant().refused(Limit::Body);
        Refusal::BodyTooLong
    }

    /// Counts the outcome for a version that is judged by its first requests, and has it taken back when
    /// too many of them fail.
    fn judge_answer(
        &self,
        served: &ServedHandler,
        outcome: &Result<Response<AnswerBody>, Refusal>,
    ) {
        match outcome {
            Ok(answer) => self.judge(served, Ok(answer.status())),
            Err(Refusal::Failed(failure, _)) => self.judge(served, Err(failure)),
            // The host's own, or the client's.
            Err(_) => {}
        }
    }

    fn judge(&self, served: &ServedHandler, outcome: Result<StatusCode, &Failure>) {
        let Some(trial) = served.trial.as_ref().filter(|trial| !trial.is_over()) else { return };
        let failed = match outcome {
            Ok(status) => status.is_server_error(),
            Err(failure) => !matches!(failure, Failure::NoInstance) && limit_of(failure).is_none(),
        };
        if trial.has_failed_with(failed) {
            let ServedHandler { config, .. } = served;
            let (tenant, handler) = (config.tenant.clone(), config.name.clone());
            let name = HandlerName { tenant, handler };
            trial.fail(|| self.control.take_back(name, version_of(served)));
        }
    }

    fn without_handler(&self, request: &Request<Incoming>) -> Result<Response<GuestBody>, Refusal> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let serving = self.current.get();
        if request.uri().path() != "/" || !is_read || !serving.snapshot.routing.is_plain {
            return Err(Refusal::NoRoute);
        }
        let page = index::page(serving.handlers.iter().map(|handler| &**handler.deployment()));
        let mut response = Response::new(GuestBody::of(Bytes::from(page)));
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        Ok(response)
    }

    /// The one mapping from what went wrong to what the client is told.
    fn refuse(&self, refusal: &Refusal, id: RequestId, record: &mut Record) -> Response<GuestBody> {
        let (status, code) = refusal.status_and_code();
        record.code = Some(code);
        if let Refusal::Failed(failure, on_loop) = refusal {
            record.charge(*on_loop);
            if let Some(limit) = limit_of(failure) {
                record.tenant_refused(limit);
            }
            self.report(failure, code, id, record);
        }
        let body = error_body(code, &id.to_string());
        let mut response = Response::new(GuestBody::of(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if let Refusal::OtherMethods(allow) = refusal {
            headers.insert(ALLOW, allow.clone());
        }
        if let Some(seconds) = refusal.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// What the client is not told goes to the log.
    fn report(&self, failure: &Failure, code: &str, id: RequestId, record: &Record) {
        let detail = match failure {
            Failure::Trap(detail) | Failure::InvalidResponse(detail) | Failure::Handler(detail) => {
                detail
            }
            _ => "",
        };
        let mut line = Line::new("server").text("event", "handler-failed").text("code", code);
        line = line.text("tenant", record.tenant_name()).text("handler", record.culprit_name());
        line = line.text("id", &id.to_string());
        if !detail.is_empty() {
            line = line.text("detail", detail);
        }
        self.log.write(line);
    }
}

/// Marks a response that someone may want to ask about with its request's id, and has its body
/// observed.
fn finish(
    response: Response<AnswerBody>,
    id: RequestId,
    (is_head, is_1_0): (bool, bool),
    mut record: Box<Record>,
) -> Response<ObservedBody> {
    let (mut head, mut body) = response.into_parts();
    let length = head.headers.get(CONTENT_LENGTH);
    let is_number = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    let is_announced = length.is_some_and(|value| !value.is_empty() && is_number(value));
    let is_counted = !is_head && body.is_whole() && head.status != StatusCode::NOT_MODIFIED;
    if is_counted || !is_announced {
        // Counted by the host: what a guest had miscounted would be the connection's next response.
        head.headers.remove(CONTENT_LENGTH);
    }
    if is_1_0 && !is_head && !body.is_whole() && !is_announced {
        // Only the end of the connection ends it; of the same version, hyper does not say that it stays.
        head.version = Version::HTTP_10;
    }
    if is_head {
        body.discard();
    }
    record.status = head.status.as_u16();
    if head.status.is_client_error() || head.status.is_server_error() {
        let value = HeaderValue::from_str(&id.to_string()).expect("hexadecimal digits");
        head.headers.insert(REQUEST_ID, value);
    }
    Response::from_parts(head, ObservedBody::new(body, record, is_head))
}
