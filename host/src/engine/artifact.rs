//! Owns compiled code: compiles a component once, and keeps what came out for the next start.
//!
//! # Trust
//! Loading compiled code runs it without a check, so the cache holds only what this program wrote:
//! its directory belongs to this user and no other may write there, a file's name is the hash of
//! the component and of everything the compiler's output depends on, and a file comes into being
//! by a rename of a file that is complete. Its last bytes are the hash of the others, so that a disk
//! that forgets, or a program that wrote into the file, costs one more compilation and no more.

#![expect(clippy::disallowed_methods, reason = "components are compiled off the loop's thread")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::compile_threads::CompileThreads;
use super::component_file::ComponentFile;
use crate::limits;

/// What stands behind the code in a file: its BLAKE3, for a start reads it of all code that it loads.
const HASH_BYTES: u64 = blake3::OUT_LEN as u64;

/// In the name of a file that is not yet an entry.
const TEMPORARY: &str = "tmp-";

/// A file that is not yet an entry after this time never becomes one: who wrote it has died.
const TEMPORARY_MAX: Duration = Duration::from_secs(24 * 3600);

/// Where compiled code is kept between two starts.
#[derive(Clone, Debug)]
pub struct Cache {
    /// None: everything is compiled at every start.
    directory: Option<PathBuf>,
}

/// Why a component cannot be compiled.
#[derive(Debug)]
pub struct CompileError {
    path: PathBuf,
    why: wasmtime::Error,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} is not a valid component: {:#}; build it again, with a toolchain that targets \
             WASI 0.2 or 0.3",
            self.path.display(),
            self.why
        )
    }
}

impl std::error::Error for CompileError {}

impl Cache {
    /// A cache that keeps nothing.
    pub fn none() -> Self {
        Cache { directory: None }
    }

    /// A cache in `directory`, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others may write to it.
    pub fn at(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let metadata = fs::metadata(directory)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it must belong to the user hob runs as, and no one else may write to it",
            ));
        }
        Ok(Cache { directory: Some(directory.to_owned()) })
    }

    /// The directory for this user: below `XDG_CACHE_HOME`, else below `~/.cache`.
    pub fn default_directory() -> Option<PathBuf> {
        let home = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        home("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| home("HOME").map(|home| Path::new(&home).join(".cache")))
            .map(|cache| cache.join("hob"))
    }

    /// The compiled component: from the cache, or compiled now and put there. `compiling` is called
    /// before the compiler is, for it may take long.
    ///
    /// # Errors
    /// When the component is not valid. A cache that fails only costs time.
    pub fn compile(
        &self,
        engine: &Engine,
        threads: &CompileThreads,
        component: &ComponentFile,
        compiling: &mut dyn FnMut(&ComponentFile),
    ) -> Result<Component, CompileError> {
        let entry = self.directory.as_ref().map(|dir| dir.join(entry_name(engine, component)));
        let compiled = match entry.as_deref().and_then(|entry| load(engine, entry)) {
            Some(found) => found,
            None => {
                compiling(component);
                let compiled = threads
                    .run(|| Component::from_binary(engine, &component.bytes))
                    .map_err(|why| CompileError { path: component.path.clone(), why })?;
                if let Some(entry) = &entry {
                    // A full disk must not stop a server that can run without a cache.
                    let _ = store(&compiled, entry);
                }
                compiled
            }
        };
        // What a memory begins with may need a descriptor of its own, and the first request may come
        // when there is none left. If this fails, that request tries again.
        let _ = compiled.initialize_copy_on_write_image();
        Ok(compiled)
    }
}

fn entry_name(engine: &Engine, component: &ComponentFile) -> String {
    let mut compiler = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compiler);
    format!("{}-{:016x}.cwasm", component.digest, compiler.finish())
}

fn load(engine: &Engine, entry: &Path) -> Option<Component> {
    let mut file = File::open(entry).ok()?;
    let metadata = file.metadata().ok()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return None;
    }
    // What is used is kept: the oldest go first when the cache is full. It may fail on a
    // file system that is read-only, and then nothing is evicted there either.
    let _ = file.set_modified(SystemTime::now());
    if !is_whole(&mut file, metadata.len()).ok()? {
        return None;
    }
    // SAFETY: the file is the output of `Component::serialize`, whole and unchanged: `store` below
    // is the only one that writes such files to a directory and under an owner that no other user
    // has a say in (checked in `Cache::at` and above), the hash that it wrote behind the code is
    // the code's, and a file that has its name is never written to again. That it fits this engine
    // is checked by wasmtime.
    let component = unsafe { Component::deserialize_file(engine, entry) }.ok()?;
    // It was opened once more, by its name. Should another file of `store` have taken that meanwhile,
    // its hash was not looked at; a name that was taken does not come back to the old file.
    let named = fs::metadata(entry).ok()?;
    ((named.dev(), named.ino()) == (metadata.dev(), metadata.ino())).then_some(component)
}

/// Whether a file of this length ends with the hash of what stands before. It is read in pieces:
/// the compiled code of an interpreter is tens of megabytes, and wasmtime maps it.
fn is_whole(file: &mut File, length: u64) -> io::Result<bool> {
    let Some(code) = length.checked_sub(HASH_BYTES) else { return Ok(false) };
    let mut hasher = blake3::Hasher::new();
    let mut code = BufReader::with_capacity(limits::READ_BYTES, Read::by_ref(file).take(code));
    loop {
        let piece = code.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        hasher.update(piece);
        let length = piece.len();
        code.consume(length);
    }
    let mut hash = Vec::new();
    file.read_to_end(&mut hash)?;
    Ok(hasher.finalize().as_slice() == hash)
}

fn store(component: &Component, entry: &Path) -> io::Result<()> {
    let code = component.serialize().map_err(io::Error::other)?;
    // Not by the process's id: in two containers that share the folder it may be the same.
    let unique = RandomState::new().build_hasher().finish();
    let temporary = entry.with_extension(format!("{TEMPORARY}{unique:016x}.cwasm"));
    let written = write(&temporary, &code).and_then(|()| fs::rename(&temporary, entry));
    if written.is_err() {
        // The error that matters is the one above.
        let _ = fs::remove_file(&temporary);
    }
    if let Some(directory) = entry.parent() {
        evict(directory)?;
    }
    written
}

/// Writes a file that was not there before.
fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(code)?;
    file.write_all(blake3::hash(code).as_bytes())?;
    file.sync_all()
}

/// Removes what was not used for longest until the rest fits, and what never became an entry.
/// Whatever else a user keeps in the folder is not ours.
fn evict(directory: &Path) -> io::Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Another process may have renamed or removed it since.
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        let is_ours = path.extension().is_some_and(|extension| extension == "cwasm");
        if !metadata.is_file() || !is_ours {
            continue;
        }
        let modified = metadata.modified()?;
        let is_temporary = entry.file_name().to_string_lossy().contains(TEMPORARY);
        if is_temporary && modified.elapsed().is_ok_and(|age| age > TEMPORARY_MAX) {
            fs::remove_file(path)?;
        } else {
            entries.push((modified, metadata.len(), path));
        }
    }
    let mut total: u64 = entries.iter().map(|(_, length, _)| length).sum();
    entries.sort();
    for (_, length, path) in entries {
        if total <= limits::CACHE_BYTES_MAX {
            break;
        }
        fs::remove_file(path)?;
        total -= length;
    }
    Ok(())
}
