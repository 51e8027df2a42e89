//! Owns the threads that block so that the loop never does.
//!
//! They are the blocking threads of a tokio runtime that runs nothing else: `wasmtime-wasi` does
//! its file work on the runtime it finds around it, so that work and ours share the same threads
//! and the same bound. This is the only file that names tokio's runtime.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::remote::{Refused, Settle};
use crate::limits;

/// How long a job is likely to hold its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A few milliseconds: a file, a point query.
    Quick,
    /// Longer: a name lookup, a password hash, a compile. At most half of the threads.
    Slow,
}

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct HostThreads {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: tokio::runtime::Handle,
    /// Kept so that the threads live as long as the pool; not here only while it is dropped.
    owner: Option<tokio::runtime::Runtime>,
    threads: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    running: usize,
    slow_running: usize,
    quick: VecDeque<Job>,
    slow: VecDeque<Job>,
}

impl HostThreads {
    /// Makes a pool of at most `threads` threads; they start when there is work.
    ///
    /// # Errors
    /// When the runtime cannot be made.
    pub fn new(threads: usize) -> io::Result<Self> {
        let owner = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(threads)
            .thread_name("host-thread")
            .build()?;
        let runtime = owner.handle().clone();
        let inner = Inner { runtime, owner: Some(owner), threads, queue: Mutex::default() };
        Ok(HostThreads { inner: Arc::new(inner) })
    }

    /// Makes this pool the one that code written for tokio finds on the calling thread.
    pub fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.inner.runtime.enter()
    }

    /// Queues a job, or gives the means to settle back when the queue is full.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce() -> T + Send + 'static,
        settle: Settle<Result<T, Refused>>,
    ) -> Result<(), Settle<Result<T, Refused>>> {
        let mut queue = self.inner.queue.lock().expect("host thread queue");
        if queue.quick.len() + queue.slow.len() >= limits::HOST_JOBS_MAX {
            return Err(settle);
        }
        let job: Job = Box::new(move || {
            if !settle.is_abandoned() {
                let result = catch_unwind(AssertUnwindSafe(job));
                settle.settle(result.map_err(|_| Refused::Panicked));
            }
        });
        match lane {
            Lane::Quick => queue.quick.push_back(job),
            Lane::Slow => queue.slow.push_back(job),
        }
        self.start(&mut queue);
        Ok(())
    }

    /// Hands jobs to threads while there are threads to spare.
    fn start(&self, queue: &mut Queue) {
        while let Some((lane, job)) = queue.next(self.inner.threads) {
            let pool = self.clone();
            self.inner.runtime.spawn_blocking(move || {
                // A job that panics gives no result, but it must give back its place.
                let place = Place { pool, lane };
                job();
                drop(place);
            });
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last clone may be dropped by a host thread, which cannot wait for itself.
        if let Some(owner) = self.owner.take() {
            owner.shutdown_background();
        }
    }
}

impl Queue {
    fn next(&mut self, threads: usize) -> Option<(Lane, Job)> {
        if self.running >= threads {
            return None;
        }
        let slow_fits = self.slow_running < threads.div_ceil(2);
        let (lane, job) = match self.quick.pop_front() {
            Some(job) => (Lane::Quick, job),
            None if slow_fits => (Lane::Slow, self.slow.pop_front()?),
            None => return None,
        };
        self.running += 1;
        self.slow_running += usize::from(lane == Lane::Slow);
        Some((lane, job))
    }
}

struct Place {
    pool: HostThreads,
    lane: Lane,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.pool.inner.queue.lock().expect("host thread queue");
        queue.running -= 1;
        queue.slow_running -= usize::from(self.lane == Lane::Slow);
        self.pool.start(&mut queue);
    }
}
