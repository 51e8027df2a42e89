//! Owns `wasi:cli/stdout` and `wasi:cli/stderr`, 0.2 and 0.3: which request a guest writes for is
//! found when it writes.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    FutureReader, Linker, Resource, ResourceTable, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::cli::StdoutStream;
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::bindings::io::streams::{Host, HostOutputStream, StreamError};
use wasmtime_wasi::p3::bindings::cli::types::ErrorCode;

use super::offload::{Stdout, StdoutSink};
use super::stdio::{OpenStream, Speaker, Stream};
use super::{GuestState, current_request};
use crate::limits;

type Store<'a> = StoreContextMut<'a, GuestState>;
type Write = (Resource<DynOutputStream>, Vec<u8>);
type Written = (Result<(), StreamError>,);

pub(super) fn link_wasi02(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    link_getter(linker, "wasi:cli/stdout@0.2.12", "get-stdout", Stream::Stdout)?;
    link_getter(linker, "wasi:cli/stderr@0.2.12", "get-stderr", Stream::Stderr)?;
    linker.allow_shadowing(true);
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap(
        "[method]output-stream.write",
        |mut store: Store<'_>, (stream, bytes): Write| -> wasmtime::Result<Written> {
            let table = listen(&mut store);
            let written = HostOutputStream::write(table, stream, bytes);
            written.map_or_else(|e| Ok((Err(table.convert_stream_error(e)?),)), |()| Ok((Ok(()),)))
        },
    )?;
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: Store<'_>, (stream, bytes): Write| {
            Box::new(async move {
                let table = listen(&mut store);
                match HostOutputStream::blocking_write_and_flush(table, stream, bytes).await {
                    Ok(()) => Ok((Ok(()),)),
                    Err(error) => Ok((Err(table.convert_stream_error(error)?),)),
                }
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Notes who speaks: whatever the guest writes to may be its output.
fn listen<'a>(store: &'a mut Store<'_>) -> &'a mut ResourceTable {
    let request = current_request(store.as_context_mut());
    let state = store.data_mut();
    state.speaker.set(request);
    &mut state.table
}

fn link_getter(
    linker: &mut Linker<GuestState>,
    interface: &str,
    function: &str,
    stream: Stream,
) -> wasmtime::Result<()> {
    linker.instance(interface)?.func_wrap(function, move |mut store: Store<'_>, (): ()| {
        let state = store.data_mut();
        let handle: DynOutputStream = match state.out(stream, state.speaker.clone()) {
            Out::Log(out) => out.p2_stream(),
            Out::Caller(out) => Box::new(out),
        };
        Ok((state.table.push(handle)?,))
    })
}

pub(super) fn link_wasi03(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    link_sink(linker, "wasi:cli/stdout@0.3.0", Stream::Stdout)?;
    link_sink(linker, "wasi:cli/stderr@0.3.0", Stream::Stderr)
}

fn link_sink(
    linker: &mut Linker<GuestState>,
    interface: &str,
    stream: Stream,
) -> wasmtime::Result<()> {
    linker.instance(interface)?.func_wrap(
        "write-via-stream",
        move |mut store: Store<'_>, (bytes,): (StreamReader<u8>,)| {
            let speaker = Speaker::default();
            speaker.set(current_request(store.as_context_mut()));
            let out = store.data().out(stream, speaker);
            let (open, ended) = oneshot::channel();
            match out {
                Out::Log(out) => {
                    bytes.pipe(&mut store, Sink { out, steps_back: false, _open: open })?
                }
                Out::Caller(out) => bytes.pipe(&mut store, StdoutSink::new(out, open))?,
            }
            let end = FutureReader::new(&mut store, async {
                // It ends by being dropped.
                let _ = ended.await;
                wasmtime::error::Ok(Ok::<(), ErrorCode>(()))
            })?;
            Ok((end,))
        },
    )
}

/// Where a guest's output goes.
enum Out {
    /// Into the log.
    Log(OpenStream),
    /// To whoever has ordered the job that the guest is.
    Caller(Stdout),
}

impl GuestState {
    /// The end of a handle through which the guest writes.
    fn out(&self, stream: Stream, speaker: Speaker) -> Out {
        let log = self.stdio.open(stream, speaker);
        match (self.assignment.as_ref(), self.program(), stream) {
            (Some(assignment), Some(_), Stream::Stdout) => {
                Out::Caller(Stdout::new(assignment.caller.clone()))
            }
            (_, Some(program), Stream::Stderr) => Out::Log(log.with_tail(program.stderr.clone())),
            _ => Out::Log(log),
        }
    }
}

/// Where a stream of a 0.3 guest ends.
struct Sink {
    out: OpenStream,
    /// Set when there may be more than one call takes: the loop turns before the rest is taken.
    steps_back: bool,
    _open: oneshot::Sender<()>,
}

impl<D: 'static> StreamConsumer<D> for Sink {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if std::mem::take(&mut self.steps_back) {
            if finish {
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let taken = bytes.len().min(limits::OUTPUT_BYTES_PER_CALL);
        self.out.put(&bytes[..taken]);
        self.steps_back = taken < bytes.len();
        source.mark_read(taken);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
