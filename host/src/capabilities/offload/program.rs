//! Owns the standard input, output and error of a program that is a job.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot};
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{
    InputStream, OutputStream, Pollable, StreamError, StreamResult as Written,
};

use super::caller::{Caller, NotGiven};
use super::channel::{Gone, Room};
use crate::limits;

/// What a guest has to do with that runs a job.
pub struct Assignment {
    /// Its way to whoever has ordered the job.
    pub caller: Caller,
    /// There only when it is a program.
    pub program: Option<Program>,
}

/// What a program has that another job has not.
pub struct Program {
    /// Its arguments, its name in front.
    pub arguments: Vec<String>,
    /// The end of what it writes to its standard error.
    pub stderr: StderrTail,
    input: Arc<AsyncMutex<Input>>,
}

impl Program {
    /// For a program that is called so, with these arguments.
    pub fn new(name: &str, arguments: Vec<String>, caller: &Caller) -> Self {
        let input = Input { caller: caller.clone(), rest: Bytes::new(), is_ended: false };
        Program {
            arguments: [name.to_owned()].into_iter().chain(arguments).collect(),
            stderr: StderrTail::default(),
            input: Arc::new(AsyncMutex::new(input)),
        }
    }

    /// Its standard input.
    pub(crate) fn stdin(&self) -> Stdin {
        Stdin { input: self.input.clone() }
    }
}

/// The end of what was written, for a person who wants to know what went wrong. Cheap to clone.
#[derive(Clone, Default)]
pub struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    pub(crate) fn add(&self, bytes: &[u8]) {
        const MAX: usize = limits::OFFLOAD_STDERR_BYTES_MAX;
        let mut tail = self.0.lock().expect("stderr");
        let kept = &bytes[bytes.len().saturating_sub(MAX)..];
        let surplus = (tail.len() + kept.len()).saturating_sub(MAX);
        tail.drain(..surplus);
        tail.extend_from_slice(kept);
    }

    /// What is kept of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("stderr")).trim_end().to_owned()
    }
}

/// What a program has not read yet: all its handles read from the same.
struct Input {
    caller: Caller,
    rest: Bytes,
    is_ended: bool,
}

impl Input {
    /// Waits for the next piece. May be dropped without a loss.
    async fn fill(&mut self) {
        match self.caller.receive().await {
            Some(piece) => self.rest = piece.into(),
            None => self.is_ended = true,
        }
    }
}

/// A program's standard input.
pub(crate) struct Stdin {
    input: Arc<AsyncMutex<Input>>,
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(Reader { input: self.input.clone(), filling: None })
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Stdin { input: self.input.clone() })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        drop(filled(self.input.clone()).await);
    }
}

impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> Written<Bytes> {
        // Another handle waits for what comes.
        let Ok(mut input) = self.input.try_lock() else { return Ok(Bytes::new()) };
        if input.rest.is_empty() && input.is_ended {
            return Err(StreamError::Closed);
        }
        let taken = input.rest.len().min(size);
        Ok(input.rest.split_to(taken))
    }
}

/// The same for WASI 0.3.
struct Reader {
    input: Arc<AsyncMutex<Input>>,
    /// There while something is waited for.
    filling: Option<Filling>,
}

type Filling = Pin<Box<dyn Future<Output = OwnedMutexGuard<Input>> + Send + Sync>>;

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let input = self.input.clone();
        let filling = self.filling.get_or_insert_with(|| Box::pin(filled(input)));
        let mut input = ready!(filling.as_mut().poll(cx));
        self.filling = None;
        let taken = input.rest.len().min(into.remaining());
        into.put_slice(&input.rest.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

/// The input, when there is something to read, or the end.
async fn filled(input: Arc<AsyncMutex<Input>>) -> OwnedMutexGuard<Input> {
    let mut input = input.lock_owned().await;
    // An empty message is nothing to read.
    while input.rest.is_empty() && !input.is_ended {
        input.fill().await;
    }
    input
}

/// A program's standard output.
pub(crate) struct Stdout {
    caller: Caller,
    /// Room for the next piece, once there is some.
    room: Option<Option<Room>>,
}

impl Stdout {
    pub(crate) fn new(caller: Caller) -> Self {
        Stdout { caller, room: None }
    }

    /// Waits until a piece can be written.
    pub(crate) async fn writable(&mut self) -> Result<(), NotWritable> {
        if self.room.is_none() {
            self.room = Some(self.caller.room(limits::OFFLOAD_PIECE_BYTES_MAX).await?);
        }
        Ok(())
    }

    /// Writes a piece of up to [`limits::OFFLOAD_PIECE_BYTES_MAX`] that there is room for.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), NotWritable> {
        if bytes.is_empty() {
            // It would be a message that takes room, and says nothing.
            return Ok(());
        }
        let held = self.caller.charge(bytes.len())?;
        let room = self.room.take().flatten();
        Ok(self.caller.give(room, held, bytes.to_vec())?)
    }
}

/// Why a program cannot write.
#[derive(Debug)]
pub(crate) enum NotWritable {
    /// No one reads any more.
    Closed,
    /// The program ends: it has written more than it may, or its tenant holds too much.
    Trap(wasmtime::Error),
}

impl From<NotGiven> for NotWritable {
    fn from(not_given: NotGiven) -> Self {
        NotWritable::Trap(not_given.into_trap())
    }
}

impl From<Gone> for NotWritable {
    fn from(_: Gone) -> Self {
        NotWritable::Closed
    }
}

impl From<NotWritable> for StreamError {
    fn from(not_writable: NotWritable) -> Self {
        match not_writable {
            NotWritable::Closed => StreamError::Closed,
            NotWritable::Trap(error) => StreamError::Trap(error),
        }
    }
}

impl OutputStream for Stdout {
    fn write(&mut self, bytes: Bytes) -> Written<()> {
        if bytes.len() > limits::OFFLOAD_PIECE_BYTES_MAX || self.room.is_none() {
            return Err(StreamError::trap("a write is longer than `check-write` allows"));
        }
        Ok(self.put(&bytes)?)
    }

    fn flush(&mut self) -> Written<()> {
        Ok(())
    }

    fn check_write(&mut self) -> Written<usize> {
        if self.room.is_none() {
            self.room =
                self.caller.room_now(limits::OFFLOAD_PIECE_BYTES_MAX).map_err(NotWritable::from)?;
        }
        Ok(if self.room.is_some() { limits::OFFLOAD_PIECE_BYTES_MAX } else { 0 })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stdout {
    async fn ready(&mut self) {
        // That no one reads is said by the write.
        let _ = self.writable().await;
    }
}

/// The same for a stream of a 0.3 guest.
pub(crate) struct StdoutSink {
    state: SinkState,
    _open: oneshot::Sender<()>,
}

enum SinkState {
    Writable(Stdout),
    Waiting(WaitingForRoom),
    Closed,
}

type WaitingForRoom = Pin<Box<dyn Future<Output = (Stdout, Result<(), NotWritable>)> + Send>>;

impl StdoutSink {
    /// Writes to `out`. `open` is dropped when the stream has ended.
    pub(crate) fn new(out: Stdout, open: oneshot::Sender<()>) -> Self {
        StdoutSink { state: SinkState::Writable(out), _open: open }
    }

    /// The output, once it can be written to; the end when no one reads any more.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut Stdout, NotWritable>> {
        loop {
            match &mut self.state {
                SinkState::Closed => return Poll::Ready(Err(NotWritable::Closed)),
                SinkState::Writable(out) if out.room.is_some() => break,
                SinkState::Writable(_) => {
                    let SinkState::Writable(mut out) =
                        std::mem::replace(&mut self.state, SinkState::Closed)
                    else {
                        unreachable!("matched above")
                    };
                    self.state = SinkState::Waiting(Box::pin(async move {
                        let waited = out.writable().await;
                        (out, waited)
                    }));
                }
                SinkState::Waiting(waiting) => {
                    let (out, waited) = ready!(waiting.as_mut().poll(cx));
                    self.state = SinkState::Closed;
                    if let Err(closed) = waited {
                        return Poll::Ready(Err(closed));
                    }
                    self.state = SinkState::Writable(out);
                }
            }
        }
        match &mut self.state {
            SinkState::Writable(out) => Poll::Ready(Ok(out)),
            _ => unreachable!("the loop ends so"),
        }
    }
}

impl<D: 'static> StreamConsumer<D> for StdoutSink {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let out = match self.poll_writable(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(out)) => out,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
        };
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let taken = bytes.len().min(limits::OFFLOAD_PIECE_BYTES_MAX);
        let put = out.put(&bytes[..taken]);
        source.mark_read(taken);
        Poll::Ready(match put {
            Ok(()) => Ok(StreamResult::Completed),
            Err(NotWritable::Closed) => Ok(StreamResult::Dropped),
            Err(NotWritable::Trap(error)) => Err(error),
        })
    }
}
