//! Owns a request's body between the connection and whoever reads it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// The body of a request: what has been read of it already, and the rest.
pub struct RequestBody {
    first: Option<Bytes>,
    rest: Incoming,
}

/// A body broke off: the client went away, or what it sent was malformed.
pub type BodyBroken = hyper::Error;

impl RequestBody {
    /// A body as it came from the connection. A body of unknown length is waited for until its
    /// first piece is there, so that one whose framing is malformed from the start never
    /// reaches a handler.
    ///
    /// # Errors
    /// When the body breaks off before its first piece.
    pub async fn begin(mut rest: Incoming) -> Result<Self, BodyBroken> {
        if rest.is_end_stream() || rest.size_hint().exact().is_some() {
            return Ok(RequestBody { first: None, rest });
        }
        let first = match rest.frame().await {
            Some(frame) => frame?.into_data().ok(),
            None => None,
        };
        Ok(RequestBody { first, rest })
    }

    /// All of the body if it is known to have at most `max` bytes, else the body as it is.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn whole(mut self, max: u64) -> Result<Result<Bytes, RequestBody>, BodyBroken> {
        if self.rest.is_end_stream() {
            return Ok(Ok(self.first.unwrap_or_default()));
        }
        match self.rest.size_hint().exact() {
            Some(length) if length <= max => {
                let mut whole = BytesMut::with_capacity(length as usize);
                while let Some(frame) = self.rest.frame().await {
                    let Ok(data) = frame?.into_data() else { continue };
                    if data.len() as u64 == length {
                        return Ok(Ok(data));
                    }
                    whole.extend_from_slice(&data);
                }
                Ok(Ok(whole.freeze()))
            }
            _ => Ok(Err(self)),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() { SizeHint::default() } else { self.rest.size_hint() }
    }
}
