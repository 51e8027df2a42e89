//! The bounds of a tenant, and of what tenants share.

use std::time::Duration;

/// A limit that no one has set: what bounds the loops, the pool and the machine is then the tenant's
/// bound too. So who is alone on a machine is refused nothing that the machine has.
pub const TENANT_UNLIMITED: u64 = u64::MAX;

/// The share of a tenant that says nothing about it.
pub const TENANT_WEIGHT: u32 = 1;

/// The largest share, of which the smallest is a thousandth: less could not be told from none.
pub const TENANT_WEIGHT_MAX: u32 = 1000;

/// Requests of one tenant that may wait for a place in flight, once those are limited. As many as a
/// browser's or a proxy's burst; each holds a connection and a head.
pub const TENANT_QUEUE: u64 = 1024;

/// The longest queue that may be asked for: more could not be in flight of a loop anyway.
pub const TENANT_QUEUE_MAX: u64 = super::REQUESTS_IN_FLIGHT_MAX as u64;

/// How long a request waits for a place. Longer, and its client has better things to do with the answer
/// that there is none.
pub const TENANT_QUEUE_TIME: Duration = Duration::from_secs(1);

/// Requests a second that may be asked for at the most: some times what a machine answers. The bucket
/// counts in nanoseconds.
pub const TENANT_RATE_MAX: u64 = 100_000_000;

/// Time on the loops that may be asked for in a second: all of the loops there can be.
pub const TENANT_CPU_MS_MAX: u64 = 1000 * super::LOOPS_MAX as u64;

/// A tenant that has been idle may use its time on the loops of so long at once, and one that has used
/// more is refused until it has made up for it.
pub const TENANT_CPU_BURST: Duration = Duration::from_secs(1);

/// The longest time that a refused client is told to wait: its tenant's limits may change meanwhile.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// How far a tenant may be ahead of the others that want the loop before its guests wait for their turn:
/// some requests of the usual kind, and a fifth of a slice. Less would have each of them queue.
pub const LEAD: Duration = Duration::from_micros(200);

/// A tenant that ran within this time is one that wants the loop: its next request is likely to come
/// soon. Longer would have a tenant that is alone again keep to the rules of two.
pub const CONTENDED_FOR: Duration = Duration::from_millis(10);

/// Time in a turn for guests that wait for their turn on the loop. One that computes takes a slice; of
/// short ones so many that they do not pay for a turn each.
pub const HEAVY_TIME_PER_TURN: Duration = super::SLICE;

/// Grants in a turn, before the kernel is asked again; as [`super::TASK_POLLS_PER_TURN`], and less,
/// for each lets a guest run.
pub const HEAVY_GRANTS_PER_TURN: usize = 64;

/// Tenants whose time on a loop is remembered although they are not ahead, before they are forgotten. Where
/// more than half as many are ahead, it is as many as those.
pub const PARTIES_REMEMBERED: usize = 1024;

/// Guests that have waited for their turns have at least so long on the loop, together, between two times that
/// one of them is told to step back for something else. Ten times what it costs to let one run again, so that
/// they come on also where someone always wants the loop. Where that has been for no guest, such as when more comes
/// for the one that stepped back, twice as long, up to a slice.
pub const TIME_BETWEEN_WANTED: Duration = Duration::from_micros(100);

/// The largest storage that may be asked for, in MiB: what is counted in bytes stays far from the largest
/// number.
pub const TENANT_STORAGE_MIB_MAX: u64 = 1 << 40;

/// Entries of folders that one job looks at while it measures what a tenant keeps: some 20 ms when the
/// kernel has them in memory, of which other tenants' jobs wait for one thread of several.
pub const STORAGE_ENTRIES_PER_JOB: usize = 20_000;

/// What a tenant keeps is measured again by the next that takes some of it, so long after the last time: a
/// count that is wrong is so for a minute at the most.
pub const STORAGE_MEASURED_AGAIN: Duration = Duration::from_secs(60);

/// The same where someone would be refused: the count may be too high.
pub const STORAGE_MEASURED_WHEN_FULL: Duration = Duration::from_secs(1);

/// Folders, and files with several names, that a measurement keeps in mind at once: some 10 MB. A tenant
/// that has more of them is counted by what it writes.
pub const STORAGE_NAMES_KEPT: usize = 100_000;

/// Bytes of the paths of these folders.
pub const STORAGE_PATH_BYTES_KEPT: usize = 10 << 20;

/// How long the log says nothing more of a tenant that is full.
pub const STORAGE_TOLD_AGAIN: Duration = Duration::from_secs(1);
