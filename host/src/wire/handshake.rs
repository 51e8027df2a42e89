//! Owns the beginning of a connection on a listener that speaks TLS: the handshake, within the time for a
//! first head, and what is done about those who speak something else.
//!
//! A session holds a bounded part of it: rustls refuses a message of more than 64 KiB.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::Service;
use super::connection::Shared;
use super::stream::{Socket, Stream};
use crate::event_loop::TcpStream;
use crate::limits;

/// The first byte of a handshake's record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// What came of a connection that was to be made secure.
pub(super) enum Greeted {
    Secure(Stream),
    /// The client speaks HTTP without TLS, and none of it has been read.
    Plain(TcpStream),
    /// There is nothing more to be said on it.
    Gone,
}

/// Speaks TLS on a connection that was taken at a time. A server that drains does not wait for
/// the first byte; once that is there, the handshake goes on.
pub(super) async fn greet<S: Service>(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    taken: Instant,
    shared: &Shared<S>,
) -> Greeted {
    let mut sleep = shared.handle.sleep_until(taken + shared.limits.first_byte());
    let mut first = [0];
    let has_begun = poll_fn(|cx| {
        if let Poll::Ready(peeked) = stream.poll_peek(cx, &mut first) {
            return Poll::Ready(matches!(peeked, Ok(1..)));
        }
        if shared.is_draining() && !stream.has_arrived() {
            return Poll::Ready(false);
        }
        Pin::new(&mut sleep).poll(cx).map(|()| false)
    });
    if !has_begun.await {
        return Greeted::Gone;
    }
    match first[0] {
        HANDSHAKE => {}
        // As a method begins.
        b'A'..=b'Z' => return Greeted::Plain(stream),
        _ => return Greeted::Gone,
    }
    sleep.reset(taken + shared.limits.head_deadline);
    let acceptor = TlsAcceptor::from(config);
    let mut accept = acceptor.accept_with(Socket::new(stream), |session| {
        session.set_buffer_limit(Some(limits::CONNECTION_BUFFER_BYTES_MAX));
    });
    poll_fn(|cx| match Pin::new(&mut accept).poll(cx) {
        Poll::Ready(Ok(tls)) => Poll::Ready(Greeted::Secure(Stream::Secure(Box::new(tls)))),
        Poll::Ready(Err(_)) => Poll::Ready(Greeted::Gone),
        Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| Greeted::Gone),
    })
    .await
}
