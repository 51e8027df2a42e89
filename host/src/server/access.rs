//! Owns the record of one request: a line in the log and the counts of its handler, made when the
//! request ends, in whatever way it ends.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};

use super::answer::AnswerBody;
use super::passage::Passage;
use crate::handlers::BodyFailed;
use crate::limits;
use crate::observe::{HandlerMetrics, Happening, Line, Log, Timeline};
use crate::tenants::{Limit, Place, Tenant};
use crate::wire::{Exchange, Fault, RequestId};

/// nginx's number for a client that left before its answer; it is only ever seen in the log.
pub(super) const CLIENT_LEFT: u16 = 499;

/// Where records go.
#[derive(Clone)]
pub(super) struct AccessLog {
    log: Log,
    on: bool,
    timeline: Timeline,
    event_loop: usize,
}

impl AccessLog {
    pub(super) fn new(log: Log, on: bool, timeline: Timeline, event_loop: usize) -> Self {
        AccessLog { log, on, timeline, event_loop }
    }

    pub(super) fn begin<B>(
        &self,
        id: RequestId,
        request: &Request<B>,
        handler: Arc<HandlerMetrics>,
        exchange: Rc<Exchange>,
        in_flight: Rc<Cell<usize>>,
        started: Instant,
    ) -> Box<Record> {
        in_flight.set(in_flight.get() + 1);
        handler.in_flight.fetch_add(1, Ordering::Relaxed);
        Box::new(Record {
            access: self.clone(),
            id,
            method: request.method().clone(),
            path: if self.on { shortened(request.uri().path()) } else { String::new() },
            handler,
            tenant: None,
            place: None,
            passage: None,
            code: None,
            exchange,
            in_flight,
            started,
            status: CLIENT_LEFT,
            bytes: 0,
            complete: false,
            on_loop: Cell::new(Duration::ZERO),
        })
    }

    /// A line for bytes that never became a request.
    pub(super) fn refused(&self, id: RequestId, fault: Fault, peer: Option<SocketAddr>) {
        if !self.on {
            return;
        }
        let mut line = Line::new("access")
            .text("id", &id.to_string())
            .number("status", fault.status().as_u16().into())
            .text("code", fault.code());
        if let Some(peer) = peer {
            line = line.text("peer", &peer.to_string());
        }
        self.log.write(line);
    }
}

/// One request under way. It goes from hand to hand with the response, so it is behind a box.
pub(super) struct Record {
    access: AccessLog,
    id: RequestId,
    method: Method,
    /// A copy, for the original would keep the buffer alive that the head was read into.
    path: String,
    handler: Arc<HandlerMetrics>,
    /// Whose its handler is, if it has one.
    pub(super) tenant: Option<Arc<Tenant>>,
    /// Its place among its tenant's requests in flight, once it has one.
    pub(super) place: Option<Place>,
    /// Its way through the plug-ins before its handler, if there are any.
    pub(super) passage: Option<Box<Passage>>,
    /// Why it was answered by the host, if it was.
    pub(super) code: Option<&'static str>,
    exchange: Rc<Exchange>,
    in_flight: Rc<Cell<usize>>,
    started: Instant,
    pub(super) status: u16,
    bytes: u64,
    complete: bool,
    on_loop: Cell<Duration>,
}

impl Record {
    pub(super) fn handler_name(&self) -> &str {
        &self.handler.name
    }

    /// Who has failed, if someone has.
    pub(super) fn culprit_name(&self) -> &str {
        let of_chain = self.passage.as_ref().and_then(|passage| passage.culprit.as_deref());
        of_chain.unwrap_or_else(|| self.handler_name())
    }

    pub(super) fn tenant_name(&self) -> &str {
        &self.handler.tenant
    }

    /// Counts that it was refused because its tenant is over a limit.
    pub(super) fn tenant_refused(&self, limit: Limit) {
        if let Some(tenant) = &self.tenant {
            tenant.refused(limit);
        }
    }

    /// Sets the time the guest held the loop for this request.
    pub(super) fn charge(&self, on_loop: Duration) {
        self.on_loop.set(on_loop);
    }

    /// The client sees its connection cut; why, only the log can tell.
    fn broke_off(&self, why: &BodyFailed) {
        let line = Line::new("server").text("event", "body-broken");
        let behind = self.passage.as_ref().and_then(|passage| passage.chain.broken());
        let (handler, why) = match &behind {
            Some((handler, why)) => (handler.as_str(), why),
            None => (self.handler_name(), &why.0),
        };
        let line = line.text("tenant", self.tenant_name()).text("handler", handler);
        let line = line.text("id", &self.id.to_string());
        self.access.log.write(line.text("detail", why));
    }

    fn line(&self, status: u16, took: Duration) -> Line {
        // Where there are plug-ins, that is what the handler itself has held.
        let on_loop = self.passage.as_ref().map(|passage| passage.on_loop());
        let on_loop = on_loop.unwrap_or_else(|| self.on_loop.get()).min(took);
        let mut line = Line::new("access")
            .text("id", &self.id.to_string())
            .text("tenant", self.tenant_name())
            .text("handler", self.handler_name())
            .text("method", self.method.as_str())
            .text("path", &self.path)
            .number("status", status.into())
            .number("bytes", self.bytes)
            .number("total_us", took.as_micros() as u64)
            .number("on_loop_us", on_loop.as_micros() as u64)
            .number("suspended_us", (took - on_loop).as_micros() as u64);
        if let Some(code) = self.code {
            line = line.text("code", code);
        }
        if !self.complete {
            line = line.text("ended", "cut");
        }
        line
    }
}

fn shortened(path: &str) -> String {
    path[..path.floor_char_boundary(limits::LOG_PATH_BYTES_MAX)].to_owned()
}

impl Drop for Record {
    fn drop(&mut self) {
        let ended = Instant::now();
        let took = ended - self.started;
        let status = self.exchange.fault.get().map_or(self.status, |f| f.status().as_u16());
        self.in_flight.set(self.in_flight.get() - 1);
        self.handler.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.handler.finished(status, took);
        if let Some(passage) = &self.passage {
            passage.close(ended);
        }
        let AccessLog { timeline, event_loop, .. } = &self.access;
        let handler = self.handler.clone();
        let what = Happening::Request { handler, status, event_loop: *event_loop };
        timeline.add(self.id.0, self.started, ended, what);
        if self.access.on {
            self.access.log.write(self.line(status, took));
        }
    }
}

/// A response's body; its end is the end of the request.
pub(super) struct ObservedBody {
    body: AnswerBody,
    record: Box<Record>,
}

impl ObservedBody {
    /// `is_head`: no one will ask for the body, and that is no fault of anyone's.
    pub(super) fn new(body: AnswerBody, mut record: Box<Record>, is_head: bool) -> Self {
        if record.on_loop.get().is_zero() {
            record.charge(body.on_loop());
        }
        record.complete = is_head || body.is_end_stream();
        ObservedBody { body, record }
    }
}

impl Body for ObservedBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.record.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            Poll::Ready(None) => self.record.complete = true,
            Poll::Ready(Some(Err(error))) => self.record.broke_off(error),
            Poll::Pending => {}
        }
        if polled.is_ready() {
            let on_loop = self.record.on_loop.get().max(self.body.on_loop());
            self.record.charge(on_loop);
        }
        if self.body.is_end_stream() && matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.record.complete = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
