//! Owns outbound HTTP/1.1: requests of guests, on the loop's own sockets, over connections that are
//! kept for the next request to the same origin.
//!
//! A guest's store must be `Send` and a connection is not, so a request is an order that one task of
//! the loop takes, and that a task of its own carries out. Dropping the answer's future drops that
//! task, and the connection with it.

mod body;
mod connect;
mod pool;
mod progress;
mod transport;

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};

pub use body::ResponseBody;
pub use pool::{Origin, PoolKey};

use super::tls::Tls;
use crate::event_loop::{Handle, Remote};
use crate::limits;
use body::Lease;
use pool::{Pool, Sender};
use progress::Progress;

/// The body of an outbound request.
pub type OutboundBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Finds the addresses of an origin, when a connection to it is needed.
pub type Resolve = Box<dyn FnOnce() -> Resolving + Send>;
type Resolving = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, SendFailed>> + Send>>;

/// A request to be sent.
pub struct Order {
    /// Whose connections it may use, and to where.
    pub key: PoolKey,
    /// How many connections whoever asks may have.
    pub connections_max: usize,
    /// Asked when there is no such connection.
    pub resolve: Resolve,
    /// The request: its target in origin form, its headers without those of the connection, `host`
    /// among them.
    pub request: http::Request<OutboundBody>,
    /// How long the other side may take.
    pub patience: Patience,
}

/// How long the other side may take, for each of three things.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To be found and connected to, TLS included.
    pub connect: Duration,
    /// To begin its response, from the request's first byte on.
    pub first_byte: Duration,
    /// To go on with the response's body.
    pub between_bytes: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: limits::OUTBOUND_CONNECT,
            first_byte: limits::OUTBOUND_FIRST_BYTE,
            between_bytes: limits::OUTBOUND_BETWEEN_BYTES,
        }
    }
}

/// Why there is no response, or no more of it. The texts name nothing of the host's.
#[derive(Debug)]
pub enum SendFailed {
    /// Too many connections, or requests, are there already: try later.
    Busy,
    /// So many connections are there already as the one who sends may have.
    OverLimit,
    /// The name has no address.
    NotFound,
    /// The name could not be looked up.
    LookupFailed(String),
    /// The address is one that may not be reached.
    Prohibited,
    /// No one listens there, or no way leads there.
    Refused(io::Error),
    /// It was not connected to in time.
    ConnectTimeout,
    /// TLS could not be agreed on, or the certificate is not good.
    Tls(io::Error),
    /// The response did not begin in time.
    FirstByteTimeout,
    /// The response's body did not go on in time.
    BetweenBytesTimeout,
    /// The connection ended before the response did.
    Closed,
    /// What came is no HTTP/1.1 response.
    Malformed(String),
    /// The request's own body broke off.
    RequestBody,
}

impl std::fmt::Display for SendFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SendFailed::Busy | SendFailed::OverLimit => {
                f.write_str("too many connections are open already")
            }
            SendFailed::NotFound => f.write_str("the name has no address"),
            SendFailed::LookupFailed(why) => write!(f, "the name cannot be looked up: {why}"),
            SendFailed::Prohibited => f.write_str("the address may not be reached"),
            SendFailed::Refused(error) => write!(f, "cannot connect: {error}"),
            SendFailed::ConnectTimeout => f.write_str("not connected in time"),
            SendFailed::Tls(error) => write!(f, "TLS: {error}"),
            SendFailed::FirstByteTimeout => f.write_str("no response in time"),
            SendFailed::BetweenBytesTimeout => f.write_str("the response stands still"),
            SendFailed::Closed => f.write_str("the connection was closed"),
            SendFailed::Malformed(why) => write!(f, "not an HTTP/1.1 response: {why}"),
            SendFailed::RequestBody => f.write_str("the request's body broke off"),
        }
    }
}

impl Error for SendFailed {}

impl From<hyper::Error> for SendFailed {
    fn from(error: hyper::Error) -> Self {
        if error.is_user() {
            return SendFailed::RequestBody;
        }
        if error.is_parse() {
            return SendFailed::Malformed(error.to_string());
        }
        SendFailed::Closed
    }
}

/// Sends requests by one loop. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    orders: mpsc::Sender<Placed>,
    pool: Arc<Pool>,
}

struct Placed {
    order: Order,
    reply: oneshot::Sender<Reply>,
}

type Reply = Result<http::Response<ResponseBody>, SendFailed>;

impl Client {
    /// A client of this loop, with at most so many connections. `tls` is there as soon as someone may
    /// ask for `https`.
    pub fn new(handle: &Handle, tls: Arc<OnceLock<Tls>>, connections_max: usize) -> Self {
        let (orders, taken) = mpsc::channel(limits::OUTBOUND_ORDERS_MAX);
        let pool = Arc::new(Pool::new(connections_max));
        let office = Rc::new(Office {
            remote: handle.remote(),
            handle: handle.clone(),
            pool: pool.clone(),
            tls,
        });
        handle.spawn(office.take_orders(taken));
        Client { orders, pool }
    }

    /// Allows so many connections from now on. Those that are open beyond it stay.
    pub fn allow_connections(&self, connections_max: usize) {
        self.pool.allow(connections_max);
    }

    /// Sends a request; dropping the future gives it up.
    ///
    /// # Errors
    /// When there is no response.
    pub fn send(&self, order: Order) -> impl Future<Output = Reply> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let placed = self.orders.try_send(Placed { order, reply }).is_ok();
        async move {
            if !placed {
                return Err(SendFailed::Busy);
            }
            // It is dropped unanswered only when the loop ends.
            answer.await.unwrap_or(Err(SendFailed::Closed))
        }
    }
}

/// What carries out the orders of a loop.
struct Office {
    handle: Handle,
    remote: Remote,
    pool: Arc<Pool>,
    tls: Arc<OnceLock<Tls>>,
}

impl Office {
    /// Gives each order a task of its own, and sees to it that no idle connection is kept for ever.
    async fn take_orders(self: Rc<Self>, mut orders: mpsc::Receiver<Placed>) {
        let mut alarm = None;
        loop {
            let order = if self.pool.connections() == 0 {
                alarm = None;
                orders.recv().await
            } else {
                let sweep = alarm.get_or_insert_with(|| {
                    let now = self.handle.now();
                    self.handle.sleep_until(now + limits::OUTBOUND_IDLE_KEPT / 2)
                });
                match select(pin!(orders.recv()), sweep).await {
                    Either::Left((order, _)) => order,
                    Either::Right(_) => {
                        alarm = None;
                        self.pool.drop_idle(self.handle.now());
                        continue;
                    }
                }
            };
            let Some(placed) = order else { return };
            self.handle.spawn(self.clone().carry_out(placed));
        }
    }

    async fn carry_out(self: Rc<Self>, placed: Placed) {
        let Placed { order, mut reply } = placed;
        let outcome = match select(pin!(self.send(order)), pin!(reply.closed())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => return,
        };
        // Who waited may have left just now.
        let _ = reply.send(outcome);
    }

    async fn send(&self, order: Order) -> Reply {
        let Order { key, connections_max, resolve, request, patience } = order;
        let progress = Progress::new(self.handle.now());
        let mut request = progress.watch(request, &self.remote);
        // The other side may close a connection it has kept while this side takes it up.
        while let Some(mut kept) = self.pool.take(&key, self.handle.now()) {
            let copy = repeatable(&request);
            match self.exchange(&mut kept, request, patience, &progress).await {
                Ok(Ok(response)) => return Ok(self.lease(response, key, kept, patience)),
                Ok(Err(unsent)) => request = unsent,
                // Once, over a new connection: a server that falls at it is not to fall again and again.
                Err(SendFailed::Closed) => {
                    request = copy.ok_or(SendFailed::Closed)?;
                    break;
                }
                Err(failed) => return Err(failed),
            }
        }
        let connecting = self.connect(&key, connections_max, resolve, patience.connect);
        let alarm = self.handle.sleep_until(self.handle.now() + patience.connect);
        let mut sender = match select(pin!(connecting), alarm).await {
            Either::Left((connected, _)) => connected?,
            Either::Right(_) => return Err(SendFailed::ConnectTimeout),
        };
        match self.exchange(&mut sender, request, patience, &progress).await? {
            Ok(response) => Ok(self.lease(response, key, sender, patience)),
            Err(_) => Err(SendFailed::Closed),
        }
    }

    /// The response; or the request again, when the connection ended before any of it was sent.
    async fn exchange(
        &self,
        sender: &mut Sender,
        request: http::Request<OutboundBody>,
        patience: Patience,
        progress: &Progress,
    ) -> Result<Result<http::Response<Incoming>, http::Request<OutboundBody>>, SendFailed> {
        let mut sent = pin!(sender.request.try_send_request(request));
        progress.note(self.handle.now());
        loop {
            // As long as the request's own body goes on, it is not the other side that is slow.
            let due = progress.last() + patience.first_byte;
            match select(sent.as_mut(), self.handle.sleep_until(due)).await {
                Either::Right(_) if progress.last() + patience.first_byte <= due => {
                    return Err(SendFailed::FirstByteTimeout);
                }
                Either::Right(_) => {}
                Either::Left((Ok(response), _)) => return Ok(Ok(response)),
                Either::Left((Err(mut error), _)) => {
                    return match error.take_message() {
                        Some(request) => Ok(Err(request)),
                        None => Err(error.into_error().into()),
                    };
                }
            }
        }
    }

    /// The response with a body that gives the connection back when it has been read to its end.
    fn lease(
        &self,
        response: http::Response<Incoming>,
        key: PoolKey,
        sender: Sender,
        patience: Patience,
    ) -> http::Response<ResponseBody> {
        let lease = Lease::new(self.pool.clone(), key, sender);
        response.map(|incoming| {
            ResponseBody::new(incoming, lease, self.remote.clone(), patience.between_bytes)
        })
    }
}

/// A copy of a request that may be sent twice (RFC 9110, 9.2.2), where there is nothing of it that is
/// given only once.
fn repeatable(request: &http::Request<OutboundBody>) -> Option<http::Request<OutboundBody>> {
    let may = request.method().is_idempotent() && request.body().is_end_stream();
    may.then(|| {
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let mut copy = http::Request::new(nothing);
        request.method().clone_into(copy.method_mut());
        request.uri().clone_into(copy.uri_mut());
        request.headers().clone_into(copy.headers_mut());
        copy
    })
}
