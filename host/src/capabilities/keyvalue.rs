//! Owns `wasi:keyvalue`, the second draft, on the store of `hob:host/kv`. Its one store is the tenant's,
//! by the name `default` or none. Numbers are kept as wasmtime's own host keeps them, in decimal.

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};

use super::GuestState;
use super::kv::{self, Change, Key, Kv, increment, list_by_number};
use super::treaty::Interface;
use crate::event_loop::Work;

/// The tenant's store, opened by a guest.
struct Bucket(Kv);

#[derive(ComponentType, Lower, Lift, Clone, Debug)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<kv::Error> for Error {
    fn from(error: kv::Error) -> Self {
        match error {
            kv::Error::Denied => Error::AccessDenied,
            kv::Error::TooLarge => Error::Other("too large".to_owned()),
            kv::Error::Full => Error::Other("the disk is full".to_owned()),
            kv::Error::Busy => Error::Other("busy: try later".to_owned()),
            kv::Error::TimedOut => Error::Other("timed out".to_owned()),
            kv::Error::Invalid(why) | kv::Error::Failed(why) => Error::Other(why),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<u64>,
}

const SET: Work = Work::quick("kv.set");
const SET_MANY: Work = Work::quick("kv.set-many");
const LIST: Work = Work::quick("kv.list");
const INCREMENT: Work = Work::quick("kv.increment");

type Of<T> = (Resource<Bucket>, T);

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    link_store(Interface::sync(linker, "wasi:keyvalue/store@0.2.0-draft")?)?;
    link_atomics(Interface::sync(linker, "wasi:keyvalue/atomics@0.2.0-draft")?)?;
    link_batch(Interface::sync(linker, "wasi:keyvalue/batch@0.2.0-draft")?)
}

fn link_store(mut store: Interface<'_>) -> wasmtime::Result<()> {
    store.resource::<Bucket>("bucket")?;
    store.immediate("open", |state, (identifier,): (String,)| {
        let granted = state.context.granted.kv.clone();
        Ok(match (identifier.as_str(), granted) {
            ("" | "default", Some(kv)) => Ok(state.table.push(Bucket(kv))?),
            ("" | "default", None) => Err(Error::AccessDenied),
            _ => Err(Error::NoSuchStore),
        })
    })?;
    store.suspending("[method]bucket.get", "kv.get", |state, (bucket, key): Of<String>| {
        let (kv, hop) = (state.bucket(&bucket)?, state.hop());
        Ok(async move { Ok::<_, Error>(kv.get(hop, Key::new(key)?).await?) })
    })?;
    type Set = (Resource<Bucket>, String, Vec<u8>);
    store.suspending("[method]bucket.set", "kv.set", |state, (bucket, key, value): Set| {
        let (kv, hop) = (state.bucket(&bucket)?, state.hop());
        Ok(async move {
            let change = Change::new(key, value, None)?;
            Ok::<_, Error>(kv.set(hop, SET, vec![change]).await?)
        })
    })?;
    store.suspending(
        "[method]bucket.delete",
        "kv.delete",
        |state, (bucket, key): Of<String>| {
            let (kv, hop) = (state.bucket(&bucket)?, state.hop());
            Ok(async move {
                kv.delete(hop, vec![Key::new(key)?]).await?;
                Ok::<_, Error>(())
            })
        },
    )?;
    store.suspending(
        "[method]bucket.exists",
        "kv.exists",
        |state, (bucket, key): Of<String>| {
            let (kv, hop) = (state.bucket(&bucket)?, state.hop());
            Ok(async move { Ok::<_, Error>(kv.exists(hop, Key::new(key)?).await?) })
        },
    )?;
    store.suspending(
        "[method]bucket.list-keys",
        "kv.list",
        |state, (bucket, cursor): Of<Option<u64>>| {
            let (kv, hop) = (state.bucket(&bucket)?, state.hop());
            let after = i64::try_from(cursor.unwrap_or(0)).unwrap_or(i64::MAX);
            Ok(async move {
                let page = kv.read(hop, LIST, move |connection| list_by_number(connection, after));
                let (keys, last) = page.await?;
                let cursor = last.and_then(|last| u64::try_from(last).ok());
                Ok::<_, Error>(KeyResponse { keys, cursor })
            })
        },
    )
}

fn link_atomics(mut atomics: Interface<'_>) -> wasmtime::Result<()> {
    type Increment = (Resource<Bucket>, String, u64);
    atomics.suspending("increment", "kv.increment", |state, (bucket, key, delta): Increment| {
        let (kv, hop) = (state.bucket(&bucket)?, state.hop());
        Ok(async move {
            let too_large = || Error::Other("the number is too large".to_owned());
            let delta = i64::try_from(delta).map_err(|_| too_large())?;
            let key = Key::new(key)?;
            let job = move |connection: &_| {
                let sum = increment(connection, &key, delta)?;
                let negative = |_| kv::Error::Invalid("the number is below zero".to_owned());
                u64::try_from(sum).map_err(negative)
            };
            Ok::<_, Error>(kv.write(hop, INCREMENT, job).await?)
        })
    })
}

fn link_batch(mut batch: Interface<'_>) -> wasmtime::Result<()> {
    batch.suspending("get-many", "kv.get-many", |state, (bucket, keys): Of<Vec<String>>| {
        let (kv, hop) = (state.bucket(&bucket)?, state.hop());
        Ok(async move {
            let values = kv.get_many(hop, Key::many(keys.clone())?).await?;
            let pairs = keys.into_iter().zip(values);
            Ok::<_, Error>(pairs.map(|(key, value)| Some((key, value?))).collect::<Vec<_>>())
        })
    })?;
    type SetMany = Of<Vec<(String, Vec<u8>)>>;
    batch.suspending("set-many", "kv.set-many", |state, (bucket, entries): SetMany| {
        let (kv, hop) = (state.bucket(&bucket)?, state.hop());
        Ok(async move {
            let changes = entries.into_iter().map(|(key, value)| (key, value, None));
            Ok::<_, Error>(kv.set(hop, SET_MANY, Change::many(changes)?).await?)
        })
    })?;
    batch.suspending("delete-many", "kv.delete", |state, (bucket, keys): Of<Vec<String>>| {
        let (kv, hop) = (state.bucket(&bucket)?, state.hop());
        Ok(async move {
            kv.delete(hop, Key::many(keys)?).await?;
            Ok::<_, Error>(())
        })
    })
}

impl GuestState {
    fn bucket(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Kv> {
        Ok(self.table.get(bucket)?.0.clone())
    }
}
