//! Owns the measure of what a tenant keeps: a walk through its folder, some entries at a time. It goes
//! through a `Dir`, which leaves the folder nowhere, whatever links a guest has made.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt, ReadDir};
use rustc_hash::FxHashSet;

use crate::limits;
use crate::tenants::{Storage, Walk, Walked};

/// The bytes that go with the name of which this is known: those of a file that has no other.
pub(super) fn freed(metadata: &Metadata) -> u64 {
    if metadata.is_file() && metadata.nlink() == 1 { metadata.len() } else { 0 }
}

/// The bytes that go when the one name takes the other's place, where they are counted. Blocks.
pub(super) fn replaced(storage: &Storage, from: (&Dir, &Path), to: (&Dir, &Path)) -> u64 {
    if !storage.is_limited() {
        return 0;
    }
    let of = |(folder, path): (&Dir, &Path)| folder.symlink_metadata(path).ok();
    let (Some(from), Some(to)) = (of(from), of(to)) else { return 0 };
    // A name that takes its own place takes nothing away.
    if (from.dev(), from.ino()) == (to.dev(), to.ino()) { 0 } else { freed(&to) }
}

/// A walk through a tenant's folder. What cannot be looked at does not count.
pub(super) struct FolderWalk {
    /// None where there is no such folder yet.
    root: Option<Dir>,
    /// The folder that is looked at now.
    open: Option<(PathBuf, ReadDir)>,
    /// Those that come after it.
    waiting: Vec<PathBuf>,
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
            if self.waiting.len() < kept {
                self.waiting.push(folder.join(entry.file_name()));
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
                    Some(Err(_)) => {}
                    None => continue,
                }
                self.open = Some((folder, rest));
            } else if let Some(next) = self.waiting.pop() {
                self.open = root.read_dir(&next).ok().map(|entries| (next, entries));
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
