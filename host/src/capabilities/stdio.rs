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
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits;
use crate::observe::{Line, Log};
use crate::wire::RequestId;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The output of one handler. Cheap to clone.
#[derive(Clone)]
pub struct Stdio {
    shared: Arc<Shared>,
}

struct Shared {
    handler: String,
    log: Log,
    /// Lines not yet ended. One request has two at most; an idle handler has none.
    partial: Mutex<Vec<PartialLine>>,
}

struct PartialLine {
    stream: Stream,
    request: Option<RequestId>,
    bytes: Vec<u8>,
}

impl Stdio {
    /// The output of the handler of this name.
    pub fn new(handler: &str, log: Log) -> Self {
        let shared = Shared { handler: handler.to_owned(), log, partial: Mutex::default() };
        Stdio { shared: Arc::new(shared) }
    }

    /// A handle through which the guest writes.
    pub fn open(&self, stream: Stream, speaker: Speaker) -> OpenStream {
        OpenStream { stdio: self.clone(), stream, speaker }
    }

    /// Writes out what a request has left without a line's end.
    pub fn finish(&self, request: RequestId) {
        let mut partial = self.shared.partial.lock().expect("partial lines");
        if partial.is_empty() {
            return;
        }
        partial.retain(|line| {
            let of_request = line.request == Some(request);
            if of_request && !line.bytes.is_empty() {
                self.shared.emit(line.stream, line.request, &line.bytes);
            }
            !of_request
        });
    }
}

impl Shared {
    fn write(&self, stream: Stream, request: Option<RequestId>, mut bytes: &[u8]) {
        let mut partial = self.partial.lock().expect("partial lines");
        let found = partial.iter().position(|l| l.stream == stream && l.request == request);
        let index = found.unwrap_or_else(|| {
            partial.push(PartialLine { stream, request, bytes: Vec::new() });
            partial.len() - 1
        });
        let line = &mut partial[index].bytes;
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
            partial.swap_remove(index);
        }
    }

    fn emit(&self, stream: Stream, request: Option<RequestId>, line: &[u8]) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        let mut record = Line::new("guest").text("handler", &self.handler);
        if let Some(request) = request {
            record = record.text("id", &request.to_string());
        }
        self.log.write(record.text("stream", stream.name()).text("line", &text));
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
}

impl OpenStream {
    fn handle(&self) -> OpenStream {
        self.stdio.open(self.stream, self.speaker.clone())
    }

    pub(super) fn put(&self, bytes: &[u8]) {
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
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::BODY_PIECE_BYTES_MAX)
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
