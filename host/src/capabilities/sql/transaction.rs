//! Owns a guest's transaction: it holds a connection between its calls, and ends with the guest, or when
//! its time is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{ABANDON, BEGIN};
use crate::capabilities::sqlite::{Attended, Connection, Database, Error, Place, Role};
use crate::capabilities::treaty::Hop;
use crate::event_loop::{Sleep, Work};
use crate::limits;

/// A transaction that is open. Dropped, it is rolled back on a host thread.
pub(super) struct Open {
    /// Not here only while it is dropped.
    place: Option<Place>,
    may_write: bool,
    deadline: Instant,
    hop: Hop,
}

impl Open {
    /// Begins one in a place that was waited for.
    pub(super) async fn begin(mut place: Place, hop: Hop, role: Role) -> Result<Self, Error> {
        let may_write = role == Role::Write;
        let database = place.database().clone();
        let attended = Attended::default();
        let watch = attended.watch();
        let later = hop.clone();
        let job = move || {
            let begun = place.weighed(|place| {
                let connection = place.connection()?;
                let limit = limits::SQL_STATEMENT_TIME;
                let begin = if may_write { "begin immediate" } else { "begin" };
                connection.watched(watch(limit), || connection.own(begin))
            });
            place.close_if_broken(&begun);
            begun?;
            let deadline = Instant::now() + limits::SQL_TRANSACTION_TIME;
            Ok(Open { place: Some(place), may_write, deadline, hop: later })
        };
        database.on_thread(&hop, BEGIN, job).await
    }

    fn connection(&mut self) -> Result<&Connection, Error> {
        self.place().connection()
    }

    fn place(&mut self) -> &mut Place {
        self.place.as_mut().expect("it is open")
    }

    fn is_over(&mut self) -> bool {
        Instant::now() >= self.deadline
            || !self.connection().is_ok_and(Connection::is_in_transaction)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            // When no job can be queued, the next who has the connection does it.
            self.hop.unattended(ABANDON, move || place.settle());
        }
    }
}

/// Where a transaction is; none when it is over. Its calls come one after the other.
type Slot = Arc<Mutex<Option<Open>>>;

/// A guest's transaction.
pub(super) struct Transaction {
    slot: Slot,
    /// Wakes [`Expiry`].
    _expiry: Sleep,
}

/// Ends a transaction that its guest has left open, when its time is over.
struct Expiry(Slot);

impl Wake for Expiry {
    fn wake(self: Arc<Self>) {
        // Where a call has it, the call ends it: see `Held`.
        if let Ok(mut open) = self.0.try_lock() {
            open.take();
        }
    }
}

impl Transaction {
    pub(super) fn new(open: Open) -> Self {
        let mut expiry = open.hop.remote().sleep_until(open.deadline);
        let slot = Arc::new(Mutex::new(Some(open)));
        let waker = Waker::from(Arc::new(Expiry(slot.clone())));
        if Pin::new(&mut expiry).poll(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
        Transaction { slot, _expiry: expiry }
    }

    /// The way to do work in it.
    pub(super) fn work(&self) -> Within {
        Within(self.slot.clone())
    }
}

/// Work in a transaction.
pub(super) struct Within(Slot);

impl Within {
    /// Runs a statement.
    pub(super) async fn run<T, J>(self, hop: Hop, work: Work, job: J) -> Result<T, Error>
    where
        T: Send + 'static,
        J: FnOnce(&Connection, bool) -> Result<T, Error> + Send + 'static,
    {
        let mut slot = Held(Some(self.0.lock_owned().await));
        let database = slot.database()?;
        let attended = Attended::default();
        let watch = attended.watch();
        let job = move || {
            let open = slot.open()?;
            let (may_write, deadline) = (open.may_write, open.deadline);
            let result = open.place().weighed(|place| {
                let connection = place.connection()?;
                let watch = watch(limits::SQL_STATEMENT_TIME).until(deadline);
                connection.watched(watch, || job(connection, may_write))
            });
            open.place().close_if_broken(&result);
            if !open.is_over() {
                return result;
            }
            let timed_out = Instant::now() >= open.deadline;
            slot.end();
            if timed_out { Err(Error::Aborted) } else { result }
        };
        database.on_thread(&hop, work, job).await
    }

    /// Ends it with a statement of the host's.
    pub(super) async fn end(self, hop: Hop, work: Work, sql: &'static str) -> Result<(), Error> {
        let mut slot = Held(Some(self.0.lock_owned().await));
        let database = slot.database()?;
        let attended = Attended::default();
        let watch = attended.watch();
        let job = move || {
            let open = slot.open()?;
            let result = open.place().weighed(|place| {
                let connection = place.connection()?;
                let limit = limits::SQL_STATEMENT_TIME;
                connection.watched(watch(limit), || connection.own(sql))
            });
            open.place().close_if_broken(&result);
            slot.end();
            result
        };
        database.on_thread(&hop, work, job).await
    }
}

/// A transaction while a call has it. What expires meanwhile is ended when it is given back.
struct Held(Option<OwnedMutexGuard<Option<Open>>>);

impl Held {
    fn slot(&mut self) -> &mut Option<Open> {
        self.0.as_mut().expect("it is held")
    }

    fn open(&mut self) -> Result<&mut Open, Error> {
        self.slot().as_mut().ok_or(Error::Aborted)
    }

    fn database(&mut self) -> Result<Arc<Database>, Error> {
        let open = self.open()?;
        if Instant::now() >= open.deadline {
            return Err(Error::Aborted);
        }
        Ok(open.place.as_ref().expect("it is open").database().clone())
    }

    /// Gives the connection back, clean. Blocks.
    fn end(&mut self) {
        if let Some(place) = self.slot().take().and_then(|mut open| open.place.take()) {
            place.settle();
        }
    }
}

impl Drop for Held {
    /// Looks at the time after the transaction is given back, for [`Expiry`] may have come just before.
    fn drop(&mut self) {
        let Some(guard) = self.0.take() else { return };
        let deadline = guard.as_ref().map(|open| open.deadline);
        let slot = OwnedMutexGuard::mutex(&guard).clone();
        drop(guard);
        if deadline.is_some_and(|deadline| Instant::now() >= deadline)
            && let Ok(mut open) = slot.try_lock()
        {
            open.take();
        }
    }
}
