//! Owns a request's body between the connection and whoever reads it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

/// The body of a request: what has been read of it already, and the rest.
pub struct RequestBody {
    first: Option<Bytes>,
    rest: Rest,
    /// Bytes that may come yet.
    left: u64,
    /// Set when more have come. There where the length is not known.
    overrun: Option<Overrun>,
}

enum Rest {
    /// It comes from a connection.
    Wire(Arriving),
    /// A guest sends it on.
    Forwarded(UnsyncBoxBody<Bytes, BodyBroken>),
}

/// A body that comes from a connection.
struct Arriving {
    supply: Arc<Mutex<Supply>>,
    awaited: Awaited,
}

/// What a connection has for whoever reads a body.
struct Supply {
    /// None once it was cut off.
    body: Option<Incoming>,
    reader: Option<Waker>,
}

/// The means to cut a body off from whoever reads it. It keeps nothing that no one reads any more.
pub struct Cut {
    supply: Weak<Mutex<Supply>>,
    awaited: Awaited,
}

impl Cut {
    /// Cuts it off, for the request is answered: who reads on finds it broken. Says whether something of it had
    /// not come yet.
    pub fn cut(self) -> bool {
        let Some(supply) = self.supply.upgrade() else { return false };
        let (body, reader) = {
            let mut supply = supply.lock().expect("supply");
            (supply.body.take(), supply.reader.take())
        };
        self.awaited.set(false);
        if let Some(reader) = reader {
            reader.wake();
        }
        body.is_some_and(|body| !body.is_end_stream())
    }
}

impl Supply {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Some(Err(BodyBroken::Answered)));
        };
        let polled = Pin::new(body).poll_frame(cx);
        self.reader = polled.is_pending().then(|| cx.waker().clone());
        polled.map(|frame| frame.map(|frame| frame.map_err(BodyBroken::Off)))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.awaited.set(false);
    }
}

/// Whether someone waits for more of a body: a client that sends none of it then is late. Cheap to clone.
#[derive(Clone, Default)]
pub struct Awaited(Arc<AtomicBool>);

impl Awaited {
    fn set(&self, is_awaited: bool) {
        self.0.store(is_awaited, Ordering::Relaxed);
    }

    /// Whether someone does.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a body whose length was not known was longer than it may be. Cheap to clone.
#[derive(Clone, Default)]
pub struct Overrun(Arc<AtomicBool>);

impl Overrun {
    /// Whether it was, as far as it has been read.
    pub fn has_happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a body is not complete.
#[derive(Debug)]
pub enum BodyBroken {
    /// It broke off: the client went away, or what it sent was malformed.
    Off(hyper::Error),
    /// The guest that sends it on has broken it off.
    NotSentOn,
    /// The request was answered before it was read.
    Answered,
    /// It is longer than it may be.
    TooLong,
}

impl From<hyper::Error> for BodyBroken {
    fn from(error: hyper::Error) -> Self {
        BodyBroken::Off(error)
    }
}

impl std::fmt::Display for BodyBroken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BodyBroken::Off(error) => error.fmt(f),
            BodyBroken::NotSentOn => f.write_str("the guest that sends the body on broke it off"),
            BodyBroken::Answered => f.write_str("the request has been answered meanwhile"),
            BodyBroken::TooLong => f.write_str("the body is too long"),
        }
    }
}

impl std::error::Error for BodyBroken {}

impl RequestBody {
    /// A body as it came from the connection, of so many bytes at the most; `awaited` is that of its
    /// exchange. A body of unknown length is waited for until its first piece is there, so that one
    /// whose framing is malformed from the start never reaches a handler.
    ///
    /// # Errors
    /// When the body breaks off before its first piece, or says that it is longer.
    pub async fn begin(body: Incoming, most: u64, awaited: &Awaited) -> Result<Self, BodyBroken> {
        if body.size_hint().exact().is_some_and(|length| length > most) {
            return Err(BodyBroken::TooLong);
        }
        let supply = Arc::new(Mutex::new(Supply { body: Some(body), reader: None }));
        let awaited = awaited.clone();
        Self::with_first(Rest::Wire(Arriving { supply, awaited }), most).await
    }

    /// The same of a body that a guest sends on, as long as that makes it.
    ///
    /// # Errors
    /// When the body breaks off before its first piece.
    pub async fn forwarded(rest: UnsyncBoxBody<Bytes, BodyBroken>) -> Result<Self, BodyBroken> {
        Self::with_first(Rest::Forwarded(rest), u64::MAX).await
    }

    async fn with_first(mut rest: Rest, most: u64) -> Result<Self, BodyBroken> {
        if rest.is_end_stream() || rest.size_hint().exact().is_some() {
            return Ok(RequestBody { first: None, rest, left: most, overrun: None });
        }
        let first = match rest.frame().await {
            Some(frame) => frame?.into_data().ok(),
            None => None,
        };
        let length = first.as_ref().map_or(0, Bytes::len) as u64;
        let left = most.checked_sub(length).ok_or(BodyBroken::TooLong)?;
        Ok(RequestBody { first, rest, left, overrun: Some(Overrun::default()) })
    }

    /// The means to cut it off, where it comes from a connection.
    pub fn cut(&self) -> Option<Cut> {
        let Rest::Wire(Arriving { supply, awaited }) = &self.rest else { return None };
        Some(Cut { supply: Arc::downgrade(supply), awaited: awaited.clone() })
    }

    /// Tells whether it is longer than it may be, where that is not known before it is read.
    pub fn overrun(&self) -> Option<Overrun> {
        self.overrun.clone()
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
        let polled = ready!(Pin::new(&mut self.rest).poll_frame(cx));
        let frame = polled.transpose();
        if let Ok(Some(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            match self.left.checked_sub(length) {
                Some(left) => self.left = left,
                None => {
                    if let Some(Overrun(happened)) = &self.overrun {
                        happened.store(true, Ordering::Relaxed);
                    }
                    return Poll::Ready(Some(Err(BodyBroken::TooLong)));
                }
            }
        }
        Poll::Ready(frame.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() { SizeHint::default() } else { self.rest.size_hint() }
    }
}

impl Body for Rest {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        match &mut *self {
            Rest::Wire(Arriving { supply, awaited }) => {
                let polled = supply.lock().expect("supply").poll_frame(cx);
                awaited.set(polled.is_pending());
                polled
            }
            Rest::Forwarded(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Rest::Wire(arriving) => {
                let supply = arriving.supply.lock().expect("supply");
                supply.body.as_ref().is_some_and(Incoming::is_end_stream)
            }
            Rest::Forwarded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Rest::Wire(arriving) => {
                let supply = arriving.supply.lock().expect("supply");
                supply.body.as_ref().map(Incoming::size_hint).unwrap_or_default()
            }
            Rest::Forwarded(body) => body.size_hint(),
        }
    }
}
