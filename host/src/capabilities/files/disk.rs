//! Owns the work on a tenant's folder, as host threads do it. Every path goes through a `Dir`, which
//! opens nothing outside itself, whatever `..` and symbolic links say.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use cap_std::fs::{Dir, File, FileType, OpenOptions, OpenOptionsExt};

use super::{Entry, Error, Files, Kind, Metadata};
use crate::capabilities::storage::{freed, replaced};
use crate::limits;
use crate::tenants::Storage;

/// The path as the folder knows it: `/` in front means the folder itself.
pub(super) fn inside(path: &str) -> &Path {
    let path = path.trim_start_matches('/');
    Path::new(if path.is_empty() { "." } else { path })
}

/// A pipe without a writer, which an operator may have put there, would hold the thread.
fn waiting_for_nothing(options: &mut OpenOptions) -> OpenOptions {
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).clone()
}

/// Opens a regular file.
fn open(folder: &Dir, path: &str) -> Result<(File, u64), Error> {
    let options = waiting_for_nothing(OpenOptions::new().read(true));
    let file = folder.open_with(inside(path), &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::Invalid("not a file".to_owned()));
    }
    Ok((file, metadata.len()))
}

pub(super) fn read(folder: &Dir, path: &str) -> Result<Vec<u8>, Error> {
    let (file, size) = open(folder, path)?;
    let most = limits::FILE_WHOLE_BYTES_MAX as u64;
    if size > most {
        return Err(Error::TooLarge);
    }
    let mut data = Vec::with_capacity(size as usize + 1);
    // It may grow while it is read.
    file.take(most + 1).read_to_end(&mut data)?;
    if data.len() as u64 > most { Err(Error::TooLarge) } else { Ok(data) }
}

pub(super) fn read_range(
    folder: &Dir,
    path: &str,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, Error> {
    let (mut file, size) = open(folder, path)?;
    let length = length.min(limits::FILE_WHOLE_BYTES_MAX) as u64;
    let there = size.saturating_sub(offset).min(length);
    file.seek(SeekFrom::Start(offset.min(size)))?;
    let mut data = Vec::with_capacity(there as usize);
    file.take(length).read_to_end(&mut data)?;
    Ok(data)
}

pub(super) fn append(files: &Files, path: &str, data: &[u8]) -> Result<(), Error> {
    let (folder, path) = (&*files.folder, inside(path));
    let length = data.len() as u64;
    // Before a file is made: what cannot be kept leaves none.
    files.storage.take(length)?;
    let opened = open_to_append(folder, path);
    let Opened { mut file, size, is_new } =
        opened.inspect_err(|_| files.storage.give_back(length))?;
    if let Err(error) = file.write_all(data) {
        // A full disk leaves no half of a record.
        file.set_len(size)?;
        files.storage.give_back(length);
        return Err(error.into());
    }
    file.sync_data()?;
    if is_new { sync_parent(folder, path) } else { Ok(()) }
}

/// A file at whose end only one writes.
struct Opened {
    file: File,
    size: u64,
    is_new: bool,
}

fn open_to_append(folder: &Dir, path: &Path) -> Result<Opened, Error> {
    let options = waiting_for_nothing(OpenOptions::new().append(true));
    let (file, is_new) = match folder.open_with(path, &options) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (folder.open_with(path, options.clone().create(true))?, true)
        }
        opened => (opened?, false),
    };
    if !file.metadata()?.is_file() {
        return Err(Error::Invalid("not a file".to_owned()));
    }
    // Whoever takes back what it could not write must not take what another has written meanwhile.
    // The lock goes with the file.
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(std::io::Error::from)?;
    let size = file.metadata()?.len();
    Ok(Opened { file, size, is_new })
}

pub(super) fn list(
    folder: &Dir,
    path: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for (count, entry) in folder.read_dir(inside(path))?.enumerate() {
        if count >= limits::FOLDER_ENTRIES_MAX {
            return Err(Error::TooLarge);
        }
        let entry = entry?;
        // A name that is no text cannot be asked for either.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if after.is_none_or(|after| name.as_str() > after) {
            entries.push(Entry { kind: kind(entry.file_type()?), name });
        }
    }
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    entries.truncate(limit.min(limits::FOLDER_PAGE_MAX));
    Ok(entries)
}

fn kind(of: FileType) -> Kind {
    match of {
        of if of.is_file() => Kind::File,
        of if of.is_dir() => Kind::Folder,
        _ => Kind::Other,
    }
}

pub(super) fn stat(folder: &Dir, path: &str) -> Result<Metadata, Error> {
    described(&folder.metadata(inside(path))?)
}

pub(super) fn described(metadata: &cap_std::fs::Metadata) -> Result<Metadata, Error> {
    let kind = kind(metadata.file_type());
    let modified = metadata.modified()?.into_std().duration_since(UNIX_EPOCH).unwrap_or_default();
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    Ok(Metadata { kind, size, modified: modified.as_millis() as u64 })
}

pub(super) fn remove(files: &Files, path: &str) -> Result<(), Error> {
    let (folder, path) = (&*files.folder, inside(path));
    let turn = files.storage.turn();
    let metadata = folder.symlink_metadata(path)?;
    if metadata.is_dir() {
        folder.remove_dir(path)?;
    } else {
        folder.remove_file(path)?;
        if let Some(turn) = turn {
            turn.give_back(freed(&metadata));
        }
    }
    sync_parent(folder, path)
}

pub(super) fn rename(files: &Files, path: &str, to: &str) -> Result<(), Error> {
    let (folder, from, to) = (&*files.folder, inside(path), inside(to));
    let turn = files.storage.turn();
    let freed = turn.as_ref().map_or(0, |_| replaced((folder, from), (folder, to)));
    folder.rename(from, folder, to)?;
    if let Some(turn) = turn {
        turn.give_back(freed);
    }
    sync_parent(folder, to)?;
    sync_parent(folder, from)
}

pub(super) fn create_folder(folder: &Dir, path: &str) -> Result<(), Error> {
    let path = inside(path);
    folder.create_dir_all(path)?;
    path.ancestors()
        .filter(|made| !made.as_os_str().is_empty())
        .try_for_each(|made| sync_parent(folder, made))
}

/// A name is on the disk when its folder is.
fn sync_parent(folder: &Dir, path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // Opened to read: what `open_dir` gives is only good for paths.
    Ok(folder.open(parent.unwrap_or(Path::new(".")))?.sync_all()?)
}

/// A file that is read piece by piece.
pub(super) struct OpenReader {
    pub(super) file: File,
    pub(super) size: u64,
}

impl OpenReader {
    pub(super) fn open(folder: &Dir, path: &str) -> Result<Self, Error> {
        let (file, size) = open(folder, path)?;
        Ok(OpenReader { file, size })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes. A read of nothing would look like the end.
    pub(super) fn read(&mut self, max: usize) -> std::io::Result<Vec<u8>> {
        let max = max.clamp(1, limits::FILE_PIECE_BYTES_MAX);
        let mut data = Vec::with_capacity(max);
        (&mut self.file).take(max as u64).read_to_end(&mut data)?;
        Ok(data)
    }
}

/// A file that has no place yet: it goes when this is dropped before it is finished.
pub(super) struct Unfinished {
    folder: Arc<Dir>,
    scratch: Arc<Dir>,
    storage: Storage,
    /// What it has taken of that.
    taken: u64,
    /// Its name in `scratch`.
    name: String,
    file: File,
    /// After a failure it is not known what is in it.
    failed: Option<Error>,
    path: PathBuf,
}

impl Unfinished {
    pub(super) fn new(files: &Files, path: String) -> Result<Self, Error> {
        let path = inside(&path).to_owned();
        if path.file_name().is_none() {
            return Err(Error::Invalid("not a file".to_owned()));
        }
        let name = unique_name();
        let options = OpenOptions::new().write(true).create_new(true).clone();
        let file = files.scratch.open_with(&name, &options)?;
        let (folder, scratch) = (files.folder.clone(), files.scratch.clone());
        let storage = files.storage.clone();
        Ok(Unfinished { folder, scratch, storage, taken: 0, name, file, failed: None, path })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let length = data.len() as u64;
        let written = self.storage.take(length).map_err(Error::from).and_then(|()| {
            self.taken += length;
            Ok(self.file.write_all(data)?)
        });
        self.failed = written.as_ref().err().cloned();
        written
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        self.file.sync_all()?;
        if self.folder.metadata(&self.path).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::Invalid("a folder is there".to_owned()));
        }
        let (from, to) = ((&*self.scratch, Path::new(&self.name)), (&*self.folder, &*self.path));
        let turn = self.storage.turn();
        let freed = turn.as_ref().map_or(0, |_| replaced(from, to));
        self.scratch.rename(&self.name, &self.folder, &self.path)?;
        self.name.clear();
        if let Some(turn) = turn {
            turn.give_back(freed);
        }
        sync_parent(&self.folder, &self.path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            // What cannot be removed now goes at the next start.
            let _ = self.scratch.remove_file(&self.name);
            self.storage.give_back(self.taken);
        }
    }
}

fn unique_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}
