//! Owns one connection's socket, and what is known of its state: what hyper reads and writes
//! passes here, past the framer and the clock.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::WireLimits;
use super::framing::{Fault, Framer, Phase};
use super::stream::Stream;
use crate::event_loop::Handle;
use crate::limits;
use hyper::rt::{Read, ReadBufCursor, Write};

/// A buffer that the connections of a loop read into, one at a time: an idle connection has none.
pub(super) type ReadBuffer = Rc<RefCell<Box<[u8]>>>;

pub(super) struct Channel {
    pub(super) stream: Stream,
    pub(super) framer: Framer,
    /// Bytes hyper reads before those of the socket: a head it is told again.
    pub(super) replay: Vec<u8>,
    /// Set once; from then on nothing more is read.
    pub(super) fault: Option<Fault>,
    /// Set when the client has left in the middle of a body: the rest of it will not come, and
    /// there is no one to read an answer.
    pub(super) has_left: bool,
    /// Since when the state of the connection is what it is: idle, or in the middle of a head.
    pub(super) phase_since: Instant,
    /// Since when hyper waits for bytes the client does not send.
    pub(super) read_waits_since: Option<Instant>,
    /// Since when hyper waits for room the client does not make.
    pub(super) write_waits_since: Option<Instant>,
    buffer: ReadBuffer,
    handle: Handle,
}

impl Channel {
    /// The channel of a connection that was taken then.
    pub(super) fn new(
        stream: Stream,
        limits: &WireLimits,
        buffer: ReadBuffer,
        handle: Handle,
        taken: Instant,
    ) -> Self {
        Channel {
            stream,
            framer: Framer::new(limits.body_bytes),
            replay: Vec::new(),
            fault: None,
            has_left: false,
            phase_since: taken,
            read_waits_since: None,
            write_waits_since: None,
            buffer,
            handle,
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.replay.is_empty() {
            out.put_slice(&std::mem::take(&mut self.replay));
            return Poll::Ready(Ok(()));
        }
        if self.fault.is_some() || self.has_left {
            // The connection's task sees it when this poll is over.
            return Poll::Pending;
        }
        let shared = self.buffer.clone();
        let mut buffer = shared.borrow_mut();
        let room = out.remaining().min(buffer.len());
        let Poll::Ready(read) = self.stream.poll_read_into(cx, &mut buffer[..room]) else {
            self.read_waits_since.get_or_insert(self.handle.now());
            return Poll::Pending;
        };
        self.read_waits_since = None;
        let before = self.framer.phase();
        if before == Phase::Body && !matches!(read, Ok(1..)) {
            self.has_left = true;
            return Poll::Pending;
        }
        let count = read?;
        let bytes = &buffer[..count];
        let heads = self.framer.heads();
        match self.framer.check(bytes) {
            Ok(()) => out.put_slice(bytes),
            Err((fault, good)) => {
                self.fault = Some(fault);
                if good == 0 {
                    return Poll::Pending;
                }
                out.put_slice(&bytes[..good]);
            }
        }
        let after = self.framer.phase();
        if before != after || after == Phase::Idle || self.framer.heads() != heads {
            self.phase_since = self.handle.now();
        }
        Poll::Ready(Ok(()))
    }

    fn note_write<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            if self.stream.take_progress() {
                self.write_waits_since = None;
            }
            self.write_waits_since.get_or_insert(self.handle.now());
        } else {
            self.write_waits_since = None;
        }
        written
    }
}

/// The channel as hyper sees it.
#[derive(Clone)]
pub(super) struct ChannelIo(pub(super) Rc<RefCell<Channel>>);

impl Read for ChannelIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, out)
    }
}

impl Write for ChannelIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut channel = self.0.borrow_mut();
        let written = channel.stream.poll_write(cx, bytes);
        channel.note_write(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let channel = &mut *self.0.borrow_mut();
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let written = if total <= limits::WRITE_JOINED_BYTES_MAX {
            let mut buffer = channel.buffer.borrow_mut();
            let mut at = 0;
            for slice in slices {
                buffer[at..at + slice.len()].copy_from_slice(slice);
                at += slice.len();
            }
            channel.stream.poll_write(cx, &buffer[..total])
        } else {
            channel.stream.poll_write_vectored(cx, slices)
        };
        channel.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut channel = self.0.borrow_mut();
        if let Stream::Plain(_) = channel.stream {
            return Poll::Ready(Ok(()));
        }
        let flushed = channel.stream.poll_flush(cx);
        channel.note_write(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut channel = self.0.borrow_mut();
        let shut = channel.stream.poll_shutdown(cx);
        channel.note_write(shut)
    }
}
