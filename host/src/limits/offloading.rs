//! Owns the bounds of what is computed beside the loops.

use std::time::Duration;

/// Threads that may be asked for. Beyond the number of cores they only take turns.
pub const OFFLOAD_THREADS_MAX: usize = 256;

/// Jobs of one tenant that may wait for their first turn. Who comes later is better told so at once.
pub const OFFLOAD_WAITING_MAX: usize = 256;

/// Jobs of one tenant that have begun, each with an instance: those that wait for a message or a
/// timer hold their memory and no thread.
pub const OFFLOAD_BEGUN_MAX: usize = 128;

/// A job that has computed this long steps behind the jobs of other tenants. Long enough that the
/// change from one instance to the next costs nothing beside it, and short enough that a job that
/// computes for a millisecond does not wait long behind those of ten tenants.
pub const OFFLOAD_SLICE: Duration = Duration::from_millis(5);

/// How long a thread that has done all its work looks out for more before it rests: some times what it takes to
/// wake one on another core, and so little that it is no load.
pub const OFFLOAD_ALERTNESS: Duration = Duration::from_micros(50);

/// A job keeps its place among its own tenant's until it has computed this long. To share each slice
/// among all of them would have all of them end late.
pub const OFFLOAD_TURN: Duration = Duration::from_millis(50);

/// How long a job may wait for its first turn, unless `hob.toml` says otherwise.
pub const OFFLOAD_WAIT: Duration = Duration::from_secs(10);

/// Processor time of a job, unless `hob.toml` says otherwise.
pub const OFFLOAD_CPU: Duration = Duration::from_secs(60);

/// Time from a job's first turn to its end, unless `hob.toml` says otherwise. Threads are shared, so
/// it is longer than the processor time.
pub const OFFLOAD_WALL: Duration = Duration::from_secs(120);

/// Bytes of a job's input, and of its output, in MiB: what a guest may hand over in one call.
pub const OFFLOAD_MIB_MAX: usize = super::HOSTCALL_BYTES_MAX / (1024 * 1024);

/// Bytes of a message to or from a job that runs.
pub const OFFLOAD_MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Messages of a job in either direction that may not have been taken yet, if they are small: each
/// counts for an eighth of [`OFFLOAD_MESSAGE_BYTES_MAX`] at least, and together they may not have more
/// than that.
pub const OFFLOAD_MESSAGES_MAX: usize = 8;

/// Bytes of a program's standard output that go out as one message.
pub const OFFLOAD_PIECE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the end of a program's standard error that its caller is told.
pub const OFFLOAD_STDERR_BYTES_MAX: usize = 4 * 1024;

/// Bytes of the words with which a job says that it could not, or the engine that it trapped.
pub const OFFLOAD_ERROR_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a program's arguments together, and of the environment of a usual system.
pub const OFFLOAD_ARGUMENTS_BYTES_MAX: usize = 64 * 1024;

/// Instances the pool of jobs is made for: those of some tenants that have begun all they may.
pub const OFFLOAD_INSTANCES: u32 = 1000;

/// Idle instances kept by one module in `reuse`, on one loop. More would serve only a burst of jobs
/// that wait for something.
pub const OFFLOAD_IDLE_INSTANCES_MAX: usize = 16;

const _: () = {
    assert!(OFFLOAD_SLICE.as_nanos() <= OFFLOAD_TURN.as_nanos());
    assert!(OFFLOAD_PIECE_BYTES_MAX <= OFFLOAD_MESSAGE_BYTES_MAX / OFFLOAD_MESSAGES_MAX);
    assert!(OFFLOAD_BEGUN_MAX <= OFFLOAD_INSTANCES as usize);
};
