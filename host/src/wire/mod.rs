//! Owns bytes <-> requests and responses: HTTP/1.1 by hyper, on the loop's own sockets, in both
//! directions.
//! Knows nothing of tenants or Wasm: it calls a [`Service`], and an echo is one.

mod accept;
mod body;
mod calls;
mod channel;
mod client;
mod coding;
mod connection;
mod decoding;
mod framing;
mod grammar;
mod handshake;
mod identity;
mod negotiation;
mod refusal;
mod resting;
mod stream;
mod tls;

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

pub use accept::{Acceptor, adopt, bind};
pub use body::{Awaited, BodyBroken, Cut, Overrun, RequestBody};
pub use client::{
    Client, Order, Origin, OutboundBody, Patience, PoolKey, Resolve, ResponseBody, SendFailed,
};
pub use coding::{Coding, Encoder, encode, gets_smaller};
pub use decoding::{Decoder, Malformed};
pub use framing::Fault;
pub use hyper::body::Incoming;
pub use identity::{CertificateError, CertificateFiles, Certified, Identity};
pub use negotiation::codings_accepted;
pub use refusal::{Refusal, SPEAKS_HTTPS, body as error_body};
pub use tls::{Tls, TlsError, trusted};

use crate::limits;

/// Answers requests.
pub trait Service: 'static {
    /// The body of a response.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Unpin
        + 'static;

    /// Answers one request. Dropped when the client goes away.
    fn call(
        &self,
        request: http::Request<Incoming>,
        exchange: Rc<Exchange>,
    ) -> impl Future<Output = http::Response<Self::Body>> + 'static;

    /// Told of bytes that were refused and never became a request; gives the id that the client
    /// may quote.
    fn refused(&self, fault: Fault, peer: Option<SocketAddr>) -> String;

    /// What the answer to those says, and to a connection that there is no room for: by a short code and
    /// that id.
    fn refusal(&self, code: &str, id: &str) -> Refusal {
        Refusal { format: "text/plain", body: error_body(code, id) }
    }
}

/// What is known of one request beside its head and body.
#[derive(Default)]
pub struct Exchange {
    /// Why the request's body was refused, when that is the reason its call is dropped.
    pub fault: Cell<Option<Fault>>,
    /// Set by the service once it needs no more of the request: all of its body has come.
    pub received: Cell<bool>,
    /// Whether the service waits for more of the request's body.
    pub awaited: Awaited,
    /// Whether the service has given a response.
    pub responded: Cell<bool>,
    /// The request's id, once the service has given it one.
    pub id: Cell<Option<RequestId>>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
}

/// Names a request in the answer, the log and the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The bounds of a listener's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// From the first byte of a head to its last.
    pub head_deadline: Duration,
    /// Without progress of a request's body.
    pub body_idle_deadline: Duration,
    /// Without progress of a response.
    pub write_idle_deadline: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
    /// Before the first byte, where that is to come sooner than a whole head.
    pub first_byte_deadline: Option<Duration>,
    /// Whether a connection without a request in flight is closed when a new one has no place otherwise: the
    /// one that has been without for the longest.
    pub gives_way: bool,
}

impl Default for WireLimits {
    fn default() -> Self {
        WireLimits {
            connections: limits::CONNECTIONS_MAX,
            body_bytes: limits::BODY_BYTES_MAX,
            head_deadline: limits::HEAD_DEADLINE,
            body_idle_deadline: limits::BODY_IDLE_DEADLINE,
            write_idle_deadline: limits::WRITE_IDLE_DEADLINE,
            keep_alive: limits::KEEP_ALIVE,
            first_byte_deadline: None,
            gives_way: false,
        }
    }
}

impl WireLimits {
    /// From the taking of a connection to its first byte.
    fn first_byte(&self) -> Duration {
        self.first_byte_deadline.unwrap_or(self.head_deadline).min(self.head_deadline)
    }

    /// How often deadlines are looked at: often enough for the shortest of them.
    fn check_every(&self) -> Duration {
        let shortest = self
            .head_deadline
            .min(self.body_idle_deadline)
            .min(self.write_idle_deadline)
            .min(self.keep_alive);
        limits::DEADLINE_CHECK.min(shortest / 2).max(Duration::from_millis(10))
    }
}
