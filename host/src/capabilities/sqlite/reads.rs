//! Owns the single pieces of work that read a database. They wait in one queue; a host thread that comes
//! to it does one after the other on one connection, and hands over together what it has done. So many
//! point queries cost one change of threads, and find a connection that is warm.
//!
//! # Who waits for whom
//! A thread that has had its turn stands in line again, behind the other work of its tenant and that of
//! other tenants. One is enough as long as it keeps up: another is sent when more wait than it did in its
//! turn, or when something takes long. A statement that takes long looks after those that wait for it:
//! what was done before it is handed over, and who has waited for too long is told so.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use super::{Attended, Connection, Database, Error, Place, Watch};
use crate::capabilities::treaty::Hop;
use crate::event_loop::{Desk, HeldWake, Pending, Refused, Settle, Work};
use crate::limits;

/// A reader's turn as a whole. What it does has names of its own.
const TURN: Work = Work::quick("sql.reads");

/// The queue of a database.
#[derive(Default)]
pub(super) struct Reads(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Read>>,
    /// Threads that are at it, or on their way.
    readers: usize,
}

/// A piece of work that reads, with its result once it is done. Dropped, it gives that to whoever waits
/// for it.
trait Read: Send {
    fn asked(&self) -> &Asked;
    fn run(&mut self, place: &mut Place, turn: &Arc<Turn>);
    fn refuse(&mut self, error: Error);
}

/// How a piece of work was asked for.
struct Asked {
    hop: Hop,
    work: Work,
    queued: Instant,
    abandoned: Arc<AtomicBool>,
}

impl Asked {
    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.queued) >= limits::SQL_WAIT
    }
}

struct Piece<T, J> {
    asked: Asked,
    limit: Duration,
    job: Option<J>,
    result: Option<Result<T, Error>>,
    settle: Option<Settle<Result<T, Error>>>,
}

impl<T, J> Read for Piece<T, J>
where
    T: Send,
    J: FnOnce(&Connection) -> Result<T, Error> + Send,
{
    fn asked(&self) -> &Asked {
        &self.asked
    }

    fn run(&mut self, place: &mut Place, turn: &Arc<Turn>) {
        let Some(job) = self.job.take() else { return };
        let watch = Watch {
            deadline: Instant::now() + self.limit,
            abandoned: self.asked.abandoned.clone(),
            turn: Some(turn.clone()),
        };
        let result = place.connection().and_then(|connection| {
            let result = connection.watched(watch, || job(connection));
            connection.settle();
            result
        });
        place.close_if_broken(&result);
        self.result = Some(result);
    }

    fn refuse(&mut self, error: Error) {
        self.result = Some(Err(error));
    }
}

impl<T, J> Drop for Piece<T, J> {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            let result = self.result.take();
            settle.settle(result.unwrap_or_else(|| Err(Refused::Panicked.into())));
        }
    }
}

impl Database {
    /// Waits for a thread that reads, and does work there.
    pub(super) async fn read<T, J>(
        self: Arc<Self>,
        hop: Hop,
        work: Work,
        limit: Duration,
        job: J,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (settle, pending) = Pending::new();
        let attended = Attended::default();
        let (work, abandoned) = (hop.work(work), attended.0.clone());
        let asked = Asked { hop, work, queued: Instant::now(), abandoned };
        let (job, settle) = (Some(job), Some(settle));
        self.queue_read(Box::new(Piece { asked, limit, job, result: None, settle }))?;
        let result = pending.await;
        drop(attended);
        result
    }

    fn queue_read(self: &Arc<Self>, read: Box<dyn Read>) -> Result<(), Error> {
        let mut state = self.reads.state();
        if state.waiting.len() >= limits::SQL_WAITERS_MAX {
            // Those that no one waits for any more take no one's place.
            state.waiting.retain(|read| !read.asked().is_abandoned());
            if state.waiting.len() >= limits::SQL_WAITERS_MAX {
                return Err(Error::Busy);
            }
        }
        state.waiting.push_back(read);
        let first = if state.readers == 0 { state.another(self) } else { None };
        drop(state);
        if let Some(reader) = first {
            // Others of this turn will have queued by then, and a thread that is woken now may take the
            // loop's core from it.
            let remote = reader.hop.remote().clone();
            remote.at_end_of_turn(move || reader.stand_in_line());
        }
        Ok(())
    }

    /// Looks after those that wait while a thread is at something that takes long.
    fn relieve(self: &Arc<Self>, now: Instant) {
        let mut state = self.reads.state();
        let mut overdue = Vec::new();
        while let Some(read) = state.waiting.pop_front_if(|read| read.asked().is_overdue(now)) {
            overdue.push(read);
        }
        let another = state.another(self);
        drop(state);
        for mut read in overdue {
            read.refuse(Error::Busy);
        }
        if let Some(reader) = another {
            reader.stand_in_line();
        }
    }
}

impl Reads {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("reads")
    }
}

impl State {
    /// One more reader, if someone waits for it and there is a connection for it.
    fn another(&mut self, database: &Arc<Database>) -> Option<Reader> {
        let hop = self.waiting.front()?.asked().hop.clone();
        if self.readers >= limits::SQL_READERS {
            return None;
        }
        self.readers += 1;
        Some(Reader { database: database.clone(), hop, is_counted: true })
    }
}

/// A host thread that is at the queue, or on its way there.
struct Reader {
    database: Arc<Database>,
    hop: Hop,
    is_counted: bool,
}

impl Reader {
    /// Waits for one of the host threads that the tenant's databases may hold, and then for its turn.
    fn stand_in_line(self) {
        let threads = self.database.threads();
        if let Ok(thread) = threads.clone().try_acquire_owned() {
            return self.go(thread);
        }
        let asking = Box::pin(threads.acquire_owned());
        Arc::new(InLine(Mutex::new(Some((self, asking))))).wake();
    }

    fn go(self, thread: OwnedSemaphorePermit) {
        let hop = self.hop.clone();
        hop.series(TURN, move |desk| self.read(desk, thread));
    }

    /// The turn. Blocks.
    fn read(mut self, desk: &Desk<'_>, thread: OwnedSemaphorePermit) {
        let turn = Arc::new(Turn::new(self.database.clone()));
        let mut place = Place::of_reader(&self.database);
        let mut now = Instant::now();
        let end = now + limits::SQL_READS_TURN;
        let mut done = 0;
        while let Some(read) = self.next(now) {
            turn.run(read, desk, &mut place, now);
            done += 1;
            now = Instant::now();
            turn.hand_over_if_due(now);
            if now >= end {
                turn.hand_over();
                drop((place, thread));
                return self.stand_in_line_again(done);
            }
        }
        turn.hand_over();
    }

    /// What is to be done next. Where there is nothing, who comes now sends a reader again.
    fn next(&mut self, now: Instant) -> Option<Box<dyn Read>> {
        loop {
            let mut state = self.database.reads.state();
            let Some(mut read) = state.waiting.pop_front() else {
                state.readers -= 1;
                self.is_counted = false;
                return None;
            };
            drop(state);
            if read.asked().is_overdue(now) {
                read.refuse(Error::Busy);
            } else if !read.asked().is_abandoned() {
                return Some(read);
            }
        }
    }

    /// After a turn in which it has done so many.
    fn stand_in_line_again(self, done: usize) {
        let mut state = self.database.reads.state();
        let falls_behind = state.waiting.len() > done;
        let another = if falls_behind { state.another(&self.database) } else { None };
        drop(state);
        if let Some(another) = another {
            another.stand_in_line();
        }
        self.stand_in_line();
    }
}

impl Drop for Reader {
    /// When the thread could not be made, the next who asks sends another.
    fn drop(&mut self) {
        if self.is_counted {
            self.database.reads.state().readers -= 1;
        }
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// A reader that waits for a thread, without a task to do so.
struct InLine(Mutex<Option<(Reader, Asking)>>);

impl Wake for InLine {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut waiting = self.0.lock().expect("a reader in line");
        let Some((_, asking)) = &mut *waiting else { return };
        let asked = asking.as_mut().poll(&mut Context::from_waker(&waker));
        let Poll::Ready(Ok(thread)) = asked else { return };
        let come = waiting.take();
        drop(waiting);
        if let Some((reader, _)) = come {
            reader.go(thread);
        }
    }
}

/// What a reader has done in its turn, and not handed over yet.
pub(super) struct Turn {
    database: Arc<Database>,
    state: Mutex<TurnState>,
}

struct TurnState {
    done: Vec<Box<dyn Read>>,
    /// When what is done is handed over, between two pieces of work.
    due: Instant,
    /// When the one under way looks after the others.
    look: Instant,
}

impl Turn {
    fn new(database: Arc<Database>) -> Self {
        let now = Instant::now();
        Turn { database, state: Mutex::new(TurnState { done: Vec::new(), due: now, look: now }) }
    }

    fn state(&self) -> MutexGuard<'_, TurnState> {
        self.state.lock().expect("a reader's turn")
    }

    /// Does one piece of work.
    fn run(
        self: &Arc<Self>,
        mut read: Box<dyn Read>,
        desk: &Desk<'_>,
        place: &mut Place,
        now: Instant,
    ) {
        self.state().look = now + limits::SQL_READ_LONG;
        if catch_unwind(AssertUnwindSafe(|| read.run(place, self))).is_err() {
            place.close();
        }
        let asked = read.asked();
        desk.note(asked.work, asked.queued, now);
        let mut state = self.state();
        if state.done.is_empty() {
            state.due = now + limits::SQL_READ_KEPT;
        }
        state.done.push(read);
    }

    fn hand_over_if_due(&self, now: Instant) {
        if now >= self.state().due {
            self.hand_over();
        }
    }

    /// Gives all results, and wakes each loop once for those that are for it.
    fn hand_over(&self) {
        let done = std::mem::take(&mut self.state().done);
        let mut held = Vec::new();
        for read in &done {
            let remote = read.asked().hop.remote();
            if held.last().is_none_or(|last: &HeldWake| !last.is_of(remote)) {
                held.push(remote.hold_wake());
            }
        }
        drop(done);
        drop(held);
    }

    /// Called from within a piece of work, again and again.
    pub(super) fn look(&self, now: Instant) {
        let mut state = self.state();
        if now < state.look {
            return;
        }
        state.look = now + limits::SQL_READ_LONG;
        drop(state);
        self.hand_over();
        self.database.relieve(now);
    }
}
