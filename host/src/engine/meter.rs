//! Owns the measure of how long a guest holds the loop: in this slice, and in all.
//!
//! The loop's side starts and stops the watch around each poll of a guest; the guest's side, the
//! epoch callback in its store, reads it. Both are on the loop's thread, but a store must be
//! `Send`, hence the atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::epoch::TickerHandle;
use crate::limits;

/// Measures one guest's time on the loop.
pub struct Meter {
    base: Instant,
    ticker: TickerHandle,
    /// Nanoseconds after `base` when the poll under way began.
    poll_started: AtomicU64,
    /// Nanoseconds after `base` up to which the poll under way has been charged to someone.
    charged_until: AtomicU64,
    /// Nanoseconds on the loop, the poll under way not included, since the last reset.
    used: AtomicU64,
    /// Whether the poll under way, or the last, ended because the slice was used up.
    is_interrupted: AtomicBool,
    limit: u64,
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

/// A guest has held the loop for longer than its limit.
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
        Arc::new(Meter {
            base: Instant::now(),
            ticker,
            poll_started: AtomicU64::new(0),
            charged_until: AtomicU64::new(0),
            used: AtomicU64::new(0),
            is_interrupted: AtomicBool::new(false),
            limit: limit.as_nanos() as u64,
        })
    }

    /// Runs `poll`, which lets the guest run, and says when it began and how long it took.
    pub fn watch<T>(&self, poll: impl FnOnce() -> T) -> (T, Ran) {
        let started = self.now();
        self.poll_started.store(started, Ordering::Relaxed);
        self.is_interrupted.store(false, Ordering::Relaxed);
        self.ticker.wake();
        let outcome = poll();
        let took = self.now() - started;
        self.used.fetch_add(took, Ordering::Relaxed);
        let begun = self.base + Duration::from_nanos(started);
        (outcome, Ran { begun, took: Duration::from_nanos(took) })
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
        Duration::from_nanos(self.limit)
    }

    /// Begins to count anew: the next request is not charged for the last.
    pub fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
    }

    /// Judges a guest that the epoch has interrupted.
    ///
    /// # Errors
    /// When it has used up all of its time.
    pub fn interrupted(&self) -> Result<Slice, CpuLimitReached> {
        let slice = self.now() - self.poll_started.load(Ordering::Relaxed);
        if self.used.load(Ordering::Relaxed) + slice > self.limit {
            return Err(CpuLimitReached);
        }
        let used_up = slice >= limits::SLICE.as_nanos() as u64;
        self.is_interrupted.store(used_up, Ordering::Relaxed);
        Ok(if used_up { Slice::UsedUp } else { Slice::GoesOn })
    }

    /// Time of the poll under way that has not been asked for before: what the task that is
    /// interrupted now has held the loop for, as far as the epoch can tell.
    pub fn uncharged(&self) -> Duration {
        let now = self.now();
        let since = self.charged_until.swap(now, Ordering::Relaxed);
        let since = since.max(self.poll_started.load(Ordering::Relaxed));
        Duration::from_nanos(now - since)
    }

    fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }
}
