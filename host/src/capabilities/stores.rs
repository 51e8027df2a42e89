//! Owns what a tenant keeps on the disk, opened once and shared by its handlers on all loops.

use std::io;
use std::path::{Path, PathBuf};

use super::egress::Egress;
use super::files::Files;
use super::grants::{Access, Grants};

/// The part of the data folder that is one tenant's.
pub struct Stores {
    folder: PathBuf,
    files: Option<Files>,
}

/// What a handler was granted, ready for use.
#[derive(Clone, Default)]
pub struct Granted {
    pub(super) files: Option<Files>,
    pub(super) egress: Option<Egress>,
    pub(super) dns: bool,
}

/// Why something that was granted cannot be opened.
#[derive(Debug)]
pub struct StoreError {
    /// What was to be opened.
    pub path: PathBuf,
    /// Why it cannot.
    pub why: String,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "cannot open {}: {}; hob must be able to write there, or choose another folder with \
             `data` in the table [server] of hob.toml",
            self.path.display(),
            self.why
        )
    }
}

impl std::error::Error for StoreError {}

impl Stores {
    /// The stores of a tenant below `data`; nothing is made or opened yet.
    pub fn new(data: &Path, tenant: &str) -> Self {
        Stores { folder: data.join(tenant), files: None }
    }

    /// Opens what is granted, and makes what is not there yet. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(&mut self, grants: &Grants) -> Result<Granted, StoreError> {
        let files = grants.files.map(|access| self.files(access)).transpose()?;
        Ok(Granted { files, egress: grants.fetch.clone(), dns: grants.dns })
    }

    fn files(&mut self, access: Access) -> Result<Files, StoreError> {
        if self.files.is_none() {
            let (folder, scratch) = (self.folder.join("files"), self.folder.join("unfinished"));
            let refused =
                |error: io::Error| StoreError { path: folder.clone(), why: error.to_string() };
            self.files = Some(Files::open(&folder, &scratch).map_err(refused)?);
        }
        Ok(self.files.clone().expect("opened above").with_access(access))
    }
}
