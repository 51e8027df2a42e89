//! Owns the reading of time: the real clock, or one a test moves by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where a loop reads the time.
#[derive(Clone)]
pub enum Clock {
    /// The kernel's monotonic clock.
    Real,
    /// Stands still until a test moves it. A loop on such a clock never sleeps.
    Manual(ManualClock),
}

/// A clock that moves only when it is told to.
#[derive(Clone)]
pub struct ManualClock {
    start: Instant,
    elapsed_ns: Arc<AtomicU64>,
}

impl Clock {
    /// The time by this clock.
    pub fn now(&self) -> Instant {
        match self {
            Clock::Real => Instant::now(),
            Clock::Manual(clock) => clock.now(),
        }
    }

    /// Whether a test moves this clock.
    pub fn is_manual(&self) -> bool {
        matches!(self, Clock::Manual(_))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        ManualClock { start: Instant::now(), elapsed_ns: Arc::default() }
    }
}

impl ManualClock {
    /// The time by this clock.
    pub fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.elapsed_ns.load(Ordering::SeqCst))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.elapsed_ns.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
    }
}
