//! Owns the door to a loop from outside its stack: other threads, and a guest's store, which
//! must be `Send` although it lives on the loop's thread.
//!
//! # Bounds
//! The inbox is bounded; a full one answers [`Refused::Busy`] at once. The ready queue holds each task at
//! most once, and the heavy queue each guest at most twice, for its slice and for its party, so both are bounded
//! by the number of tasks.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::fair_queue::{FairQueue, Share};
use super::hand_out::{Begins, HandOut};
use super::host_threads::{HostQueue, Work};
use super::tasks::TaskId;
use super::timers::{Sleep, Timers};
use crate::limits;

/// Something to be done on the loop's thread, between two tasks.
pub(super) type Message = Box<dyn FnOnce(&Arc<Shared>) + Send>;

/// What the loop shares with everything that reaches it from elsewhere.
pub(super) struct Shared {
    /// Woken tasks, in the order of their waking.
    pub(super) ready: Mutex<VecDeque<TaskId>>,
    /// Guests that have used up a slice, or whose party is ahead of the others.
    pub(super) heavy: Mutex<FairQueue<HeavyEntry>>,
    /// Whether the task being polled is polled because it was granted its turn.
    pub(super) granting: AtomicBool,
    /// Whether that guest is to step back: the kernel has something for the loop.
    pub(super) wanted: AtomicBool,
    /// Nanoseconds after `base` at which the loop came back to guests that wait for their turns, since one of
    /// them has been told to step back; and for how many they may go on before the next is told.
    resumed: AtomicU64,
    between: AtomicU64,
    /// Counts guests that have run, or begun to wait for their turns: others than the one, by its task as bits,
    /// that was told to step back last.
    guests_seen: AtomicU64,
    stepped_back: AtomicU64,
    base: Instant,
    pub(super) inbox: Mutex<VecDeque<Message>>,
    pub(super) host_jobs: HandOut,
    pub(super) timers: Mutex<Timers>,
    pub(super) clock: Clock,
    /// The task being polled, as bits; a guest that yields is filed under it.
    pub(super) current: AtomicU64,
    /// Whether the loop sleeps, so that a waker knows if the kernel must be asked.
    parked: AtomicBool,
    waker: mio::Waker,
}

impl Shared {
    pub(super) fn new(waker: mio::Waker, clock: Clock) -> Arc<Self> {
        Arc::new(Shared {
            ready: Mutex::default(),
            heavy: Mutex::default(),
            granting: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            resumed: AtomicU64::new(0),
            between: AtomicU64::new(nanoseconds(limits::TIME_BETWEEN_WANTED)),
            guests_seen: AtomicU64::new(0),
            stepped_back: AtomicU64::new(0),
            base: clock.now(),
            inbox: Mutex::default(),
            host_jobs: HandOut::default(),
            timers: Mutex::default(),
            clock,
            current: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            waker,
        })
    }

    pub(super) fn push_ready(&self, task: TaskId) {
        self.ready.lock().expect("ready queue").push_back(task);
        self.notify();
    }

    /// The next guest in the heavy queue that still waits; none when that is one that computes and
    /// only others are asked for.
    pub(super) fn next_heavy(&self, may_compute: bool) -> Option<HeavyEntry> {
        let mut heavy = self.heavy.lock().expect("heavy queue");
        loop {
            if heavy.first()?.computes && !may_compute {
                return None;
            }
            let turn = heavy.pop()?;
            if !turn.is_abandoned() {
                return Some(turn);
            }
        }
    }

    /// The loop is about to let a guest have its turn, the first after one was told to step back. So many others
    /// had been seen then: where it was for none, there is more time to the next.
    pub(super) fn resume(&self, at: Instant, seen: u64) {
        let least = nanoseconds(limits::TIME_BETWEEN_WANTED);
        let was_in_vain = self.guests_seen.load(Ordering::Relaxed) == seen;
        let before = self.between.load(Ordering::Relaxed);
        let longer = (2 * before).min(nanoseconds(limits::SLICE));
        self.between.store(if was_in_vain { longer } else { least }, Ordering::Relaxed);
        self.resumed.store(nanoseconds(at.saturating_duration_since(self.base)), Ordering::Relaxed);
    }

    /// A guest of this task was told to step back. Gives how many others have been seen until now.
    pub(super) fn stepped_back(&self, task: u64) -> u64 {
        self.stepped_back.store(task, Ordering::Relaxed);
        self.guests_seen.load(Ordering::Relaxed)
    }

    fn note_guest(&self) {
        if self.current.load(Ordering::Relaxed) != self.stepped_back.load(Ordering::Relaxed) {
            self.guests_seen.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How long guests that wait for their turns may go on before one of them is told to step back.
    pub(super) fn left_to_guests(&self) -> Duration {
        let [resumed, between] = [&self.resumed, &self.between]
            .map(|time| Duration::from_nanos(time.load(Ordering::Relaxed)));
        (self.base + resumed + between).saturating_duration_since(self.clock.now())
    }

    /// Whether a guest waits for its turn.
    pub(super) fn has_heavy(&self) -> bool {
        !self.heavy.lock().expect("heavy queue").is_empty()
    }

    pub(super) fn has_work(&self) -> bool {
        !self.ready.lock().expect("ready queue").is_empty()
            || self.has_heavy()
            || !self.inbox.lock().expect("inbox").is_empty()
            || self.host_jobs.has_jobs()
    }

    /// A job was put into this queue.
    fn has_job(&self, queue: &HostQueue, begins: Begins) {
        self.host_jobs.queued(queue.pool(), begins);
        // It may come from elsewhere, and the loop is to hand it out.
        self.notify();
    }

    /// Announces that the loop is about to sleep; false when there is work after all.
    /// Whoever adds work does so before it looks at `parked`, and the loop looks for work after
    /// it has set it, so one of the two sees the other.
    pub(super) fn park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        if self.has_work() {
            self.unpark();
            return false;
        }
        true
    }

    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Ends the loop's sleep if it is asleep. Costs no system call from the loop's own thread.
    pub(super) fn notify(&self) {
        // Nearly always the loop is awake, and a load is cheaper than the swap.
        if self.parked.load(Ordering::SeqCst) && self.parked.swap(false, Ordering::SeqCst) {
            // It fails only when the loop is gone, and then there is no one to tell.
            let _ = self.waker.wake();
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}

/// Why work elsewhere gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A queue is full: try later, or tell the caller to.
    Busy,
    /// The work panicked, which is a fault of ours.
    Panicked,
}

/// The `Send` handle to a loop.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
    begins: Begins,
}

impl Remote {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Remote { shared, begins: Begins::WithOthers }
    }

    /// The same, but host threads begin with its jobs at once, and not when the loop hands out those of its tasks.
    /// It is for other threads, which the loop need not be done for; for guests with an instance of their own: to
    /// suspend one costs more than two switches of threads, and where the host threads share the loop's core a
    /// short job is done when the guest would have to be; and for jobs of which there are few at a time.
    pub fn at_once(self) -> Self {
        Remote { begins: Begins::AtOnce, ..self }
    }

    /// Ready once `deadline` has passed.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(self.shared.clone(), deadline)
    }

    /// The time by the loop's clock.
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    /// Runs `job` on a host thread, when the turn of `queue` has come. Dropping the result takes
    /// back a job that has not begun, and throws away what a job that has begun will give.
    pub fn host_thread<T: Send + 'static>(
        &self,
        queue: &HostQueue,
        work: Work,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<Result<T, Refused>> {
        let (settle, pending) = Pending::new();
        match queue.submit(work, job, settle) {
            Ok(()) => self.shared.has_job(queue, self.begins),
            Err(settle) => settle.settle(Err(Refused::Busy)),
        }
        pending
    }

    /// Does work on a host thread that no one waits for, such as putting something away. It is never
    /// refused.
    pub fn host_thread_unattended(
        &self,
        queue: &HostQueue,
        work: Work,
        job: impl FnOnce() + Send + 'static,
    ) {
        queue.submit_unattended(work, job);
        self.shared.has_job(queue, Begins::WithOthers);
    }

    /// Runs `act` on the loop's thread, and gives what it returned.
    pub fn on_loop<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<Result<T, Refused>> {
        let (settle, pending) = Pending::new();
        let mut inbox = self.shared.inbox.lock().expect("inbox");
        if inbox.len() >= limits::INBOX_MESSAGES_MAX {
            drop(inbox);
            settle.settle(Err(Refused::Busy));
            return pending;
        }
        inbox.push_back(Box::new(move |_| {
            if !settle.is_abandoned() {
                settle.settle(Ok(act()));
            }
        }));
        drop(inbox);
        self.shared.notify();
        pending
    }

    /// Steps back behind everything light, until the loop grants a guest of this party its next slice.
    pub fn heavy_turn(&self, share: Share) -> HeavyTurn {
        HeavyTurn { shared: self.shared.clone(), share, computes: false, place: None }
    }

    /// The same for a guest that is in the middle of computing, and so likely to take a whole slice.
    pub fn next_slice(&self, share: Share) -> HeavyTurn {
        HeavyTurn { computes: true, ..self.heavy_turn(share) }
    }

    /// Whether a guest of this party may run at once; else it is to wait for its turn. To be asked by
    /// the guest's task. `at` is the time of the turn.
    pub fn may_run(&self, share: Share, at: Instant) -> bool {
        self.shared.granting.load(Ordering::Relaxed)
            || self.shared.heavy.lock().expect("heavy queue").may_run(share, at)
    }

    /// Whether the guest the loop is with, which has waited for its turn, is to wait again: the loop is wanted
    /// for something else, and guests of that kind have had a while since this was so the last time.
    pub fn is_wanted(&self) -> bool {
        self.shared.wanted.load(Ordering::Relaxed)
    }

    /// A guest of this party has held the loop for this long.
    pub fn charge(&self, share: Share, at: Instant, took: Duration) {
        self.shared.note_guest();
        self.shared.heavy.lock().expect("heavy queue").charge(share, at, took);
    }
}

/// A guest's place in the heavy queue.
pub(super) struct HeavyEntry {
    place: Arc<Mutex<HeavyPlace>>,
    computes: bool,
}

#[derive(Default)]
struct HeavyPlace {
    granted: bool,
    /// Who polled last: a call may go on in another task than the one it began in.
    poller: Option<(Option<TaskId>, Waker)>,
}

impl HeavyEntry {
    /// Whether no one waits for this turn any more.
    pub(super) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.place) == 1
    }

    /// Lets the guest go on, and says which task to poll for it.
    pub(super) fn grant(self) -> Option<TaskId> {
        let mut place = self.place.lock().expect("heavy place");
        place.granted = true;
        let (task, waker) = place.poller.take()?;
        drop(place);
        waker.wake();
        task
    }
}

/// Ready when the loop has reached this guest in its heavy queue. Dropping it gives the place up.
#[must_use = "the turn is waited for by polling"]
pub struct HeavyTurn {
    shared: Arc<Shared>,
    share: Share,
    computes: bool,
    place: Option<Arc<Mutex<HeavyPlace>>>,
}

impl Future for HeavyTurn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let turn = &mut *self;
        let queued = turn.place.is_some();
        let place = turn.place.get_or_insert_default();
        let mut waiting = place.lock().expect("heavy place");
        if waiting.granted {
            return Poll::Ready(());
        }
        let task = TaskId::from_bits(turn.shared.current.load(Ordering::Relaxed));
        waiting.poller = Some((task, cx.waker().clone()));
        drop(waiting);
        if !queued {
            let entry = HeavyEntry { place: place.clone(), computes: turn.computes };
            turn.shared.note_guest();
            turn.shared.heavy.lock().expect("heavy queue").push(turn.share, entry);
        }
        Poll::Pending
    }
}

/// A result that comes from elsewhere. Dropping it says that no one wants it any more.
#[must_use = "a pending result is waited for by polling"]
pub struct Pending<T> {
    slot: Arc<Slot<T>>,
}

/// The other end of a [`Pending`]: gives the result, once. Dropped without, the pending result
/// never comes, so whoever holds this must settle it.
pub struct Settle<T> {
    slot: Arc<Slot<T>>,
}

struct Slot<T> {
    state: Mutex<SlotState<T>>,
}

enum SlotState<T> {
    Waiting(Option<Waker>),
    Settled(T),
    /// Taken by the one side, or given up by it.
    Closed,
}

impl<T> Pending<T> {
    /// A result to come, and the means to give it.
    pub fn new() -> (Settle<T>, Pending<T>) {
        let slot = Arc::new(Slot { state: Mutex::new(SlotState::Waiting(None)) });
        (Settle { slot: slot.clone() }, Pending { slot })
    }
}

impl<T> Settle<T> {
    /// Gives the result and wakes who waits for it. A result no one wants is dropped.
    pub fn settle(self, value: T) {
        let mut state = self.slot.state.lock().expect("pending slot");
        if let SlotState::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = SlotState::Settled(value);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Whether the pending side has been dropped.
    pub fn is_abandoned(&self) -> bool {
        matches!(*self.slot.state.lock().expect("pending slot"), SlotState::Closed)
    }
}

impl<T> Future for Pending<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.slot.state.lock().expect("pending slot");
        match &mut *state {
            SlotState::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            SlotState::Closed => Poll::Pending,
            SlotState::Settled(_) => match std::mem::replace(&mut *state, SlotState::Closed) {
                SlotState::Settled(value) => Poll::Ready(value),
                _ => unreachable!("the slot was settled a line above"),
            },
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        let closed = std::mem::replace(
            &mut *self.slot.state.lock().expect("pending slot"),
            SlotState::Closed,
        );
        // A result that came too late is dropped with no lock held.
        drop(closed);
    }
}
