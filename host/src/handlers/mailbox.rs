//! Owns what passes between the side that runs the guest and the side that answers the client.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::{mpsc, oneshot};
use wasmtime_wasi_http::WasiBody;

use super::failure::Failure;
use super::response::Invalid;
use crate::engine::Ran;
use crate::observe::{Happening, Timeline};
use crate::wire::RequestId;

/// A guest's answer.
pub(super) enum Reply {
    /// All of it.
    Whole(http::Response<Bytes>),
    /// The body comes in pieces.
    Stream(http::Response<Source>),
}

/// Where the pieces of a body come from.
pub(super) enum Source {
    /// Through the fast lanes.
    Pieces(Pieces),
    /// Through wasi:http.
    Wasi(WasiBody),
}

/// A body from the fast lanes. It is complete when `end` says so, and only then.
pub(super) struct Pieces {
    pub(super) data: mpsc::Receiver<Bytes>,
    pub(super) end: oneshot::Receiver<Result<(), String>>,
}

/// Why a body broke off. For the log; the client sees its connection cut.
#[derive(Debug)]
pub struct BodyFailed(pub String);

impl std::fmt::Display for BodyFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BodyFailed {}

impl Source {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        match self {
            Source::Wasi(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|f| f.map_err(|error| BodyFailed(format!("{error:?}"))))),
            Source::Pieces(pieces) => pieces.poll_frame(cx),
        }
    }
}

impl Pieces {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        match self.data.poll_recv(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
            Poll::Ready(None) => {}
        }
        Pin::new(&mut self.end).poll(cx).map(|end| match end {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(Err(BodyFailed(why))),
            Err(_) => Some(Err(BodyFailed("the guest dropped the body before its end".into()))),
        })
    }
}

/// One call, as both sides see it.
#[derive(Default)]
pub(super) struct Mailbox {
    reply: RefCell<Option<Reply>>,
    failure: RefCell<Option<Failure>>,
    /// Who waits for the reply or, later, for the body.
    reader: RefCell<Option<Waker>>,
    /// Set when there is a reply or a failure.
    answered: Cell<bool>,
    /// Set when the response has been taken to its end, or no one wants it any more.
    done: Cell<bool>,
    /// The guest's side, waiting for that.
    writer: RefCell<Option<Waker>>,
    on_loop_ns: Cell<u64>,
    /// When a piece of a streamed answer was last taken.
    progressed: Cell<Option<Instant>>,
    /// The request, once its guest has begun.
    id: Cell<Option<RequestId>>,
}

impl Mailbox {
    /// Gives what a guest has answered, or says that it can be no answer: then false. That is no
    /// reason to end the guest, in which others may be at work.
    pub(super) fn answer<T>(
        &self,
        answer: Result<T, Invalid>,
        reply: impl FnOnce(T) -> Reply,
    ) -> bool {
        let is_valid = answer.is_ok();
        match answer {
            Ok(answer) => self.reply(reply(answer)),
            Err(invalid) => self.fail(Failure::InvalidResponse(invalid.0)),
        }
        is_valid
    }

    fn reply(&self, reply: Reply) {
        if matches!(reply, Reply::Whole(_)) {
            self.done.set(true);
        }
        self.answered.set(true);
        self.reply.replace(Some(reply));
        self.wake_reader();
    }

    /// Reports a failure; the first one counts.
    pub(super) fn fail(&self, failure: Failure) {
        self.answered.set(true);
        self.failure.borrow_mut().get_or_insert(failure);
        self.wake_reader();
    }

    pub(super) fn take_reply(&self) -> Option<Reply> {
        self.reply.take()
    }

    pub(super) fn take_failure(&self) -> Option<Failure> {
        self.failure.take()
    }

    /// Leaves the waker of the side that waits for what this call gives.
    pub(super) fn register_reader(&self, cx: &Context<'_>) {
        match &mut *self.reader.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
    }

    fn wake_reader(&self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// The response has been taken to its end, or is not wanted.
    pub(super) fn finish(&self) {
        if !self.done.replace(true)
            && let Some(waker) = self.writer.take()
        {
            waker.wake();
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// Waits until the response has been taken to its end.
    pub(super) fn poll_done(&self, cx: &Context<'_>) -> Poll<()> {
        if self.done.get() {
            return Poll::Ready(());
        }
        self.writer.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Charges the call with time its guest held the loop.
    pub(super) fn charge(&self, time: Duration) {
        self.on_loop_ns.set(self.on_loop_ns.get() + time.as_nanos() as u64);
    }

    /// Notes that the guest has run for this request.
    pub(super) fn note_run(&self, timeline: &Timeline, ran: Ran) {
        if let Some(RequestId(request)) = self.id.get() {
            timeline.add(request, ran.begun, ran.begun + ran.took, Happening::OnLoop);
        }
    }

    /// Notes that the client has taken a piece of a streamed answer.
    pub(super) fn note_progress(&self, now: Instant) {
        self.progressed.set(Some(now));
    }

    /// Whether a streamed answer has gone on since then.
    pub(super) fn has_progressed_since(&self, then: Instant) -> bool {
        self.progressed.get().is_some_and(|at| at >= then)
    }

    pub(super) fn set_id(&self, id: RequestId) {
        self.id.set(Some(id));
    }

    pub(super) fn id(&self) -> Option<RequestId> {
        self.id.get()
    }

    pub(super) fn on_loop(&self) -> Duration {
        Duration::from_nanos(self.on_loop_ns.get())
    }
}

/// Both sides hold it.
pub(super) type SharedMailbox = Rc<Mailbox>;
