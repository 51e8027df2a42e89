//! Owns a guest's transaction: it holds a connection between its calls, and ends with the guest, or when
//! its time is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{ABANDON, BEGIN};
use crate::capabilities::sqlite::{Attended, Connection, Error, Place, Role};
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
            let begun = place.connection().and_then(|connection| {
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
        self.place.as_mut().expect("it is open").connection()
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
struct Expiry {
    slot: Slot,
    hop: Hop,
}

impl Wake for Expiry {
    fn wake(self: Arc<Self>) {
        let slot = self.slot.clone();
        match self.slot.clone().try_lock_owned() {
            Ok(mut open) => drop(open.take()),
            // A statement is running, and its time is over too.
            Err(_) => self.hop.unattended(ABANDON, move || drop(slot.blocking_lock().take())),
        }
    }
}

impl Transaction {
    pub(super) fn new(open: Open, hop: Hop) -> Self {
        let mut expiry = hop.remote().sleep_until(open.deadline);
        let slot = Arc::new(Mutex::new(Some(open)));
        let waker = Waker::from(Arc::new(Expiry { slot: slot.clone(), hop }));
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
        let mut slot = self.0.lock_owned().await;
        let database = database(&mut slot)?;
        let attended = Attended::default();
        let watch = attended.watch();
        let job = move || {
            let open = slot.as_mut().ok_or(Error::Aborted)?;
            let (may_write, deadline) = (open.may_write, open.deadline);
            let result = open.connection().and_then(|connection| {
                let watch = watch(limits::SQL_STATEMENT_TIME).until(deadline);
                connection.watched(watch, || job(connection, may_write))
            });
            if !open.is_over() {
                return result;
            }
            let timed_out = Instant::now() >= open.deadline;
            end(&mut slot);
            if timed_out { Err(Error::Aborted) } else { result }
        };
        database.on_thread(&hop, work, job).await
    }

    /// Ends it with a statement of the host's.
    pub(super) async fn end(self, hop: Hop, work: Work, sql: &'static str) -> Result<(), Error> {
        let mut slot = self.0.lock_owned().await;
        let database = database(&mut slot)?;
        let attended = Attended::default();
        let watch = attended.watch();
        let job = move || {
            let open = slot.as_mut().ok_or(Error::Aborted)?;
            let result = open.connection().and_then(|connection| {
                let limit = limits::SQL_STATEMENT_TIME;
                connection.watched(watch(limit), || connection.own(sql))
            });
            end(&mut slot);
            result
        };
        database.on_thread(&hop, work, job).await
    }
}

type Held = OwnedMutexGuard<Option<Open>>;

fn database(slot: &mut Held) -> Result<Arc<crate::capabilities::sqlite::Database>, Error> {
    let open = slot.as_mut().ok_or(Error::Aborted)?;
    if Instant::now() >= open.deadline {
        slot.take();
        return Err(Error::Aborted);
    }
    Ok(open.place.as_ref().expect("it is open").database().clone())
}

/// Gives the connection back, clean. Blocks.
fn end(slot: &mut Held) {
    if let Some(place) = slot.take().and_then(|mut open| open.place.take()) {
        place.settle();
    }
}
