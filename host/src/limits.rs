//! Owns every bound: name, unit, default, and why that number.
//! Relations between bounds are asserted at compile time, at the end.

mod compression;
mod cryptography;
mod databases;
mod deploying;
mod embedding;
mod offloading;
mod outbound;
mod plugging;
mod routing;
mod tenancy;

use std::num::NonZeroU64;
use std::time::Duration;

pub use compression::*;
pub use cryptography::*;
pub use databases::*;
pub use deploying::*;
pub use embedding::*;
pub use offloading::*;
pub use outbound::*;
pub use plugging::*;
pub use routing::*;
pub use tenancy::*;

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

/// Bytes of the name of a tenant, a handler, a plug-in or a module: it may be the name of a folder, of which the
/// OS takes 255.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes that a person is shown of one fault of a `hob.toml`: it quotes what is in the file.
pub const FAULT_BYTES_MAX: usize = 2000;

/// How far the threads beside the loops give way to them, as `nice` counts: a loop that wants the core of
/// one of them has three quarters of it. More would leave work whose time is limited by the clock too
/// little beside other programs. Where cores are free it changes nothing.
pub const NICENESS_BESIDE_LOOPS: i32 = 5;

/// How much further a host thread gives way to the loops while a job of it takes long, where it may return:
/// beside a thread that computes and is closer to them a loop has the core back late, for the kernel counts
/// what it has just used, be it microseconds. That much leaves a long job a thirtieth of a core that a loop wants
/// all the time.
pub const NICENESS_OF_LONG_JOBS: i32 = 15;

/// How far the thread that interrupts guests goes before the loops, where the process may ask for that: it has
/// ten times the share of one, and uses little of that, some microseconds at a time and seldom more than once in
/// [`TIME_BETWEEN_WANTED`].
pub const TICKER_NICENESS: i32 = -10;

/// How late, in nanoseconds, the kernel may wake the thread that interrupts guests, to wake others with it:
/// as little as can be said, for a guest that is to step back has others wait.
pub const TICKER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// The slices of the core that a loop asks the kernel for: shorter than those of threads that compute, which
/// are the kernel's default of some milliseconds, so that a loop that wakes need not wait for the end of one;
/// and no shorter than a guest's, for each has a price.
pub const LOOP_SLICE: Duration = SLICE;

/// The same of threads that compute for long: the longest that Linux gives. With slices of its own length they
/// would be over at any moment, and one of two such threads has the core in that moment, not a loop that wakes.
pub const COMPUTING_SLICE: Duration = Duration::from_millis(100);

/// The same of host threads with short jobs: the shortest that Linux gives. A job is over before that, and the
/// sooner it is the more answers a loop writes together.
pub const SHORT_JOB_SLICE: Duration = Duration::from_micros(100);

/// The same of the thread that interrupts guests, which runs for some microseconds at a time: the shortest
/// that Linux gives.
pub const TICKER_SLICE: Duration = Duration::from_micros(100);

/// Jobs that may wait for a host thread. At a millisecond each that is a second of work for four
/// threads; whoever comes later is better told so at once.
pub const HOST_JOBS_MAX: usize = 4096;

/// Jobs of one tenant among them, so that one that floods leaves room for the others.
pub const HOST_JOBS_PER_QUEUE_MAX: usize = 1024;

/// How long jobs that are handed out together wait for the end of the turn, at the most, while tasks are polled: some
/// ten tasks of a loop. The threads may have cores of their own, and be idle meanwhile.
pub const HOST_JOBS_GATHERED_FOR: Duration = Duration::from_micros(100);

/// How long a host thread that has nothing to do waits for another job before it goes back to the runtime,
/// where what others ask of it, such as `wasmtime-wasi`, may have it.
pub const HOST_THREAD_RESTS: Duration = Duration::from_millis(5);

/// Event loops in one process. Beyond the number of cores they only take turns.
/// Each has a socket, and those of all loops are handed over in one message.
pub const LOOPS_MAX: usize = 128;

// ---- HTTP -----------------------------------------------------------------------------------

/// Connections of one loop. The OS may allow fewer: see [`DESCRIPTORS_RESERVED`].
pub const CONNECTIONS_MAX: usize = 65_536;

/// Descriptors kept back from the connections of handlers: those of the second listener, epoll,
/// files of host threads, log. Each loop takes [`DESCRIPTORS_PER_LOOP`] more.
pub const DESCRIPTORS_RESERVED: usize = 128;

/// A loop's own descriptors: its listener, its `epoll`, the copy for registering, its waker.
pub const DESCRIPTORS_PER_LOOP: usize = 4;

/// Descriptors of a tenant's database, beyond the reserve: two for each connection, of which one that reads is
/// left to the loops, and its index.
pub const DESCRIPTORS_PER_DATABASE: usize = 2 * (2 + SQL_READERS + SQL_READERS_ON) + 1;

/// Connections of the second listener, within the reserve: operators must get in when it is full.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// From the taking of one of those to its first byte: who connects there has something to ask. Long enough
/// for a person who types.
pub const ADMIN_FIRST_BYTE_DEADLINE: Duration = Duration::from_secs(5);

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
pub const LINGER: Duration = Duration::from_secs(2);

/// Bytes read and thrown away while lingering: what a client on a fast network sends in that time. Many a client
/// reads no answer before it has sent its body.
pub const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Requests in flight get this long to finish once the server drains.
pub const DRAIN: Duration = Duration::from_secs(30);

/// After a server has handed its sockets over, a connection that is open gets this long to bring one more
/// request: clients that are at work bring one within it, and the others find theirs closed while idle.
pub const HANDOVER_GRACE: Duration = Duration::from_secs(2);

/// How long a process that has come for the sockets of this one may take to ask for them: it does at once.
/// Meanwhile another one waits, and nothing else does.
pub const HANDOVER_QUESTION: Duration = Duration::from_secs(2);

/// How long the one process waits for a word of the other while sockets are handed over. The new one is
/// ready to serve by then.
pub const HANDOVER_PATIENCE: Duration = Duration::from_secs(60);

/// Sockets that can be handed over: as many descriptors as Linux passes in one message.
pub const HANDOVER_SOCKETS_MAX: usize = 253;

/// The longest time any deadline may be set to.
pub const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);

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

/// Bytes of the lists and strings of one call together: the longest, what stands beside it, and some
/// more, so that one that is a little too long is told so. A call with more traps.
pub const HOSTCALL_FUEL: usize = HOSTCALL_BYTES_MAX + 1024 * 1024;

/// Bytes of a file, or of a range of one, that is read in one call.
pub const FILE_WHOLE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a piece of a file that is read piece by piece.
pub const FILE_PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a file that a loop reads itself, where they are in memory: to copy them takes some 5 us, half of what
/// a host thread is away for.
pub const FILE_BRIEF_BYTES: usize = 64 * 1024;

/// Bytes of its path: a name for each two of them is the most that the kernel has to look for.
pub const FILE_BRIEF_PATH_BYTES: usize = 256;

/// Bytes that one tenant's calls under way may have handed over to `files`, `fetch` and `offload`: sixteen of the
/// largest.
pub const HELD_BYTES_PER_TENANT_MAX: usize = 16 * HOSTCALL_BYTES_MAX;

/// Files that one tenant may have open in pieces at once: each is a descriptor.
pub const OPEN_FILES_PER_TENANT_MAX: usize = 256;

/// Entries of a folder that is listed: they are sorted before a page of them is taken.
pub const FOLDER_ENTRIES_MAX: usize = 100_000;

/// Entries of one page of a folder.
pub const FOLDER_PAGE_MAX: usize = 1000;

/// Bytes of a secret, or of another value that is not in `hob.toml` itself: a key with its chain of
/// certificates is a tenth of it.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Random bytes a guest may ask for at once.
pub const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of one list of header fields in the host's memory.
pub const FIELDS_BYTES_MAX: usize = 128 * 1024;

/// A `shared` instance that is being replaced gets this long beyond the wall limit to finish the
/// other requests in it.
pub const RETIRE_GRACE: Duration = Duration::from_secs(1);

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

const _: () = assert!(LOOPS_MAX < HANDOVER_SOCKETS_MAX);
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
    assert!(LOOPS_MAX < HANDOVER_SOCKETS_MAX);
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
