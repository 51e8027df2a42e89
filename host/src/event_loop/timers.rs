//! Owns the deadlines of one loop, in order.
//!
//! A timer is an entry in an ordered map, keyed by deadline and a number that tells equal
//! deadlines apart. Setting, moving and dropping one costs a search in that map.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::remote::Shared;

/// Deadline, and a number that makes the key unique.
type Key = (Instant, u64);

#[derive(Default)]
pub(super) struct Timers {
    entries: BTreeMap<Key, Waker>,
    next_number: u64,
}

impl Timers {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Takes out every timer that is due, earliest first, and says how late the first one is.
    pub(super) fn expire(&mut self, now: Instant) -> (Vec<Waker>, Option<Duration>) {
        let Some(first) = self.next().filter(|deadline| *deadline <= now) else {
            return (Vec::new(), None);
        };
        let later = self.entries.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.entries, later);
        (due.into_values().collect(), Some(now - first))
    }

    fn insert(&mut self, deadline: Instant, waker: Waker) -> Key {
        let key = (deadline, self.next_number);
        self.next_number += 1;
        self.entries.insert(key, waker);
        key
    }
}

/// Ready once its deadline has passed. Dropping it takes the timer off the loop.
/// It may be polled on the loop's thread or on another.
#[must_use = "a sleep does nothing unless it is polled"]
pub struct Sleep {
    shared: Arc<Shared>,
    deadline: Instant,
    /// Set from the first poll until the timer has fired or the sleep is dropped.
    key: Option<Key>,
}

impl Sleep {
    pub(super) fn new(shared: Arc<Shared>, deadline: Instant) -> Self {
        Sleep { shared, deadline, key: None }
    }

    /// Moves the deadline. The task must be polled again for it to count.
    pub fn reset(&mut self, deadline: Instant) {
        self.disarm();
        self.deadline = deadline;
    }

    fn disarm(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.timers.lock().expect("timers").entries.remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = &mut *self;
        if sleep.shared.clock.now() >= sleep.deadline {
            sleep.disarm();
            return Poll::Ready(());
        }
        let mut timers = sleep.shared.timers.lock().expect("timers");
        if let Some(waker) = sleep.key.and_then(|key| timers.entries.get_mut(&key)) {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        let earliest = timers.next().is_none_or(|next| sleep.deadline < next);
        sleep.key = Some(timers.insert(sleep.deadline, cx.waker().clone()));
        drop(timers);
        if earliest {
            sleep.shared.notify();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}
