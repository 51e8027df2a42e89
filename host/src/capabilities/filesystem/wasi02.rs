//! Owns the functions of `wasi:filesystem` 0.2 by which files grow and go.

use std::mem;
use std::pin::Pin;

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, Host, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{
    DynOutputStream, FsError, OutputStream, Pollable, StreamError, StreamResult,
};

use super::{Going, RESIZE, Unwritten, WRITE, Written, give_back, written};
use crate::capabilities::GuestState;
use crate::capabilities::treaty::Hop;
use crate::limits;
use crate::tenants::StorageFull;

type Store<'a> = StoreContextMut<'a, GuestState>;
type Fd = Resource<Descriptor>;
type Told<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// The code that the guest is told, or the end of the guest.
fn told<T>(state: &mut GuestState, result: Result<T, FsError>) -> Told<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(state.filesystem().convert_error_code(error)?),)),
    }
}

fn told_unwritten<T>(result: Result<T, Unwritten>) -> Told<T> {
    Ok((result.map_err(|unwritten| match unwritten {
        Unwritten::Full => ErrorCode::Quota,
        Unwritten::Failed(error) => ErrorCode::from(error),
    }),))
}

/// The file behind a descriptor, where its growth counts.
fn counted(state: &GuestState, fd: &Fd) -> Option<Written> {
    written(&state.limited()?, state.table.get(fd).ok()?)
}

/// In the place of the stock functions.
pub(in crate::capabilities) fn link_wasi02(
    linker: &mut Linker<GuestState>,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.func_wrap(
        "filesystem-error-code",
        |mut store: Store<'_>, (error,): (Resource<wasmtime::Error>,)| {
            let state = store.data_mut();
            if state.table.get(&error)?.is::<StorageFull>() {
                return Ok((Some(ErrorCode::Quota),));
            }
            Ok((state.filesystem().filesystem_error_code(error)?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: Store<'_>, (fd, offset): (Fd, u64)| {
            let state = store.data_mut();
            let opened = match counted(state, &fd) {
                Some(file) => Ok(push_writer(state, file, Some(offset))?),
                None => state.filesystem().write_via_stream(fd, offset),
            };
            told(state, opened)
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: Store<'_>, (fd,): (Fd,)| {
            let state = store.data_mut();
            let opened = match counted(state, &fd) {
                Some(file) => Ok(push_writer(state, file, None)?),
                None => state.filesystem().append_via_stream(fd),
            };
            told(state, opened)
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |mut store: Store<'_>, (fd, bytes, offset): (Fd, Vec<u8>, u64)| {
            Box::new(async move {
                let state = store.data_mut();
                if let Some(file) = counted(state, &fd) {
                    let job = move || file.write(Some(offset), &bytes);
                    return told_unwritten(state.blocking(WRITE, job).await);
                }
                let written = state.filesystem().write(fd, bytes, offset).await;
                told(state, written)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.set-size",
        |mut store: Store<'_>, (fd, size): (Fd, u64)| {
            Box::new(async move {
                let state = store.data_mut();
                if let Some(file) = counted(state, &fd) {
                    let job = move || file.set_size(size);
                    return told_unwritten(state.blocking(RESIZE, job).await);
                }
                let set = state.filesystem().set_size(fd, size).await;
                told(state, set)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: Store<'_>, given: (Fd, PathFlags, String, OpenFlags, DescriptorFlags)| {
            Box::new(async move {
                let (fd, path_flags, path, open_flags, flags) = given;
                let state = store.data_mut();
                let weighed = if open_flags.contains(OpenFlags::TRUNCATE) {
                    let folder = state.table.get(&fd).ok();
                    state.weighing(folder, folder, Going::Content(path.clone())).await
                } else {
                    None
                };
                let mut files = state.filesystem();
                let opened = files.open_at(fd, path_flags, path, open_flags, flags).await;
                give_back(weighed.filter(|_| opened.is_ok()));
                told(state, opened)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.unlink-file-at",
        |mut store: Store<'_>, (fd, path): (Fd, String)| {
            Box::new(async move {
                let state = store.data_mut();
                let folder = state.table.get(&fd).ok();
                let weighed = state.weighing(folder, folder, Going::Name(path.clone())).await;
                let removed = state.filesystem().unlink_file_at(fd, path).await;
                give_back(weighed.filter(|_| removed.is_ok()));
                told(state, removed)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.rename-at",
        |mut store: Store<'_>, (fd, from, to_fd, to): (Fd, String, Fd, String)| {
            Box::new(async move {
                let state = store.data_mut();
                let folders = (state.table.get(&fd).ok(), state.table.get(&to_fd).ok());
                let going = Going::Replaced { from: from.clone(), to: to.clone() };
                let weighed = state.weighing(folders.0, folders.1, going).await;
                let renamed = state.filesystem().rename_at(fd, from, to_fd, to).await;
                give_back(weighed.filter(|_| renamed.is_ok()));
                told(state, renamed)
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn push_writer(
    state: &mut GuestState,
    file: Written,
    at: Option<u64>,
) -> wasmtime::Result<Resource<DynOutputStream>> {
    let writer: DynOutputStream =
        Box::new(Writer { file, at, state: State::Ready, hop: state.hop() });
    Ok(state.table.push(writer)?)
}

/// A stream into a file.
struct Writer {
    file: Written,
    /// Where the next bytes go; none: to the end.
    at: Option<u64>,
    state: State,
    hop: Hop,
}

enum State {
    Ready,
    Writing(Pin<Box<dyn Future<Output = Result<u64, Unwritten>> + Send>>),
    Failed(Unwritten),
    Closed,
}

impl Writer {
    /// The failure of the last write, once.
    fn check(&mut self) -> StreamResult<()> {
        match &self.state {
            State::Ready | State::Writing(_) => Ok(()),
            State::Closed => Err(StreamError::Closed),
            State::Failed(_) => match mem::replace(&mut self.state, State::Closed) {
                State::Failed(Unwritten::Full) => {
                    Err(StreamError::LastOperationFailed(StorageFull.into()))
                }
                State::Failed(Unwritten::Failed(error)) => {
                    Err(StreamError::LastOperationFailed(error.into()))
                }
                _ => Err(StreamError::Closed),
            },
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !matches!(self.state, State::Ready) {
            self.check()?;
            return Err(StreamError::trap("a write before `check-write` allows it"));
        }
        let (file, at) = (self.file.clone(), self.at);
        let writing = self.hop.blocking(WRITE, move || file.write(at, &bytes));
        self.state = State::Writing(Box::pin(writing));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        let is_ready = matches!(self.state, State::Ready);
        Ok(if is_ready { limits::FILE_PIECE_BYTES_MAX } else { 0 })
    }

    /// What has been taken is written.
    async fn cancel(&mut self) {
        self.ready().await;
        self.state = State::Closed;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        let State::Writing(writing) = &mut self.state else { return };
        self.state = match writing.await {
            Ok(length) => {
                self.at = self.at.map(|at| at.saturating_add(length));
                State::Ready
            }
            Err(unwritten) => State::Failed(unwritten),
        };
    }
}
