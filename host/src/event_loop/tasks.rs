//! Owns the tasks of one loop: their futures, their wakers, and the poll itself.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use super::remote::Shared;

/// Names a task. The generation makes sure that the name of a task that has ended never means
/// the one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    index: u32,
    generation: u32,
}

impl TaskId {
    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(super) fn from_bits(bits: u64) -> Option<Self> {
        let id = TaskId { index: bits as u32, generation: (bits >> 32) as u32 };
        // Generations start at one, so zero means that no task has been polled yet.
        (id.generation != 0).then_some(id)
    }
}

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// Not here while the task is being polled.
    future: Option<TaskFuture>,
    waker: Arc<TaskWaker>,
}

/// What a poll has come to.
#[derive(PartialEq, Eq)]
pub(super) enum Outcome {
    /// Still waiting, already ended, or polled for a wake that was served before.
    Alive,
    Ended,
    Panicked,
}

#[derive(Default)]
pub(super) struct Tasks {
    slots: RefCell<Slab<Task>>,
    next_generation: Cell<u32>,
}

impl Tasks {
    pub(super) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    pub(super) fn insert(&self, future: TaskFuture, shared: &Arc<Shared>) -> TaskId {
        let mut slots = self.slots.borrow_mut();
        let entry = slots.vacant_entry();
        let generation = self.next_generation.get().wrapping_add(1).max(1);
        self.next_generation.set(generation);
        let id = TaskId { index: entry.key() as u32, generation };
        let waker =
            Arc::new(TaskWaker { id, queued: AtomicBool::new(false), shared: shared.clone() });
        entry.insert(Task { future: Some(future), waker });
        id
    }

    pub(super) fn is_alive(&self, id: TaskId) -> bool {
        self.slots.borrow().get(id.index as usize).is_some_and(|task| task.waker.id == id)
    }

    pub(super) fn waker(&self, id: TaskId) -> Option<Waker> {
        let slots = self.slots.borrow();
        let task = slots.get(id.index as usize).filter(|task| task.waker.id == id)?;
        Some(task.waker.clone().into())
    }

    pub(super) fn cancel(&self, id: TaskId) {
        let mut slots = self.slots.borrow_mut();
        if slots.get(id.index as usize).is_none_or(|task| task.waker.id != id) {
            return;
        }
        let task = slots.remove(id.index as usize);
        // What the future holds may reach back into the tasks when it is dropped.
        drop(slots);
        drop(task);
    }

    /// Drops all tasks and what they hold.
    pub(super) fn clear(&self) {
        let tasks = self.slots.take();
        for (_, task) in tasks {
            // One that panics on its way must not keep the others.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
    }

    /// Polls a task that was woken. A wake that was already served is passed over.
    pub(super) fn poll(&self, id: TaskId, shared: &Arc<Shared>) -> Outcome {
        let Some((mut future, waker)) = self.take(id) else {
            return Outcome::Alive;
        };
        let waker_for_poll = Waker::from(waker);
        let mut cx = Context::from_waker(&waker_for_poll);
        // A future that panicked is dropped and never polled again, so no one sees a value
        // that it left half changed; what it shares with other tasks must bear that by itself.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        shared.current.store(0, Ordering::Relaxed);
        match polled {
            Ok(Poll::Pending) => {
                self.put_back(id, future);
                Outcome::Alive
            }
            Ok(Poll::Ready(())) => {
                self.finish(id, future);
                Outcome::Ended
            }
            Err(_) => {
                self.finish(id, future);
                Outcome::Panicked
            }
        }
    }

    fn take(&self, id: TaskId) -> Option<(TaskFuture, Arc<TaskWaker>)> {
        let mut slots = self.slots.borrow_mut();
        let task = slots.get_mut(id.index as usize).filter(|task| task.waker.id == id)?;
        if !task.waker.queued.swap(false, Ordering::AcqRel) {
            return None;
        }
        Some((task.future.take()?, task.waker.clone()))
    }

    /// The future is dropped here when the task was cancelled by its own poll.
    fn put_back(&self, id: TaskId, future: TaskFuture) {
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(id.index as usize).filter(|task| task.waker.id == id) {
            Some(task) => task.future = Some(future),
            None => {
                drop(slots);
                drop(future);
            }
        }
    }

    /// Destructors run before the slot is given away, and may panic as the future itself may.
    fn finish(&self, id: TaskId, future: TaskFuture) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
        self.cancel(id);
    }
}

/// Puts its task on the ready queue, once for any number of wakes before the next poll.
struct TaskWaker {
    id: TaskId,
    /// Whether the task is on the ready queue, or about to be.
    queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.shared.push_ready(self.id);
        }
    }
}
