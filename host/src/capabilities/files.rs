//! Owns `hob:host/files`: a tenant's own folder, on the host threads, but for what a loop reads itself.

mod brief;
mod disk;

use std::future::{Future, ready};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::future::Either;
use rustix::fs::FlockOperation;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};
use wasmtime_wasi::FsPerms;

use super::grants::Access;
use super::treaty::Interface;
use super::{GuestContext, GuestState};
use crate::engine::Generation;
use crate::event_loop::{Refused, Work};
use crate::limits;
use crate::tenants::{Storage, StorageFull};
use disk::{OpenReader, Unfinished};

/// A tenant's folder as one handler may use it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Files {
    folder: Arc<Dir>,
    /// Where files are written before they are put in their place; on the same file system.
    scratch: Arc<Dir>,
    path: Arc<Path>,
    /// The files that may be open at once, for each is a descriptor of the process.
    open: Arc<Semaphore>,
    /// What all that the tenant keeps may take.
    storage: Storage,
    /// Says that `scratch` is in use.
    _lock: Arc<std::fs::File>,
    access: Access,
    /// Whether a loop may try to read what is small itself.
    suits_loops: bool,
}

impl Files {
    /// Opens a folder and makes it if it is not there. What a writer that was killed has left in
    /// `scratch` goes.
    #[expect(clippy::disallowed_methods, reason = "runs before the loop does")]
    pub(super) fn open(folder: &Path, scratch: &Path, storage: &Storage) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        std::fs::create_dir_all(scratch)?;
        let lock = std::fs::File::open(scratch)?;
        // Another process that still serves the same folder is at work in there.
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            for left in std::fs::read_dir(scratch)? {
                std::fs::remove_file(left?.path())?;
            }
        }
        rustix::fs::flock(&lock, FlockOperation::LockShared)?;
        let opened = Dir::open_ambient_dir(folder, ambient_authority())?;
        Ok(Files {
            suits_loops: brief::suits(&opened),
            folder: Arc::new(opened),
            scratch: Arc::new(Dir::open_ambient_dir(scratch, ambient_authority())?),
            path: folder.into(),
            storage: storage.clone(),
            open: Arc::new(Semaphore::new(limits::OPEN_FILES_PER_TENANT_MAX)),
            _lock: Arc::new(lock),
            access: Access::Read,
        })
    }

    pub(super) fn with_access(self, access: Access) -> Self {
        Files { access, ..self }
    }

    /// Where it is, for `wasi:filesystem`, which opens it for itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What `wasi:filesystem` may do.
    pub(super) fn permissions(&self) -> FsPerms {
        match self.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        }
    }

    /// A place for one more open file.
    fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.open.clone().try_acquire_owned().map_err(|_| Error::Busy)
    }

    fn to_write(&self) -> Result<Self, Error> {
        if self.access == Access::Write { Ok(self.clone()) } else { Err(Error::Denied) }
    }
}

/// What the guest is told.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
enum Error {
    #[component(name = "denied")]
    Denied,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "exists")]
    Exists,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "full")]
    Full,
    #[component(name = "busy")]
    Busy,
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "failed")]
    Failed(String),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Error::Busy,
            Refused::Panicked => Error::Failed("a fault of the host".to_owned()),
        }
    }
}

impl From<StorageFull> for Error {
    fn from(_: StorageFull) -> Self {
        Error::Full
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound => Error::NotFound,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Error::Denied,
            Kind::AlreadyExists => Error::Exists,
            Kind::StorageFull | Kind::QuotaExceeded => Error::Full,
            Kind::FileTooLarge => Error::TooLarge,
            kind @ (Kind::IsADirectory
            | Kind::NotADirectory
            | Kind::DirectoryNotEmpty
            // The folder itself, or what is mounted in it.
            | Kind::ResourceBusy
            | Kind::InvalidInput
            | Kind::InvalidFilename) => Error::Invalid(kind.to_string()),
            // The kind, not the error: that could name a path of the host.
            kind => Error::Failed(kind.to_string()),
        }
    }
}

#[derive(ComponentType, Lower, Clone, Copy, Debug, PartialEq)]
#[component(enum)]
#[repr(u8)]
enum Kind {
    #[component(name = "file")]
    File,
    #[component(name = "folder")]
    Folder,
    #[component(name = "other")]
    Other,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Metadata {
    kind: Kind,
    size: u64,
    modified: u64,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Entry {
    name: String,
    kind: Kind,
}

/// A file that a guest reads piece by piece. Two reads at once come one after the other.
struct Reader {
    open: Arc<Mutex<OpenReader>>,
    size: u64,
    _place: OwnedSemaphorePermit,
}

/// A file that a guest writes piece by piece; none once it is finished.
struct Writer {
    unfinished: Arc<Mutex<Option<Unfinished>>>,
    context: Arc<GuestContext>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Writer {
    /// What is not finished is removed, which is work for a host thread.
    fn drop(&mut self) {
        if self.unfinished.try_lock().is_ok_and(|unfinished| unfinished.is_none()) {
            return;
        }
        let unfinished = std::mem::take(&mut self.unfinished);
        let GuestContext { remote, queue, .. } = &*self.context;
        remote.host_thread_unattended(queue, ABANDON, move || drop(unfinished));
    }
}

const READ: Work = Work::quick("files.read");
const READ_RANGE: Work = Work::quick("files.read-range");
const WRITE: Work = Work::quick("files.write");
const APPEND: Work = Work::quick("files.append");
const LIST: Work = Work::quick("files.list");
const STAT: Work = Work::quick("files.stat");
const REMOVE: Work = Work::quick("files.remove");
const RENAME: Work = Work::quick("files.rename");
const CREATE_FOLDER: Work = Work::quick("files.create-folder");
const OPEN: Work = Work::quick("files.open");
const READ_PIECE: Work = Work::quick("files.read-piece");
const WRITE_PIECE: Work = Work::quick("files.write-piece");
const FINISH: Work = Work::quick("files.finish");
const ABANDON: Work = Work::quick("files.abandon");

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut files = Interface::new(linker, generation, "files")?;
    files.resource::<Reader>("reader")?;
    files.resource::<Writer>("writer")?;
    files.suspending("read", READ.operation, |state, (path,): (String,)| {
        let briefly = |files: &Files, path: &String| brief::read(&files.folder, path);
        Ok(state.to_read_small(READ, path, briefly, |files, path| disk::read(&files.folder, path)))
    })?;
    files.suspending(
        "read-range",
        READ_RANGE.operation,
        |state, (path, offset, length): (String, u64, u32)| {
            let length = length as usize;
            let briefly = move |files: &Files, path: &String| {
                brief::read_range(&files.folder, path, offset, length)
            };
            Ok(state.to_read_small(READ_RANGE, path, briefly, move |files, path| {
                disk::read_range(&files.folder, path, offset, length)
            }))
        },
    )?;
    files.suspending("write", WRITE.operation, |state, (path, data): (String, Vec<u8>)| {
        let held = state.context.held.hold(data.len());
        Ok(state.to_write(WRITE, move |files| {
            let _held = held?;
            let mut unfinished = Unfinished::new(files, path)?;
            unfinished.write(&data)?;
            unfinished.finish()
        }))
    })?;
    files.suspending("append", APPEND.operation, |state, (path, data): (String, Vec<u8>)| {
        let held = state.context.held.hold(data.len());
        Ok(state.to_write(APPEND, move |files| {
            let _held = held?;
            disk::append(files, &path, &data)
        }))
    })?;
    files.suspending(
        "list",
        LIST.operation,
        |state, (path, after, limit): (String, Option<String>, u32)| {
            Ok(state.to_read(LIST, move |files| {
                disk::list(&files.folder, &path, after.as_deref(), limit as usize)
            }))
        },
    )?;
    files.suspending("stat", STAT.operation, |state, (path,): (String,)| {
        let briefly = |files: &Files, path: &String| brief::stat(&files.folder, path);
        Ok(state.to_read_small(STAT, path, briefly, |files, path| disk::stat(&files.folder, path)))
    })?;
    files.suspending("remove", REMOVE.operation, |state, (path,): (String,)| {
        Ok(state.to_write(REMOVE, move |files| disk::remove(files, &path)))
    })?;
    files.suspending("rename", RENAME.operation, |state, (path, to): (String, String)| {
        Ok(state.to_write(RENAME, move |files| disk::rename(files, &path, &to)))
    })?;
    files.suspending("create-folder", CREATE_FOLDER.operation, |state, (path,): (String,)| {
        Ok(state.to_write(CREATE_FOLDER, move |files| disk::create_folder(&files.folder, &path)))
    })?;
    link_pieces(&mut files)
}

fn link_pieces(files: &mut Interface<'_>) -> wasmtime::Result<()> {
    files.suspending_then(
        "open-reader",
        OPEN.operation,
        |state, (path,): (String,)| {
            let briefly = |files: &Files, path: &String| {
                Some((brief::open_reader(&files.folder, path)?, files.place().ok()?))
            };
            Ok(state.to_read_small(OPEN, path, briefly, |files, path| {
                let place = files.place()?;
                Ok((OpenReader::open(&files.folder, path)?, place))
            }))
        },
        |state, opened: Result<(OpenReader, OwnedSemaphorePermit), Error>| {
            let reader = opened.map(|(open, place)| {
                let size = open.size();
                Reader { open: Arc::new(Mutex::new(open)), size, _place: place }
            });
            reader.map_or_else(|error| Ok(Err(error)), |reader| Ok(Ok(state.table.push(reader)?)))
        },
    )?;
    files.immediate("[method]reader.size", |state, (reader,): (Resource<Reader>,)| {
        Ok(state.table.get(&reader)?.size)
    })?;
    files.suspending(
        "[method]reader.read",
        READ_PIECE.operation,
        |state, (reader, max): (Resource<Reader>, u32)| {
            let open = state.table.get(&reader)?.open.clone();
            let max = max as usize;
            let briefly = move |_: &Files, open: &Arc<Mutex<OpenReader>>| {
                brief::read_piece(&*open.try_lock().ok()?, max)
            };
            Ok(state.to_read_small(READ_PIECE, open, briefly, move |_, open| {
                Ok(open.lock().expect("a reader").read(max)?)
            }))
        },
    )?;
    files.suspending_then(
        "open-writer",
        OPEN.operation,
        |state, (path,): (String,)| {
            Ok(state.to_write(OPEN, move |files| {
                let place = files.place()?;
                Ok((Unfinished::new(files, path)?, place))
            }))
        },
        |state, opened: Result<(Unfinished, OwnedSemaphorePermit), Error>| {
            let context = state.context.clone();
            let writer = opened.map(|(file, place)| Writer {
                unfinished: Arc::new(Mutex::new(Some(file))),
                context,
                _place: place,
            });
            writer.map_or_else(|error| Ok(Err(error)), |writer| Ok(Ok(state.table.push(writer)?)))
        },
    )?;
    files.suspending(
        "[method]writer.write",
        WRITE_PIECE.operation,
        |state, (writer, data): (Resource<Writer>, Vec<u8>)| {
            let unfinished = state.table.get(&writer)?.unfinished.clone();
            let held = state.context.held.hold(data.len());
            Ok(state.blocking(WRITE_PIECE, move || {
                let _held = held?;
                let mut unfinished = unfinished.lock().expect("a writer");
                unfinished.as_mut().ok_or_else(finished)?.write(&data)
            }))
        },
    )?;
    files.suspending(
        "[method]writer.finish",
        FINISH.operation,
        |state, (writer,): (Resource<Writer>,)| {
            let unfinished = state.table.get(&writer)?.unfinished.clone();
            Ok(state.blocking(FINISH, move || {
                let mut unfinished = unfinished.lock().expect("a writer");
                unfinished.take().ok_or_else(finished)?.finish()
            }))
        },
    )
}

fn finished() -> Error {
    Error::Invalid("the writer is finished".to_owned())
}

/// Work on a folder.
trait Job<T>: FnOnce(&Files) -> Result<T, Error> + Send + 'static {}

impl<T, J: FnOnce(&Files) -> Result<T, Error> + Send + 'static> Job<T> for J {}

impl GuestState {
    /// Does work for which the grant to read is enough: here, on the loop, if `briefly` does it, which does not
    /// wait; else on a host thread.
    fn to_read_small<P, T, B, J>(
        &self,
        work: Work,
        asked: P,
        briefly: B,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<P, T, B, J>
    where
        P: Send + 'static,
        T: Send + 'static,
        B: Fn(&Files, &P) -> Option<T>,
        J: FnOnce(&Files, &P) -> Result<T, Error> + Send + 'static,
    {
        let files = self.context.granted.files.as_ref().filter(|files| files.suits_loops);
        let done = files.and_then(|files| briefly(files, &asked));
        if let Some(done) = done {
            self.context.queue.spared(work);
            return Either::Left(ready(Ok(done)));
        }
        Either::Right(self.to_read(work, move |files| job(files, &asked)))
    }

    /// Does work on a host thread for which the grant to read is enough.
    fn to_read<T: Send + 'static, J: Job<T>>(
        &self,
        work: Work,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, J> {
        self.with_files(work, self.context.granted.files.clone().ok_or(Error::Denied), job)
    }

    /// Does work on a host thread for which the grant to write is needed.
    fn to_write<T: Send + 'static, J: Job<T>>(
        &self,
        work: Work,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, J> {
        let granted = self.context.granted.files.as_ref().ok_or(Error::Denied);
        self.with_files(work, granted.and_then(Files::to_write), job)
    }

    fn with_files<T: Send + 'static, J: Job<T>>(
        &self,
        work: Work,
        files: Result<Files, Error>,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, J> {
        let begun = files.map(|files| self.blocking(work, move || job(&files)));
        async { begun?.await }
    }
}
