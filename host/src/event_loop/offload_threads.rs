//! Owns the threads that compute beside the loops, so that a long computation does not hold one up.
//!
//! A job is a future that one of these threads polls until it is done, now one and now another. One
//! that waits for something holds no thread. One that computes gives way by waking itself: whoever
//! makes the future sees to it that this happens after a slice. Whose turn it is then, is decided in
//! `offload_threads/schedule.rs`.

mod schedule;

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Wake, Waker};
use std::thread::{JoinHandle, available_parallelism};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::host_threads::HostThreads;
use super::priority::compute_beside_loops;
use super::remote::Refused;
use super::turns::Weight;
use crate::limits;
use crate::observe::{Happening, ModuleMetrics, Timeline};
use schedule::{Next, Schedule, Start, Task, TaskKey};

/// Work for an offload thread, before its first turn.
pub trait OffloadJob: Send {
    /// Its first turn has come. What is returned is polled until it is done, or until no one wants it
    /// any more: `stopped` says so, to who computes without a pause.
    fn begin(self: Box<Self>, stopped: Stopped) -> Running;

    /// Its turn has not come in the time that it may wait.
    fn expire(self: Box<Self>);
}

/// Work that has begun.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether a job is still wanted. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stopped(Arc<AtomicBool>);

impl Stopped {
    /// Whether no one wants it any more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a job is, for who looks on.
#[derive(Clone)]
pub struct OffloadWork {
    /// The module whose job it is.
    pub module: Arc<ModuleMetrics>,
    /// The request it is done for, if it is for one.
    pub request: Option<u64>,
}

/// The threads. Dropping this stops every job and ends them.
pub struct OffloadThreads {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

/// A party's way to the threads: its jobs wait for the party's turn. Cheap to clone.
#[derive(Clone)]
pub struct OffloadQueue {
    inner: Arc<Inner>,
    party: usize,
}

/// A job that was queued. Dropping this stops it: a job that waits is thrown away at once, one that
/// has begun by an offload thread.
pub struct OffloadTicket {
    inner: Arc<Inner>,
    key: TaskKey,
    stopped: Stopped,
}

struct Inner {
    schedule: Mutex<Schedule>,
    /// Told when there is work for a thread that rests.
    work: Condvar,
    /// Set when there is work for the one that is alert.
    is_called: AtomicBool,
    /// How long a thread without work is alert before it rests. Not at all with one core, where no work comes
    /// while it looks.
    alertness: Duration,
    timeline: Timeline,
}

impl OffloadThreads {
    /// Starts `threads` threads. Files that a job opens are the business of `host_threads`.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(
        threads: usize,
        host_threads: &HostThreads,
        timeline: Timeline,
    ) -> io::Result<Self> {
        let (schedule, work) = (Mutex::default(), Condvar::new());
        let has_cores = available_parallelism().is_ok_and(|cores| cores.get() > 1);
        let alertness = if has_cores { limits::OFFLOAD_ALERTNESS } else { Duration::ZERO };
        let inner =
            Inner { schedule, work, is_called: AtomicBool::new(false), alertness, timeline };
        let inner = Arc::new(inner);
        let mut started = OffloadThreads { inner: inner.clone(), threads: Vec::new() };
        for number in 0..threads {
            let (inner, host_threads) = (inner.clone(), host_threads.clone());
            let serve = move || {
                compute_beside_loops();
                let _pool = host_threads.enter();
                inner.serve(number);
            };
            let name = format!("offload-{number}");
            started.threads.push(std::thread::Builder::new().name(name).spawn(serve)?);
        }
        Ok(started)
    }

    /// A queue of its own for one more party, which has turns by its weight.
    pub fn queue(&self, weight: Weight) -> OffloadQueue {
        let party = self.inner.lock().add_party(weight);
        OffloadQueue { inner: self.inner.clone(), party }
    }
}

impl Drop for OffloadThreads {
    fn drop(&mut self) {
        let dropped = self.inner.lock().close();
        drop(dropped);
        self.inner.work.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}

impl OffloadQueue {
    /// Queues the job that `make` makes, which may wait for `wait` for its first turn.
    ///
    /// # Errors
    /// When too many of the party's wait already. Then it is not made.
    pub fn submit(
        &self,
        work: OffloadWork,
        wait: Duration,
        make: impl FnOnce() -> Box<dyn OffloadJob>,
    ) -> Result<OffloadTicket, Refused> {
        let stopped = Stopped::default();
        let mut schedule = self.inner.lock();
        schedule.check_room(self.party)?;
        let task = Task::of_job(work, stopped.clone(), make());
        let key = schedule.submit(self.party, task, wait);
        self.inner.tell(&mut schedule);
        drop(schedule);
        Ok(OffloadTicket { inner: self.inner.clone(), key, stopped })
    }

    /// Has a thread look after something of the host's, which is never refused. It ends with the
    /// threads, unless it ends before.
    pub fn tend(&self, running: Running) {
        let mut schedule = self.inner.lock();
        schedule.tend(self.party, running);
        self.inner.tell(&mut schedule);
    }
}

impl OffloadTicket {
    /// Stops the job.
    pub fn stop(&self) {
        self.stopped.set();
        let mut schedule = self.inner.lock();
        let dropped = schedule.stop(self.key);
        self.inner.tell(&mut schedule);
        drop(schedule);
        drop(dropped);
    }
}

impl Drop for OffloadTicket {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes a job ready that waits for something.
struct TaskWaker {
    inner: Arc<Inner>,
    key: TaskKey,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut schedule = self.inner.lock();
        schedule.wake(self.key);
        self.inner.tell(&mut schedule);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().expect("offload schedule")
    }

    /// Calls a thread that is alert, or wakes one that rests, if there is something to do.
    fn tell(&self, schedule: &mut Schedule) {
        if !schedule.has_work() {
            return;
        }
        if std::mem::take(&mut schedule.has_alert) {
            self.is_called.store(true, Ordering::Relaxed);
        } else if schedule.resting > 0 {
            self.work.notify_one();
        }
    }

    /// What each thread does until the threads are to end. A job whose turn has come is not late,
    /// whatever the time: what it waited for is here.
    fn serve(self: &Arc<Self>, thread: usize) {
        let mut schedule = self.lock();
        let mut has_worked = false;
        loop {
            let next = schedule.next();
            let late = schedule.take_late(Instant::now());
            if next.is_none() && late.is_empty() {
                if schedule.is_closed() {
                    return;
                }
                // One is enough to look out for what comes next.
                let may_be_alert = !self.alertness.is_zero() && !schedule.has_alert;
                let is_alert = std::mem::take(&mut has_worked) && may_be_alert;
                schedule = if is_alert { self.stay_alert(schedule) } else { self.rest(schedule) };
                continue;
            }
            has_worked = true;
            drop(schedule);
            for job in late {
                unwinding(|| job.expire());
            }
            schedule = match next {
                Some(next) => self.take_turn(next, thread),
                None => self.lock(),
            };
        }
    }

    /// Gives a task its turn, and then its place among the others.
    fn take_turn(self: &Arc<Self>, next: Next, thread: usize) -> MutexGuard<'_, Schedule> {
        let Next { key, work, stopped, start, waker } = next;
        let waker =
            waker.unwrap_or_else(|| Waker::from(Arc::new(TaskWaker { inner: self.clone(), key })));
        let (begun, cpu_before) = (Instant::now(), thread_time());
        let unfinished = unwinding(|| poll(start, &stopped, &waker)).flatten();
        let ran = thread_time().saturating_sub(cpu_before);
        if let Some(work) = work {
            self.note(work, begun, ran, thread);
        }
        let mut schedule = self.lock();
        let Some(running) = unfinished else {
            schedule.end(key);
            return schedule;
        };
        if let Some(unwanted) = schedule.put_back(key, running, waker, ran) {
            // Its instance goes with it, which takes a while.
            drop(schedule);
            unwinding(|| drop(unwanted));
            schedule = self.lock();
            schedule.end(key);
        }
        schedule
    }

    fn note(&self, work: OffloadWork, begun: Instant, ran: Duration, thread: usize) {
        let OffloadWork { module, request } = work;
        module.cpu_ns.fetch_add(ran.as_nanos() as u64, Ordering::Relaxed);
        if let Some(request) = request {
            let what = Happening::Offloaded { module, thread };
            self.timeline.add(request, begun, Instant::now(), what);
        }
    }

    /// Looks out for work for a while: to be woken takes longer than many a job, and who has had one done may
    /// well have the next.
    fn stay_alert<'a>(
        &'a self,
        mut schedule: MutexGuard<'a, Schedule>,
    ) -> MutexGuard<'a, Schedule> {
        schedule.has_alert = true;
        self.is_called.store(false, Ordering::Relaxed);
        drop(schedule);
        let begun = Instant::now();
        while !self.is_called.load(Ordering::Relaxed) && begun.elapsed() < self.alertness {
            std::hint::spin_loop();
        }
        let mut schedule = self.lock();
        if !self.is_called.load(Ordering::Relaxed) {
            schedule.has_alert = false;
        }
        schedule
    }

    /// Waits for work, or for the first job whose time to wait is over.
    fn rest<'a>(&self, mut schedule: MutexGuard<'a, Schedule>) -> MutexGuard<'a, Schedule> {
        schedule.resting += 1;
        let mut schedule = match schedule.first_deadline() {
            None => self.work.wait(schedule).expect("offload schedule"),
            Some(deadline) => {
                let patience = deadline.saturating_duration_since(Instant::now());
                self.work.wait_timeout(schedule, patience).expect("offload schedule").0
            }
        };
        schedule.resting -= 1;
        schedule
    }
}

/// One poll of a task; none when it is done, or no one wants it.
fn poll(start: Start, stopped: &Stopped, waker: &Waker) -> Option<Running> {
    if stopped.is_set() {
        return None;
    }
    let mut running = start.begin(stopped.clone());
    let polled = running.as_mut().poll(&mut Context::from_waker(waker));
    polled.is_pending().then_some(running)
}

/// A panic is a fault of ours. It ends the job it happened in, whose caller sees that it is gone.
fn unwinding<T>(act: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(act)).ok()
}

/// Processor time of the calling thread: that of others on the same core does not count.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
