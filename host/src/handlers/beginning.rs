//! Owns the beginning of a streamed answer: what has come of its body before the head is sent.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Frame;

use super::mailbox::{BodyFailed, Source};
use crate::limits;

/// The beginning of a streamed answer.
pub(super) struct Beginning {
    pub(super) head: http::response::Parts,
    pub(super) source: Source,
    /// What has come of the body.
    pub(super) frames: VecDeque<Frame<Bytes>>,
    /// Bytes in them.
    pub(super) length: usize,
    /// How often its guest was waited for that was only interrupted.
    waits: u32,
}

/// Slices that a guest gets to come to the end of a short answer.
const WAITS_MAX: u32 = 8;

/// What taking pieces has come to.
pub(super) enum Filled {
    /// That was all.
    Whole,
    /// There is no more for now.
    Waits {
        /// Whether something came at all.
        progress: bool,
    },
    /// It will not come to its end.
    Broken(BodyFailed),
}

impl Beginning {
    pub(super) fn of(response: http::Response<Source>) -> Self {
        let (head, source) = response.into_parts();
        Beginning { head, source, frames: VecDeque::new(), length: 0, waits: 0 }
    }

    /// Whether enough has come that the rest is not waited for.
    pub(super) fn is_full(&self) -> bool {
        self.length > limits::BODY_PIECE_BYTES_MAX
    }

    /// Whether a guest that was only interrupted is waited for once more.
    pub(super) fn may_wait(&mut self) -> bool {
        self.waits += 1;
        self.waits <= WAITS_MAX && !self.is_full()
    }

    /// Takes what is there.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>) -> Filled {
        let mut progress = false;
        while !self.is_full() {
            match self.source.poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => {
                    progress = true;
                    // Trailers cannot be sent with a body that goes whole.
                    let length = frame.data_ref().map(Bytes::len);
                    self.length += length.unwrap_or(limits::BODY_PIECE_BYTES_MAX + 1);
                    self.frames.push_back(frame);
                }
                Poll::Ready(Some(Err(error))) => return Filled::Broken(error),
                Poll::Ready(None) => return Filled::Whole,
            }
        }
        Filled::Waits { progress }
    }
}

/// The pieces of a body as one.
pub(super) fn join(mut frames: VecDeque<Frame<Bytes>>, length: usize) -> Bytes {
    let data = |frame: Frame<Bytes>| frame.into_data().unwrap_or_default();
    match frames.len() {
        0 => Bytes::new(),
        1 => data(frames.pop_front().expect("one frame")),
        _ => {
            let mut whole = BytesMut::with_capacity(length);
            frames.into_iter().for_each(|frame| whole.extend_from_slice(&data(frame)));
            whole.freeze()
        }
    }
}
