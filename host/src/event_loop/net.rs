//! Owns the loop's sockets: they wait in the OS and cost no thread.
//! They implement tokio's I/O traits, so that protocol crates written for those run on this loop.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reactor::{Direction, Reactor, SourceKey};

/// A listening socket.
pub struct TcpListener {
    inner: mio::net::TcpListener,
    key: SourceKey,
    reactor: Rc<Reactor>,
}

impl TcpListener {
    pub(super) fn new(reactor: Rc<Reactor>, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut inner = mio::net::TcpListener::from_std(listener);
        let key = reactor.register(&mut inner)?;
        Ok(TcpListener { inner, key, reactor })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The next connection, and whose it is.
    ///
    /// # Errors
    /// Those of `accept(2)`; after one that concerns the connection only, the next may succeed.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            ready!(self.reactor.poll_ready(self.key, Direction::Read, cx));
            match self.inner.accept() {
                Ok((stream, peer)) => {
                    let stream = TcpStream::new(&self.reactor, stream);
                    return Poll::Ready(stream.map(|stream| (stream, peer)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reactor.clear_ready(self.key, Direction::Read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// A connection that the kernel has taken already, if there is one; also when it has not yet
    /// told so.
    ///
    /// # Errors
    /// As [`TcpListener::poll_accept`].
    pub fn accept_waiting(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match self.inner.accept() {
            Ok((stream, peer)) => Ok(Some((TcpStream::new(&self.reactor, stream)?, peer))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.reactor.deregister(&mut self.inner, self.key);
    }
}

/// A connected socket.
pub struct TcpStream {
    inner: mio::net::TcpStream,
    key: SourceKey,
    reactor: Rc<Reactor>,
}

impl TcpStream {
    fn new(reactor: &Rc<Reactor>, mut inner: mio::net::TcpStream) -> io::Result<Self> {
        let key = reactor.register(&mut inner)?;
        Ok(TcpStream { inner, key, reactor: reactor.clone() })
    }

    /// Connects to an address, without Nagle's delay: whoever connects speaks first.
    pub(super) async fn connect(reactor: &Rc<Reactor>, address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::new(reactor, mio::net::TcpStream::connect(address)?)?;
        // A new socket counts as one with room to write, and this one has none yet.
        reactor.clear_ready(stream.key, Direction::Write);
        poll_fn(|cx| {
            loop {
                ready!(reactor.poll_ready(stream.key, Direction::Write, cx));
                if let Some(error) = stream.inner.take_error()? {
                    return Poll::Ready(Err(error));
                }
                match stream.inner.peer_addr() {
                    Ok(_) => return Poll::Ready(Ok(())),
                    // The kernel spoke before it was done.
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                        reactor.clear_ready(stream.key, Direction::Write);
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
        .await?;
        stream.inner.set_nodelay(true)?;
        Ok(stream)
    }

    /// Writes what the kernel takes at once.
    ///
    /// # Errors
    /// Those of `send(2)`, `WouldBlock` among them.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    /// Ready when a read is worth a try.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reactor.poll_ready(self.key, Direction::Read, cx)
    }

    /// Whether there is something to read, as the kernel says now and not as it has told.
    pub fn has_arrived(&self) -> bool {
        matches!(self.inner.peek(&mut [0]), Ok(1..))
    }

    /// Ready when there is something to read, with as much of it as `buffer` has room for; zero when the
    /// peer has finished. What is there stays there.
    ///
    /// # Errors
    /// Those of `recv(2)`.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.reactor.poll_ready(self.key, Direction::Read, cx));
            match self.inner.peek(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reactor.clear_ready(self.key, Direction::Read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Reads into `buffer`; zero bytes mean that the peer has finished.
    ///
    /// # Errors
    /// Those of `recv(2)`.
    pub fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.reactor.poll_ready(self.key, Direction::Read, cx));
            match self.inner.read(buffer) {
                Ok(count) => {
                    // A short read has emptied the socket: the kernel will speak again when
                    // there is more, and asking it now would cost a call for nothing.
                    if count > 0 && count < buffer.len() {
                        self.reactor.clear_ready(self.key, Direction::Read);
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reactor.clear_ready(self.key, Direction::Read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut write: impl FnMut(&mut mio::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.reactor.poll_ready(self.key, Direction::Write, cx));
            match write(&mut self.inner) {
                Ok(count) => {
                    if count > 0 && count < wanted {
                        self.reactor.clear_ready(self.key, Direction::Write);
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reactor.clear_ready(self.key, Direction::Write);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(self.poll_read_into(cx, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, bytes.len(), |stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.poll_write_with(cx, wanted, |stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.inner.shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.reactor.deregister(&mut self.inner, self.key);
    }
}
