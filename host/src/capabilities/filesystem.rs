//! Owns `wasi:filesystem` of a tenant whose storage is limited: what makes a file longer is taken of what the
//! tenant has left in the job that does it, and what goes is given back. Without a limit, and for all else,
//! it is the stock one.

mod wasi02;
mod wasi03;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::io::{ReadWriteFlags, pwritev2};
use wasmtime_wasi::filesystem::{Descriptor, FsPerms};

use super::GuestState;
use super::storage::{freed, replaced};
use crate::event_loop::{Refused, Work};
use crate::tenants::{Storage, StorageFull};

pub(super) use wasi02::link_wasi02;
pub(super) use wasi03::link_wasi03;

const WRITE: Work = Work::quick("filesystem.write");
const RESIZE: Work = Work::quick("filesystem.set-size");
const WEIGH: Work = Work::quick("filesystem.weigh");

/// Why something was not written.
enum Unwritten {
    Full,
    Failed(io::Error),
}

impl From<StorageFull> for Unwritten {
    fn from(_: StorageFull) -> Self {
        Unwritten::Full
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Unwritten::Failed(error)
    }
}

impl From<Refused> for Unwritten {
    fn from(refused: Refused) -> Self {
        Unwritten::Failed(match refused {
            Refused::Busy => rustix::io::Errno::BUSY.into(),
            Refused::Panicked => rustix::io::Errno::IO.into(),
        })
    }
}

/// A file that is written within what its tenant has left.
#[derive(Clone)]
struct Written {
    file: Arc<File>,
    storage: Storage,
}

impl Written {
    /// Writes all of it at this place, or at the end. Blocks.
    fn write(&self, at: Option<u64>, bytes: &[u8]) -> Result<u64, Unwritten> {
        let length = bytes.len() as u64;
        let before = self.file.metadata()?.len();
        let end = at.unwrap_or(before).saturating_add(length);
        let more = end.saturating_sub(before);
        self.storage.take(more)?;
        let written = match at {
            Some(at) => self.file.write_all_at(bytes, at),
            None => self.append(bytes),
        };
        if let Err(error) = written {
            let after = self.file.metadata()?.len();
            self.storage.give_back(more.saturating_sub(after.saturating_sub(before)));
            return Err(error.into());
        }
        Ok(length)
    }

    fn append(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let slices = [io::IoSlice::new(bytes)];
            let written = pwritev2(&self.file, &slices, 0, ReadWriteFlags::APPEND)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Makes it as long as this. Blocks.
    fn set_size(&self, size: u64) -> Result<(), Unwritten> {
        let before = self.file.metadata()?.len();
        let more = size.saturating_sub(before);
        self.storage.take(more)?;
        match self.file.set_len(size) {
            Ok(()) => self.storage.give_back(before.saturating_sub(size)),
            Err(error) => {
                self.storage.give_back(more);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// What is about to go, which is known before it does.
enum Going {
    /// A file's name.
    Name(String),
    /// What is in a file.
    Content(String),
    /// What has a name that another one takes.
    Replaced { from: String, to: String },
}

/// The bytes that go then. Blocks.
fn weigh(storage: &Storage, folder: &File, to_folder: &File, going: &Going) -> io::Result<u64> {
    let folder = Dir::from_std_file(folder.try_clone()?);
    Ok(match going {
        Going::Name(path) => freed(&folder.symlink_metadata(path)?),
        Going::Content(path) => {
            let metadata = folder.metadata(path)?;
            if metadata.is_file() { metadata.len() } else { 0 }
        }
        Going::Replaced { from, to } => {
            let to_folder = Dir::from_std_file(to_folder.try_clone()?);
            replaced(storage, (&folder, Path::new(from)), (&to_folder, Path::new(to)))
        }
    })
}

/// What a guest holds that is a file it may write to.
fn written(storage: &Storage, descriptor: &Descriptor) -> Option<Written> {
    match descriptor {
        Descriptor::File(file) if file.perms == FsPerms::ReadWrite => {
            Some(Written { file: file.file.clone(), storage: storage.clone() })
        }
        _ => None,
    }
}

impl GuestState {
    /// The account of its tenant, if there is a limit.
    fn limited(&self) -> Option<Storage> {
        let storage = self.context.tenant.storage();
        storage.is_limited().then(|| storage.clone())
    }

    /// Finds out on a host thread how many bytes go. Where that cannot be found out they are given back
    /// by the next measurement.
    fn weighing(
        &self,
        folder: Option<&Descriptor>,
        to_folder: Option<&Descriptor>,
        going: Going,
    ) -> impl Future<Output = Option<(Storage, u64)>> + Send + use<> {
        let of = |descriptor: Option<&Descriptor>| match descriptor {
            Some(Descriptor::Dir(folder)) => Some(folder.dir.clone()),
            _ => None,
        };
        let known = self.limited().zip(of(folder).zip(of(to_folder)));
        let weighed = known.map(|(storage, (folder, to_folder))| {
            let counted = storage.clone();
            let job = move || Ok::<_, Unwritten>(weigh(&counted, &folder, &to_folder, &going)?);
            (storage, self.blocking(WEIGH, job))
        });
        async {
            let (storage, weighed) = weighed?;
            Some((storage, weighed.await.ok()?))
        }
    }
}

/// Gives back what has gone.
fn give_back(weighed: Option<(Storage, u64)>) {
    if let Some((storage, bytes)) = weighed {
        storage.give_back(bytes);
    }
}
