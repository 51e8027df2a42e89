//! Owns the count of what guests are about that no connection waits for: work after an answer, and
//! the tasks of shared instances. It is bounded, and a server that drains waits for its end.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What goes on in the background of one handler on one loop.
#[derive(Default)]
pub(super) struct Background {
    under_way: Cell<usize>,
    /// Who waits for the end of all of it.
    waiter: Cell<Option<Waker>>,
}

/// One piece of it, as long as this lives.
pub(super) struct Work(Rc<Background>);

impl Background {
    /// Counts one more.
    pub(super) fn begin(self: &Rc<Self>) -> Work {
        self.under_way.set(self.under_way.get() + 1);
        Work(self.clone())
    }

    /// How much is under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.get()
    }

    /// Waits until nothing is under way.
    pub(super) async fn at_rest(&self) {
        poll_fn(|cx| {
            if self.under_way.get() == 0 {
                return Poll::Ready(());
            }
            self.waiter.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let background = &self.0;
        background.under_way.set(background.under_way.get() - 1);
        if background.under_way.get() == 0
            && let Some(waiter) = background.waiter.take()
        {
            waiter.wake();
        }
    }
}
