//! Owns what a loop and host threads that share one core give each other together: jobs when the loop
//! has polled what was woken, answers when a thread has no more jobs.
//!
//! Given one by one, each costs two switches of threads: a thread that wakes has the core at once, does
//! one job, and gives the core back for the next.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use super::host_threads::HostThreads;
use super::remote::Shared;

/// What one loop and its host threads keep for each other.
#[derive(Default)]
pub(super) struct Gathering {
    kept: Mutex<Kept>,
    /// Answers that are to come.
    expected: AtomicUsize,
}

#[derive(Default)]
struct Kept {
    /// The pool in which jobs wait to be begun by the loop.
    jobs: Option<HostThreads>,
    /// Who is to be woken for an answer that is there.
    answers: Vec<Waker>,
    /// Set when the loop is gone: no one would come for anything.
    closed: bool,
}

impl Gathering {
    /// Notes that a job waits in this pool; it is begun here when the loop will not.
    pub(super) fn keep_job(&self, pool: &HostThreads) {
        let mut kept = self.kept();
        let to_begin = if kept.closed {
            Some(pool.clone())
        } else {
            kept.jobs.replace(pool.clone()).filter(|before| !before.is(pool))
        };
        drop(kept);
        if let Some(to_begin) = to_begin {
            to_begin.begin_waiting();
        }
    }

    /// The pool with jobs to begin, if there is one.
    pub(super) fn take_jobs(&self) -> Option<HostThreads> {
        self.kept().jobs.take()
    }

    /// Those that are to be woken.
    pub(super) fn take_answers(&self) -> Vec<Waker> {
        mem::take(&mut self.kept().answers)
    }

    /// Whether somebody is to be woken.
    pub(super) fn has_answers(&self) -> bool {
        !self.kept().answers.is_empty()
    }

    /// Whether the loop has something to come for.
    pub(super) fn has_work(&self) -> bool {
        let kept = self.kept();
        kept.jobs.is_some() || !kept.answers.is_empty()
    }

    /// Whether an answer may come that the loop is not told of at once.
    pub(super) fn expects_answers(&self) -> bool {
        self.expected.load(Ordering::SeqCst) > 0
    }

    /// The loop is gone.
    pub(super) fn close(&self) {
        let mut kept = self.kept();
        kept.closed = true;
        let (jobs, answers) = (kept.jobs.take(), mem::take(&mut kept.answers));
        drop(kept);
        drop(answers);
        if let Some(pool) = jobs {
            pool.begin_waiting();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("what is gathered")
    }
}

/// An answer that a loop is to hand on; dropped when the loop was told, or when no answer comes.
pub(super) struct Expected {
    shared: Arc<Shared>,
}

impl Expected {
    pub(super) fn by(shared: &Arc<Shared>) -> Self {
        shared.gathering.expected.fetch_add(1, Ordering::SeqCst);
        Expected { shared: shared.clone() }
    }

    /// Keeps who is to be woken for the answer, if anybody waits for it. The loop is to be told, or it looks by
    /// itself after a while: as long as this lives.
    pub(super) fn keep(&self, waker: Option<Waker>) {
        let mut kept = self.shared.gathering.kept();
        if !kept.closed {
            kept.answers.extend(waker);
        }
    }

    /// Tells the loop of what is kept. To be called with no lock held: the loop may have the core at once.
    pub(super) fn tell(self) {
        self.shared.notify();
    }

    /// Whether both are of the same loop.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.shared.gathering.expected.fetch_sub(1, Ordering::SeqCst);
    }
}
