//! Owns SQL functions whose own version takes the square of its arguments' length: the engine looks at
//! its watch between two operations, and one call of those could hold a thread for an hour. They look at
//! the watch too, for a statement without a loop may call many of them.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use super::connection::Watched;
use super::{Error, pattern};
use crate::limits;

/// Puts linear ones in their place.
pub(super) fn replace_slow_ones(
    connection: &rusqlite::Connection,
    watch: &Watched,
) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    let of = watch.clone();
    connection.create_scalar_function("instr", 2, flags, move |context| {
        on_time(&of)?;
        Ok(instr(context))
    })?;
    let of = watch.clone();
    connection.create_scalar_function("replace", 3, flags, move |context| {
        on_time(&of)?;
        replace(context)
    })?;
    for (name, count) in [("like", 2), ("like", 3), ("glob", 2)] {
        let of = watch.clone();
        connection.create_scalar_function(name, count, flags, move |context| {
            on_time(&of)?;
            matches(context, name == "glob", &of)
        })?;
    }
    for (name, start, end) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)]
    {
        let of = watch.clone();
        connection.create_scalar_function(name, 2, flags, move |context| {
            on_time(&of)?;
            trim(context, start, end)
        })?;
    }
    Ok(())
}

/// An argument as text; none for null.
fn text(context: &Context<'_>, index: usize) -> Option<Vec<u8>> {
    match context.get_raw(index) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(format!("{number:?}").into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_owned()),
    }
}

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// The place of a part, from 1 on, in bytes for two blobs and in characters otherwise; else 0.
fn instr(context: &Context<'_>) -> Option<i64> {
    let is_bytes = |index| matches!(context.get_raw(index), ValueRef::Blob(_));
    let (whole, part) = (text(context, 0)?, text(context, 1)?);
    let at = memchr::memmem::find(&whole, &part);
    let before =
        at.map(|at| if is_bytes(0) && is_bytes(1) { at } else { characters(&whole[..at]) });
    Some(before.map_or(0, |before| before as i64 + 1))
}

fn replace(context: &Context<'_>) -> rusqlite::Result<Value> {
    let (Some(whole), Some(from), Some(to)) =
        (text(context, 0), text(context, 1), text(context, 2))
    else {
        return Ok(Value::Null);
    };
    if from.is_empty() {
        return Ok(as_text(whole));
    }
    let mut result = Vec::with_capacity(whole.len());
    let mut done = 0;
    for at in memchr::memmem::find_iter(&whole, &from) {
        result.extend_from_slice(&whole[done..at]);
        result.extend_from_slice(&to);
        done = at + from.len();
        if result.len() > limits::SQL_ROW_BYTES_MAX {
            return Err(too_big());
        }
    }
    result.extend_from_slice(&whole[done..]);
    Ok(as_text(result))
}

/// `like(pattern, text)`, `like(pattern, text, escape)` and `glob(pattern, text)`.
fn matches(context: &Context<'_>, glob: bool, watch: &Watched) -> rusqlite::Result<Option<bool>> {
    let (Some(pattern), Some(whole)) = (text(context, 0), text(context, 1)) else {
        return Ok(None);
    };
    if pattern.len() > limits::SQL_PATTERN_BYTES_MAX {
        return Err(invalid("LIKE or GLOB pattern too complex"));
    }
    let mut escape = None;
    if context.len() == 3 {
        let Some(given) = text(context, 2) else { return Ok(None) };
        let given = String::from_utf8_lossy(&given);
        let mut characters = given.chars();
        escape = characters.next();
        if escape.is_none() || characters.next().is_some() {
            return Err(invalid("ESCAPE expression must be a single character"));
        }
    }
    let pattern = String::from_utf8_lossy(&pattern);
    let parts = if glob { pattern::glob(&pattern) } else { Some(pattern::like(&pattern, escape)) };
    let Some(parts) = parts else { return Ok(Some(false)) };
    let whole = String::from_utf8_lossy(&whole);
    pattern::matches(&parts, &whole, || watch.is_over()).map(Some).ok_or_else(interrupted)
}

/// Ends the statement when its time is over.
fn on_time(watch: &Watched) -> rusqlite::Result<()> {
    if watch.is_over() { Err(interrupted()) } else { Ok(()) }
}

fn interrupted() -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
    rusqlite::Error::SqliteFailure(failure, None)
}

fn invalid(why: &str) -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR);
    rusqlite::Error::SqliteFailure(failure, Some(why.to_owned()))
}

/// Takes away characters that are in the second argument.
fn trim(context: &Context<'_>, start: bool, end: bool) -> rusqlite::Result<Value> {
    let (Some(whole), Some(set)) = (text(context, 0), text(context, 1)) else {
        return Ok(Value::Null);
    };
    if set.len() > limits::SQL_PATTERN_BYTES_MAX {
        return Err(too_big());
    }
    let (whole, set) = (String::from_utf8_lossy(&whole), String::from_utf8_lossy(&set));
    let mut rest = &*whole;
    let goes = |c: char| set.contains(c);
    if start {
        rest = rest.trim_start_matches(goes);
    }
    if end {
        rest = rest.trim_end_matches(goes);
    }
    Ok(Value::Text(rest.to_owned()))
}

fn as_text(bytes: Vec<u8>) -> Value {
    let text = String::from_utf8(bytes);
    Value::Text(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn too_big() -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG);
    rusqlite::Error::SqliteFailure(failure, None)
}
