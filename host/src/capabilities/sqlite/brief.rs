//! Owns what a loop does of the engine's work itself: statements that read and are known to be short, on what
//! the engine and the kernel have in memory. It waits for nothing; what would wait, or is not short this time, is
//! given up, and done anew on a host thread.
//!
//! # What is known to be short
//! Of the host's own statements those of which it is said. Of guests' one that reads tables and calls no function,
//! as the authorizer has seen when it was prepared; in a database without virtual tables, whose code does as much
//! as it likes in one operation; which took few operations when a host thread ran it last. So the time between two
//! looks at the watch is bounded by the bytes of the values it works with, and those are bounded too.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::limits::Limit;
use rustc_hash::FxHashMap;

use super::connection::{Connection, Watch};
use super::{Error, reads, rusqlite};
use crate::limits;

/// Statements of a connection that do nothing but read tables, by their texts.
#[derive(Default)]
pub(super) struct Brief(RefCell<FxHashMap<Box<str>, Known>>);

/// What is known of one.
#[derive(Default)]
struct Known {
    is_short: bool,
    /// Runs on host threads before it is tried again, and how many there were the last time it failed.
    rest: u32,
    rested: u32,
}

impl Known {
    fn ended(&mut self, succeeded: bool) {
        self.is_short = succeeded;
        self.rested =
            if succeeded { 0 } else { (2 * self.rested + 1).min(limits::SQL_BRIEF_REST_MAX) };
        self.rest = self.rested;
    }

    fn ran(&mut self, operations: i32) {
        if operations > limits::SQL_BRIEF_OPERATIONS {
            self.is_short = false;
        } else if self.rest > 0 {
            self.rest -= 1;
        } else {
            self.is_short = true;
        }
    }
}

impl Connection {
    /// Whether a statement is known to be short.
    pub(super) fn knows_as_short(&self, sql: &str) -> bool {
        // Virtual tables prepare statements of their own each time, and where they are nothing is known.
        let is_stale = self.asked.is_stale.swap(false, Ordering::Relaxed);
        if is_stale && !self.brief.0.borrow().is_empty() {
            self.forget();
        }
        // A longer one is not among them, and would take long to be looked for.
        sql.len() <= limits::SQL_BRIEF_TEXT_BYTES
            && self.brief.0.borrow().get(sql).is_some_and(|known| known.is_short)
    }

    /// Runs such a statement, without waiting for anything. None: it is for a host thread.
    pub(in crate::capabilities) fn briefly<T>(
        &self,
        sql: &str,
        act: impl FnOnce() -> Result<T, Error>,
    ) -> Option<T> {
        let result = self.try_briefly(act);
        self.brief.0.borrow_mut().get_mut(sql)?.ended(result.is_ok());
        result.ok()
    }

    fn try_briefly<T>(&self, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let _restored = Restored(self);
        self.asked.is_brief.store(true, Ordering::Relaxed);
        self.inner().busy_timeout(Duration::ZERO)?;
        self.inner().set_limit(Limit::SQLITE_LIMIT_LENGTH, limits::SQL_BRIEF_VALUE_BYTES)?;
        let watch = Watch::alone(Instant::now() + limits::SQL_BRIEF_TIME);
        reads::without_waiting(limits::SQL_BRIEF_READS, || self.watched(watch, act))
    }

    /// A guest's statement has been prepared anew.
    pub(super) fn note_prepared(&self, sql: &str) {
        let is_plain = self.asked.is_plain.load(Ordering::Relaxed)
            && sql.len() <= limits::SQL_BRIEF_TEXT_BYTES
            && self.has_no_virtual_table();
        if self.brief.0.borrow().len() >= limits::SQL_BRIEF_STATEMENTS_MAX {
            self.forget();
        }
        let mut known = self.brief.0.borrow_mut();
        known.remove(sql);
        if is_plain {
            known.insert(sql.into(), Known::default());
        }
    }

    /// A guest's statement has run on a host thread, in so many operations.
    pub(in crate::capabilities) fn note_run(&self, sql: &str, operations: i32) {
        if let Some(known) = self.brief.0.borrow_mut().get_mut(sql) {
            known.ran(operations);
        }
    }

    /// A statement of the host's own, of which is known that it is short, has run on a host thread, so that it is
    /// prepared.
    pub(in crate::capabilities) fn note_short(&self, sql: &'static str) {
        let mut known = self.brief.0.borrow_mut();
        match known.get_mut(sql) {
            Some(known) => known.ran(0),
            None => drop(known.insert(sql.into(), Known { is_short: true, ..Known::default() })),
        }
    }

    /// All are prepared anew when they are asked for again, so that the authorizer sees them.
    fn forget(&self) {
        self.brief.0.borrow_mut().clear();
        self.inner().flush_prepared_statement_cache();
    }

    /// Only they have no page of their own.
    fn has_no_virtual_table(&self) -> bool {
        let sql =
            "select not exists (select 1 from sqlite_schema where type = 'table' and rootpage = 0)";
        let none = self.as_host(|| Ok(self.inner().query_row(sql, [], |row| row.get(0))?));
        none.unwrap_or(false)
    }
}

/// Makes a connection what it is on a host thread, also after a panic.
struct Restored<'a>(&'a Connection);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        self.0.asked.is_brief.store(false, Ordering::Relaxed);
        // Neither fails: the one takes any number, the other this one.
        let _ = self.0.inner().busy_timeout(limits::SQL_LOCK_WAIT);
        let most = limits::SQL_ROW_BYTES_MAX as i32;
        let _ = self.0.inner().set_limit(Limit::SQLITE_LIMIT_LENGTH, most);
    }
}
