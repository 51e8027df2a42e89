//! Owns the measure of what a tenant keeps: a walk through its folder, some entries at a time. It goes
//! through a `Dir`, which leaves the folder nowhere, whatever links a guest has made.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt, ReadDir};
use rustc_hash::FxHashSet;

use crate::limits;
use crate::tenants::{Walk, Walked};

/// The bytes that go with the name of which this is known: those of a file that has no other.
pub(super) fn freed(metadata: &Metadata) -> u64 {
    if metadata.is_file() && metadata.nlink() == 1 { metadata.len() } else { 0 }
}

/// The bytes that go when the one name takes the other's place. Blocks.
pub(super) fn replaced(from: (&Dir, &Path), to: (&Dir, &Path)) -> u64 {
    let of = |(folder, path): (&Dir, &Path)| folder.symlink_metadata(path).ok();
    let (Some(from), Some(to)) = (of(from), of(to)) else { return 0 };
    // A name that takes its own place takes nothing away.
    if (from.dev(), from.ino()) == (to.dev(), to.ino()) { 0 } else { freed(&to) }
}

/// A walk through a tenant's folder. Where some of it cannot be looked at, what was counted before is not
/// less for it.
pub(super) struct FolderWalk {
    /// None where there is no such folder yet.
    root: Option<Dir>,
    /// The folder that is looked at now.
    open: Option<(PathBuf, ReadDir)>,
    /// Those that come after it.
    waiting: Vec<PathBuf>,
    /// Bytes of their paths.
    waiting_bytes: usize,
    /// Files with more than one name, which count once.
    seen: FxHashSet<(u64, u64)>,
    bytes: u64,
    has_left_out: bool,
}

impl FolderWalk {
    /// Begins one. Blocks.
    pub(super) fn begin(folder: &Path) -> Self {
        FolderWalk {
            root: Dir::open_ambient_dir(folder, ambient_authority()).ok(),
            open: None,
            waiting: vec![PathBuf::from(".")],
            waiting_bytes: 0,
            seen: FxHashSet::default(),
            bytes: 0,
            has_left_out: false,
        }
    }

    fn look_at(&mut self, folder: &Path, entry: &DirEntry) {
        // Of a symbolic link that is what the link has.
        let Ok(metadata) = entry.metadata() else { return };
        let kept = limits::STORAGE_NAMES_KEPT;
        if metadata.is_dir() {
            let path = folder.join(entry.file_name());
            let bytes = self.waiting_bytes + path.as_os_str().len();
            if self.waiting.len() < kept && bytes <= limits::STORAGE_PATH_BYTES_KEPT {
                self.waiting_bytes = bytes;
                self.waiting.push(path);
            } else {
                self.has_left_out = true;
            }
            return;
        }
        let is_seen = metadata.nlink() > 1 && {
            let is_new = self.seen.insert((metadata.dev(), metadata.ino()));
            if self.seen.len() > kept {
                self.seen.clear();
            }
            !is_new
        };
        if metadata.is_file() && !is_seen {
            self.bytes = self.bytes.saturating_add(metadata.len());
        }
    }
}

impl Walk for FolderWalk {
    fn go_on(&mut self, entries: usize) -> Walked {
        let Some(root) = self.root.take() else { return Walked::ToTheEnd };
        let mut left = entries;
        while left > 0 {
            left -= 1;
            if let Some((folder, mut rest)) = self.open.take() {
                match rest.next() {
                    Some(Ok(entry)) => self.look_at(&folder, &entry),
                    Some(Err(_)) => self.has_left_out = true,
                    None => continue,
                }
                self.open = Some((folder, rest));
            } else if let Some(next) = self.waiting.pop() {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(next.as_os_str().len());
                match root.read_dir(&next) {
                    Ok(entries) => self.open = Some((next, entries)),
                    // It lies too deep, or somewhere else by now: what is in it is there all the same.
                    Err(_) => self.has_left_out = true,
                }
            } else if self.has_left_out {
                return Walked::AsFarAsItCan;
            } else {
                return Walked::ToTheEnd;
            }
        }
        self.root = Some(root);
        Walked::OnTheWay
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
