//! Owns the waker of a future that is polled again at once when it has woken itself.
//!
//! A shared instance wakes itself between two of its guests. Were it polled again only behind
//! whatever else is ready, the answers of one turn would be written one by one and not together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Passes wakes on to a task, except those that come while its future is being polled.
pub(super) struct Echo {
    /// Whether there was a wake since the last poll began.
    woken: AtomicBool,
    polling: AtomicBool,
    task: Waker,
}

impl Echo {
    pub(super) fn new(task: Waker) -> Arc<Self> {
        let (woken, polling) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Echo { woken, polling, task })
    }

    /// Polls once, and again as long as there was a wake meanwhile and `again` allows it.
    pub(super) fn poll<T>(
        self: &Arc<Self>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
        mut again: impl FnMut() -> bool,
    ) -> Poll<T> {
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        self.polling.store(true, Ordering::SeqCst);
        let polled = loop {
            self.woken.store(false, Ordering::SeqCst);
            let polled = poll(&mut cx);
            if polled.is_ready() || !self.woken.load(Ordering::SeqCst) || !again() {
                break polled;
            }
        };
        self.polling.store(false, Ordering::SeqCst);
        // Whoever wakes notes it first and looks at `polling` then: one of the two sees the other.
        if self.woken.load(Ordering::SeqCst) {
            self.task.wake_by_ref();
        }
        polled
    }
}

impl Wake for Echo {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.polling.load(Ordering::SeqCst) {
            self.task.wake_by_ref();
        }
    }
}
