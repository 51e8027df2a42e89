//! Owns what a connection is read from and written to: a socket as it is, or TLS on one.
//!
//! # What TLS changes
//! A read of the socket may bring more than is asked for: what is decrypted already waits in the session,
//! and no readiness of the socket tells of it. A write may be taken and not be sent: only a flush that is
//! ready says that all of it is with the kernel.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::event_loop::TcpStream;

pub(super) enum Stream {
    Plain(TcpStream),
    /// Behind a box, so that a plain one is not larger for it.
    Secure(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Ready when a read is worth a try.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Plain(socket) => socket.poll_readable(cx),
            Stream::Secure(tls) if has_more(tls) => Poll::Ready(()),
            Stream::Secure(tls) => tls.get_ref().0.tcp.poll_readable(cx),
        }
    }

    /// Whether something has come, as the kernel says now and not as it has told.
    pub(super) fn has_arrived(&self) -> bool {
        match self {
            Stream::Plain(socket) => socket.has_arrived(),
            Stream::Secure(tls) => has_more(tls) || tls.get_ref().0.tcp.has_arrived(),
        }
    }

    /// Ready when there is something to read, with whether there is; false when the peer has finished or
    /// gone. What is there stays there.
    pub(super) fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self {
            Stream::Plain(socket) => {
                socket.poll_peek(cx, &mut [0]).map(|got| matches!(got, Ok(1..)))
            }
            // Of TLS only what is decrypted tells whether it is a request or a farewell.
            Stream::Secure(tls) => {
                let filled = Pin::new(&mut **tls).poll_fill_buf(cx);
                filled.map(|got| got.is_ok_and(|bytes| !bytes.is_empty()))
            }
        }
    }

    /// Reads into `buffer`; zero bytes mean that the peer has finished.
    pub(super) fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(socket) => socket.poll_read_into(cx, buffer),
            Stream::Secure(tls) => {
                let mut tls = Pin::new(&mut **tls);
                let bytes = ready!(tls.as_mut().poll_fill_buf(cx))?;
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                tls.consume(count);
                Poll::Ready(Ok(count))
            }
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Stream::Secure(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
        }
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Stream::Secure(tls) => Pin::new(&mut **tls).poll_write_vectored(cx, slices),
        }
    }

    /// Ready when all that was written is with the kernel.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Secure(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    /// Says that nothing more will be written. TLS is told in its own words first (`close_notify`).
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Secure(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
        }
    }

    /// Before an idle connection is closed: over TLS whoever reads can tell an end from a cut. Always ready,
    /// for what the kernel does not take at once is not waited for.
    pub(super) fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stream::Secure(tls) = self {
            let _ = Pin::new(&mut **tls).poll_shutdown(cx);
        }
        Poll::Ready(())
    }

    /// Whether a write or flush that is not ready has got something out all the same, since this was asked
    /// last.
    pub(super) fn take_progress(&mut self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Secure(tls) => std::mem::take(&mut tls.get_mut().0.has_sent),
        }
    }
}

/// Whether the session has bytes that were decrypted, or the news that no more will come. It asks for more
/// of the socket in every other case, once the handshake is over.
fn has_more(tls: &TlsStream<Socket>) -> bool {
    !tls.get_ref().1.wants_read()
}

/// A socket that TLS is spoken on.
pub(super) struct Socket {
    tcp: TcpStream,
    /// Whether the kernel has taken something.
    has_sent: bool,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Socket { tcp, has_sent: false }
    }

    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.has_sent |= written.is_ready();
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
