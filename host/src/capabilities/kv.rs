//! Owns `hob:host/kv`: a tenant's keys and values, in one SQLite file.

mod store;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::GuestState;
use super::grants::Access;
use super::sqlite::{self, Connection, Database, Durability, Role, Settings};
use super::treaty::{Hop, Interface};
use crate::engine::Generation;
use crate::event_loop::{Refused, Work};
use crate::limits;
pub(super) use store::{Change, Key, increment, list_by_number};
use store::{compare_and_set, delete, exists, get, get_many, list, set_many};

/// A tenant's store as one handler may use it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Kv {
    database: Arc<Database>,
    access: Access,
}

impl Kv {
    pub(super) fn new(path: &Path, shared: sqlite::Shared) -> Self {
        let settings = Settings {
            bytes_max: limits::KV_STORE_BYTES,
            durability: Durability::Process,
            schema: store::SCHEMA,
        };
        Kv { database: Database::new(path, settings, shared), access: Access::Read }
    }

    pub(super) fn with_access(self, access: Access) -> Self {
        Kv { access, ..self }
    }
}

/// What the guest is told.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
pub(super) enum Error {
    #[component(name = "denied")]
    Denied,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "full")]
    Full,
    #[component(name = "busy")]
    Busy,
    #[component(name = "timed-out")]
    TimedOut,
    #[component(name = "failed")]
    Failed(String),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        sqlite::Error::from(refused).into()
    }
}

impl From<sqlite::Error> for Error {
    fn from(error: sqlite::Error) -> Self {
        match error {
            sqlite::Error::Denied => Error::Denied,
            sqlite::Error::TooLarge => Error::TooLarge,
            sqlite::Error::Full => Error::Full,
            sqlite::Error::Busy => Error::Busy,
            sqlite::Error::TimedOut | sqlite::Error::Aborted => Error::TimedOut,
            sqlite::Error::Failed(why) => Error::Failed(why),
            // The statements are ours.
            sqlite::Error::Constraint(_)
            | sqlite::Error::Mismatch(_)
            | sqlite::Error::Invalid(_) => Error::Failed("the store is not as it was made".into()),
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Entry {
    key: String,
    value: Vec<u8>,
    ttl: Option<u64>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Page {
    keys: Vec<String>,
    next: Option<String>,
}

const GET: Work = Work::quick("kv.get");
const GET_MANY: Work = Work::quick("kv.get-many");
const SET: Work = Work::quick("kv.set");
const SET_MANY: Work = Work::quick("kv.set-many");
const DELETE: Work = Work::quick("kv.delete");
const EXISTS: Work = Work::quick("kv.exists");
const LIST: Work = Work::quick("kv.list");
const INCREMENT: Work = Work::quick("kv.increment");
const COMPARE_AND_SET: Work = Work::quick("kv.compare-and-set");

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut kv = Interface::new(linker, generation, "kv")?;
    kv.suspending("get", GET.operation, |state, (key,): (String,)| {
        Ok(state.kv(Key::new(key), |kv, hop, key| kv.get(hop, key)))
    })?;
    kv.suspending("get-many", GET_MANY.operation, |state, (keys,): (Vec<String>,)| {
        Ok(state.kv(Key::many(keys), |kv, hop, keys| kv.get_many(hop, keys)))
    })?;
    kv.suspending(
        "set",
        SET.operation,
        |state, (key, value, ttl): (String, Vec<u8>, Option<u64>)| {
            let change = Change::new(key, value, ttl);
            Ok(state.kv(change, |kv, hop, change| kv.set(hop, SET, vec![change])))
        },
    )?;
    kv.suspending("set-many", SET_MANY.operation, |state, (entries,): (Vec<Entry>,)| {
        let changes = entries.into_iter().map(|Entry { key, value, ttl }| (key, value, ttl));
        let changes = Change::many(changes);
        Ok(state.kv(changes, |kv, hop, changes| kv.set(hop, SET_MANY, changes)))
    })?;
    kv.suspending("delete", DELETE.operation, |state, (keys,): (Vec<String>,)| {
        Ok(state.kv(Key::many(keys), |kv, hop, keys| kv.delete(hop, keys)))
    })?;
    kv.suspending("exists", EXISTS.operation, |state, (key,): (String,)| {
        Ok(state.kv(Key::new(key), |kv, hop, key| kv.exists(hop, key)))
    })?;
    link_more(&mut kv)
}

fn link_more(kv: &mut Interface<'_>) -> wasmtime::Result<()> {
    kv.suspending(
        "list",
        LIST.operation,
        |state, (prefix, cursor, limit): (String, Option<String>, u32)| {
            let job = move |connection: &Connection| {
                let (keys, next) = list(connection, &prefix, cursor.as_deref(), limit as usize)?;
                Ok(Page { keys, next })
            };
            Ok(state.kv(Ok(job), |kv, hop, job| kv.read(hop, LIST, job)))
        },
    )?;
    kv.suspending("increment", INCREMENT.operation, |state, (key, delta): (String, i64)| {
        let key = Key::new(key);
        Ok(state.kv(key, move |kv, hop, key| {
            kv.write(hop, INCREMENT, move |connection| increment(connection, &key, delta))
        }))
    })?;
    type Comparison = (String, Option<Vec<u8>>, Vec<u8>, Option<u64>);
    kv.suspending(
        "compare-and-set",
        COMPARE_AND_SET.operation,
        |state, (key, expected, value, ttl): Comparison| {
            let change = Change::new(key, value, ttl);
            Ok(state.kv(change, |kv, hop, change| {
                kv.write(hop, COMPARE_AND_SET, move |connection| {
                    compare_and_set(connection, expected.as_deref(), &change)
                })
            }))
        },
    )
}

impl GuestState {
    /// Does something with the store, when what is asked for makes sense and the store is granted.
    fn kv<A, T, F, J>(
        &self,
        asked: Result<A, Error>,
        act: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<A, T, F, J>
    where
        A: Send + 'static,
        J: FnOnce(Kv, Hop, A) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let granted = self.context.granted.kv.clone().ok_or(Error::Denied);
        let hop = self.hop();
        async move { act(granted?, hop, asked?).await }
    }
}

impl Kv {
    pub(super) async fn get(self, hop: Hop, key: Key) -> Result<Option<Vec<u8>>, Error> {
        self.read_short(hop, GET, store::GET, move |connection| get(connection, &key)).await
    }

    pub(super) async fn get_many(
        self,
        hop: Hop,
        keys: Vec<Key>,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.read(hop, GET_MANY, move |connection| {
            connection.own("begin")?;
            get_many(connection, &keys)
        })
        .await
    }

    pub(super) async fn set(self, hop: Hop, work: Work, changes: Vec<Change>) -> Result<(), Error> {
        let count = changes.len();
        self.write_some(hop, work, count, move |connection| set_many(connection, &changes)).await
    }

    pub(super) async fn delete(self, hop: Hop, keys: Vec<Key>) -> Result<u64, Error> {
        let count = keys.len();
        self.write_some(hop, DELETE, count, move |connection| delete(connection, &keys)).await
    }

    pub(super) async fn exists(self, hop: Hop, key: Key) -> Result<bool, Error> {
        self.read_short(hop, EXISTS, store::EXISTS, move |connection| exists(connection, &key))
            .await
    }

    /// Does what reads with one statement that is short: here, on the loop, where a connection has prepared it
    /// and what it reads is in memory.
    async fn read_short<T: Send + 'static>(
        self,
        hop: Hop,
        work: Work,
        sql: &'static str,
        job: impl Fn(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // Whatever fails is told by a host thread.
        let briefly = |connection: &Connection| {
            connection.briefly(sql, || job(connection).map_err(|_| sqlite::Error::Aborted))
        };
        if let Some(read) = self.database.on_loop(sql, briefly) {
            hop.spared(work);
            return Ok(read);
        }
        self.read(hop, work, move |connection| {
            let read = job(connection)?;
            connection.note_short(sql);
            Ok(read)
        })
        .await
    }

    /// Does what only reads.
    pub(super) async fn read<T: Send + 'static>(
        self,
        hop: Hop,
        work: Work,
        job: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let job = move |connection: &Connection| told(job(connection));
        let limit = limits::SQL_STATEMENT_TIME;
        self.database.run(hop, work, Role::Read, limit, job).await?
    }

    /// Does what writes one key, whole or not at all.
    pub(super) async fn write<T: Send + 'static>(
        self,
        hop: Hop,
        work: Work,
        job: impl Fn(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.write_some(hop, work, 1, job).await
    }

    /// Does what writes so many keys, whole or not at all. May be done twice: what is full may be so of
    /// keys that have expired.
    async fn write_some<T: Send + 'static>(
        self,
        hop: Hop,
        work: Work,
        count: usize,
        job: impl Fn(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if self.access != Access::Write {
            return Err(Error::Denied);
        }
        let job = move |connection: &Connection| {
            let expired = limits::KV_EXPIRED_PER_WRITE.max(2 * count);
            let first = told(whole(connection, expired, &job));
            if !matches!(first, Err(sqlite::Error::Full)) {
                return first;
            }
            connection.settle();
            let emptied = whole(connection, limits::KV_EXPIRED_WHEN_FULL, |_| Ok(()));
            if let Err(error) = emptied {
                return told(Err(error));
            }
            told(whole(connection, 0, &job))
        };
        let limit = limits::SQL_STATEMENT_TIME;
        self.database.run(hop, work, Role::Write, limit, job).await?
    }
}

/// Takes away some of what has expired and does a job, in one transaction. One that fails is left open.
fn whole<T>(
    connection: &Connection,
    expired: usize,
    job: impl Fn(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    connection.own("begin immediate")?;
    store::remove_expired(connection, expired)?;
    let result = job(connection)?;
    connection.own("commit")?;
    Ok(result)
}

/// A fault of the engine is told to who keeps the connection, and what is full to who counts that.
fn told<T>(result: Result<T, Error>) -> Result<Result<T, Error>, sqlite::Error> {
    match result {
        Err(Error::Failed(why)) => Err(sqlite::Error::Failed(why)),
        Err(Error::Full) => Err(sqlite::Error::Full),
        result => Ok(result),
    }
}
