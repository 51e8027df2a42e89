//! Owns noticing that files have changed, for a server that serves them.

#![expect(clippy::disallowed_methods, reason = "on a thread of its own")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// What is looked at.
pub(super) struct Watched {
    /// The folders, without those below them. Asked for again after each change.
    pub(super) folders: Box<dyn Fn() -> BTreeSet<PathBuf> + Send>,
    /// Whether a file is of interest.
    pub(super) matters: fn(&Path) -> bool,
}

/// A file that is copied, or a build, makes many changes: it is over when there was none for so long.
const QUIET: Duration = Duration::from_millis(150);

/// Where changes go on and on, they are acted on after so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the folders are looked at themselves: the kernel tells what happens in one, and not that another
/// has taken its name, as when a folder is put in its place or a link is switched.
const LOOK: Duration = Duration::from_secs(1);

/// Changes that wait while others are acted on. More of them say nothing new.
const CHANGES_MAX: usize = 64;

/// A watch over files. What changes from its beginning on is acted on, once it acts.
pub(super) struct Watch {
    watched: Watched,
    folders: Folders,
    changes: Receiver<()>,
}

impl Watch {
    /// Begins to take note of changes.
    ///
    /// # Errors
    /// When the folders cannot be watched.
    pub(super) fn begin(watched: Watched) -> Result<Self> {
        let (told, changes) = sync_channel(CHANGES_MAX);
        let matters = watched.matters;
        let tell = move |event: notify::Result<Event>| {
            let is_change = |event: &Event| !matches!(event.kind, EventKind::Access(_));
            match event {
                Ok(event) if !is_change(&event) => {}
                Ok(event) if !event.paths.iter().any(|path| matters(path)) => {}
                // A watch that has missed something is a reason to look, too.
                _ => _ = told.try_send(()),
            }
        };
        let watcher = notify::recommended_watcher(tell).context("cannot watch files")?;
        let mut folders = Folders { watcher, known: BTreeMap::new() };
        folders.watch((watched.folders)())?;
        Ok(Watch { watched, folders, changes })
    }

    /// Calls `changed` after each change, on a thread of its own, as long as the process lives.
    ///
    /// # Errors
    /// When there is no thread.
    pub(super) fn act(self, changed: impl Fn() + Send + 'static) -> Result<()> {
        let Watch { watched, mut folders, changes } = self;
        let act = move || {
            while is_changed(&changes, &folders) && is_over(&changes) {
                // One that cannot be watched has gone, or is not there yet: that it is there is seen by a look.
                let _ = folders.watch((watched.folders)());
                changed();
                // What is served now may lie in others.
                let _ = folders.watch((watched.folders)());
            }
        };
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(act)
            .context("cannot watch files")?;
        Ok(())
    }
}

/// Waits for a change; false when there will be no more.
fn is_changed(changes: &Receiver<()>, folders: &Folders) -> bool {
    loop {
        match changes.recv_timeout(LOOK) {
            Ok(()) => return true,
            Err(RecvTimeoutError::Timeout) if folders.are_others() => return true,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Waits for the end of a change; false when there will be no more.
fn is_over(changes: &Receiver<()>) -> bool {
    let begun = Instant::now();
    loop {
        match changes.recv_timeout(QUIET) {
            Ok(()) if begun.elapsed() < PATIENCE => {}
            Ok(()) | Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// The folders that are watched.
struct Folders {
    watcher: RecommendedWatcher,
    /// Which folder each name stood for when it was watched: its device and its number there.
    known: BTreeMap<PathBuf, Option<(u64, u64)>>,
}

impl Folders {
    /// Watches these from now on, also those that are watched: one may have gone and be another by now under
    /// its name.
    ///
    /// # Errors
    /// For the first that cannot be watched. The others are.
    fn watch(&mut self, folders: BTreeSet<PathBuf>) -> Result<()> {
        let mut outcome = Ok(());
        self.known = folders.iter().map(|folder| (folder.clone(), identity(folder))).collect();
        for folder in folders {
            let watched = self.watcher.watch(&folder, RecursiveMode::NonRecursive);
            let watched = watched.with_context(|| format!("cannot watch {}", folder.display()));
            outcome = outcome.and(watched);
        }
        outcome
    }

    /// Whether one of the names stands for another folder by now.
    fn are_others(&self) -> bool {
        self.known.iter().any(|(folder, known)| identity(folder) != *known)
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(folder).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether a file is a component, or says what is served.
pub(super) fn is_served(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm" || extension == "toml")
}

/// Whether a file may be a source.
pub(super) fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // What editors write beside a file while it is open.
    !name.starts_with('.') && !name.ends_with('~') && !name.ends_with(".swp")
}

/// A folder and all below it in which there may be sources.
pub(super) fn source_folders(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    found.insert(folder.to_owned());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_made = ["target", "node_modules", "data"].contains(&&*name);
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !is_made && !name.starts_with('.') {
            source_folders(&entry.path(), found);
        }
    }
}
