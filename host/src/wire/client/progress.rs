//! Owns the time at which a request's body last went on: as long as it does, it is not the other side
//! that is slow.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::OutboundBody;
use crate::event_loop::Remote;

/// When a request's body last went on. Cheap to clone.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Progress(Arc::new(Mutex::new(now)))
    }

    pub(super) fn note(&self, now: Instant) {
        *self.0.lock().expect("progress") = now;
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock().expect("progress")
    }

    /// The same request, whose body notes that it goes on.
    pub(super) fn watch(
        &self,
        request: http::Request<OutboundBody>,
        remote: &Remote,
    ) -> http::Request<OutboundBody> {
        if request.body().is_end_stream() {
            return request;
        }
        let (progress, remote) = (self.clone(), remote.clone());
        request.map(|body| Noting { body, progress, remote }.boxed_unsync())
    }
}

struct Noting {
    body: OutboundBody,
    progress: Progress,
    remote: Remote,
}

impl Body for Noting {
    type Data = Bytes;
    type Error = <OutboundBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.progress.note(self.remote.now());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
