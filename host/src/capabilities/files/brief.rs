//! Owns what a loop does of the work on a folder itself: to read what is small, where the kernel has its name and
//! its bytes in memory. It waits for nothing: what would wait, and whatever fails, is done anew by a host
//! thread, which says what is wrong. So nothing hangs on this but time.
//!
//! # Why it does not wait
//! The kernel is asked to give up where a name ([`RESOLVE_CACHED`](https://man7.org/linux/man-pages/man2/openat2.2.html))
//! or a byte ([`RWF_NOWAIT`](https://man7.org/linux/man-pages/man2/preadv2.2.html)) is not in memory. What it
//! cannot be asked for is bounded: links are not followed, paths are short, and the folder is on a file system of
//! this machine, which opens a file whose name it knows without looking at its disk. The time of a file's last
//! reading is not kept, for to change it may wait for a journal.

use std::io::IoSliceMut;

use cap_std::fs::{Dir, File};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::ReadWriteFlags;

use super::Metadata;
use super::disk::{OpenReader, described, inside};
use crate::limits;

/// By `statfs(2)`: ext2 to ext4, XFS, Btrfs, F2FS, and tmpfs.
const OF_THIS_MACHINE: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];

/// Whether files of this folder are worth a try.
pub(super) fn suits(folder: &Dir) -> bool {
    rustix::fs::fstatfs(folder).is_ok_and(|of| OF_THIS_MACHINE.contains(&(of.f_type as u64)))
}

pub(super) fn read(folder: &Dir, path: &str) -> Option<Vec<u8>> {
    let (file, size) = open(folder, path)?;
    let data = read_at(&file, 0, small(size)? + 1)?;
    // Else some of it is not in memory, or it has changed meanwhile.
    (data.len() as u64 == size).then_some(data)
}

pub(super) fn read_range(folder: &Dir, path: &str, offset: u64, length: usize) -> Option<Vec<u8>> {
    let (file, size) = open(folder, path)?;
    let there = small(size.saturating_sub(offset).min(length as u64))?;
    if there == 0 {
        return Some(Vec::new());
    }
    let data = read_at(&file, offset, there)?;
    (data.len() == there).then_some(data)
}

pub(super) fn stat(folder: &Dir, path: &str) -> Option<Metadata> {
    described(&find(folder, path, OFlags::PATH)?.metadata().ok()?).ok()
}

/// A file that is small, to be read piece by piece.
pub(super) fn open_reader(folder: &Dir, path: &str) -> Option<OpenReader> {
    let (file, size) = open(folder, path)?;
    small(size)?;
    Some(OpenReader { file, size })
}

/// The next piece of one.
pub(super) fn read_piece(reader: &OpenReader, max: usize) -> Option<Vec<u8>> {
    small(reader.size)?;
    read_at(&reader.file, WHERE_IT_IS, max.clamp(1, limits::FILE_BRIEF_BYTES))
}

/// A number of bytes, if a loop can spare the time for it.
fn small(bytes: u64) -> Option<usize> {
    usize::try_from(bytes).ok().filter(|bytes| *bytes <= limits::FILE_BRIEF_BYTES)
}

fn open(folder: &Dir, path: &str) -> Option<(File, u64)> {
    let file = find(folder, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOATIME)?;
    let metadata = file.metadata().ok()?;
    metadata.is_file().then(|| (file, metadata.len()))
}

fn find(folder: &Dir, path: &str, flags: OFlags) -> Option<File> {
    if path.len() > limits::FILE_BRIEF_PATH_BYTES {
        return None;
    }
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_XDEV
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::CACHED;
    let flags = flags | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(folder, inside(path), flags, Mode::empty(), resolve).ok()?;
    Some(File::from_std(file.into()))
}

/// For `preadv2(2)` an offset of -1: from where the file has been read to, which goes on with it.
const WHERE_IT_IS: u64 = u64::MAX;

/// What there is from `offset` on, as far as it is in memory.
fn read_at(file: &File, offset: u64, most: usize) -> Option<Vec<u8>> {
    let mut data = vec![0; most];
    let parts = &mut [IoSliceMut::new(&mut data)];
    let read = rustix::io::preadv2(file, parts, offset, ReadWriteFlags::NOWAIT).ok()?;
    data.truncate(read);
    Some(data)
}
