//! Owns bringing a database to its schema, from a folder of numbered files, before anything is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::fallible_iterator::FallibleIterator;
use sha2::{Digest, Sha256};

use super::Granted;
use crate::capabilities::grants::SqlGrant;
use crate::capabilities::sqlite::{
    Attended, Connection, Database, Durability, Error, Settings, Shared, rusqlite,
};
use crate::limits;

/// A database on its way to the handlers that are granted it.
pub(in crate::capabilities) struct Migrated {
    path: PathBuf,
    shared: Shared,
    database: Option<Arc<Database>>,
    migrations: Option<PathBuf>,
}

/// Why a database cannot be brought to its schema. The message says what to do.
#[derive(Debug)]
pub struct MigrationError {
    database: String,
    /// The file, or the folder.
    path: PathBuf,
    why: String,
}

impl std::fmt::Display for MigrationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MigrationError { database, path, why } = self;
        write!(f, "cannot migrate the database `{database}`: {}: {why}", path.display())
    }
}

impl std::error::Error for MigrationError {}

/// One file.
struct Migration {
    number: i64,
    name: String,
    path: PathBuf,
    text: String,
    hash: String,
}

const TABLE: &str = "create table if not exists _hob_migrations (\
     number integer primary key, name text not null, hash text not null, \
     applied_at text not null default current_timestamp) strict";

impl Migrated {
    pub(in crate::capabilities) fn new(path: &Path, shared: Shared) -> Self {
        Migrated { path: path.to_owned(), shared, database: None, migrations: None }
    }

    /// Grants it to one more handler. Its migrations are applied when they are named first. Blocks.
    pub(in crate::capabilities) fn grant(
        &mut self,
        name: &str,
        grant: &SqlGrant,
    ) -> Result<Granted, MigrationError> {
        let database = self.database.get_or_insert_with(|| {
            let bytes_max = grant.bytes_max.unwrap_or(limits::SQL_DATABASE_BYTES);
            let settings = Settings { bytes_max, durability: Durability::Power, schema: "" };
            Database::new(&self.path, settings, self.shared.clone())
        });
        let fault = |path: &Path, why: &str| MigrationError {
            database: name.to_owned(),
            path: path.to_owned(),
            why: why.to_owned(),
        };
        if grant.bytes_max.is_some_and(|bytes| bytes != database.settings().bytes_max) {
            let why = "handlers differ in its `max_mib`: write the same for each, or write it for \
                       the first one only";
            return Err(fault(&self.path, why));
        }
        if let Some(folder) =
            grant.migrations.as_ref().filter(|f| Some(*f) != self.migrations.as_ref())
        {
            if let Some(other) = &self.migrations {
                let why = format!("another handler has its migrations in {}", other.display());
                return Err(fault(folder, &why));
            }
            let faulty = |(path, why): (PathBuf, String)| fault(&path, &why);
            let migrations = read(folder).map_err(faulty)?;
            let connection =
                database.connect().map_err(|error| fault(&self.path, &words(&error)))?;
            migrate(&connection, folder, &migrations).map_err(faulty)?;
            self.migrations = Some(folder.clone());
        }
        Ok(Granted { database: database.clone(), access: grant.access })
    }
}

/// A place, and what is wrong there.
type Fault = (PathBuf, String);

/// The files of a folder, by their numbers.
#[expect(clippy::disallowed_methods, reason = "runs before the loop does")]
fn read(folder: &Path) -> Result<Vec<Migration>, Fault> {
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| (path, format!("cannot read it: {error}"))
    };
    let mut migrations: Vec<Migration> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused(folder))? {
        let path = entry.map_err(refused(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".sql") else { continue };
        let number = stem.split('_').next().unwrap_or_default();
        let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok());
        let Some(number) = number.flatten() else {
            let why = "a migration's name is a number, `_` and words, as 0001_notes.sql";
            return Err((path, why.to_owned()));
        };
        if let Some(other) = migrations.iter().find(|other| other.number == number) {
            return Err((path, format!("{} has the same number", other.name)));
        }
        let text = std::fs::read_to_string(&path).map_err(refused(&path))?;
        let hash = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        migrations.push(Migration { number, name, path, text, hash });
    }
    migrations.sort_by_key(|migration| migration.number);
    Ok(migrations)
}

fn migrate(connection: &Connection, folder: &Path, migrations: &[Migration]) -> Result<(), Fault> {
    let failed = |error: Error| (folder.to_owned(), words(&error));
    let attended = Attended::default();
    let watch = attended.watch();
    let applied = connection
        .watched(watch(limits::SQL_MIGRATION_TIME), || {
            connection.own(TABLE)?;
            connection.as_host(|| Ok(applied(connection)?))
        })
        .map_err(failed)?;
    for (number, name, hash) in &applied {
        match migrations.iter().find(|migration| migration.number == *number) {
            None => {
                let why = format!("{name} was applied and is not there any more: put it back");
                return Err((folder.to_owned(), why));
            }
            Some(migration) if migration.hash != *hash => {
                let why = "it was changed after it was applied: undo the change, and make it in a \
                           new file";
                return Err((migration.path.clone(), why.to_owned()));
            }
            Some(_) => {}
        }
    }
    let last = applied.iter().map(|(number, ..)| *number).max();
    for migration in migrations {
        if applied.iter().any(|(number, ..)| *number == migration.number) {
            continue;
        }
        if last.is_some_and(|last| migration.number < last) {
            let why = "a later one was applied already: give it a higher number";
            return Err((migration.path.clone(), why.to_owned()));
        }
        let result = apply(connection, migration);
        connection.settle();
        result.map_err(|why| (migration.path.clone(), why))?;
    }
    Ok(())
}

/// Number, name and hash of what was applied.
fn applied(connection: &Connection) -> rusqlite::Result<Vec<(i64, String, String)>> {
    let engine = connection.inner();
    let mut all =
        engine.prepare("select number, name, hash from _hob_migrations order by number")?;
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// Applies one file, whole or not at all.
fn apply(connection: &Connection, migration: &Migration) -> Result<(), String> {
    let undone = "; nothing of the file was applied: correct it and start again";
    connection.own("begin immediate").map_err(|error| words(&error))?;
    let attended = Attended::default();
    let watch = attended.watch();
    let time = limits::SQL_MIGRATION_TIME;
    let mut count = 0;
    connection
        .watched(watch(time), || {
            connection.look_for_own_names(&migration.text);
            let engine = connection.inner();
            let mut batch = rusqlite::Batch::new(engine, &migration.text);
            loop {
                count += 1;
                let Some(mut statement) = batch.next()? else { return Ok(()) };
                let mut rows = statement.raw_query();
                while rows.next()?.is_some() {}
            }
        })
        .map_err(|error| format!("statement {count}: {}{undone}", words(&error)))?;
    let Migration { number, name, hash, .. } = migration;
    let row = "insert into _hob_migrations (number, name, hash) values (?, ?, ?)";
    connection
        .watched(watch(time), || {
            connection.as_host(|| Ok(connection.inner().execute(row, (number, name, hash))?))?;
            connection.own("commit")
        })
        .map_err(|error| format!("{}{undone}", words(&error)))
}

/// An error for an operator.
fn words(error: &Error) -> String {
    match error {
        Error::Denied => "the statement does what a handler may not".to_owned(),
        Error::Constraint(why)
        | Error::Mismatch(why)
        | Error::Invalid(why)
        | Error::Failed(why) => why.clone(),
        Error::TooLarge => "the statement or a value is too large".to_owned(),
        Error::Full => "the disk or the database is full".to_owned(),
        Error::Busy => "another process has locked the database".to_owned(),
        Error::TimedOut | Error::Aborted => "it took too long".to_owned(),
    }
}
