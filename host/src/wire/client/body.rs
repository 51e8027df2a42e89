//! Owns the body of a response to an outbound request, and with it the connection it comes over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::SendFailed;
use super::pool::{Pool, PoolKey, Sender};
use crate::event_loop::{Remote, Sleep};

/// A connection that serves a request. Dropped before it is given back, it is closed.
pub(super) struct Lease {
    pool: Arc<Pool>,
    key: PoolKey,
    sender: Sender,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, key: PoolKey, sender: Sender) -> Self {
        Lease { pool, key, sender }
    }

    fn give_back(self, remote: &Remote) {
        self.pool.keep(self.key, self.sender, remote.now());
    }
}

/// The body of a response. Read to its end it gives its connection back.
pub struct ResponseBody {
    incoming: Incoming,
    lease: Option<Lease>,
    remote: Remote,
    between_bytes: Duration,
    /// Set while more is waited for.
    alarm: Option<Sleep>,
}

impl ResponseBody {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        remote: Remote,
        between_bytes: Duration,
    ) -> Self {
        let mut body =
            ResponseBody { incoming, lease: Some(lease), remote, between_bytes, alarm: None };
        if body.incoming.is_end_stream() {
            body.end();
        }
        body
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(&self.remote);
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ResponseBody { remote, between_bytes, alarm, .. } = self;
        let alarm = alarm.get_or_insert_with(|| remote.sleep_until(remote.now() + *between_bytes));
        Pin::new(alarm).poll(cx)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = SendFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendFailed>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return self.poll_alarm(cx).map(|()| {
                self.lease = None;
                Some(Err(SendFailed::BetweenBytesTimeout))
            });
        };
        self.alarm = None;
        match frame {
            // A body that has a length is at its end with its last byte.
            Some(Ok(_)) if self.incoming.is_end_stream() => self.end(),
            Some(Ok(_)) => {}
            None => self.end(),
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(frame.map(|frame| frame.map_err(SendFailed::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
