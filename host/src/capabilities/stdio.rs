//! Owns a guest's standard output and error: each line becomes a line of the log, with the
//! handler's name and the request's id.
//!
//! A guest may write a line in pieces, each through a handle of its own, so the pieces are put
//! together per request, not per handle.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use memchr::memchr;
use rustc_hash::FxHashMap;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::offload::StderrTail;
use crate::limits;
use crate::observe::{Line, Log};
use crate::wire::RequestId;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The output of one handler or module. Cheap to clone.
#[derive(Clone)]
pub struct Stdio {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Arc<WriterName>,
    log: Log,
    /// Lines not yet ended. One request has two at most; an idle handler has none.
    partial: Mutex<FxHashMap<Writer, Vec<u8>>>,
}

/// Who writes, as the log says it.
struct WriterName {
    /// `handler` or `module`.
    key: &'static str,
    name: String,
}

/// Whose line it is, if that is known, and of which output.
type Writer = (Option<RequestId>, Stream);

/// The lines of one request: what it has left without a line's end is written out when this is
/// dropped, however the request ends.
pub struct Lines {
    stdio: Stdio,
    request: RequestId,
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.stdio.finish(self.request);
    }
}

impl Stdio {
    /// The output of the handler of this name.
    pub fn new(handler: &str, log: Log) -> Self {
        Self::of(WriterName { key: "handler", name: handler.to_owned() }, log)
    }

    /// The output of the module of this name.
    pub fn of_module(module: &str, log: Log) -> Self {
        Self::of(WriterName { key: "module", name: module.to_owned() }, log)
    }

    fn of(writer: WriterName, log: Log) -> Self {
        let shared = Shared { writer: Arc::new(writer), log, partial: Mutex::default() };
        Stdio { shared: Arc::new(shared) }
    }

    /// The same for an instance that puts its own lines together.
    pub fn apart(&self) -> Self {
        let Shared { writer, log, .. } = &*self.shared;
        let (writer, log) = (writer.clone(), log.clone());
        Stdio { shared: Arc::new(Shared { writer, log, partial: Mutex::default() }) }
    }

    /// The log that it goes to.
    pub(super) fn log(&self) -> &Log {
        &self.shared.log
    }

    /// A handle through which the guest writes.
    pub fn open(&self, stream: Stream, speaker: Speaker) -> OpenStream {
        OpenStream { stdio: self.clone(), stream, speaker, tail: None }
    }

    /// The lines of a request, to be kept as long as the request lives.
    pub fn lines_of(&self, request: RequestId) -> Lines {
        Lines { stdio: self.clone(), request }
    }

    fn finish(&self, request: RequestId) {
        let mut partial = self.shared.partial.lock().expect("partial lines");
        if partial.is_empty() {
            return;
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(line) = partial.remove(&(Some(request), stream)) {
                self.shared.emit(stream, Some(request), &line);
            }
        }
    }
}

impl Shared {
    fn write(&self, stream: Stream, request: Option<RequestId>, mut bytes: &[u8]) {
        let mut partial = self.partial.lock().expect("partial lines");
        let line = partial.entry((request, stream)).or_default();
        while !bytes.is_empty() {
            let room = limits::LOG_LINE_BYTES_MAX - line.len();
            let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
            let taken = end.min(room);
            line.extend_from_slice(&bytes[..taken]);
            let ended = taken == end && end < bytes.len();
            if ended || line.len() == limits::LOG_LINE_BYTES_MAX {
                self.emit(stream, request, line);
                line.clear();
            }
            bytes = &bytes[taken + usize::from(ended)..];
        }
        if line.is_empty() {
            partial.remove(&(request, stream));
        }
    }

    fn emit(&self, stream: Stream, request: Option<RequestId>, line: &[u8]) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        let mut record = Line::new("guest").text(self.writer.key, &self.writer.name);
        if let Some(request) = request {
            record = record.text("id", &request.to_string());
        }
        self.log.write_of_guest(record.text("stream", stream.name()).text("line", &text));
    }
}

/// The request whose line it is when a guest writes. A guest may keep a handle as long as its
/// instance lives, and write through it for one request after another.
#[derive(Clone, Default)]
pub struct Speaker(Arc<Mutex<Option<RequestId>>>);

impl Speaker {
    /// From now on the guest writes for this request.
    pub fn set(&self, request: Option<RequestId>) {
        *self.0.lock().expect("speaker") = request;
    }

    fn get(&self) -> Option<RequestId> {
        *self.0.lock().expect("speaker")
    }
}

/// A guest's handle.
pub struct OpenStream {
    stdio: Stdio,
    stream: Stream,
    speaker: Speaker,
    /// Where the end of it is kept too.
    tail: Option<StderrTail>,
}

impl OpenStream {
    fn handle(&self) -> OpenStream {
        let handle = self.stdio.open(self.stream, self.speaker.clone());
        OpenStream { tail: self.tail.clone(), ..handle }
    }

    /// The same, of which the end is kept.
    pub(super) fn with_tail(self, tail: StderrTail) -> OpenStream {
        OpenStream { tail: Some(tail), ..self }
    }

    pub(super) fn put(&self, bytes: &[u8]) {
        if let Some(tail) = &self.tail {
            tail.add(bytes);
        }
        self.stdio.shared.write(self.stream, self.speaker.get(), bytes);
    }
}

impl IsTerminal for OpenStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for OpenStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.handle())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.handle())
    }
}

impl OutputStream for OpenStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > limits::OUTPUT_BYTES_PER_CALL {
            return Err(StreamError::trap("a write is longer than `check-write` allows"));
        }
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::OUTPUT_BYTES_PER_CALL)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for OpenStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for OpenStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
