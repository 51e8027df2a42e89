//! Owns one connection to a database: its settings, what a guest's statement may reach through it,
//! and the end of a statement that takes too long or that no one waits for.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{CachedStatement, OpenFlags};

use super::brief::Brief;
use super::{Error, Settings, functions, reads};
use crate::limits;

/// What an acknowledged write survives, beside the end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::capabilities) enum Durability {
    /// The loss of power too.
    Power,
    /// With the power the last writes may be lost, and only whole ones.
    Process,
}

/// When a statement must end.
pub(in crate::capabilities) struct Watch {
    pub(super) deadline: Instant,
    /// Set when no one waits for it any more.
    pub(super) abandoned: Option<Arc<AtomicBool>>,
}

/// The watch of what runs, for whatever may take long.
#[derive(Clone, Default)]
pub(super) struct Watched(Arc<Mutex<Option<Watch>>>);

impl Watched {
    pub(super) fn is_over(&self) -> bool {
        self.0.lock().expect("a watch").as_ref().is_some_and(Watch::is_over)
    }

    fn set(&self, watch: Option<Watch>) {
        *self.0.lock().expect("a watch") = watch;
    }
}

impl Watch {
    /// A watch over what is not abandoned before it is over.
    pub(super) fn alone(deadline: Instant) -> Self {
        Watch { deadline, abandoned: None }
    }

    fn is_over(&self) -> bool {
        let is_abandoned = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        self.abandoned.as_ref().is_some_and(is_abandoned) || Instant::now() >= self.deadline
    }

    /// The same, ending at a certain time at the latest.
    pub(in crate::capabilities) fn until(self, deadline: Instant) -> Self {
        Watch { deadline: deadline.min(self.deadline), ..self }
    }
}

/// A connection. Used by one thread at a time.
pub(in crate::capabilities) struct Connection {
    inner: rusqlite::Connection,
    watch: Watched,
    pub(super) asked: Arc<Asked>,
    pub(super) brief: Brief,
    page_bytes: i64,
    /// Pages that the database may have.
    pages_max: i64,
    /// Pages up to which it may grow now.
    pages: Cell<i64>,
}

/// What is known of the statement that is prepared.
#[derive(Default)]
pub(super) struct Asked {
    /// Whether it is a guest's.
    is_guests: AtomicBool,
    /// Whether the name of a table of the host's own is anywhere in it.
    has_own_name: AtomicBool,
    /// Whether it is being prepared. The engine prepares one anew while it runs, when the schema has changed.
    is_begun: AtomicBool,
    /// Whether the authorizer has been asked since it was begun: else it was prepared before.
    was_asked: AtomicBool,
    /// Whether it does nothing but read tables, as far as the authorizer has been asked.
    pub(super) is_plain: AtomicBool,
    /// Whether some may have become another statement since they were begun.
    pub(super) is_stale: AtomicBool,
    /// Whether a loop tries it: then nothing is prepared, for that takes long.
    pub(super) is_brief: AtomicBool,
}

impl Asked {
    /// Prepares a guest's statement; says too whether that was not done before.
    fn begun<T>(&self, prepare: impl FnOnce() -> rusqlite::Result<T>) -> Result<(T, bool), Error> {
        self.was_asked.store(false, Ordering::Relaxed);
        self.is_plain.store(true, Ordering::Relaxed);
        self.is_begun.store(true, Ordering::Relaxed);
        let prepared = prepare();
        self.is_begun.store(false, Ordering::Relaxed);
        Ok((prepared?, self.was_asked.load(Ordering::Relaxed)))
    }

    fn may(&self, action: &AuthAction<'_>) -> bool {
        if self.is_brief.load(Ordering::Relaxed) {
            return false;
        }
        if !self.is_guests.load(Ordering::Relaxed) {
            return true;
        }
        if self.is_begun.load(Ordering::Relaxed) {
            self.was_asked.store(true, Ordering::Relaxed);
        } else {
            self.is_stale.store(true, Ordering::Relaxed);
        }
        if !matches!(action, AuthAction::Select | AuthAction::Read { .. }) {
            self.is_plain.store(false, Ordering::Relaxed);
        }
        may(action, self.has_own_name.load(Ordering::Relaxed))
    }
}

/// Makes a connection the host's own again, also after a panic.
struct Unwatched<'a>(&'a Connection);

impl Drop for Unwatched<'_> {
    fn drop(&mut self) {
        self.0.asked.is_guests.store(false, Ordering::Relaxed);
        self.0.watch.set(None);
    }
}

/// Operations of the engine between two looks at the watch. It looks only where the statement jumps, so
/// that what has no loop looks in its functions.
const OPERATIONS_PER_LOOK: i32 = 100;

impl Connection {
    /// Opens a database, and makes it if it is not there. Blocks.
    pub(super) fn open(path: &Path, settings: Settings, writes: bool) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        reads::install();
        let inner = rusqlite::Connection::open_with_flags(path, flags)?;
        inner.busy_timeout(limits::SQL_LOCK_WAIT)?;
        let synchronous = match settings.durability {
            Durability::Power => "full",
            Durability::Process => "normal",
        };
        inner.pragma_update(None, "journal_mode", "wal")?;
        inner.pragma_update(None, "synchronous", synchronous)?;
        inner.pragma_update(None, "hard_heap_limit", limits::SQL_HEAP_BYTES_MAX)?;
        inner.pragma_update(None, "temp_store", "memory")?;
        inner.pragma_update(None, "journal_size_limit", limits::SQL_JOURNAL_BYTES_KEPT)?;
        inner.pragma_update(None, "cell_size_check", "on")?;
        let page: i64 = inner.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages_max = (settings.bytes_max as i64 / page).max(1);
        inner.pragma_update(None, "max_page_count", pages_max)?;
        inner.execute_batch(settings.schema)?;
        if !writes {
            inner.pragma_update(None, "query_only", "on")?;
        }
        for (config, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        ] {
            inner.set_db_config(config, on)?;
        }
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, limits::SQL_ROW_BYTES_MAX as i32),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, limits::SQL_STATEMENT_BYTES_MAX as i32),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, limits::SQL_PARAMETERS_MAX as i32),
            (Limit::SQLITE_LIMIT_COLUMN, limits::SQL_COLUMNS_MAX as i32),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, limits::SQL_DEPTH_MAX),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, limits::SQL_DEPTH_MAX),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, limits::SQL_TRIGGER_DEPTH_MAX),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, limits::SQL_PATTERN_BYTES_MAX as i32),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            inner.set_limit(limit, value)?;
        }
        inner.set_prepared_statement_cache_capacity(limits::SQL_STATEMENTS_KEPT);
        let watch = Watched::default();
        functions::replace_slow_ones(&inner, &watch)?;
        Self::guarded(inner, watch, (page, pages_max))
    }

    fn guarded(
        mut inner: rusqlite::Connection,
        watch: Watched,
        (page_bytes, pages_max): (i64, i64),
    ) -> Result<Self, Error> {
        let watched = watch.clone();
        inner.progress_handler(OPERATIONS_PER_LOOK, Some(move || watched.is_over()))?;
        let asked = Arc::<Asked>::default();
        let of = asked.clone();
        let authorize = move |context: AuthContext<'_>| match of.may(&context.action) {
            true => Authorization::Allow,
            false => Authorization::Deny,
        };
        inner.authorizer(Some(authorize))?;
        let (brief, pages) = (Brief::default(), Cell::new(pages_max));
        Ok(Connection { inner, watch, asked, brief, page_bytes, pages_max, pages })
    }

    /// Does what a guest has asked for, within its time.
    pub(in crate::capabilities) fn watched<T>(
        &self,
        watch: Watch,
        act: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.watch.set(Some(watch));
        self.asked.is_guests.store(true, Ordering::Relaxed);
        let _unwatched = Unwatched(self);
        act()
    }

    /// Lets the database grow by so many bytes from now on, and never beyond what it may have anyway; None:
    /// up to that.
    pub(super) fn may_grow_by(&self, bytes: Option<u64>) -> Result<(), Error> {
        let pages = match bytes {
            None => self.pages_max,
            Some(bytes) => {
                let there: i64 =
                    self.inner.pragma_query_value(None, "page_count", |row| row.get(0))?;
                let more = i64::try_from(bytes).unwrap_or(i64::MAX) / self.page_bytes;
                self.pages_max.min(there.saturating_add(more).max(1))
            }
        };
        if pages != self.pages.get() {
            self.inner.pragma_update(None, "max_page_count", pages)?;
            self.pages.set(pages);
        }
        Ok(())
    }

    /// Whether it may grow less than it might by itself.
    pub(super) fn is_bound(&self) -> bool {
        self.pages.get() < self.pages_max
    }

    /// Prepares a statement of a guest's.
    pub(in crate::capabilities) fn prepare_guests(
        &self,
        sql: &str,
    ) -> Result<CachedStatement<'_>, Error> {
        self.look_for_own_names(sql);
        let (prepared, is_new) = self.asked.begun(|| self.inner.prepare_cached(sql))?;
        if is_new {
            self.note_prepared(sql);
        }
        Ok(prepared)
    }

    /// To be called with a guest's text before any of it is prepared.
    pub(in crate::capabilities) fn look_for_own_names(&self, sql: &str) {
        let length = OWN_TABLES.len();
        let has = sql.as_bytes().windows(length).any(|w| w.eq_ignore_ascii_case(OWN_TABLES));
        self.asked.has_own_name.store(has, Ordering::Relaxed);
    }

    /// Runs a statement of the host's own.
    pub(in crate::capabilities) fn own(&self, sql: &'static str) -> Result<(), Error> {
        // Not from the statements that are kept: a guest's of the same words would find it there, and
        // no one would ask whether it may.
        self.as_host(|| Ok(self.inner.prepare(sql)?.raw_execute().map(drop)?))
    }

    /// Does work of the host's own, within the time of the guest's.
    pub(in crate::capabilities) fn as_host<T>(
        &self,
        act: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let was_guests = self.asked.is_guests.swap(false, Ordering::Relaxed);
        let result = act();
        self.asked.is_guests.store(was_guests, Ordering::Relaxed);
        result
    }

    /// Rolls back what is open.
    pub(in crate::capabilities) fn settle(&self) {
        if !self.inner.is_autocommit() {
            // What cannot be rolled back is still not committed, and the next who asks is told.
            let _ = self.own("rollback");
        }
    }

    pub(in crate::capabilities) fn is_in_transaction(&self) -> bool {
        !self.inner.is_autocommit()
    }

    pub(in crate::capabilities) fn inner(&self) -> &rusqlite::Connection {
        &self.inner
    }
}

/// What a guest's statement may do. Everything that leaves the one file, changes how the connection
/// works, or outlives the call outside of the database, it may not.
fn may(action: &AuthAction<'_>, has_own_name: bool) -> bool {
    match *action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Savepoint { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. } => true,
        AuthAction::CreateIndex { index_name: name, table_name }
        | AuthAction::DropIndex { index_name: name, table_name }
        | AuthAction::CreateTrigger { trigger_name: name, table_name }
        | AuthAction::DropTrigger { trigger_name: name, table_name } => {
            !is_own(name) && !is_own(table_name)
        }
        AuthAction::CreateView { view_name: name } | AuthAction::DropView { view_name: name } => {
            !is_own(name)
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name } => !is_own(table_name),
        // Its new name is not told here.
        AuthAction::AlterTable { table_name, .. } => !is_own(table_name) && !has_own_name,
        AuthAction::Function { function_name } => !DENIED_FUNCTIONS.contains(&function_name),
        AuthAction::CreateVtable { table_name, module_name }
        | AuthAction::DropVtable { table_name, module_name } => {
            let is_known = |known: &&str| module_name.eq_ignore_ascii_case(known);
            !is_own(table_name) && ["fts5", "rtree"].iter().any(is_known)
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            may_ask(&pragma_name.to_ascii_lowercase(), pragma_value.is_some())
        }
        _ => false,
    }
}

/// What leaves the engine, or takes the square of its argument's length in one operation.
const DENIED_FUNCTIONS: [&str; 4] =
    ["load_extension", "fts3_tokenizer", "json_patch", "jsonb_patch"];

/// What the tables begin with that the host keeps in a tenant's database.
const OWN_TABLES: &[u8] = b"_hob_";

fn is_own(name: &str) -> bool {
    name.as_bytes().get(..OWN_TABLES.len()).is_some_and(|n| n.eq_ignore_ascii_case(OWN_TABLES))
}

/// What describes the database, and its own number for its version.
fn may_ask(pragma: &str, with_value: bool) -> bool {
    match pragma {
        "table_info" | "table_xinfo" | "table_list" | "index_list" | "index_info"
        | "index_xinfo" | "foreign_key_list" | "foreign_key_check" | "integrity_check"
        | "quick_check" | "user_version" => true,
        "page_count" | "page_size" | "freelist_count" | "encoding" | "foreign_keys" => !with_value,
        // Holds for a transaction; migrations that make a table anew need it.
        "defer_foreign_keys" => true,
        // A table for full text asks for it by itself.
        "data_version" => !with_value,
        _ => false,
    }
}
