//! Owns what a host thread does: job after job, then a rest, with the priority that each job is to have.

use std::cell::Cell;
use std::task::Waker;
use std::time::Instant;

use super::{HostThreads, Job};
use crate::event_loop::gathering::Expected;
use crate::limits;
use crate::observe::Happening;

/// A thread's place in the pool, as long as it is at work.
pub(super) struct Place {
    pool: HostThreads,
    thread: usize,
    /// Whose slow job it is at, if it is at one.
    slow_of: Option<usize>,
    /// The first of those answers of which their loop has not been told, and when it was there.
    untold: Option<(Expected, Instant)>,
}

impl Place {
    /// The place of a thread that is about to begin this job.
    pub(super) fn new(pool: HostThreads, thread: usize, first: &Job) -> Self {
        Place { pool, thread, slow_of: first.slow_of(), untold: None }
    }

    /// Does a job, and then those that wait: to wake another thread for the next would cost more than
    /// many a job does.
    pub(super) fn run(mut self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            self.slow_of = job.slow_of();
            self.work(job);
            next = self.next();
        }
    }

    /// The next job, if the thread is not to go back to the runtime.
    fn next(&mut self) -> Option<Job> {
        let pool = self.pool.clone();
        let mut jobs = pool.jobs();
        if let Some(party) = self.slow_of.take() {
            jobs.end_slow(party);
        }
        let next = jobs.next();
        self.pool.note_waiting(&jobs);
        if let Some(job) = next {
            drop(jobs);
            self.tell_before(&job);
            return Some(job);
        }
        // Under the same lock, so that who comes now finds the thread free.
        jobs.busy[self.thread] = false;
        self.thread = usize::MAX;
        let may_rest = jobs.resting < jobs.resting_max;
        if may_rest {
            jobs.resting += 1;
        }
        drop(jobs);
        self.tell();
        may_rest.then(|| self.rest()).flatten()
    }

    /// Keeps an answer for the loop that expects it, which is told later.
    fn keep_answer(&mut self, expected: Expected, waker: Option<Waker>) {
        expected.keep(waker);
        match &self.untold {
            Some((first, _)) if first.is_beside(&expected) => {}
            _ => {
                self.tell();
                self.untold = Some((expected, Instant::now()));
            }
        }
    }

    /// Answers that are there do not wait for a job that may take long, nor for many.
    fn tell_before(&mut self, job: &Job) {
        let is_due = |since: &Instant| since.elapsed() >= limits::ANSWERS_GATHERED;
        if job.is_slow() || self.untold.as_ref().is_some_and(|(_, since)| is_due(since)) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if let Some((answer, _)) = self.untold.take() {
            answer.tell();
        }
    }

    /// Waits a little for another job. Half of the threads may do so at once: those that rest do nothing of what
    /// is asked of the runtime itself, and under a load of jobs they come back to it seldom.
    fn rest(&mut self) -> Option<Job> {
        let until = Instant::now() + limits::HOST_THREAD_RESTS;
        let mut jobs = self.pool.jobs();
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
            jobs = self.pool.inner.handed.wait_timeout(jobs, left).expect("host threads' jobs").0;
        }
    }

    fn work(&mut self, job: Job) {
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
        let Job { work, queued, expected, run, .. } = job;
        let begun = Instant::now();
        let waiting = run(&|| {
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
        match (expected, waiting) {
            (Some(expected), waiting) => self.keep_answer(expected, waiting),
            (None, waiting) => drop(waiting.map(Waker::wake)),
        }
    }
}

impl Drop for Place {
    /// When the thread could not be made, or something of ours has panicked, its place is given back.
    fn drop(&mut self) {
        self.tell();
        if self.thread != usize::MAX {
            let mut jobs = self.pool.jobs();
            jobs.busy[self.thread] = false;
            if let Some(party) = self.slow_of {
                jobs.end_slow(party);
            }
        }
    }
}
