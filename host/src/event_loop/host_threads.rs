//! Owns the threads that block so that the loop never does.
//!
//! They are the blocking threads of a tokio runtime that runs nothing else: `wasmtime-wasi` does
//! its file work on the runtime it finds around it, so that work and ours share the same threads
//! and the same bound. This is the only file that names tokio's runtime.
//!
//! A thread that has done its jobs rests for a moment before it goes back to the runtime: one that rests is woken
//! with no lock held, and one that the runtime wakes has to wait for the runtime's lock first.
//!
//! # Whose turn it is
//! Jobs come through queues of bounded length, one for each party that is to have its share. A
//! thread that is free takes the next job of the next queue, by the parties' weights, quick ones first. Slow ones are never
//! on more than half of the threads (with a single thread, on that one), and never on none while a
//! thread becomes free twice; of several parties none has all the threads for slow ones.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::priority::OfHostThreads;
use super::remote::{Refused, Settle};
use super::turns::{Bound, Turns, Weight};
use crate::limits;
use crate::observe::{Happening, HostThreadMetrics, Timeline};

/// How long a job is likely to hold its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A few milliseconds: a file, a point query.
    Quick,
    /// Longer: a name lookup, a password hash, a compile. At most half of the threads.
    Slow,
}

/// What a job is: for its turn, and for who looks on.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Its name in the metrics and the timeline, as `files.read`.
    pub operation: &'static str,
    /// Which threads it may have.
    pub lane: Lane,
    /// The request it is done for, if it is for one.
    pub request: Option<u64>,
}

impl Work {
    /// Work of a few milliseconds.
    pub const fn quick(operation: &'static str) -> Self {
        Work { operation, lane: Lane::Quick, request: None }
    }

    /// Longer work.
    pub const fn slow(operation: &'static str) -> Self {
        Work { operation, lane: Lane::Slow, request: None }
    }

    /// The same, for a request.
    pub fn for_request(self, request: Option<u64>) -> Self {
        Work { request, ..self }
    }
}

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct HostThreads {
    inner: Arc<Inner>,
}

/// A party's way into the pool: its jobs wait here for their turn. Cheap to clone.
#[derive(Clone)]
pub struct HostQueue {
    pool: HostThreads,
    index: usize,
}

struct Inner {
    runtime: tokio::runtime::Handle,
    /// Kept so that the threads live as long as the pool; not here only while it is dropped.
    owner: Option<tokio::runtime::Runtime>,
    priority: OfHostThreads,
    metrics: Arc<HostThreadMetrics>,
    timeline: Timeline,
    jobs: Mutex<Jobs>,
    /// Told when a job is handed to a thread that rests.
    handed: Condvar,
}

struct Job {
    work: Work,
    /// Whose it is.
    party: usize,
    queued: Instant,
    run: Run,
}

/// The work itself.
type Run = Box<dyn FnOnce(Note<'_>) + Send>;

impl Job {
    fn is_slow(&self) -> bool {
        self.work.lane == Lane::Slow
    }

    /// Whose it is, if it is a slow one.
    fn slow_of(&self) -> Option<usize> {
        self.is_slow().then_some(self.party)
    }
}

/// To be called when the work is done and nobody has its result yet, so that whoever has it also
/// finds how it came about.
type Note<'a> = &'a dyn Fn();

/// The jobs that wait, and the threads that are at work.
struct Jobs {
    /// Which threads are at work.
    busy: Vec<bool>,
    slow_running: usize,
    /// Whether the job begun last was a slow one.
    slow_was_last: bool,
    waiting: usize,
    /// Threads that rest, and that may: see [`Place::rest`].
    resting: usize,
    resting_max: usize,
    /// Jobs and places for those of them that were told so.
    handed: VecDeque<(Job, usize)>,
    parties: Vec<Party>,
    /// Parties that want their share of slow work.
    rivals: usize,
    /// Parties with a quick job, and with a slow one.
    quick_turns: Turns,
    slow_turns: Turns,
}

#[derive(Default)]
struct Party {
    weight: Weight,
    /// Its jobs that may wait.
    most: Bound,
    quick: VecDeque<Job>,
    slow: VecDeque<Job>,
    slow_running: usize,
}

impl HostThreads {
    /// Makes a pool of at most `threads` threads; they start when there is work.
    ///
    /// # Errors
    /// When the runtime cannot be made.
    pub fn new(
        threads: usize,
        metrics: Arc<HostThreadMetrics>,
        timeline: Timeline,
    ) -> io::Result<Self> {
        let priority = OfHostThreads::beside_this_thread();
        let owner = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(threads)
            .thread_name("host-thread")
            // One that is there need not be made in a bad moment.
            .thread_keep_alive(Duration::MAX)
            .on_thread_start(move || priority.begin())
            .build()?;
        let runtime = owner.handle().clone();
        let (jobs, handed) = (Mutex::new(Jobs::new(threads)), Condvar::new());
        let owner = Some(owner);
        let inner = Inner { runtime, owner, priority, metrics, timeline, jobs, handed };
        Ok(HostThreads { inner: Arc::new(inner) })
    }

    /// A queue of its own for one more party, which has turns by its weight, and in which so many jobs
    /// may wait.
    pub fn queue(&self, weight: Weight, most: Bound) -> HostQueue {
        self.inner.jobs.lock().expect("host threads' jobs").rivals += 1;
        self.add(weight, most)
    }

    /// A queue for quick work of the host's own, for which no party need leave a thread free.
    pub fn queue_of_the_host(&self) -> HostQueue {
        self.add(Weight::default(), Bound::default())
    }

    fn add(&self, weight: Weight, most: Bound) -> HostQueue {
        let mut jobs = self.inner.jobs.lock().expect("host threads' jobs");
        jobs.parties.push(Party { weight, most, ..Party::default() });
        HostQueue { pool: self.clone(), index: jobs.parties.len() - 1 }
    }

    /// Makes this pool the one that code written for tokio finds on the calling thread.
    pub fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.inner.runtime.enter()
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &HostThreads) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Has threads that are free begin with the jobs that wait.
    pub(super) fn wake_all(&self) {
        while self.wake_one() {}
    }

    /// Has one of them begin with the next job, if there are both.
    fn wake_one(&self) -> bool {
        let mut jobs = self.inner.jobs.lock().expect("host threads' jobs");
        let Some((job, thread)) = jobs.begin() else { return false };
        self.note_waiting(&jobs);
        if jobs.resting > 0 {
            jobs.resting -= 1;
            jobs.handed.push_back((job, thread));
            // A thread that wakes may have the core at once, and must not wait for the lock.
            drop(jobs);
            self.inner.handed.notify_one();
        } else {
            drop(jobs);
            self.start(job, thread);
        }
        true
    }

    /// Gives a job to a thread that is free. To be called with no lock held: a thread may have to be
    /// made, and that can fail.
    fn start(&self, job: Job, thread: usize) {
        let place = Place { pool: self.clone(), thread, slow_of: job.slow_of() };
        self.inner.runtime.spawn_blocking(move || place.run(job));
    }

    fn note_waiting(&self, jobs: &Jobs) {
        self.inner.metrics.waiting.store(jobs.waiting as u64, Ordering::Relaxed);
    }
}

impl HostQueue {
    /// The pool that it leads into.
    pub(super) fn pool(&self) -> &HostThreads {
        &self.pool
    }

    /// A loop has done such a job itself, for it had to wait for nothing.
    pub fn spared(&self, work: Work) {
        self.pool.inner.metrics.spared(work.operation);
    }

    /// Queues a job that no one waits for. It is not refused: what it puts away is bounded by whoever
    /// has handed that out. A thread is to be woken for it.
    pub(super) fn submit_unattended(&self, work: Work, job: impl FnOnce() + Send + 'static) {
        let jobs = self.pool.inner.jobs.lock().expect("host threads' jobs");
        let run = Box::new(|note: Note<'_>| {
            drop(catch_unwind(AssertUnwindSafe(job)));
            note();
        });
        self.push(jobs, work, run);
    }

    /// Queues a job, for which a thread is to be woken, or gives the means to settle back when the queue is full.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: Work,
        job: impl FnOnce() -> T + Send + 'static,
        settle: Settle<Result<T, Refused>>,
    ) -> Result<(), Settle<Result<T, Refused>>> {
        let inner = &self.pool.inner;
        let mut jobs = inner.jobs.lock().expect("host threads' jobs");
        while self.is_full(&jobs) {
            drop(jobs);
            // What waits for nothing but to be handed out has to go first.
            if !self.pool.wake_one() {
                inner.metrics.refused(work.operation);
                return Err(settle);
            }
            jobs = inner.jobs.lock().expect("host threads' jobs");
        }
        let run = Box::new(move |note: Note<'_>| {
            if !settle.is_abandoned() {
                let result = catch_unwind(AssertUnwindSafe(job));
                note();
                settle.settle(result.map_err(|_| Refused::Panicked));
            }
        });
        self.push(jobs, work, run);
        Ok(())
    }

    fn is_full(&self, jobs: &Jobs) -> bool {
        let party = &jobs.parties[self.index];
        let own = party.quick.len() + party.slow.len();
        own >= party.most.get() || jobs.waiting >= limits::HOST_JOBS_MAX
    }

    fn push(&self, mut jobs: MutexGuard<'_, Jobs>, work: Work, run: Run) {
        jobs.push(Job { work, party: self.index, queued: Instant::now(), run });
        self.pool.note_waiting(&jobs);
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

impl Jobs {
    fn new(threads: usize) -> Self {
        Jobs {
            busy: vec![false; threads],
            slow_running: 0,
            slow_was_last: false,
            waiting: 0,
            resting: 0,
            // The others are left to what is asked of the runtime itself.
            resting_max: threads / 2,
            handed: VecDeque::new(),
            parties: Vec::new(),
            rivals: 0,
            quick_turns: Turns::default(),
            slow_turns: Turns::default(),
        }
    }

    fn push(&mut self, job: Job) {
        let party = &mut self.parties[job.party];
        let (queue, turns) = match job.work.lane {
            Lane::Quick => (&mut party.quick, &mut self.quick_turns),
            Lane::Slow => (&mut party.slow, &mut self.slow_turns),
        };
        turns.push(job.party);
        queue.push_back(job);
        self.waiting += 1;
    }

    /// The next job and a free thread for it, if there are both.
    fn begin(&mut self) -> Option<(Job, usize)> {
        let thread = self.busy.iter().position(|busy| !busy)?;
        let job = self.next()?;
        self.busy[thread] = true;
        Some((job, thread))
    }

    /// The job whose turn it is.
    fn next(&mut self) -> Option<Job> {
        let slow_is_due = self.slow_running == 0 && !self.slow_was_last;
        let job = if slow_is_due {
            self.take_slow().or_else(|| self.take_quick())
        } else {
            self.take_quick().or_else(|| self.take_slow())
        }?;
        self.waiting -= 1;
        self.slow_was_last = job.is_slow();
        if job.is_slow() {
            self.slow_running += 1;
            self.parties[job.party].slow_running += 1;
        }
        Some(job)
    }

    /// A slow job is over, of this party.
    fn end_slow(&mut self, party: usize) {
        self.slow_running -= 1;
        self.parties[party].slow_running -= 1;
    }

    /// The next quick job of the next party.
    fn take_quick(&mut self) -> Option<Job> {
        let parties = &self.parties;
        let index = self.quick_turns.pop_if(|_| true, |index| parties[index].weight.get())?;
        let queue = &mut self.parties[index].quick;
        let job = queue.pop_front();
        if !queue.is_empty() {
            self.quick_turns.push(index);
        }
        job
    }

    /// The same of slow ones, if one more may run. Of several parties none has all the threads for
    /// them: its jobs may take long, and another's must not wait for their end.
    fn take_slow(&mut self) -> Option<Job> {
        let most = (self.busy.len() / 2).max(1);
        if self.slow_running >= most {
            return None;
        }
        let most_of_one = if self.rivals > 1 { (most - 1).max(1) } else { most };
        let parties = &self.parties;
        let may_run = |index: usize| parties[index].slow_running < most_of_one;
        let index = self.slow_turns.pop_if(may_run, |index| parties[index].weight.get())?;
        let queue = &mut self.parties[index].slow;
        let job = queue.pop_front();
        if !queue.is_empty() {
            self.slow_turns.push(index);
        }
        job
    }
}

/// A thread's place in the pool, as long as it is at work.
struct Place {
    pool: HostThreads,
    thread: usize,
    /// Whose slow job it is at, if it is at one.
    slow_of: Option<usize>,
}

impl Place {
    /// Does a job, and then those that wait: to wake another thread for the next would cost more than
    /// many a job does.
    fn run(mut self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            self.slow_of = job.slow_of();
            self.work(job);
            next = self.next();
        }
    }

    /// The next job, if the thread is not to go back to the runtime.
    fn next(&mut self) -> Option<Job> {
        let inner = self.pool.inner.clone();
        let mut jobs = inner.jobs.lock().expect("host threads' jobs");
        if let Some(party) = self.slow_of.take() {
            jobs.end_slow(party);
        }
        let next = jobs.next();
        self.pool.note_waiting(&jobs);
        if next.is_some() {
            return next;
        }
        // Under the same lock, so that who comes now finds the thread free.
        jobs.busy[self.thread] = false;
        self.thread = usize::MAX;
        self.rest(jobs, &inner.handed)
    }

    /// Waits a little for another job. Half of the threads may do so at once: those that rest do nothing of what
    /// is asked of the runtime itself, and under a load of jobs they come back to it seldom.
    fn rest(&mut self, mut jobs: MutexGuard<'_, Jobs>, handed: &Condvar) -> Option<Job> {
        if jobs.resting == jobs.resting_max {
            return None;
        }
        jobs.resting += 1;
        let until = Instant::now() + limits::HOST_THREAD_RESTS;
        loop {
            if let Some((job, thread)) = jobs.handed.pop_front() {
                self.thread = thread;
                return Some(job);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                jobs.resting -= 1;
                return None;
            }
            jobs = handed.wait_timeout(jobs, left).expect("host threads' jobs").0;
        }
    }

    fn work(&self, job: Job) {
        let priority = self.pool.inner.priority;
        let gives_way = Cell::new(job.is_slow());
        // Before it has a lock that a loop may want.
        let return_from_that = || {
            if gives_way.take() {
                priority.work_briefly();
            }
        };
        if gives_way.get() {
            priority.compute_for_long();
        }
        let Job { work, queued, run, .. } = job;
        let begun = Instant::now();
        run(&|| {
            return_from_that();
            let ended = Instant::now();
            let inner = &self.pool.inner;
            inner.metrics.ran(work.operation, begun - queued, ended - begun);
            if let Some(request) = work.request {
                let what = Happening::HostThread { operation: work.operation, thread: self.thread };
                inner.timeline.add(request, begun, ended, what);
            }
        });
        return_from_that();
    }
}

impl Drop for Place {
    /// When the thread could not be made, or something of ours has panicked, its place is given back.
    fn drop(&mut self) {
        if self.thread != usize::MAX {
            let mut jobs = self.pool.inner.jobs.lock().expect("host threads' jobs");
            jobs.busy[self.thread] = false;
            if let Some(party) = self.slow_of {
                jobs.end_slow(party);
            }
        }
    }
}
