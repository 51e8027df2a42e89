//! Owns one statement: its parameters, its run on a connection, and its rows.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Row, StatementStatus};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::capabilities::sqlite::{Connection, Error, rusqlite};
use crate::limits;

#[derive(ComponentType, Lift, Lower, Clone, Debug, PartialEq)]
#[component(variant)]
pub(super) enum Value {
    #[component(name = "null")]
    Null,
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "real")]
    Real(f64),
    #[component(name = "text")]
    Text(String),
    #[component(name = "blob")]
    Blob(Vec<u8>),
}

#[derive(ComponentType, Lift, Clone, Debug)]
#[component(record)]
pub(super) struct Statement {
    sql: String,
    parameters: Vec<Value>,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub(super) struct Outcome {
    affected: u64,
    #[component(name = "last-id")]
    last_id: Option<i64>,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub(super) struct Rows {
    columns: Vec<String>,
    rows: Piece,
}

/// Rows that are handed over together.
pub(super) type Piece = Vec<Vec<Value>>;

/// What a value costs beside its own bytes.
const VALUE_BYTES: usize = 16;

impl Value {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
        }
    }

    fn bytes(&self) -> usize {
        VALUE_BYTES
            + match self {
                Value::Text(text) => text.len(),
                Value::Blob(bytes) => bytes.len(),
                _ => 0,
            }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Statement {
    /// Its text.
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// Whether it begins like one that reads. Only a guess, for the way that is tried first.
    pub(super) fn seems_to_read(&self) -> bool {
        let first = first_word(&self.sql);
        ["select", "with", "values", "explain", "pragma"]
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word))
    }

    /// Prepares it and gives it its parameters.
    pub(super) fn prepare<'c>(
        &self,
        connection: &'c Connection,
    ) -> Result<CachedStatement<'c>, Error> {
        if self.sql.len() > limits::SQL_STATEMENT_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let mut prepared = connection.prepare_guests(&self.sql)?;
        let count = prepared.parameter_count();
        let mut wanted = 0;
        for index in 1..=count {
            let position = match prepared.parameter_name(index) {
                None => index,
                Some(name) => position(name)?,
            };
            wanted = wanted.max(position);
            if let Some(value) = self.parameters.get(position - 1) {
                prepared.raw_bind_parameter(index, value)?;
            }
        }
        let given = self.parameters.len();
        if wanted == given {
            return Ok(prepared);
        }
        Err(Error::Invalid(format!("the statement has {wanted} parameters, and {given} are given")))
    }

    pub(super) fn execute(
        &self,
        connection: &Connection,
        may_write: bool,
    ) -> Result<Outcome, Error> {
        let mut prepared = self.prepare(connection)?;
        if !may_write && !prepared.readonly() {
            return Err(Error::Denied);
        }
        let engine = connection.inner();
        let was_in_transaction = connection.is_in_transaction();
        let before = engine.total_changes();
        let mut rows = prepared.raw_query();
        while rows.next()?.is_some() {}
        drop(rows);
        drop(prepared);
        if connection.is_in_transaction() && !was_in_transaction {
            return Err(Error::invalid("a savepoint outside of a transaction"));
        }
        let affected = if engine.total_changes() == before { 0 } else { engine.changes() };
        let first = first_word(&self.sql);
        let inserts = first.eq_ignore_ascii_case("insert") || first.eq_ignore_ascii_case("replace");
        let last_id = (inserts && affected > 0).then(|| engine.last_insert_rowid());
        Ok(Outcome { affected, last_id })
    }

    /// All rows; none when it writes and may not here.
    pub(super) fn query(
        &self,
        connection: &Connection,
        may_write: bool,
    ) -> Result<Option<Rows>, Error> {
        let mut prepared = self.prepare(connection)?;
        if !may_write && !prepared.readonly() {
            return Ok(None);
        }
        let was_in_transaction = connection.is_in_transaction();
        // What turns out to be too large has written nothing.
        let is_whole = !prepared.readonly() && !was_in_transaction;
        if is_whole {
            connection.own("begin immediate")?;
        }
        prepared.reset_status(StatementStatus::VmStep);
        let rows = all_of(&mut prepared, limits::SQL_RESULT_BYTES_MAX)?;
        let operations = prepared.get_status(StatementStatus::VmStep);
        drop(prepared);
        if is_whole {
            connection.own("commit")?;
        }
        if connection.is_in_transaction() && !was_in_transaction {
            return Err(Error::invalid("a savepoint outside of a transaction"));
        }
        connection.note_run(&self.sql, operations);
        Ok(Some(rows))
    }

    /// All rows, if it reads, and takes so little time that a loop can spare it. None: it is for a host thread.
    pub(super) fn query_briefly(&self, connection: &Connection) -> Option<Rows> {
        connection.briefly(&self.sql, || {
            all_of(&mut self.prepare(connection)?, limits::SQL_BRIEF_RESULT_BYTES)
        })
    }
}

/// All rows of a statement, and their columns.
fn all_of(prepared: &mut CachedStatement<'_>, bytes_max: usize) -> Result<Rows, Error> {
    let mut all = Vec::new();
    let mut left = bytes_max;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        if all.len() >= limits::SQL_ROWS_MAX {
            return Err(Error::TooLarge);
        }
        all.push(values(row, &mut left)?);
    }
    drop(rows);
    // Now, for the schema may have changed since it was prepared first.
    let columns = prepared.column_names().map(str::to_owned).collect();
    Ok(Rows { columns, rows: all })
}

/// Runs statements in one transaction.
pub(super) fn batch(
    connection: &Connection,
    statements: &[Statement],
    may_write: bool,
) -> Result<Vec<Outcome>, Error> {
    connection.own(if may_write { "begin immediate" } else { "begin" })?;
    let outcomes = statements.iter().map(|one| one.execute(connection, may_write));
    let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
    connection.own("commit")?;
    Ok(outcomes)
}

/// The next rows of a statement that runs.
pub(super) fn piece(rows: &mut rusqlite::Rows<'_>, max: usize) -> Result<Piece, Error> {
    let mut piece = Vec::new();
    let mut bytes = 0;
    while piece.len() < max.clamp(1, limits::SQL_ROWS_MAX) && bytes < limits::SQL_PIECE_BYTES {
        let Some(row) = rows.next()? else { break };
        let mut left = limits::SQL_ROW_BYTES_MAX + VALUE_BYTES * row.as_ref().column_count();
        let values = values(row, &mut left)?;
        bytes += values.iter().map(Value::bytes).sum::<usize>();
        piece.push(values);
    }
    Ok(piece)
}

/// Copies a row, as long as it is within the bytes that are left: a row may name one large value many
/// times.
fn values(row: &Row<'_>, left: &mut usize) -> Result<Vec<Value>, Error> {
    let value = |index| {
        let value = row.get_ref(index)?;
        let bytes = match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            _ => 0,
        };
        if VALUE_BYTES + bytes > *left {
            return Err(Error::TooLarge);
        }
        let value = Value::of(value);
        *left = left.checked_sub(value.bytes()).ok_or(Error::TooLarge)?;
        Ok(value)
    };
    (0..row.as_ref().column_count()).map(value).collect()
}

/// Which of the values a parameter is given: `?` the one after the parameter before it, `?2` and `$2`
/// the second.
fn position(name: &str) -> Result<usize, Error> {
    let number = name.strip_prefix('$').or_else(|| name.strip_prefix('?'));
    let number = number.and_then(|number| number.parse().ok());
    let number = number.filter(|number| (1..=limits::SQL_PARAMETERS_MAX).contains(number));
    number.ok_or_else(|| {
        Error::Invalid(format!("the parameter {name}: write `?`, or `$1` for the first value"))
    })
}

/// The first word of a statement, after comments and white space.
fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map(|(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, after)| after)
        } else {
            break;
        };
        rest = after.unwrap_or("").trim_start();
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_behind_comments() {
        for sql in ["select 1", " \n-- x\nSELECT 1", "/* a */ /* b */select(1)", "select"] {
            assert!(first_word(sql).eq_ignore_ascii_case("select"), "{sql}");
        }
        for sql in ["", "-- select", "/* select", "(select 1)"] {
            assert_eq!(first_word(sql), "", "{sql}");
        }
    }
}
