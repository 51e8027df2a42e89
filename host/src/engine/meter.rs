//! Owns the measure of how long a guest holds its thread: in this slice, and in all.
//!
//! The thread's side starts and stops the watch around each poll of a guest; the guest's side, the
//! epoch callback in its store, reads it. Both are on the same thread, but a store must be `Send`,
//! hence the atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::epoch::TickerHandle;
use crate::limits;

/// Measures one guest's time on the loop, or on an offload thread.
pub struct Meter {
    base: Instant,
    clock: MeterClock,
    /// Nanoseconds after which the guest is to step back.
    slice: u64,
    ticker: TickerHandle,
    /// Nanoseconds after `base` when the poll under way began.
    poll_started: AtomicU64,
    /// Nanoseconds after `base` up to which the poll under way has been charged to someone.
    charged_until: AtomicU64,
    /// Nanoseconds of the polls before that one, which no one has been charged with.
    uncharged: AtomicU64,
    /// Nanoseconds on the loop, the poll under way not included, since the last reset.
    used: AtomicU64,
    /// Whether the poll under way, or the last, ended because the slice was used up.
    is_interrupted: AtomicBool,
    limit: AtomicU64,
}

/// What counts as a guest's time.
#[derive(Clone, Copy)]
enum MeterClock {
    /// The time that passes: on the loop the others wait for as long as that.
    Passing,
    /// The thread's own processor time: an offload thread gives way to others on its core.
    Thread(fn() -> Duration),
}

/// A run of a guest on the loop.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// When it began.
    pub begun: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What an interrupted guest is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Go on: it has just been let run.
    GoesOn,
    /// Step behind the light tasks.
    UsedUp,
}

/// A guest has computed for longer than its limit.
#[derive(Debug)]
pub struct CpuLimitReached;

impl std::fmt::Display for CpuLimitReached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the CPU limit is reached")
    }
}

impl std::error::Error for CpuLimitReached {}

impl Meter {
    /// A meter at zero, for a guest that may hold the loop for `limit` in all.
    pub fn new(ticker: TickerHandle, limit: Duration) -> Arc<Self> {
        Self::with_clock(ticker, limit, limits::SLICE, MeterClock::Passing)
    }

    /// A meter at zero, for a job that may compute for `limit` in all by the processor time that
    /// `thread_time` tells of the calling thread.
    pub fn of_job(
        ticker: TickerHandle,
        limit: Duration,
        thread_time: fn() -> Duration,
    ) -> Arc<Self> {
        let clock = MeterClock::Thread(thread_time);
        Self::with_clock(ticker, limit, limits::OFFLOAD_SLICE, clock)
    }

    fn with_clock(
        ticker: TickerHandle,
        limit: Duration,
        slice: Duration,
        clock: MeterClock,
    ) -> Arc<Self> {
        Arc::new(Meter {
            base: Instant::now(),
            clock,
            slice: slice.as_nanos() as u64,
            ticker,
            poll_started: AtomicU64::new(0),
            charged_until: AtomicU64::new(0),
            uncharged: AtomicU64::new(0),
            used: AtomicU64::new(0),
            is_interrupted: AtomicBool::new(false),
            limit: AtomicU64::new(limit.as_nanos() as u64),
        })
    }

    /// Runs `poll`, which lets the guest run, and says when it began and how long it took.
    pub fn watch<T>(&self, poll: impl FnOnce() -> T) -> (T, Ran) {
        let (outcome, started, took) = self.measure(poll);
        let begun = self.base + Duration::from_nanos(started);
        (outcome, Ran { begun, took: Duration::from_nanos(took) })
    }

    /// Runs `poll`, which lets the job run.
    pub fn run<T>(&self, poll: impl FnOnce() -> T) -> T {
        self.measure(poll).0
    }

    fn measure<T>(&self, poll: impl FnOnce() -> T) -> (T, u64, u64) {
        let started = self.now();
        self.poll_started.store(started, Ordering::Relaxed);
        self.is_interrupted.store(false, Ordering::Relaxed);
        let ticking = self.ticker.ticking();
        let outcome = poll();
        drop(ticking);
        let ended = self.now();
        let took = ended - started;
        let since = started.max(self.charged_until.load(Ordering::Relaxed));
        self.uncharged.fetch_add(ended.saturating_sub(since), Ordering::Relaxed);
        self.used.fetch_add(took, Ordering::Relaxed);
        (outcome, started, took)
    }

    /// Whether the guest is in the middle of computing: it waits for its next slice and for nothing else.
    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Time on the loop since the last reset, without the poll under way.
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// How long the guest may hold the loop.
    pub fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit.load(Ordering::Relaxed))
    }

    /// Begins to count anew, up to this limit: the next request is not charged for the last.
    pub fn reset(&self, limit: Duration) {
        self.used.store(0, Ordering::Relaxed);
        self.limit.store(limit.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Judges a guest that the epoch has interrupted. Where its thread `is_wanted` for something else its
    /// slice is over.
    ///
    /// # Errors
    /// When it has used up all of its time.
    pub fn interrupted(&self, is_wanted: bool) -> Result<Slice, CpuLimitReached> {
        let slice = self.now() - self.poll_started.load(Ordering::Relaxed);
        if self.used.load(Ordering::Relaxed) + slice > self.limit.load(Ordering::Relaxed) {
            return Err(CpuLimitReached);
        }
        let used_up = slice >= self.slice || is_wanted;
        self.is_interrupted.store(used_up, Ordering::Relaxed);
        Ok(if used_up { Slice::UsedUp } else { Slice::GoesOn })
    }

    /// Time that has not been asked for before: what the task that is interrupted now is charged with. That is
    /// its poll under way; and, for it may run for less than a tick each time and always end before it is
    /// interrupted, a tick of the polls before that, if there was so much.
    pub fn uncharged(&self) -> Duration {
        let now = self.now();
        let since = self.charged_until.swap(now, Ordering::Relaxed);
        let under_way = now.saturating_sub(since.max(self.poll_started.load(Ordering::Relaxed)));
        let before = self.uncharged.swap(0, Ordering::Relaxed);
        let tick = limits::EPOCH_TICK.as_nanos() as u64;
        Duration::from_nanos(under_way.max((under_way + before).min(tick)))
    }

    fn now(&self) -> u64 {
        let time = match self.clock {
            MeterClock::Passing => self.base.elapsed(),
            MeterClock::Thread(thread_time) => thread_time(),
        };
        time.as_nanos() as u64
    }
}
