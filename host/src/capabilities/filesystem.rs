//! Owns `wasi:filesystem` of a tenant whose storage is limited: what makes a file longer is taken of what the
//! tenant has left in the job that does it, and what goes is given back. Without a limit, and for all else,
//! it is the stock one.

mod wasi02;
mod wasi03;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::io::{ReadWriteFlags, pwritev2};
use wasmtime_wasi::filesystem::{Descriptor, FsPerms};

use super::GuestState;
use super::storage::{freed, replaced};
use crate::event_loop::{Refused, Work};
use crate::tenants::{Storage, StorageFull, Turn};

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
        if bytes.is_empty() {
            return Ok(0);
        }
        let length = bytes.len() as u64;
        let before = self.file.metadata()?.len();
        let end = at.unwrap_or(before).saturating_add(length);
        let more = end.saturating_sub(before);
        self.take(more)?;
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

    /// Takes what it is to be longer by. Blocks.
    ///
    /// # Errors
    /// When not so much is left, and when its name has gone: no measurement would find it.
    fn take(&self, more: u64) -> Result<(), Unwritten> {
        if more > 0 && self.file.metadata()?.nlink() == 0 {
            self.storage.refused();
            return Err(Unwritten::Full);
        }
        Ok(self.storage.take(more)?)
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
        let turn = self.storage.turn();
        let before = self.file.metadata()?.len();
        let more = size.saturating_sub(before);
        self.take(more)?;
        if let Err(error) = self.file.set_len(size) {
            self.storage.give_back(more);
            return Err(error.into());
        }
        if let Some(turn) = turn {
            turn.give_back(before.saturating_sub(size));
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
fn weigh(folder: &File, to_folder: &File, going: &Going) -> io::Result<u64> {
    let folder = Dir::from_std_file(folder.try_clone()?);
    Ok(match going {
        Going::Name(path) => freed(&folder.symlink_metadata(path)?),
        Going::Content(path) => {
            let metadata = folder.metadata(path)?;
            if metadata.is_file() { metadata.len() } else { 0 }
        }
        Going::Replaced { from, to } => {
            let to_folder = Dir::from_std_file(to_folder.try_clone()?);
            replaced((&folder, Path::new(from)), (&to_folder, Path::new(to)))
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

    /// Finds out on a host thread how many bytes go, in the turn of those who take something away. Where that
    /// cannot be found out they are given back by the next measurement.
    fn weighing(
        &self,
        folder: Option<&Descriptor>,
        to_folder: Option<&Descriptor>,
        going: Going,
    ) -> impl Future<Output = Option<(Turn, u64)>> + Send + use<> {
        let of = |descriptor: Option<&Descriptor>| match descriptor {
            Some(Descriptor::Dir(folder)) => Some(folder.dir.clone()),
            _ => None,
        };
        let turn = self.context.tenant.storage().turn();
        let known = turn.zip(of(folder).zip(of(to_folder)));
        let weighed = known.map(|(turn, (folder, to_folder))| {
            let job = move || Ok::<_, Unwritten>(weigh(&folder, &to_folder, &going)?);
            (turn, self.blocking(WEIGH, job))
        });
        async {
            let (turn, weighed) = weighed?;
            Some((turn, weighed.await.ok()?))
        }
    }
}

/// Gives back what has gone.
fn give_back(weighed: Option<(Turn, u64)>) {
    if let Some((turn, bytes)) = weighed {
        turn.give_back(bytes);
    }
}
