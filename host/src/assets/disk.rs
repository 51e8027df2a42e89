//! Owns the work on the disk, as host threads do it. Every path goes through a `Dir`, which opens nothing
//! outside itself, whatever symbolic links say.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use cap_std::fs::{Dir, File, FileExt, OpenOptions, OpenOptionsExt};

use super::path::AssetPath;
use crate::limits;
use crate::wire::Coding;

/// What a path leads to.
pub(super) enum Found {
    File(Opened),
    /// A folder, asked for as if it were a file.
    Folder,
    Nothing,
}

/// A file, and what is known of it.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
    /// Of the compressed file that is served in its place.
    pub(super) coding: Option<Coding>,
    /// Its content type.
    pub(super) kind: String,
    /// All of it, if that is little.
    pub(super) content: Option<Bytes>,
}

/// Opens what a path leads to, and reads it if it is short. The best of `codings` that is there beside it
/// is taken.
pub(super) fn open(
    dir: &Dir,
    wanted: &AssetPath,
    index: Option<&str>,
    codings: &[Coding],
) -> io::Result<Found> {
    let path = match (wanted.is_folder, index) {
        (true, Some(index)) => wanted.path.join(index),
        (true, None) => return Ok(Found::Nothing),
        (false, _) if wanted.path.as_os_str().is_empty() => return Ok(Found::Folder),
        (false, _) => wanted.path.clone(),
    };
    let Some((file, length, modified)) = open_file(dir, &path)? else {
        let is_folder = !wanted.is_folder && dir.metadata(&path).is_ok_and(|found| found.is_dir());
        return Ok(if is_folder { Found::Folder } else { Found::Nothing });
    };
    let kind = content_type(&path);
    let mut opened = Opened { file, length, modified, coding: None, kind, content: None };
    for coding in codings {
        if let Some((file, length, modified)) = open_file(dir, &beside(&path, *coding))? {
            opened = Opened { file, length, modified, coding: Some(*coding), ..opened };
            break;
        }
    }
    if opened.length <= limits::ASSET_WHOLE_BYTES_MAX {
        let mut bytes = Vec::with_capacity(opened.length as usize);
        // It may grow or shrink while it is read: what is sent is what there is.
        (&opened.file).take(limits::ASSET_WHOLE_BYTES_MAX).read_to_end(&mut bytes)?;
        opened.length = bytes.len() as u64;
        opened.content = Some(Bytes::from(bytes));
    }
    Ok(Found::File(opened))
}

/// A regular file, its length and the time of its last change. None where there is none, or none that is
/// in the folder.
fn open_file(dir: &Dir, path: &Path) -> io::Result<Option<(File, u64, Option<SystemTime>)>> {
    let mut options = OpenOptions::new();
    // A pipe without a writer would hold the thread.
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = match dir.open_with(path, &options) {
        Ok(file) => file,
        Err(error) if is_of_the_disk(&error) => return Err(error),
        Err(_) => return Ok(None),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
    Ok(Some((file, metadata.len(), modified)))
}

/// Whether the machine is at fault, and not the path.
fn is_of_the_disk(error: &io::Error) -> bool {
    const OF_THE_MACHINE: [rustix::io::Errno; 4] = [
        rustix::io::Errno::IO,
        rustix::io::Errno::MFILE,
        rustix::io::Errno::NFILE,
        rustix::io::Errno::NOMEM,
    ];
    error.kind() == ErrorKind::OutOfMemory
        || error
            .raw_os_error()
            .is_some_and(|code| OF_THE_MACHINE.iter().any(|errno| errno.raw_os_error() == code))
}

/// The name of a file's compressed copy.
fn beside(path: &Path, coding: Coding) -> PathBuf {
    let extension = match coding {
        Coding::Brotli => ".br",
        Coding::Zstd => ".zst",
        Coding::Gzip | Coding::Deflate => ".gz",
    };
    let mut name = OsString::from(path);
    name.push(extension);
    name.into()
}

fn content_type(path: &Path) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = kind.type_() == "text" && kind.get_param("charset").is_none();
    if is_text { format!("{kind}; charset=utf-8") } else { kind.to_string() }
}

/// Reads a piece of a file, which may turn out shorter.
pub(super) fn read(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut piece[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(piece)
}
