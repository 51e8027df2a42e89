//! Owns the folder that holds deployed components and the ledger.

#![expect(clippy::disallowed_methods, reason = "for the thread that changes what is served")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ledger::Ledger;

/// The folder. One process changes it at a time.
pub struct Store {
    folder: PathBuf,
    /// Held from the first change on.
    lock: Option<File>,
}

/// Why the folder does not do what it is to do. The message names the file and says what to do.
#[derive(Debug)]
pub enum StoreFault {
    /// The disk refuses.
    Disk(PathBuf, io::Error),
    /// The ledger is not one.
    Ledger(PathBuf, serde_json::Error),
    /// Another process has the folder.
    InUse(PathBuf),
}

impl std::fmt::Display for StoreFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreFault::Disk(path, error) if error.kind() == io::ErrorKind::StorageFull => {
                write!(
                    f,
                    "cannot write {}: the disk is full; make room and try again",
                    path.display()
                )
            }
            StoreFault::Disk(path, error) => {
                write!(f, "cannot use {}: {error}; hob must be able to write there", path.display())
            }
            StoreFault::Ledger(path, error) => write!(
                f,
                "{} does not say which versions are deployed: {error}; put a copy of it back, or move \
                 it away to begin without versions",
                path.display()
            ),
            StoreFault::InUse(path) => write!(
                f,
                "another hob deploys into {}: stop that one, or choose another folder with `data`",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StoreFault {}

const LEDGER: &str = "ledger.json";
const COMPONENTS: &str = "components";
/// What a file is called before it is complete.
const UNFINISHED: &str = "unfinished";

impl Store {
    /// The store in this folder, and what its ledger says. Nothing is made before something is
    /// deployed.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn open(folder: &Path) -> Result<(Self, Ledger), StoreFault> {
        let mut store = Store { folder: folder.to_owned(), lock: None };
        let ledger = store.read()?;
        // A process that hands over to this one may have it yet; until that one has ended, nothing can be
        // deployed here.
        if folder.is_dir() && store.lock().is_ok() {
            store.collect(&ledger);
        }
        Ok((store, ledger))
    }

    /// What the ledger says now.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self) -> Result<Ledger, StoreFault> {
        let path = self.folder.join(LEDGER);
        match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|error| StoreFault::Ledger(path, error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
            Err(error) => Err(StoreFault::Disk(path, error)),
        }
    }

    /// Where the component of this digest lies.
    pub fn component(&self, digest: &str) -> PathBuf {
        self.folder.join(COMPONENTS).join(format!("{digest}.wasm"))
    }

    /// Keeps a component.
    ///
    /// # Errors
    /// When the disk refuses. Nothing of it is left then.
    pub fn keep(&mut self, digest: &str, component: &[u8]) -> Result<(), StoreFault> {
        self.lock()?;
        let path = self.component(digest);
        if path.is_file() {
            return Ok(());
        }
        put(&path, component).map_err(|error| StoreFault::Disk(path, error))
    }

    /// Writes the ledger down.
    ///
    /// # Errors
    /// When the disk refuses. What was written down before stays.
    pub fn write(&mut self, ledger: &Ledger) -> Result<(), StoreFault> {
        self.lock()?;
        let path = self.folder.join(LEDGER);
        let mut text = serde_json::to_vec_pretty(ledger).expect("a ledger is JSON");
        text.push(b'\n');
        put(&path, &text).map_err(|error| StoreFault::Disk(path, error))
    }

    /// Removes what no version needs any more. What cannot be removed now is, another time.
    pub fn collect(&self, ledger: &Ledger) {
        let Ok(entries) = fs::read_dir(self.folder.join(COMPONENTS)) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let digest = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !ledger.has(digest) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Makes the folder, and sees to it that no other process has it.
    fn lock(&mut self) -> Result<(), StoreFault> {
        if self.lock.is_some() {
            return Ok(());
        }
        let fault = |error| StoreFault::Disk(self.folder.clone(), error);
        let components = self.folder.join(COMPONENTS);
        DirBuilder::new().recursive(true).mode(0o700).create(&components).map_err(fault)?;
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.folder.join("lock"))
            .map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StoreFault::InUse(self.folder.clone()));
            }
            Err(fs::TryLockError::Error(error)) => return Err(fault(error)),
        }
        self.lock = Some(lock);
        Ok(())
    }
}

/// Writes a file whole: it is there with all its content, also after a fall of the power, or as it was.
fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    let written = write(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The error that matters is the one above.
        let _ = fs::remove_file(&unfinished);
        return written;
    }
    File::open(path.parent().expect("a file lies in a folder"))?.sync_all()
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
