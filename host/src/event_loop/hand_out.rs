//! Owns when host threads are woken for what a loop has for them.
//!
//! To wake a thread costs more than many a job does, and where it shares the loop's core it has that at once: two
//! switches of threads for each job. So the jobs of a turn's tasks are handed out together when those have been
//! polled, or a while has passed: some threads are woken, and each does job after job. Whoever asks may want them begun
//! one by one instead (`Remote::at_once`).

use std::sync::Mutex;

use super::host_threads::HostThreads;

/// When a host thread is woken for a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    AtOnce,
    /// When the loop hands out what there is by then.
    WithOthers,
}

/// The jobs of one loop that no thread has been woken for.
#[derive(Default)]
pub(super) struct HandOut {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the loop takes turns: else no one would come for what waits.
    gathers: bool,
    /// Whose threads have jobs that wait.
    waiting: Option<HostThreads>,
}

impl HandOut {
    /// From now on the loop hands out in each of its turns; or it does no more.
    pub(super) fn set_gathers(&self, gathers: bool) {
        self.state.lock().expect("hand-out").gathers = gathers;
    }

    /// A job was queued for these threads.
    pub(super) fn queued(&self, threads: &HostThreads, begins: Begins) {
        if begins == Begins::AtOnce {
            return threads.wake_all();
        }
        let mut state = self.state.lock().expect("hand-out");
        if !state.gathers {
            drop(state);
            return threads.wake_all();
        }
        if state.waiting.as_ref().is_some_and(|waiting| waiting.is(threads)) {
            return;
        }
        let other = state.waiting.replace(threads.clone());
        drop(state);
        if let Some(other) = other {
            other.wake_all();
        }
    }

    /// Whether there may be jobs that no thread was woken for.
    pub(super) fn has_jobs(&self) -> bool {
        self.state.lock().expect("hand-out").waiting.is_some()
    }

    /// Wakes a thread for each job that waits, as far as there are threads.
    pub(super) fn hand_out(&self) {
        // No lock is held when a thread is woken: it may have the core at once.
        let waiting = self.state.lock().expect("hand-out").waiting.take();
        if let Some(threads) = waiting {
            threads.wake_all();
        }
    }
}
