//! Owns the keys and values as they are kept, and the work on them in a transaction.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{CachedStatement, OptionalExtension};

use super::Error;
use crate::capabilities::sqlite::{self, Connection, rusqlite};
use crate::limits;

/// With numbers for the rows: values are too large to be kept in an index, and a page of keys that is
/// asked for by a number finds its place again.
pub(super) const SCHEMA: &str = "\
    create table if not exists entries (\
        id integer primary key, key text not null unique, value blob not null, expires integer\
    ) strict;\
    create index if not exists expiring on entries (expires) where expires is not null;";

/// A key that may be one.
pub(in crate::capabilities) struct Key(String);

impl Key {
    pub(in crate::capabilities) fn new(key: String) -> Result<Self, Error> {
        if key.is_empty() {
            return Err(Error::Invalid("an empty key".to_owned()));
        }
        if key.len() > limits::KV_KEY_BYTES_MAX { Err(Error::TooLarge) } else { Ok(Key(key)) }
    }

    pub(in crate::capabilities) fn many(keys: Vec<String>) -> Result<Vec<Self>, Error> {
        if keys.len() > limits::KV_KEYS_MAX {
            return Err(Error::TooLarge);
        }
        keys.into_iter().map(Key::new).collect()
    }
}

/// A key with its new value.
pub(in crate::capabilities) struct Change {
    key: Key,
    value: Vec<u8>,
    ttl: Option<u64>,
}

impl Change {
    pub(in crate::capabilities) fn new(
        key: String,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Result<Self, Error> {
        let key = Key::new(key)?;
        if value.len() > limits::KV_VALUE_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        Ok(Change { key, value, ttl })
    }

    pub(in crate::capabilities) fn many(
        entries: impl ExactSizeIterator<Item = (String, Vec<u8>, Option<u64>)>,
    ) -> Result<Vec<Self>, Error> {
        if entries.len() > limits::KV_KEYS_MAX {
            return Err(Error::TooLarge);
        }
        entries.map(|(key, value, ttl)| Change::new(key, value, ttl)).collect()
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An error of the engine in a statement of ours.
fn engines(error: rusqlite::Error) -> Error {
    sqlite::Error::from(error).into()
}

fn prepare<'c>(
    connection: &'c Connection,
    sql: &'static str,
) -> Result<CachedStatement<'c>, Error> {
    let prepared = connection.as_host(|| Ok(connection.inner().prepare_cached(sql)?));
    prepared.map_err(Error::from)
}

/// What reads one value, with its key and the time.
pub(super) const GET: &str =
    "select value, expires from entries where key = ? and (expires is null or expires > ?)";

/// What says whether there is one.
pub(super) const EXISTS: &str =
    "select 1 from entries where key = ? and (expires is null or expires > ?)";

pub(super) fn get(connection: &Connection, key: &Key) -> Result<Option<Vec<u8>>, Error> {
    Ok(value(connection, key)?.map(|(value, _)| value))
}

/// A value, and when it is gone.
type Stored = (Vec<u8>, Option<i64>);

fn value(connection: &Connection, key: &Key) -> Result<Option<Stored>, Error> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    prepare(connection, GET)?.query_row((&key.0, now()), row).optional().map_err(engines)
}

pub(super) fn get_many(
    connection: &Connection,
    keys: &[Key],
) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let mut bytes = 0;
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        let value = get(connection, key)?;
        bytes += value.as_ref().map_or(0, Vec::len);
        if bytes > limits::KV_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        values.push(value);
    }
    Ok(values)
}

pub(super) fn exists(connection: &Connection, key: &Key) -> Result<bool, Error> {
    prepare(connection, EXISTS)?.exists((&key.0, now())).map_err(engines)
}

pub(super) fn set_many(connection: &Connection, changes: &[Change]) -> Result<(), Error> {
    changes.iter().try_for_each(|change| set(connection, change))
}

fn set(connection: &Connection, Change { key, value, ttl }: &Change) -> Result<(), Error> {
    let expires = ttl.map(|ttl| now().saturating_add_unsigned(ttl));
    put(connection, key, value, expires)
}

fn put(
    connection: &Connection,
    key: &Key,
    value: &[u8],
    expires: Option<i64>,
) -> Result<(), Error> {
    let sql = "insert into entries (key, value, expires) values (?, ?, ?) on conflict (key) do \
               update set value = excluded.value, expires = excluded.expires";
    prepare(connection, sql)?.execute((&key.0, value, expires)).map_err(engines)?;
    Ok(())
}

pub(super) fn delete(connection: &Connection, keys: &[Key]) -> Result<u64, Error> {
    let mut count = 0;
    for key in keys {
        count += u64::from(exists(connection, key)?);
        prepare(connection, "delete from entries where key = ?")?
            .execute([&key.0])
            .map_err(engines)?;
    }
    Ok(count)
}

/// The keys after a key, and what to ask for more with.
pub(super) fn list(
    connection: &Connection,
    prefix: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<(Vec<String>, Option<String>), Error> {
    let limit = limit.clamp(1, limits::KV_KEYS_MAX);
    let sql = "select key from entries where key >= ? and key > ? and key < ? \
               and (expires is null or expires > ?) order by key";
    let mut statement = prepare(connection, sql)?;
    let from = cursor.unwrap_or("");
    let mut rows =
        statement.query((prefix, from, after_all_with(prefix), now())).map_err(engines)?;
    let mut keys: Vec<String> = Vec::new();
    while let Some(row) = rows.next().map_err(engines)? {
        let key: String = row.get(0).map_err(engines)?;
        if !key.starts_with(prefix) {
            break;
        }
        if keys.len() == limit {
            let next = keys.last().cloned();
            return Ok((keys, next));
        }
        keys.push(key);
    }
    Ok((keys, None))
}

/// What comes after every key that begins so, in the order of the engine: a blob comes after all text.
fn after_all_with(prefix: &str) -> Value {
    let mut start = prefix.to_owned();
    while let Some(last) = start.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            start.push(next);
            return Value::Text(start);
        }
    }
    Value::Blob(Vec::new())
}

/// A page of all keys, by their numbers: those after the number, and the last number if there are more.
pub(in crate::capabilities) fn list_by_number(
    connection: &Connection,
    after: i64,
) -> Result<(Vec<String>, Option<i64>), Error> {
    let sql = "select id, key from entries where id > ? and (expires is null or expires > ?) \
               order by id limit ?";
    let limit = limits::KV_KEYS_MAX;
    let mut statement = prepare(connection, sql)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rows = statement.query_map((after, now(), limit as i64 + 1), row).map_err(engines)?;
    let mut rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>().map_err(engines)?;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(|(number, _)| *number).filter(|_| is_more);
    Ok((rows.into_iter().map(|(_, key)| key).collect(), last))
}

pub(in crate::capabilities) fn increment(
    connection: &Connection,
    key: &Key,
    delta: i64,
) -> Result<i64, Error> {
    let (number, expires) = match value(connection, key)? {
        None => (0, None),
        Some((value, expires)) => {
            let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            let wrong = || Error::Invalid("the value is not a number".to_owned());
            (number.ok_or_else(wrong)?, expires)
        }
    };
    let sum = i64::checked_add(number, delta);
    let sum = sum.ok_or_else(|| Error::Invalid("the number is too large".to_owned()))?;
    put(connection, key, sum.to_string().as_bytes(), expires)?;
    Ok(sum)
}

pub(super) fn compare_and_set(
    connection: &Connection,
    expected: Option<&[u8]>,
    change: &Change,
) -> Result<bool, Error> {
    let is_expected = get(connection, &change.key)?.as_deref() == expected;
    if is_expected {
        set(connection, change)?;
    }
    Ok(is_expected)
}

/// Takes away some of what has expired.
pub(super) fn remove_expired(connection: &Connection, most: usize) -> Result<(), Error> {
    let sql = "delete from entries where id in (select id from entries where expires <= ? limit ?)";
    prepare(connection, sql)?.execute((now(), most as i64)).map_err(engines)?;
    Ok(())
}
