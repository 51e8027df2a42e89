//! Owns the body of an answer, whoever gives it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::compression::CompressedBody;
use crate::assets::{Content, FileBody};
use crate::handlers::{BodyFailed, GuestBody};

/// An answer's body on its way out.
pub(super) enum AnswerBody {
    Plain(GuestBody),
    Compressed(Box<CompressedBody>),
    File(Box<FileBody>),
}

impl From<Content> for AnswerBody {
    fn from(content: Content) -> Self {
        match content {
            Content::Whole(bytes) => AnswerBody::Plain(GuestBody::of(bytes)),
            Content::Pieces(file) => AnswerBody::File(file),
        }
    }
}

impl AnswerBody {
    /// A body that the host itself gives.
    pub(super) fn of(bytes: impl Into<Bytes>) -> Self {
        AnswerBody::Plain(GuestBody::of(bytes.into()))
    }

    /// Time the guest has held the loop for this request so far.
    pub(super) fn on_loop(&self) -> Duration {
        match self {
            AnswerBody::Plain(body) => body.on_loop(),
            AnswerBody::Compressed(compressed) => compressed.on_loop(),
            AnswerBody::File(_) => Duration::ZERO,
        }
    }

    /// Whether all of it is here already.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, AnswerBody::Plain(body) if body.is_whole())
    }

    /// All of it, if it is here already.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        match self {
            AnswerBody::Plain(body) => body.whole(),
            AnswerBody::Compressed(_) | AnswerBody::File(_) => None,
        }
    }

    /// Puts other bytes in the place of a body that is whole.
    pub(super) fn replace_whole(&mut self, bytes: Bytes) {
        if let AnswerBody::Plain(body) = self {
            body.replace_whole(bytes);
        }
    }

    /// Says that no one will ask for the body.
    pub(super) fn discard(&mut self) {
        if let AnswerBody::Plain(body) = self {
            body.discard();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        match &mut *self {
            AnswerBody::Plain(body) => Pin::new(body).poll_frame(cx),
            AnswerBody::Compressed(compressed) => compressed.poll_frame(cx),
            AnswerBody::File(file) => file
                .poll_piece(cx)
                .map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(BodyFailed))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Plain(body) => body.is_end_stream(),
            AnswerBody::Compressed(compressed) => compressed.is_at_end(),
            AnswerBody::File(file) => file.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Plain(body) => body.size_hint(),
            AnswerBody::Compressed(_) | AnswerBody::File(_) => SizeHint::default(),
        }
    }
}
