//! Owns what a tenant keeps on the disk, opened once and shared by its handlers on all loops.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::egress::Egress;
use super::files::Files;
use super::grants::{Access, Grants, SqlGrant};
use super::kv::Kv;
use super::sql::{self, Migrated, MigrationError};
use super::sqlite;
use super::storage::FolderWalk;
use crate::observe::Log;
use crate::tenants::{Storage, Tenant};

/// The part of the data folder that is one tenant's.
pub struct Stores {
    folder: PathBuf,
    files: Option<Files>,
    databases: BTreeMap<String, Migrated>,
    kv: Option<Kv>,
    database_threads: Arc<Semaphore>,
    /// What all of it may take.
    storage: Storage,
}

/// What a handler was granted, ready for use.
#[derive(Clone, Default)]
pub struct Granted {
    pub(super) files: Option<Files>,
    pub(super) egress: Option<Egress>,
    pub(super) dns: bool,
    pub(super) sql: Arc<BTreeMap<String, sql::Granted>>,
    pub(super) kv: Option<Kv>,
}

/// Why something that was granted cannot be opened.
#[derive(Debug)]
pub enum StoreError {
    /// The disk refuses.
    Disk {
        /// What was to be opened.
        path: PathBuf,
        /// Why it cannot be.
        why: String,
    },
    /// A database cannot be brought to its schema.
    Migration(MigrationError),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreError::Disk { path, why } => write!(
                f,
                "cannot open {}: {why}; hob must be able to write there, or choose another folder \
                 with `data` in the table [server] of hob.toml",
                path.display(),
            ),
            StoreError::Migration(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}

impl Stores {
    /// The stores of a tenant below `data`; nothing is made or opened yet. The log is told when it has too
    /// much there.
    pub fn new(data: &Path, tenant: &Tenant, log: &Log) -> Self {
        let folder = data.join(tenant.name());
        let storage = tenant.storage().clone();
        let measured = folder.clone();
        storage.keep(log.clone(), move || Box::new(FolderWalk::begin(&measured)));
        Stores {
            folder,
            storage,
            files: None,
            databases: BTreeMap::new(),
            kv: None,
            database_threads: sqlite::threads(),
        }
    }

    /// Opens what is granted, and makes what is not there yet. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(&mut self, grants: &Grants) -> Result<Granted, StoreError> {
        let files = grants.files.map(|access| self.files(access)).transpose()?;
        let mut databases = BTreeMap::new();
        for (name, grant) in &grants.sql {
            databases.insert(name.clone(), self.database(name, grant)?);
        }
        let kv = grants.kv.map(|access| self.kv(access)).transpose()?;
        Ok(Granted {
            files,
            egress: grants.fetch.clone(),
            dns: grants.dns,
            sql: Arc::new(databases),
            kv,
        })
    }

    /// The file is made when it is first used.
    fn kv(&mut self, access: Access) -> Result<Kv, StoreError> {
        if self.kv.is_none() {
            make(&self.folder)?;
            self.kv = Some(Kv::new(&self.folder.join("kv.db"), self.shared()));
        }
        Ok(self.kv.clone().expect("made above").with_access(access))
    }

    /// A database whose file is made when it is first used, or brought to its schema here.
    fn database(&mut self, name: &str, grant: &SqlGrant) -> Result<sql::Granted, StoreError> {
        if !self.databases.contains_key(name) {
            let folder = self.folder.join("sql");
            make(&folder)?;
            let path = folder.join(format!("{name}.db"));
            let new = Migrated::new(&path, self.shared());
            self.databases.insert(name.to_owned(), new);
        }
        let database = self.databases.get_mut(name).expect("inserted above");
        database.grant(name, grant).map_err(StoreError::Migration)
    }

    /// What all its databases have in common.
    fn shared(&self) -> sqlite::Shared {
        sqlite::Shared { threads: self.database_threads.clone(), storage: self.storage.clone() }
    }

    fn files(&mut self, access: Access) -> Result<Files, StoreError> {
        if self.files.is_none() {
            let (folder, scratch) = (self.folder.join("files"), self.folder.join("unfinished"));
            let refused = |error: io::Error| StoreError::Disk {
                path: folder.clone(),
                why: error.to_string(),
            };
            self.files = Some(Files::open(&folder, &scratch, &self.storage).map_err(refused)?);
        }
        Ok(self.files.clone().expect("opened above").with_access(access))
    }
}

#[expect(clippy::disallowed_methods, reason = "runs before the loop does")]
fn make(folder: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| StoreError::Disk { path: folder.to_owned(), why: error.to_string() })
}
