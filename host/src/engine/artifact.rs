//! Owns compiled code: compiles a component once, and keeps what came out for the next start.
//!
//! # Trust
//! Loading compiled code runs it without a check, so the cache holds only what this program wrote:
//! its directory belongs to this user and no other may write there, a file's name is the hash of
//! the component and of everything the compiler's output depends on, and a file comes into being
//! by a rename of a file that is complete.

#![expect(clippy::disallowed_methods, reason = "components are compiled off the loop's thread")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::component_file::ComponentFile;
use crate::limits;

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
        component: &ComponentFile,
        compiling: &mut dyn FnMut(&ComponentFile),
    ) -> Result<Component, CompileError> {
        let entry = self.directory.as_ref().map(|dir| dir.join(entry_name(engine, component)));
        if let Some(found) = entry.as_deref().and_then(|entry| load(engine, entry)) {
            return Ok(found);
        }
        compiling(component);
        let compiled = Component::from_binary(engine, &component.bytes)
            .map_err(|why| CompileError { path: component.path.clone(), why })?;
        if let Some(entry) = &entry {
            // A full disk must not stop a server that can run without a cache.
            let _ = store(&compiled, entry);
        }
        Ok(compiled)
    }
}

fn entry_name(engine: &Engine, component: &ComponentFile) -> String {
    let mut compiler = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compiler);
    let digest = Sha256::digest(&component.bytes);
    let content: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{content}-{:016x}.cwasm", compiler.finish())
}

fn load(engine: &Engine, entry: &Path) -> Option<Component> {
    let file = File::open(entry).ok()?;
    let metadata = file.metadata().ok()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return None;
    }
    // What is used is kept: the oldest go first when the cache is full. It may fail on a
    // file system that is read-only, and then nothing is evicted there either.
    let _ = file.set_modified(SystemTime::now());
    // SAFETY: the file was written by `store` below with the output of `Component::serialize`:
    // it lies in a directory that only this user may write to (checked in `Cache::at`), belongs
    // to this user and is not writable by others (checked above), came into being whole by a
    // rename, and is never written to again. That it fits this engine is checked by wasmtime.
    unsafe { Component::deserialize_file(engine, entry) }.ok()
}

fn store(component: &Component, entry: &Path) -> io::Result<()> {
    let bytes = component.serialize().map_err(io::Error::other)?;
    let temporary = entry.with_extension(format!("tmp-{}.cwasm", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, entry)
    })();
    if written.is_err() {
        // The error that matters is the one above.
        let _ = fs::remove_file(&temporary);
    }
    if let Some(directory) = entry.parent() {
        evict(directory)?;
    }
    written
}

/// Removes what was not used for longest until the rest fits. Whatever else a user keeps in the
/// folder is not ours.
fn evict(directory: &Path) -> io::Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let path = entry.path();
        let is_ours = path.extension().is_some_and(|extension| extension == "cwasm");
        if metadata.is_file() && is_ours {
            entries.push((metadata.modified()?, metadata.len(), path));
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
