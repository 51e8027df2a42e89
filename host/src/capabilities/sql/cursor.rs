//! Owns a result that is handed over in pieces. A statement that is half done cannot move from thread to
//! thread, and must not hold one of the host threads while a client is slow: so each cursor has a thread
//! of its own, of which there are as many as a database has connections for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::statement::piece;
use super::{Piece, Statement};
use crate::capabilities::sqlite::{Attended, Connection, Database, Error, Place, Role, rusqlite};
use crate::capabilities::treaty::Hop;
use crate::event_loop::{Pending, Settle};
use crate::limits;

/// A guest's cursor. Dropped, its statement ends, and its thread.
pub(super) struct Cursor {
    columns: Vec<String>,
    asks: SyncSender<Ask>,
    /// Set before the answer that is the last one.
    ended: Arc<AtomicBool>,
    /// Its own thread works only as one of those that the tenant may hold.
    threads: Arc<Semaphore>,
    _attended: Attended,
}

/// A call for the next rows.
struct Ask {
    max: usize,
    answer: Answer<Piece>,
    thread: OwnedSemaphorePermit,
}

/// An answer that is given also when the thread ends without one.
struct Answer<T>(Option<Settle<Result<T, Error>>>);

impl<T> Answer<T> {
    fn give(mut self, result: Result<T, Error>) {
        if let Some(settle) = self.0.take() {
            settle.settle(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle.settle(Err(Error::Aborted));
        }
    }
}

impl Cursor {
    pub(super) async fn open(
        database: Arc<Database>,
        hop: Hop,
        statement: Statement,
    ) -> Result<Self, Error> {
        let place = database.place(Role::ReadOn, &hop).await?;
        let threads = database.threads();
        let thread = threads.clone().acquire_owned().await.expect("threads are never closed");
        let (asks, calls) = sync_channel(limits::SQL_CURSOR_CALLS_MAX);
        let (settle, opened) = Pending::new();
        let attended = Attended::default();
        let ended = Arc::<AtomicBool>::default();
        let reading = Reading { watch: Box::new(attended.watch()), calls, ended: ended.clone() };
        let opened_by = Answer(Some(settle));
        std::thread::Builder::new()
            .name("sql-cursor".to_owned())
            .spawn(move || reading.run(place, &statement, opened_by, thread))
            .map_err(|_| Error::Busy)?;
        let columns = opened.await?;
        Ok(Cursor { columns, asks, ended, threads, _attended: attended })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn next(
        &self,
        max: usize,
    ) -> impl Future<Output = Result<Piece, Error>> + Send + use<> {
        let (asks, ended, threads) = (self.asks.clone(), self.ended.clone(), self.threads.clone());
        async move {
            let thread = threads.acquire_owned().await.expect("threads are never closed");
            let (settle, pending) = Pending::new();
            match asks.try_send(Ask { max, answer: Answer(Some(settle)), thread }) {
                Err(TrySendError::Full(_)) => return Err(Error::Busy),
                Err(TrySendError::Disconnected(_)) => {}
                Ok(()) => match pending.await {
                    // It may have been asked while the thread was at its end.
                    Err(Error::Aborted) => {}
                    answer => return answer,
                },
            }
            if ended.load(Ordering::Acquire) { Ok(Piece::new()) } else { Err(Error::Aborted) }
        }
    }
}

/// The thread's side.
struct Reading {
    watch: Box<dyn Fn(std::time::Duration) -> crate::capabilities::sqlite::Watch + Send>,
    calls: Receiver<Ask>,
    ended: Arc<AtomicBool>,
}

impl Reading {
    fn run(
        self,
        mut place: Place,
        statement: &Statement,
        opened: Answer<Vec<String>>,
        thread: OwnedSemaphorePermit,
    ) {
        let result = match place.connection() {
            Ok(connection) => self.read(connection, statement, opened, thread),
            Err(error) => {
                opened.give(Err(error.clone()));
                Err(error)
            }
        };
        place.close_if_broken(&result);
        place.settle();
    }

    fn read(
        &self,
        connection: &Connection,
        statement: &Statement,
        opened: Answer<Vec<String>>,
        thread: OwnedSemaphorePermit,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + limits::SQL_CURSOR_TIME;
        let limit = limits::SQL_STATEMENT_TIME;
        let mut prepared = None;
        let columns = connection.watched((self.watch)(limit), || {
            let new = statement.prepare(connection)?;
            if !new.readonly() {
                return Err(Error::Denied);
            }
            // The snapshot is that of now, not that of the first piece.
            connection.own("begin")?;
            connection.inner().query_row("select 1 from sqlite_schema", [], |_| Ok(())).or_else(
                |error| match error {
                    rusqlite::Error::QueryReturnedNoRows => Ok(()),
                    error => Err(Error::from(error)),
                },
            )?;
            let columns = new.column_names().map(str::to_owned).collect();
            prepared = Some(new);
            Ok(columns)
        });
        let failure = columns.as_ref().err().cloned();
        drop(thread);
        opened.give(columns);
        let Some(mut prepared) = prepared else { return failure.map_or(Ok(()), Err) };
        let mut rows = prepared.raw_query();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ask = self.calls.recv_timeout(left.min(limits::SQL_CURSOR_IDLE));
            let Ok(Ask { max, answer, thread }) = ask else { break };
            let watch = (self.watch)(limit).until(deadline);
            let next = connection.watched(watch, || piece(&mut rows, max));
            drop(thread);
            let is_last = next.as_ref().is_ok_and(Vec::is_empty);
            let failure = next.as_ref().err().cloned();
            if is_last {
                self.ended.store(true, Ordering::Release);
            }
            answer.give(next);
            if let Some(error) = failure {
                return Err(error);
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }
}
