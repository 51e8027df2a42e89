//! Owns the functions of `wasi:filesystem` 0.3 by which files grow and go.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, FutureReader, Linker, Resource, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptorWithStore, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::filesystem::FilesystemError;

use super::{Going, RESIZE, Unwritten, WRITE, Written, give_back, written};
use crate::capabilities::GuestState;
use crate::capabilities::treaty::Hop;
use crate::limits;
use crate::tenants::Turn;

type Store<'a> = StoreContextMut<'a, GuestState>;
type Fd = Resource<Descriptor>;
type Told<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;
/// The stock functions.
type Stock = WasiFilesystem;

fn told<T>(result: Result<T, FilesystemError>) -> Told<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

fn code(unwritten: Unwritten) -> ErrorCode {
    match unwritten {
        Unwritten::Full => ErrorCode::Quota,
        Unwritten::Failed(error) => ErrorCode::from(error),
    }
}

/// The file behind a descriptor, where its growth counts.
fn counted(state: &GuestState, fd: &Fd) -> Option<Written> {
    written(&state.limited()?, state.table.get(fd).ok()?)
}

fn stock(accessor: &Accessor<GuestState>) -> Accessor<GuestState, Stock> {
    accessor.with_getter::<Stock>(GuestState::filesystem)
}

/// Finds out what goes, where that counts.
async fn weigh(
    accessor: &Accessor<GuestState>,
    (fd, to_fd): (&Fd, &Fd),
    going: Going,
) -> Option<(Turn, u64)> {
    let weighing = accessor.with(|mut access| {
        let state = access.data_mut();
        state.weighing(state.table.get(fd).ok(), state.table.get(to_fd).ok(), going)
    });
    weighing.await
}

/// In the place of the stock functions.
pub(in crate::capabilities) fn link_wasi03(
    linker: &mut Linker<GuestState>,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:filesystem/types@0.3.0")?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: Store<'_>, (fd, bytes, offset): (Fd, StreamReader<u8>, u64)| {
            if let Some(file) = counted(store.data(), &fd) {
                return Ok((pipe(store, file, Some(offset), bytes)?,));
            }
            let access = Access::<_, Stock>::new(store.as_context_mut(), GuestState::filesystem);
            Ok((Stock::write_via_stream(access, fd, bytes, offset)?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: Store<'_>, (fd, bytes): (Fd, StreamReader<u8>)| {
            if let Some(file) = counted(store.data(), &fd) {
                return Ok((pipe(store, file, None, bytes)?,));
            }
            let access = Access::<_, Stock>::new(store.as_context_mut(), GuestState::filesystem);
            Ok((Stock::append_via_stream(access, fd, bytes)?,))
        },
    )?;
    types.func_wrap_concurrent(
        "[method]descriptor.set-size",
        |accessor, (fd, size): (Fd, u64)| {
            Box::pin(async move {
                let setting = accessor.with(|mut access| {
                    let state = access.data_mut();
                    let file = counted(state, &fd)?;
                    Some(state.blocking(RESIZE, move || file.set_size(size)))
                });
                match setting {
                    Some(setting) => Ok((setting.await.map_err(code),)),
                    None => told(Stock::set_size(&stock(accessor), fd, size).await),
                }
            })
        },
    )?;
    types.func_wrap_concurrent(
        "[method]descriptor.open-at",
        |accessor, given: (Fd, PathFlags, String, OpenFlags, DescriptorFlags)| {
            Box::pin(async move {
                let (fd, path_flags, path, open_flags, flags) = given;
                let weighed = if open_flags.contains(OpenFlags::TRUNCATE) {
                    weigh(accessor, (&fd, &fd), Going::Content(path.clone())).await
                } else {
                    None
                };
                let files = stock(accessor);
                let opened = Stock::open_at(&files, fd, path_flags, path, open_flags, flags).await;
                give_back(weighed.filter(|_| opened.is_ok()));
                told(opened)
            })
        },
    )?;
    types.func_wrap_concurrent(
        "[method]descriptor.unlink-file-at",
        |accessor, (fd, path): (Fd, String)| {
            Box::pin(async move {
                let weighed = weigh(accessor, (&fd, &fd), Going::Name(path.clone())).await;
                let removed = Stock::unlink_file_at(&stock(accessor), fd, path).await;
                give_back(weighed.filter(|_| removed.is_ok()));
                told(removed)
            })
        },
    )?;
    types.func_wrap_concurrent(
        "[method]descriptor.rename-at",
        |accessor, (fd, from, to_fd, to): (Fd, String, Fd, String)| {
            Box::pin(async move {
                let going = Going::Replaced { from: from.clone(), to: to.clone() };
                let weighed = weigh(accessor, (&fd, &to_fd), going).await;
                let renamed = Stock::rename_at(&stock(accessor), fd, from, to_fd, to).await;
                give_back(weighed.filter(|_| renamed.is_ok()));
                told(renamed)
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

type Ended = FutureReader<Result<(), ErrorCode>>;

/// Lets a stream end in a file.
fn pipe(
    mut store: Store<'_>,
    file: Written,
    at: Option<u64>,
    bytes: StreamReader<u8>,
) -> wasmtime::Result<Ended> {
    let (end, ended) = oneshot::channel();
    let hop = store.data().hop();
    bytes.pipe(&mut store, Sink { file, at, hop, writing: None, end: Some(end) })?;
    FutureReader::new(&mut store, ended)
}

type Writing = Pin<Box<dyn Future<Output = Result<u64, Unwritten>> + Send>>;

struct Sink {
    file: Written,
    /// Where the next bytes go; none: to the end.
    at: Option<u64>,
    hop: Hop,
    writing: Option<Writing>,
    end: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl Sink {
    fn end(&mut self, result: Result<(), ErrorCode>) {
        if let Some(end) = self.end.take() {
            // Whoever does not ask has dropped it.
            let _ = end.send(result);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

impl<D: 'static> StreamConsumer<D> for Sink {
    type Item = u8;

    /// The bytes stay the guest's until they are written. A piece that is being written cannot be taken
    /// back.
    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let Sink { file, at, hop, writing, .. } = &mut *self;
        let under_way = writing.get_or_insert_with(|| {
            let bytes = source.remaining();
            let piece = bytes[..bytes.len().min(limits::FILE_PIECE_BYTES_MAX)].to_vec();
            let (file, at) = (file.clone(), *at);
            Box::pin(hop.blocking(WRITE, move || file.write(at, &piece)))
        });
        let Poll::Ready(written) = under_way.as_mut().poll(cx) else { return Poll::Pending };
        *writing = None;
        Poll::Ready(Ok(match written {
            Ok(length) => {
                *at = at.map(|at| at.saturating_add(length));
                source.mark_read(length as usize);
                StreamResult::Completed
            }
            Err(unwritten) => {
                self.end(Err(code(unwritten)));
                StreamResult::Dropped
            }
        }))
    }
}
