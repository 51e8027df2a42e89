//! Owns a tenant's SQLite databases: one file each, one connection that writes, some that read, and
//! who waits for them.
//!
//! Who waits does so on the loop, for a place; only who has one goes to a host thread, so that no
//! thread ever waits for another. A connection that comes back with a transaction open is rolled back
//! by a host thread at once, or by whoever has it next.

mod brief;
mod connection;
mod fault;
mod functions;
mod pattern;
mod reads;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use connection::{Connection, Durability, Watch};
pub(super) use fault::Error;
pub(super) use rusqlite;

use super::treaty::Hop;
use crate::event_loop::Work;
use crate::limits;
use crate::tenants::Storage;

/// How the name of a database's journal ends.
const JOURNAL: &str = "-wal";

/// What a place is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One piece of work that reads.
    Read,
    /// Work that may write: one at a time.
    Write,
    /// Reading that holds its connection between its pieces of work.
    ReadOn,
}

/// What a database is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Bytes it may have at the most.
    pub(super) bytes_max: u64,
    /// What an acknowledged write survives.
    pub(super) durability: Durability,
    /// What is made in it when it is not there.
    pub(super) schema: &'static str,
}

/// What the databases of one tenant have in common.
#[derive(Clone)]
pub(super) struct Shared {
    /// Host threads that they may hold at once.
    pub(super) threads: Arc<Semaphore>,
    /// What they may take of the disk, with all else that the tenant keeps.
    pub(super) storage: Storage,
}

/// One database of a tenant, for all its handlers on all loops.
pub(super) struct Database {
    path: PathBuf,
    settings: Settings,
    writer: Queue,
    readers: Queue,
    readers_on: Queue,
    idle_writer: Mutex<VecDeque<Connection>>,
    /// The one used last by a host thread is at the back.
    idle_readers: Mutex<VecDeque<Connection>>,
    /// Two that open a new file at once would both be told that it is locked.
    opening: Mutex<()>,
    shared: Shared,
}

/// Who waits for places of one kind, first come, first served.
struct Queue {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Queue {
    fn new(places: usize) -> Self {
        Queue { places: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0) }
    }

    async fn wait(&self, hop: &Hop) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::new(&self.waiting)?;
        let permit = std::pin::pin!(self.places.clone().acquire_owned());
        let remote = hop.remote();
        match select(permit, remote.sleep_until(remote.now() + limits::SQL_WAIT)).await {
            Either::Left((permit, _)) => Ok(permit.expect("a queue is never closed")),
            Either::Right(_) => Err(Error::Busy),
        }
    }
}

/// One who waits, as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Result<Self, Error> {
        let waiting = Waiting(count);
        let before = count.fetch_add(1, Ordering::Relaxed);
        if before < limits::SQL_WAITERS_MAX { Ok(waiting) } else { Err(Error::Busy) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many host threads the databases of one tenant may hold at once.
pub(super) fn threads() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limits::SQL_THREADS_PER_TENANT))
}

impl Database {
    /// A database in this file. Nothing is opened yet.
    pub(super) fn new(path: &Path, settings: Settings, shared: Shared) -> Arc<Self> {
        Arc::new(Database {
            path: path.to_owned(),
            settings,
            writer: Queue::new(1),
            readers: Queue::new(limits::SQL_READERS),
            readers_on: Queue::new(limits::SQL_READERS_ON),
            idle_writer: Mutex::default(),
            idle_readers: Mutex::default(),
            opening: Mutex::default(),
            shared,
        })
    }

    /// Host threads that the tenant's databases may hold at once.
    pub(super) fn threads(&self) -> Arc<Semaphore> {
        self.shared.threads.clone()
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait, or when it takes too long.
    pub(super) async fn place(self: &Arc<Self>, role: Role, hop: &Hop) -> Result<Place, Error> {
        let queue = match role {
            Role::Read => &self.readers,
            Role::Write => &self.writer,
            Role::ReadOn => &self.readers_on,
        };
        let permit = queue.wait(hop).await?;
        Ok(Place { database: self.clone(), role, connection: None, _permit: permit })
    }

    /// Does work that reads here, on the loop, if a connection is idle that knows this statement to be short, and
    /// the work, which must not wait, can be done. None: it is for a host thread.
    ///
    /// It needs no place, or a loop could do nothing as long as others wait for theirs, and would have them
    /// wait as well.
    pub(super) fn on_loop<T>(
        &self,
        sql: &str,
        work: impl FnOnce(&Connection) -> Option<T>,
    ) -> Option<T> {
        let mut idle = self.idle_readers.try_lock().ok()?;
        let place = idle.iter().rposition(|one| one.knows_as_short(sql))?;
        let connection = idle.remove(place)?;
        drop(idle);
        let result = if connection.is_in_transaction() { None } else { work(&connection) };
        let mut idle = self.idle_readers.lock().expect("idle connections");
        if idle.len() <= limits::SQL_READERS + limits::SQL_READERS_ON {
            idle.push_back(connection);
        }
        result
    }

    /// Waits for a place and does work there, on a host thread.
    pub(super) async fn run<T, J>(
        self: Arc<Self>,
        hop: Hop,
        work: Work,
        role: Role,
        limit: Duration,
        job: J,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let mut place = self.place(role, &hop).await?;
        let attended = Attended::default();
        let watch = attended.watch();
        self.on_thread(&hop, work, move || {
            let result = place.weighed(|place| {
                let connection = place.connection()?;
                let result = connection.watched(watch(limit), || job(connection));
                connection.settle();
                result
            });
            place.close_if_broken(&result);
            result
        })
        .await
    }

    /// Does work on a host thread, when the tenant's databases do not hold too many already.
    pub(super) async fn on_thread<T, J>(&self, hop: &Hop, work: Work, job: J) -> Result<T, Error>
    where
        T: Send + 'static,
        J: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        let thread =
            self.shared.threads.clone().acquire_owned().await.expect("threads are never closed");
        // There are few of them at a time, or one: they have nothing to wait for each other for.
        hop.clone()
            .at_once()
            .blocking(work, move || {
                let result = job();
                drop(thread);
                result
            })
            .await
    }

    /// Opens a connection that writes, before anything is served. Blocks.
    pub(super) fn connect(&self) -> Result<Connection, Error> {
        let _one_at_a_time = self.opening.lock().expect("a database");
        Connection::open(&self.path, self.settings, true)
    }

    /// Bytes of all its files. Blocks.
    fn bytes(&self) -> u64 {
        ["", JOURNAL, "-shm"].into_iter().map(|end| self.length(end)).sum()
    }

    /// Bytes of the file of it that ends with this. Blocks.
    fn length(&self, end: &str) -> u64 {
        let mut file = self.path.clone().into_os_string();
        file.push(end);
        rustix::fs::stat(file.as_os_str()).map_or(0, |stat| stat.st_size as u64)
    }

    fn idle(&self, role: Role) -> &Mutex<VecDeque<Connection>> {
        if role == Role::Write { &self.idle_writer } else { &self.idle_readers }
    }

    /// An idle connection for a host thread. The last one that reads is left to the loops; those that read take
    /// turns, so that each comes to know what is asked.
    fn take_idle(&self, role: Role) -> Option<Connection> {
        let mut idle = self.idle(role).lock().expect("idle connections");
        let left_to_loops = usize::from(role != Role::Write);
        if idle.len() > left_to_loops { idle.pop_front() } else { None }
    }
}

/// Says to the work on another thread that who wanted it is still there. Dropped, the work ends.
#[derive(Default)]
pub(super) struct Attended(Arc<AtomicBool>);

impl Attended {
    /// What the work asks for when it begins, with the time it may take.
    pub(super) fn watch(&self) -> impl Fn(Duration) -> Watch + Send + 'static + use<> {
        let abandoned = self.0.clone();
        move |limit| Watch { deadline: Instant::now() + limit, abandoned: Some(abandoned.clone()) }
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The right to use a connection, and the connection once a host thread has fetched it.
pub(super) struct Place {
    database: Arc<Database>,
    role: Role,
    connection: Option<Connection>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// The connection, without anything of whoever had it before. Blocks.
    pub(super) fn connection(&mut self) -> Result<&Connection, Error> {
        if self.connection.is_none() {
            let connection = match self.database.take_idle(self.role) {
                Some(connection) => connection,
                None => {
                    let _one_at_a_time = self.database.opening.lock().expect("a database");
                    let writes = self.role == Role::Write;
                    Connection::open(&self.database.path, self.database.settings, writes)?
                }
            };
            connection.settle();
            self.connection = Some(connection);
        }
        Ok(self.connection.as_ref().expect("fetched above"))
    }

    /// Does work by which the database may grow, within what the tenant has left. Who writes is alone, so
    /// what it has grown by is this work's. Blocks.
    pub(super) fn weighed<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let database = self.database.clone();
        let storage = &database.shared.storage;
        if self.role != Role::Write {
            return act(self);
        }
        if !storage.is_limited() {
            // It was, when someone had the connection before.
            self.connection()?.may_grow_by(None)?;
            return act(self);
        }
        let left = storage.left();
        if left == 0 && database.length(JOURNAL) > limits::SQL_JOURNAL_BYTES_KEPT as u64 {
            // Who writes what is there already needs no new page, and each time some of the journal, which
            // those who read keep as long as they do.
            storage.refused();
            return Err(Error::Full);
        }
        let before = database.bytes();
        let result = self.connection().and_then(|connection| connection.may_grow_by(Some(left)));
        let result = result.and_then(|()| act(self));
        storage.resized(before, database.bytes());
        let is_bound = self.connection.as_ref().is_some_and(Connection::is_bound);
        if is_bound && matches!(result, Err(Error::Full)) {
            storage.refused();
        }
        result
    }

    pub(super) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// A connection that has failed is not used again. Blocks.
    pub(super) fn close_if_broken<T>(&mut self, result: &Result<T, Error>) {
        if matches!(result, Err(Error::Failed(_))) {
            self.connection = None;
        }
    }

    /// Rolls back what is open. Blocks.
    pub(super) fn settle(self) {
        if let Some(connection) = &self.connection {
            connection.settle();
        }
    }
}

impl Drop for Place {
    /// A transaction that is still open is rolled back by whoever has the connection next.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.database.idle(self.role).lock().expect("idle connections").push_back(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As when no host thread could be had for the one who left it.
    #[test]
    fn a_connection_that_comes_back_in_a_transaction_is_rolled_back_for_the_next() {
        let file = format!("hob-place-{}.db", std::process::id());
        let path = std::env::temp_dir().join(file);
        let settings = Settings {
            bytes_max: 1 << 30,
            durability: Durability::Process,
            schema: "create table if not exists t (v)",
        };
        let tenants = crate::tenants::Tenants::default();
        let storage = tenants.get("t").storage().clone();
        let shared = Shared { threads: threads(), storage };
        let database = Database::new(&path, settings, shared);
        let place = || Place {
            database: database.clone(),
            role: Role::Write,
            connection: None,
            _permit: database.writer.places.clone().try_acquire_owned().expect("it is free"),
        };
        let count = |connection: &Connection| -> i64 {
            let count =
                connection.inner().query_row("select count(*) from t", [], |row| row.get(0));
            count.expect("a row")
        };
        let mut first = place();
        let connection = first.connection().expect("a connection");
        connection.own("begin immediate").expect("a transaction");
        connection.own("insert into t values (1)").expect("a row");
        assert_eq!(count(connection), 1);
        drop(first);
        let mut second = place();
        let connection = second.connection().expect("a connection");
        assert!(!connection.is_in_transaction());
        assert_eq!(count(connection), 0);
        drop((second, database));
        for end in ["", "-wal", "-shm"] {
            // Those that the last connection took away are not there.
            let _ = rustix::fs::unlink(format!("{}{end}", path.display()));
        }
    }
}
