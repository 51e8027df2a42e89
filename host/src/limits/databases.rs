//! Owns the bounds of `sql` and `kv`.

use std::time::Duration;

use super::HOST_THREADS;

/// Connections of one database for single statements that read. More would only wait for the host
/// threads.
pub const SQL_READERS: usize = 4;

/// Connections of one database that are held by cursors and by transactions that read.
pub const SQL_READERS_ON: usize = 8;

/// Host threads that the databases of one tenant may hold at once, of the default of four: there, a
/// tenant whose statements take long leaves one to the others. It stays three when `hob.toml` asks for
/// more host threads or fewer.
pub const SQL_THREADS_PER_TENANT: usize = HOST_THREADS - 1;

/// Who may wait for one kind of connection of one database.
pub const SQL_WAITERS_MAX: usize = 1024;

/// How long one waits for it.
pub const SQL_WAIT: Duration = Duration::from_secs(5);

/// How long a host thread waits for another process that has locked the database.
pub const SQL_LOCK_WAIT: Duration = Duration::from_millis(500);

/// Time for one statement.
pub const SQL_STATEMENT_TIME: Duration = Duration::from_secs(5);

/// Time for a transaction or a batch in all. The one that writes keeps all others from it.
pub const SQL_TRANSACTION_TIME: Duration = Duration::from_secs(10);

/// A cursor that gives no row for so long is closed: it keeps the log of the database from shrinking.
pub const SQL_CURSOR_IDLE: Duration = Duration::from_secs(30);

/// Time for a cursor in all, for the same reason: a client may be slow for as long as it likes.
pub const SQL_CURSOR_TIME: Duration = Duration::from_secs(60);

/// Calls for a cursor's next rows that may wait for the one before.
pub const SQL_CURSOR_CALLS_MAX: usize = 4;

/// Time for one migration, before anything is served.
pub const SQL_MIGRATION_TIME: Duration = Duration::from_secs(600);

/// Rows of a result that is handed over whole. Copying them holds the loop for some milliseconds.
pub const SQL_ROWS_MAX: usize = 10_000;

/// Bytes of such a result; each value counts 16 beside its own.
pub const SQL_RESULT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a piece of a result that is handed over in pieces, counted in the same way. A single row
/// may be larger.
pub const SQL_PIECE_BYTES: usize = 1024 * 1024;

/// Bytes of one row, and of one value.
pub const SQL_ROW_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one statement's text.
pub const SQL_STATEMENT_BYTES_MAX: usize = 64 * 1024;

/// Statements of a batch.
pub const SQL_BATCH_MAX: usize = 1000;

/// Parameters of a statement.
pub const SQL_PARAMETERS_MAX: usize = 4096;

/// Columns of a table or a result.
pub const SQL_COLUMNS_MAX: usize = 512;

/// Depth of an expression, and terms of a compound one: both are walked by recursion.
pub const SQL_DEPTH_MAX: i32 = 100;

/// Depth of triggers that set off triggers.
pub const SQL_TRIGGER_DEPTH_MAX: i32 = 32;

/// Bytes of a pattern for `like`, whose search takes as long as the text and the pattern together are
/// large.
pub const SQL_PATTERN_BYTES_MAX: usize = 512;

/// Prepared statements that a connection keeps.
pub const SQL_STATEMENTS_KEPT: usize = 64;

/// Time for a statement that a loop runs itself, because it has been short: some times what a host thread is
/// away for, and a tenth of a guest's slice.
pub const SQL_BRIEF_TIME: Duration = Duration::from_micros(100);

/// Operations of the engine in a statement that is short: a row or some, found by an index.
pub const SQL_BRIEF_OPERATIONS: i32 = 200;

/// Pages that it may read, each of which the kernel must have in memory.
pub const SQL_BRIEF_READS: u32 = 16;

/// Bytes of a value that it works with: the engine looks at the time after a hundred operations, of which each
/// may copy one.
pub const SQL_BRIEF_VALUE_BYTES: i32 = 16 * 1024;

/// Bytes of its result, counted as those of others.
pub const SQL_BRIEF_RESULT_BYTES: usize = 64 * 1024;

/// Bytes of its text, by which it is known.
pub const SQL_BRIEF_TEXT_BYTES: usize = 1024;

/// Statements of which a connection knows whether they are short.
pub const SQL_BRIEF_STATEMENTS_MAX: usize = 256;

/// Times that host threads run a statement before a loop tries it again, after many tries have failed: where the
/// disk is waited for anyway, or the file system cannot tell, a try in a thousand costs nothing.
pub const SQL_BRIEF_REST_MAX: u32 = 1000;

/// Bytes that the engine may take for all databases together: pages it keeps, rows it sorts.
pub const SQL_HEAP_BYTES_MAX: i64 = 512 * 1024 * 1024;

/// Bytes of a database, unless `hob.toml` says otherwise.
pub const SQL_DATABASE_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// Mebibytes that may be asked for a database.
pub const SQL_DATABASE_MIB_MAX: u64 = 1024 * 1024;

/// Bytes of its log that a database keeps for the next writes.
pub const SQL_JOURNAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// Bytes of a key of the key-value store.
pub const KV_KEY_BYTES_MAX: usize = 512;

/// Bytes of a value of it.
pub const KV_VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Keys of one call, and of one page.
pub const KV_KEYS_MAX: usize = 1000;

/// Bytes of the values that are handed over in one call.
pub const KV_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a tenant's key-value store.
pub const KV_STORE_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// Keys that have expired which a write takes away at the least. One that changes many keys takes away
/// twice as many as it changes, so that they do not pile up.
pub const KV_EXPIRED_PER_WRITE: usize = 16;

/// Keys that have expired which are taken away at once when the store is full.
pub const KV_EXPIRED_WHEN_FULL: usize = 1000;
