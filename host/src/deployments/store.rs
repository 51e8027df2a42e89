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
    /// Held from the start or from the first change on.
    lock: Option<File>,
    /// The ledger's text as this process has read or written it last, if there was one.
    known: Option<Vec<u8>>,
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
    /// Another process has had the folder, and what it has deployed is not known here.
    Changed(PathBuf),
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
                "another hob deploys into {}; this one serves what was deployed when it started, and \
                 refuses deployments: stop one of the two, or choose another folder with `data`",
                path.display()
            ),
            StoreFault::Changed(path) => write!(
                f,
                "another hob has deployed into {} since this one has read it: start this one again",
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
    /// The store in this folder, and what its ledger says. When operators can ask for deployments, the folder
    /// is made and taken, and what a process that died has left behind is removed; the fault is why that
    /// cannot be, and no reason not to serve.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn open(
        folder: &Path,
        takes: bool,
    ) -> Result<(Self, Ledger, Option<StoreFault>), StoreFault> {
        let mut store = Store { folder: folder.to_owned(), lock: None, known: None };
        // First, so that no one changes the ledger after it was read.
        let taken = if takes { store.free_lock().map(Some) } else { Ok(None) };
        let ledger = store.read()?;
        let fault = match taken {
            Ok(lock) => {
                store.lock = lock;
                store.collect(&ledger);
                None
            }
            Err(fault) => Some(fault),
        };
        Ok((store, ledger, fault))
    }

    /// What the ledger says now.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&mut self) -> Result<Ledger, StoreFault> {
        self.known = self.text()?;
        let Some(text) = &self.known else { return Ok(Ledger::default()) };
        serde_json::from_slice(text)
            .map_err(|error| StoreFault::Ledger(self.folder.join(LEDGER), error))
    }

    fn text(&self) -> Result<Option<Vec<u8>>, StoreFault> {
        let path = self.folder.join(LEDGER);
        match fs::read(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if is_absence(&error) => Ok(None),
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
        // One that is there may have been damaged since.
        if fs::read(&path).is_ok_and(|there| there == component) {
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
        put(&path, &text).map_err(|error| StoreFault::Disk(path, error))?;
        self.known = Some(text);
        Ok(())
    }

    /// Removes what no version needs any more. What cannot be removed now is, another time. In a folder that
    /// is another process's nothing is: that one may have versions that this one does not know.
    pub fn collect(&self, ledger: &Ledger) {
        if self.lock.is_none() {
            return;
        }
        let Ok(entries) = fs::read_dir(self.folder.join(COMPONENTS)) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let digest = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !ledger.has(digest) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Makes the folder, and sees to it that no other process has it, nor has had it since the ledger was
    /// read here: its versions must not be lost.
    fn lock(&mut self) -> Result<(), StoreFault> {
        if self.lock.is_some() {
            return Ok(());
        }
        let lock = self.free_lock()?;
        if self.text()? != self.known {
            return Err(StoreFault::Changed(self.folder.clone()));
        }
        self.lock = Some(lock);
        Ok(())
    }

    /// The lock, which no other process has, of a folder that is made when it is not there.
    fn free_lock(&self) -> Result<File, StoreFault> {
        let fault = |error| StoreFault::Disk(self.folder.clone(), error);
        let components = self.folder.join(COMPONENTS);
        let is_new = !components.is_dir();
        if let Some(data) = self.folder.parent() {
            // Tenants keep things there too, and who may see those is not said here.
            fs::create_dir_all(data).map_err(fault)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&components).map_err(fault)?;
        if is_new {
            // What is written there later is of no use when a fall of the power takes the folder.
            let parents = [Some(&*self.folder), self.folder.parent()];
            for parent in parents.into_iter().flatten() {
                File::open(parent).and_then(|parent| parent.sync_all()).map_err(fault)?;
            }
        }
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.folder.join("lock"))
            .map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => Err(StoreFault::InUse(self.folder.clone())),
            Err(fs::TryLockError::Error(error)) => Err(fault(error)),
        }
    }
}

/// A place in which there can be no folder has no ledger either.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
