//! Owns what runs next, and when: one thread, one `turn` after another.
//! Knows nothing of HTTP or Wasm.
//!
//! What other rooms may rely on:
//! - [`EventLoop::turn`] polls every task that was woken, and sleeps nowhere but in `poll`;
//! - a task is polled on the loop's thread only, so it may hold `Rc` and `RefCell`;
//! - a panic ends the task it happened in and nothing else;
//! - anything that is not on the loop's stack reaches it through a [`Remote`].

mod clock;
mod fair_queue;
mod hand_out;
mod host_threads;
mod lookout;
mod net;
mod offload_threads;
mod priority;
mod reactor;
mod remote;
mod tasks;
mod timers;
mod turns;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

pub use clock::{Clock, ManualClock};
pub use fair_queue::Share;
pub use host_threads::{HostQueue, HostThreads, Lane, Work};
pub use lookout::Lookout;
pub use net::{TcpListener, TcpStream};
pub use offload_threads::{
    OffloadJob, OffloadQueue, OffloadThreads, OffloadTicket, OffloadWork, Running, Stopped,
    thread_time,
};
pub use priority::{compute_beside_loops, give_way_to_loops};
pub use remote::{HeavyTurn, Pending, Refused, Remote, Settle};
pub use tasks::TaskId;
pub use timers::Sleep;
pub use turns::{Bound, Weight};

use crate::limits;
use crate::observe::LoopMetrics;
use reactor::Reactor;
use remote::Shared;
use tasks::Tasks;

/// One event loop: it owns the sockets, the timers and the tasks of one thread.
pub struct EventLoop {
    /// What the loop and the tasks it runs both use.
    core: Rc<Core>,
    /// The kernel's answers of the turn under way; kept so that its memory is reused.
    events: mio::Events,
}

/// The loop as seen by its own tasks. Cheap to clone; stays on the loop's thread.
#[derive(Clone)]
pub struct Handle {
    core: Rc<Core>,
}

struct Core {
    reactor: Rc<Reactor>,
    tasks: Tasks,
    shared: Arc<Shared>,
    clock: Clock,
    /// The one reading of the clock of this turn.
    now: Cell<Instant>,
    /// Set when a guest that had its turn was told to step back, or could have been: how many others had been
    /// seen until then.
    was_wanted: Cell<Option<u64>>,
    /// Set when the main task is done: the turn that saw it must not go to sleep.
    finished: Cell<bool>,
    metrics: Arc<LoopMetrics>,
}

impl EventLoop {
    /// Makes a loop with its own `epoll` instance.
    ///
    /// # Errors
    /// When the kernel refuses another descriptor.
    pub fn new(clock: Clock, metrics: Arc<LoopMetrics>) -> io::Result<Self> {
        let (reactor, waker) = Reactor::new()?;
        let now = clock.now();
        Ok(EventLoop {
            core: Rc::new(Core {
                reactor: Rc::new(reactor),
                tasks: Tasks::default(),
                shared: Shared::new(waker, clock.clone()),
                clock,
                now: Cell::new(now),
                was_wanted: Cell::new(None),
                finished: Cell::new(false),
                metrics,
            }),
            events: mio::Events::with_capacity(limits::EVENTS_PER_POLL),
        })
    }

    /// The loop as its own tasks see it.
    pub fn handle(&self) -> Handle {
        Handle { core: self.core.clone() }
    }

    /// The loop as everything else sees it.
    pub fn remote(&self) -> Remote {
        Remote::new(self.core.shared.clone())
    }

    /// Takes turns until `main` is done, and returns what it made. The calling thread is the loop's from
    /// then on.
    ///
    /// # Errors
    /// When the kernel fails the poll itself; the loop cannot go on then.
    pub fn run<T: 'static>(&mut self, main: impl Future<Output = T> + 'static) -> io::Result<T> {
        priority::go_before_what_computes();
        let outcome = Rc::new(Cell::new(None));
        let slot = outcome.clone();
        let core = self.core.clone();
        self.core.finished.set(false);
        let task = self.handle().spawn(async move {
            slot.set(Some(main.await));
            core.finished.set(true);
        });
        loop {
            self.turn()?;
            if let Some(value) = outcome.take() {
                return Ok(value);
            }
            assert!(self.core.tasks.is_alive(task), "the loop's main task has panicked");
        }
    }

    /// One turn of the loop. Every phase is bounded, and only `wait` may sleep.
    ///
    /// # Errors
    /// As [`EventLoop::run`].
    pub fn turn(&mut self) -> io::Result<()> {
        let core = &*self.core;
        let started = core.clock.now();
        core.now.set(started);
        core.shared.host_jobs.set_gathers(true);

        core.expire_timers(started);
        core.drain_inbox();
        core.run_light_tasks(started);
        if core.shared.has_heavy() {
            // Who has come meanwhile does not wait for one that takes a slice.
            core.look(&mut self.events)?;
            core.run_light_tasks(started);
        }
        core.run_heavy_guests();
        core.shared.host_jobs.hand_out();

        core.observe_turn(started);
        core.wait(&mut self.events)
    }

    /// How many tasks live on the loop.
    pub fn task_count(&self) -> usize {
        self.core.tasks.len()
    }

    /// How many timers are set.
    pub fn timer_count(&self) -> usize {
        self.core.shared.timers.lock().expect("timers").len()
    }

    /// How many sockets are registered.
    pub fn source_count(&self) -> usize {
        self.core.reactor.len()
    }
}

impl Drop for EventLoop {
    /// Tasks hold handles to the loop that holds them: left alone, neither would ever go.
    fn drop(&mut self) {
        self.core.tasks.clear();
        let host_jobs = &self.core.shared.host_jobs;
        host_jobs.set_gathers(false);
        host_jobs.hand_out();
    }
}

impl Core {
    /// Collects what is due, then wakes it: a waker runs with no lock held.
    fn expire_timers(&self, now: Instant) {
        let (due, lag) = self.shared.timers.lock().expect("timers").expire(now);
        if let Some(lag) = lag {
            self.metrics.lag.observe(lag);
        }
        for waker in due {
            waker.wake();
        }
    }

    /// Takes in what other threads and stores have asked to be run here.
    fn drain_inbox(&self) {
        for _ in 0..limits::INBOX_PER_TURN {
            let Some(message) = self.shared.inbox.lock().expect("inbox").pop_front() else {
                break;
            };
            message(&self.shared);
        }
    }

    /// Polls woken tasks, also those that are woken meanwhile, up to the bounds of a turn: in
    /// number, and in time, for among them are guests in their first slice.
    fn run_light_tasks(&self, started: Instant) {
        let mut handed_out = started;
        for _ in 0..limits::TASK_POLLS_PER_TURN {
            let Some(task) = self.shared.ready.lock().expect("ready queue").pop_front() else {
                break;
            };
            self.poll_task(task);
            let now = self.clock.now();
            if now - started > limits::LIGHT_TIME_PER_TURN {
                break;
            }
            if now - handed_out > limits::HOST_JOBS_GATHERED_FOR {
                self.shared.host_jobs.hand_out();
                handed_out = now;
            }
        }
        self.shared.host_jobs.hand_out();
    }

    /// Lets guests run whose turn it is: one that takes a slice, or some that take less. What those have
    /// woken, to write their answers, does not wait for one that takes a slice.
    fn run_heavy_guests(&self) {
        let begun = self.clock.now();
        if let Some(seen) = self.was_wanted.take() {
            self.shared.resume(begun, seen);
        }
        for grants in 0..limits::HEAVY_GRANTS_PER_TURN {
            let may_compute = grants == 0 || !self.has_ready_tasks();
            let Some(turn) = self.shared.next_heavy(may_compute) else { break };
            self.metrics.heavy_slices.fetch_add(1, Ordering::Relaxed);
            let task = turn.grant();
            if let Some(task) = task {
                self.shared.granting.store(true, Ordering::Relaxed);
                self.poll_task(task);
                self.shared.granting.store(false, Ordering::Relaxed);
            }
            let is_wanted = self.shared.wanted.load(Ordering::Relaxed);
            let task = task.map_or(0, TaskId::to_bits);
            self.was_wanted.set(is_wanted.then(|| self.shared.stepped_back(task)));
            if is_wanted || self.clock.now() - begun >= limits::HEAVY_TIME_PER_TURN {
                break;
            }
        }
    }

    fn has_ready_tasks(&self) -> bool {
        !self.shared.ready.lock().expect("ready queue").is_empty()
    }

    fn poll_task(&self, task: TaskId) {
        self.shared.current.store(task.to_bits(), Ordering::Relaxed);
        if self.tasks.poll(task, &self.shared) == tasks::Outcome::Panicked {
            self.metrics.panics.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The only place where the loop's thread may sleep: until the kernel has something, the next
    /// deadline, or a notice from elsewhere. Not at all when there is work at hand.
    fn wait(&self, events: &mut mio::Events) -> io::Result<()> {
        let timeout = if self.may_sleep() && self.shared.park() {
            // Read once the loop is parked: whoever sets an earlier deadline from now on notifies.
            self.to_next_deadline()
        } else {
            Some(Duration::ZERO)
        };
        let polled = self.poll(events, timeout);
        self.shared.unpark();
        self.shared.wanted.store(false, Ordering::Relaxed);
        polled
    }

    /// Takes what the kernel has, without waiting for more.
    fn look(&self, events: &mut mio::Events) -> io::Result<()> {
        self.poll(events, Some(Duration::ZERO))
    }

    fn poll(&self, events: &mut mio::Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.reactor.wait(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            polled => polled?,
        }
        self.reactor.dispatch(events);
        Ok(())
    }

    fn may_sleep(&self) -> bool {
        !self.finished.get() && !self.clock.is_manual()
    }

    /// The time to the next deadline, if there is one.
    fn to_next_deadline(&self) -> Option<Duration> {
        let next = self.shared.timers.lock().expect("timers").next()?;
        Some(round_up(next.saturating_duration_since(self.clock.now())))
    }

    fn observe_turn(&self, started: Instant) {
        let metrics = &self.metrics;
        metrics.turn.observe(self.clock.now().saturating_duration_since(started));
        metrics.tasks.store(self.tasks.len() as u64, Ordering::Relaxed);
        let heavy = self.shared.heavy.lock().expect("heavy queue").len();
        metrics.heavy_queue.store(heavy as u64, Ordering::Relaxed);
        let ready = self.shared.ready.lock().expect("ready queue").len();
        metrics.ready_queue.store(ready as u64, Ordering::Relaxed);
    }
}

/// Lets the tasks that are ready go first: ready when this task's turn has come again.
pub async fn step_back() {
    let mut stepped = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The kernel counts milliseconds: rounding down would turn a short wait into a busy loop.
fn round_up(wait: Duration) -> Duration {
    Duration::from_millis(wait.as_nanos().div_ceil(1_000_000) as u64)
}

impl Handle {
    /// Starts a task. It ends when its future does, when it panics, or by [`Handle::cancel`].
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let task = self.core.tasks.insert(Box::pin(future), &self.core.shared);
        self.wake(task);
        task
    }

    /// Has a task polled although nothing it waits for has happened.
    pub fn wake(&self, task: TaskId) {
        if let Some(waker) = self.core.tasks.waker(task) {
            waker.wake();
        }
    }

    /// Drops a task and all it holds. Does nothing when it has ended.
    /// A task that cancels itself is dropped when its poll returns.
    pub fn cancel(&self, task: TaskId) {
        self.core.tasks.cancel(task);
    }

    /// The clock as read at the start of this turn.
    pub fn now(&self) -> Instant {
        self.core.now.get()
    }

    /// Ready once `deadline` has passed.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(self.core.shared.clone(), deadline)
    }

    /// The loop as other threads, and a guest's store, reach it.
    pub fn remote(&self) -> Remote {
        Remote::new(self.core.shared.clone())
    }

    /// Listens on a socket that is already bound.
    ///
    /// # Errors
    /// When the kernel refuses to watch it.
    pub fn listen(&self, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::new(self.core.reactor.clone(), listener)
    }

    /// Connects to an address. It waits in the OS and costs no thread; there is no deadline.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(&self.core.reactor, address).await
    }

    /// Whether tasks besides the one being polled wait for their turn.
    pub fn has_ready_tasks(&self) -> bool {
        self.core.has_ready_tasks()
    }

    /// The task being polled now, if the caller is inside one.
    pub fn current_task(&self) -> Option<TaskId> {
        TaskId::from_bits(self.core.shared.current.load(Ordering::Relaxed))
    }
}
