//! Owns every bound: name, unit, default, and why that number.
//! Relations between bounds are asserted at compile time, at the end.

use std::time::Duration;

// ---- The event loop -------------------------------------------------------------------------

/// Events taken from the kernel in one poll. More wait in the kernel for the next turn.
pub const EVENTS_PER_POLL: usize = 1024;

/// Polls of woken tasks in one turn, before the kernel is asked again.
pub const TASK_POLLS_PER_TURN: usize = 256;

/// Time for them. A poll is some 10 us, but one that lets a guest run may take two ticks of the
/// epoch, and 256 of those would keep sockets and timers waiting for half a second.
pub const LIGHT_TIME_PER_TURN: Duration = Duration::from_millis(4);

/// Messages from other threads taken in one turn; the same reason.
pub const INBOX_PER_TURN: usize = 256;

/// Messages from other threads that may wait. A loop that is this far behind is not helped by more.
pub const INBOX_MESSAGES_MAX: usize = 16_384;

/// Threads that do blocking work, by default: as libuv.
pub const HOST_THREADS: usize = 4;

/// The largest number of host threads that may be asked for: libuv's.
pub const HOST_THREADS_MAX: usize = 1024;

/// Jobs that may wait for a host thread. At a millisecond each that is a second of work for four
/// threads; whoever comes later is better told so at once.
pub const HOST_JOBS_MAX: usize = 4096;

/// Jobs of one tenant among them, so that one that floods leaves room for the others.
pub const HOST_JOBS_PER_QUEUE_MAX: usize = 1024;

/// Event loops in one process. Beyond the number of cores they only take turns.
pub const LOOPS_MAX: usize = 256;

// ---- HTTP -----------------------------------------------------------------------------------

/// Connections of one loop. The OS may allow fewer: see [`DESCRIPTORS_RESERVED`].
pub const CONNECTIONS_MAX: usize = 65_536;

/// Descriptors kept back from the connections of handlers: those of the second listener, epoll,
/// files of host threads, log. Each loop takes [`DESCRIPTORS_PER_LOOP`] more.
pub const DESCRIPTORS_RESERVED: usize = 128;

/// A loop's own descriptors: its listener, its `epoll`, the copy for registering, its waker.
pub const DESCRIPTORS_PER_LOOP: usize = 4;

/// Descriptors of a tenant's database, beyond the reserve: two for each connection, and its index.
pub const DESCRIPTORS_PER_DATABASE: usize = 2 * (1 + SQL_READERS + SQL_READERS_ON) + 1;

/// Connections of the second listener, within the reserve: operators must get in when it is full.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Connections accepted in one turn, so that a flood of them does not starve those at work.
pub const ACCEPTS_PER_TURN: usize = 64;

/// The backlog asked of the kernel, which caps it by `net.core.somaxconn`.
pub const ACCEPT_BACKLOG: i32 = 4096;

/// How long the listener rests when the process has no descriptor left.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Bytes of a request's head, its request line included. Node takes 16 KiB, nginx 32 KiB.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a request's target.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Fields of a request's head. Node takes 2,000, nginx 1,000, Apache 100; browsers send 20. hyper
/// parses up to 100 without an allocation, and that is also the number it refuses beyond.
pub const HEADER_COUNT_MAX: usize = 100;

/// Bytes of a method. The longest that is registered has 17 (`UPDATEREDIRECTREF`).
pub const METHOD_BYTES_MAX: usize = 64;

/// Bytes of one chunk-size line with its extensions, which no one uses for good.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;

/// Bytes of all extensions of one body's chunks. hyper's own bound is larger.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 8 * 1024;

/// Bytes of the trailer section.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a request's body, unless `hob.toml` says otherwise.
pub const BODY_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// A request body that is not longer is handed over whole through the fast lane; a longer one, or
/// one of unknown length, as a stream.
pub const BODY_WHOLE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes hyper may hold of a connection in either direction. It is also hyper's own bound for the
/// head, so it must be larger than ours.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Bytes read from a socket at once, into a buffer the connections of a loop share.
pub const READ_BYTES: usize = 64 * 1024;

/// A head and a body that are not longer together are joined before they are written: the copy
/// costs less than the kernel's walk over several buffers.
pub const WRITE_JOINED_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a piece of a streamed body, in either direction.
pub const BODY_PIECE_BYTES_MAX: usize = 64 * 1024;

/// From the first byte of a head to its last, and from the connection to the first byte.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Without any progress of a request's body while the handler waits for it.
pub const BODY_IDLE_DEADLINE: Duration = Duration::from_secs(30);

/// Without any progress of a response while there is something to send.
pub const WRITE_IDLE_DEADLINE: Duration = Duration::from_secs(30);

/// An idle connection is kept this long. Longer than the 60 s of common proxies, so that it is
/// the proxy that closes and no request crosses a close.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A connection that is idle this long gives back its buffers and keeps a socket and a deadline.
pub const DORMANT_AFTER: Duration = Duration::from_secs(1);

/// Connections that may keep hyper's buffers while they wait, some 20 KB each. Beyond it, each
/// gives them up whenever it waits.
pub const ACTIVE_CONNECTIONS_MAX: usize = 512;

/// How often a connection that is not dormant looks at its deadlines. They are exact to this.
pub const DEADLINE_CHECK: Duration = Duration::from_secs(1);

/// After a refusal, what the client still sends is read and thrown away for at most this long:
/// closing at once would reset the connection before the client has read the answer.
pub const LINGER: Duration = Duration::from_secs(1);

/// Bytes read and thrown away while lingering.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Requests in flight get this long to finish once the server drains.
pub const DRAIN: Duration = Duration::from_secs(30);

/// The longest time any deadline may be set to.
pub const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);

// ---- Outbound ------------------------------------------------------------------------------

/// Connections to other servers of one loop, idle ones included.
pub const OUTBOUND_CONNECTIONS_MAX: usize = 1024;

/// Connections of one tenant among them.
pub const OUTBOUND_CONNECTIONS_PER_TENANT_MAX: usize = 256;

/// Idle connections that are kept for the next request to their origin.
pub const OUTBOUND_IDLE_MAX: usize = 256;

/// How long an idle connection is kept: less than the minute for which most servers keep theirs, so
/// that a request seldom crosses a close.
pub const OUTBOUND_IDLE_KEPT: Duration = Duration::from_secs(30);

/// Requests that wait for the loop to take them up, which it does in its next turn.
pub const OUTBOUND_ORDERS_MAX: usize = 4096;

/// Addresses of one name that are tried.
pub const OUTBOUND_ADDRESSES_TRIED: usize = 4;

/// Time to look up a name, to connect and to agree on TLS.
pub const OUTBOUND_CONNECT: Duration = Duration::from_secs(10);

/// Time to the first byte of the response.
pub const OUTBOUND_FIRST_BYTE: Duration = Duration::from_secs(30);

/// Time without any progress of the response's body.
pub const OUTBOUND_BETWEEN_BYTES: Duration = Duration::from_secs(30);

/// Bytes of a piece of a response that a guest reads.
pub const OUTBOUND_PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Names that are remembered with their addresses, for all tenants.
pub const DNS_NAMES_MAX: usize = 4096;

/// Bytes of a name: RFC 1035 has 255 with the lengths in it.
pub const DNS_NAME_BYTES_MAX: usize = 253;

/// Addresses of one name that are kept.
pub const DNS_ADDRESSES_MAX: usize = 16;

/// How long the addresses of a name are kept. The resolver tells no time to live; half a minute is
/// what services that move by DNS set.
pub const DNS_KEPT: Duration = Duration::from_secs(30);

/// How long it is kept that a name has none, so that a misspelt one does not hold the host threads.
pub const DNS_FAILURE_KEPT: Duration = Duration::from_secs(5);

/// How long a lookup under way is joined by others that ask for the same name.
pub const DNS_LOOKUP_MAX: Duration = Duration::from_secs(30);

/// Bytes read at once from another server. They are on the stack and zeroed first, so few.
pub const OUTBOUND_READ_BYTES: usize = 8 * 1024;

// ---- Guests ---------------------------------------------------------------------------------

/// The epoch's tick: the shortest slice of a guest, which is between one and two ticks.
pub const EPOCH_TICK: Duration = Duration::from_millis(1);

/// A guest that has held the loop this long without a pause steps behind the light tasks.
pub const SLICE: Duration = Duration::from_millis(1);

/// Ticks without any guest at work after which the ticker sleeps, so that an idle server is idle.
pub const TICKS_BEFORE_REST: u32 = 50;

/// Time a request may hold the loop, in all. Fastly gives 50 ms; Python's start alone takes that.
pub const CPU_PER_REQUEST: Duration = Duration::from_secs(2);

/// Time from a request's head to its response's head, and then to the end of its body, waiting
/// included.
pub const WALL_PER_REQUEST: Duration = Duration::from_secs(30);

/// Linear memory of one instance, summed over its memories. JavaScript and Python start with 20.
pub const MEMORY_BYTES: usize = 256 * 1024 * 1024;

/// Linear memory that may be asked for at the most: what a 32-bit memory can have.
pub const MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024 * 1024;

/// Elements of one table; Python's function tables have some 20,000.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Core instances, memories and tables of one component. Python's component links two dozen
/// libraries; the limit is there so that one component cannot empty the pool.
pub const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
/// See [`CORE_INSTANCES_PER_COMPONENT`].
pub const MEMORIES_PER_COMPONENT: u32 = 4;
/// See [`CORE_INSTANCES_PER_COMPONENT`].
pub const TABLES_PER_COMPONENT: u32 = 32;

/// Bytes of wasmtime's own record of one core instance, and of one component instance.
pub const INSTANCE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of compiled code kept on disk between two starts: some hundred interpreters, or some
/// ten thousand small handlers.
pub const CACHE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Live instances the pool is made for. Each reserves 4 GiB of address space and holds up to
/// five mappings of the 65,530 a process may have.
pub const INSTANCES: u32 = 11_000;

/// Smaller pools, tried in turn where the address space does not hold the first.
pub const INSTANCES_FALLBACK: [u32; 2] = [1000, 100];

/// Where there is no pool: address space reserved beyond a memory's size, so that not every growth
/// moves it.
pub const MEMORY_GROWTH_RESERVED_BYTES: u64 = 1024 * 1024;

/// Requests in flight of one loop. A request beyond is refused with 503 at once.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 10_500;

/// Bytes of a guest's native stack, the host's frames included.
pub const STACK_BYTES: usize = 1024 * 1024;

/// Bytes of it that Wasm frames may use: wasmtime's default, which interpreters in Wasm are
/// tuned to.
pub const WASM_STACK_BYTES: usize = 512 * 1024;

/// Bytes kept resident of a memory, table and stack that are reset between two instances, so
/// that a small guest's next instance takes no page fault.
pub const MEMORY_KEEP_RESIDENT_BYTES: usize = 1024 * 1024;
/// See [`MEMORY_KEEP_RESIDENT_BYTES`].
pub const TABLE_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// See [`MEMORY_KEEP_RESIDENT_BYTES`].
pub const STACK_KEEP_RESIDENT_BYTES: usize = 32 * 1024;

/// Requests an instance serves before it is replaced, in `reuse` and `shared`: what a guest
/// leaks lives no longer than that.
pub const REQUESTS_PER_INSTANCE: u64 = 50_000;

/// Requests at once in one `shared` instance. More open another instance.
pub const REQUESTS_PER_SHARED_INSTANCE: usize = 16_384;

/// Idle instances kept by one handler in `reuse`.
pub const IDLE_INSTANCES_MAX: usize = 256;

/// An instance of `reuse` that no one has used for so long is dropped.
pub const IDLE_INSTANCE_KEPT: Duration = Duration::from_secs(60);

/// Guests of one handler on one loop that may be at work after their answers, for no one waits for
/// them and no connection bounds them.
pub const BACKGROUND_WORK_MAX: usize = 1024;

/// Requests answered whose CPU time is remembered, in a `shared` instance, for their work may go on.
pub const ANSWERED_TASKS_REMEMBERED: usize = 1024;

/// Entries of the host's table of resources for one instance.
pub const RESOURCES_MAX: usize = 65_536;

/// Entries that may remain in that table between two requests of a `reuse` instance. A guest that
/// leaves more behind is replaced, long before the table is full.
pub const RESOURCES_LEFT_MAX: usize = 1024;

/// Entries that a request may have in it when it has used up a slice: the largest is
/// [`FIELDS_BYTES_MAX`], so this bounds the host's memory.
pub const RESOURCES_AT_WORK_MAX: usize = 2048;

/// The same for a `shared` instance, in which what earlier requests have left counts too, beside
/// [`RESOURCES_PER_REQUEST`] for each that is under way.
pub const RESOURCES_AT_WORK_SHARED_MAX: usize = 16_384;

/// Entries that a request under way in a `shared` instance may have in that table before they
/// count as left behind: its head, its body, its timers.
pub const RESOURCES_PER_REQUEST: usize = 16;

/// Handles a guest may hold. More than an instance serves requests, so that one that leaks a handle a
/// request is replaced in time.
pub const HANDLES_MAX: usize = 65_536;

/// Bytes a guest may hand over in one call that is not cut into pieces. Copying them holds the loop
/// for some milliseconds; what is larger comes as a stream.
pub const HOSTCALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a file, or of a range of one, that is read in one call.
pub const FILE_WHOLE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a piece of a file that is read piece by piece.
pub const FILE_PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Entries of a folder that is listed: they are sorted before a page of them is taken.
pub const FOLDER_ENTRIES_MAX: usize = 100_000;

/// Entries of one page of a folder.
pub const FOLDER_PAGE_MAX: usize = 1000;

/// Bytes of a secret: a key with its chain of certificates is a tenth of it.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Random bytes a guest may ask for at once.
pub const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of one list of header fields in the host's memory.
pub const FIELDS_BYTES_MAX: usize = 128 * 1024;

/// A `shared` instance that is being replaced gets this long beyond the wall limit to finish the
/// other requests in it.
pub const RETIRE_GRACE: Duration = Duration::from_secs(1);

// ---- Cryptography ---------------------------------------------------------------------------

/// Bytes that are hashed with SHA-256, or sealed, on the loop and at once. A host thread is away for 10
/// to 15 us; SHA-256 takes 9 us for so many bytes, AES-GCM 9, ChaCha20-Poly1305 12 (measured on a
/// processor that helps with the first two). Ed25519 takes 20 us for a signature and 40 to verify one.
pub const CRYPTO_AT_ONCE_BYTES_MAX: usize = 16 * 1024;

/// Memory of one password hash, in KiB. RFC 9106 recommends 64 MiB where memory is scarce, OWASP 19 to
/// 46. At most half of the host threads do this at once, so with four threads it is 512 MiB in all.
pub const PASSWORD_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Memory that one password hash may go over, in all its passes, in KiB: one to two seconds.
pub const PASSWORD_WORK_KIB_MAX: u64 = 1024 * 1024;

/// Lanes of Argon2. They are done one after the other; hashes made elsewhere have up to 8.
pub const ARGON2_LANES_MAX: u32 = 16;

/// r and p of scrypt; 8 and 1 are usual, and 16 is in its RFC.
pub const SCRYPT_FACTOR_MAX: u32 = 64;

/// Rounds of PBKDF2, of all blocks together: some seconds. OWASP recommends 600,000.
pub const PBKDF2_ROUNDS_MAX: u64 = 5_000_000;

/// The least cost of bcrypt that there is.
pub const BCRYPT_COST_MIN: u32 = 4;

/// The highest cost of bcrypt: each one more doubles the time, and this takes some seconds.
pub const BCRYPT_COST_MAX: u32 = 16;

/// Bytes of a password that bcrypt looks at. A longer one is refused, and not cut in silence.
pub const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;

/// Bytes of a password, of a salt, and of a hash string.
pub const PASSWORD_BYTES_MAX: usize = 4096;

/// Bytes of a key that is made out of a password: many times the longest key.
pub const DERIVED_KEY_BYTES_MAX: usize = 1024;

// ---- Compression ----------------------------------------------------------------------------

/// The highest level of compression, of every format: what is beyond takes minutes for what is allowed
/// in one call, and a hundred megabytes of memory.
pub const COMPRESSION_LEVEL_MAX: u32 = 9;

/// Bytes that brotli gathers before it compresses them.
pub const BROTLI_BUFFER_BYTES: usize = 4096;

/// brotli's window: 512 KiB find nearly all that there is to find in a page, and an encoder has a few
/// megabytes with it.
pub const BROTLI_WINDOW_BITS: u32 = 19;

/// The window of zstd that is still read: 8 MiB, which RFC 8878 recommends for HTTP.
pub const ZSTD_WINDOW_BITS_MAX: u32 = 23;

/// Bytes that are compressed on the loop and at once, with gzip, deflate and zstd: 12 us, and a host
/// thread is away for 10 to 15. brotli takes 30 for them.
pub const COMPRESSED_AT_ONCE_BYTES_MAX: usize = 1024;

/// Bytes that take some milliseconds; more is slow work: 16 MiB take half a second, or with brotli
/// two.
pub const COMPRESSED_QUICKLY_BYTES_MAX: usize = 512 * 1024;

/// Bytes of an answer that is compressed: with less, the head is most of what is sent.
pub const ANSWER_MIN: u64 = 1024;

/// Levels at which answers are compressed: 64 KiB of text take 0.1 to 0.2 ms with gzip and zstd, and a
/// millisecond with brotli.
pub const ANSWER_GZIP_LEVEL: u32 = 4;
/// See [`ANSWER_GZIP_LEVEL`].
pub const ANSWER_BROTLI_LEVEL: u32 = 4;
/// See [`ANSWER_GZIP_LEVEL`].
pub const ANSWER_ZSTD_LEVEL: u32 = 3;

/// Bytes of an answer, or of a piece of one, that are compressed on the loop and at once, with gzip and
/// zstd: as [`COMPRESSED_AT_ONCE_BYTES_MAX`], at faster levels.
pub const ANSWER_AT_ONCE_BYTES_MAX: usize = 2 * 1024;

/// Streamed answers that are compressed at once on one loop, each with up to three megabytes. More are
/// sent as they are.
pub const COMPRESSED_STREAMS_MAX: usize = 256;

/// Bytes that are decompressed on the loop and at once, by what goes in and by what may come out: 12 us.
pub const DECOMPRESSED_AT_ONCE_BYTES_MAX: usize = 4096;

/// Bytes that come out of one call at the most: as much as a guest may hand over in one.
pub const DECOMPRESSED_BYTES_MAX: usize = HOSTCALL_BYTES_MAX;

/// Bytes that come out of one step of a decoder. Some kilobytes of input can make gigabytes: what is
/// made waits for nobody.
pub const DECODER_OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of input that may wait in a decoder, when another piece is given to it.
pub const DECODER_INPUT_BYTES_MAX: usize = 1024 * 1024;

/// Encoders and decoders that the guests of one handler may have open on one loop: each has up to some
/// ten megabytes.
pub const CODERS_MAX: usize = 64;
// ---- Databases ------------------------------------------------------------------------------

/// Connections of one database for single statements that read. More would only wait for the host
/// threads.
pub const SQL_READERS: usize = 4;

/// Connections of one database that are held by cursors and by transactions that read.
pub const SQL_READERS_ON: usize = 8;

/// Host threads that the databases of one tenant may hold at once, of the four there are by default:
/// a tenant whose statements take long leaves one to the others.
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

/// Keys that have expired which a write takes away: more than it can add of them, so that they do not
/// pile up, and few enough that no write is long.
pub const KV_EXPIRED_PER_WRITE: usize = 16;

// ---- Timeline -------------------------------------------------------------------------------

/// Events of a loop, and of the host threads, that the timeline remembers: some thousand requests,
/// in about a megabyte.
pub const TIMELINE_ENTRIES_MAX: usize = 16_384;

// ---- Log ------------------------------------------------------------------------------------

/// Bytes of log that may wait for the writer. Beyond it lines are dropped, and counted.
pub const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a server that ends waits for the log's reader to take the last lines.
pub const LOG_CLOSE: Duration = Duration::from_secs(2);

/// How long lines may wait to be written together.
pub const LOG_DELAY: Duration = Duration::from_millis(20);

/// Bytes of it that the guests' own lines may take: a talkative one must not push out the access
/// lines of the others.
pub const LOG_GUEST_BYTES_MAX: usize = LOG_BYTES_MAX / 2;

/// Bytes of output a guest may write in one call. Each of them may end a line, and a line costs up to
/// a microsecond.
pub const OUTPUT_BYTES_PER_CALL: usize = 4096;

/// Bytes of a guest's line of output; the rest of a longer line is a line of its own.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a path in an access line.
pub const LOG_PATH_BYTES_MAX: usize = 512;

const _: () = {
    assert!(CONNECTION_BUFFER_BYTES_MAX > HEAD_BYTES_MAX);
    assert!(WRITE_JOINED_BYTES_MAX <= READ_BYTES);
    assert!(HOST_JOBS_PER_QUEUE_MAX < HOST_JOBS_MAX);
    assert!(OUTBOUND_CONNECTIONS_PER_TENANT_MAX < OUTBOUND_CONNECTIONS_MAX);
    assert!(TARGET_BYTES_MAX < HEAD_BYTES_MAX);
    assert!(SQL_ROW_BYTES_MAX <= SQL_RESULT_BYTES_MAX);
    assert!(SQL_RESULT_BYTES_MAX <= HOSTCALL_BYTES_MAX);
    assert!(KV_VALUE_BYTES_MAX < SQL_ROW_BYTES_MAX);
    assert!(SQL_STATEMENT_TIME.as_millis() <= SQL_TRANSACTION_TIME.as_millis());
    assert!(ADMIN_CONNECTIONS_MAX < DESCRIPTORS_RESERVED);
    assert!(REQUESTS_IN_FLIGHT_MAX < INSTANCES as usize);
    assert!(IDLE_INSTANCES_MAX < INSTANCES as usize);
    assert!(WASM_STACK_BYTES < STACK_BYTES);
    assert!(RESOURCES_LEFT_MAX < RESOURCES_MAX);
    assert!(RESOURCES_LEFT_MAX <= RESOURCES_AT_WORK_MAX);
    assert!(REQUESTS_PER_INSTANCE < HANDLES_MAX as u64);
    assert!(MEMORY_BYTES <= MEMORY_BYTES_MAX);
    assert!(BODY_WHOLE_BYTES_MAX <= BODY_BYTES_MAX);
    // The epoch cannot see slices shorter than its tick.
    assert!(SLICE.as_nanos() >= EPOCH_TICK.as_nanos());
};
