//! Owns `hob:host/sql`: a tenant's databases, a statement at a time or several together.

mod cursor;
mod migrations;
mod statement;
mod transaction;

use std::sync::Arc;

use wasmtime::component::{ComponentType, Lift, Linker, Resource};

use super::GuestState;
use super::grants::Access;
use super::sqlite::{Database, Error, Role};
use super::treaty::{Hop, Interface};
use crate::engine::Generation;
use crate::event_loop::Work;
use crate::limits;
use cursor::Cursor;
pub(super) use migrations::Migrated;
pub use migrations::MigrationError;
use statement::{Outcome, Piece, Rows, Statement};
use transaction::{Open, Transaction};

/// A database as one handler may use it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Granted {
    database: Arc<Database>,
    access: Access,
}

#[derive(ComponentType, Lift, Clone, Copy, Debug, PartialEq)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by what `Lift` derives")]
enum Mode {
    #[component(name = "read")]
    Read,
    #[component(name = "write")]
    Write,
}

const EXECUTE: Work = Work::quick("sql.execute");
const QUERY: Work = Work::quick("sql.query");
const BATCH: Work = Work::quick("sql.batch");
const BEGIN: Work = Work::quick("sql.begin");
const COMMIT: Work = Work::quick("sql.commit");
const ROLLBACK: Work = Work::quick("sql.rollback");
const OPEN_CURSOR: Work = Work::quick("sql.open-cursor");
const NEXT: Work = Work::quick("sql.next");
const ABANDON: Work = Work::quick("sql.abandon");

type Ask = (String, Statement);

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut sql = Interface::new(linker, generation, "sql")?;
    sql.resource::<Transaction>("transaction")?;
    sql.resource::<Cursor>("cursor")?;
    sql.suspending("execute", EXECUTE.operation, |state, (name, statement): Ask| {
        let (granted, hop) = (state.database(&name), state.hop());
        Ok(async move { granted?.execute(hop, statement).await })
    })?;
    sql.suspending("query", QUERY.operation, |state, (name, statement): Ask| {
        let (granted, hop) = (state.database(&name), state.hop());
        Ok(async move { granted?.query(hop, statement).await })
    })?;
    sql.suspending(
        "batch",
        BATCH.operation,
        |state, (name, statements): (String, Vec<Statement>)| {
            let (granted, hop) = (state.database(&name), state.hop());
            Ok(async move { granted?.batch(hop, statements).await })
        },
    )?;
    link_transaction(&mut sql)?;
    link_cursor(&mut sql)
}

fn link_transaction(sql: &mut Interface<'_>) -> wasmtime::Result<()> {
    sql.suspending_then(
        "begin",
        BEGIN.operation,
        |state, (name, mode): (String, Mode)| {
            let (granted, hop) = (state.database(&name), state.hop());
            Ok(async move { granted?.begin(hop, mode).await })
        },
        |state, begun: Result<Open, Error>| match begun {
            Ok(open) => Ok(Ok(state.table.push(Transaction::new(open))?)),
            Err(error) => Ok(Err(error)),
        },
    )?;
    type Within = (Resource<Transaction>, Statement);
    sql.suspending(
        "[method]transaction.execute",
        EXECUTE.operation,
        |state, (transaction, statement): Within| {
            let work = state.table.get(&transaction)?.work();
            let hop = state.hop();
            Ok(work.run(hop, EXECUTE, move |connection, may_write| {
                statement.execute(connection, may_write)
            }))
        },
    )?;
    sql.suspending(
        "[method]transaction.query",
        QUERY.operation,
        |state, (transaction, statement): Within| {
            let work = state.table.get(&transaction)?.work();
            let hop = state.hop();
            Ok(work.run(hop, QUERY, move |connection, may_write| {
                statement.query(connection, may_write)?.ok_or(Error::Denied)
            }))
        },
    )?;
    sql.suspending(
        "[method]transaction.commit",
        COMMIT.operation,
        |state, (transaction,): (Resource<Transaction>,)| {
            let work = state.table.get(&transaction)?.work();
            let hop = state.hop();
            Ok(work.end(hop, COMMIT, "commit"))
        },
    )?;
    sql.suspending(
        "[method]transaction.rollback",
        ROLLBACK.operation,
        |state, (transaction,): (Resource<Transaction>,)| {
            let work = state.table.get(&transaction)?.work();
            let hop = state.hop();
            Ok(work.end(hop, ROLLBACK, "rollback"))
        },
    )
}

fn link_cursor(sql: &mut Interface<'_>) -> wasmtime::Result<()> {
    sql.suspending_then(
        "open-cursor",
        OPEN_CURSOR.operation,
        |state, (name, statement): Ask| {
            let (granted, hop) = (state.database(&name), state.hop());
            Ok(async move { Cursor::open(granted?.database, hop, statement).await })
        },
        |state, opened: Result<Cursor, Error>| match opened {
            Ok(cursor) => Ok(Ok(state.table.push(cursor)?)),
            Err(error) => Ok(Err(error)),
        },
    )?;
    sql.immediate("[method]cursor.columns", |state, (cursor,): (Resource<Cursor>,)| {
        Ok(state.table.get(&cursor)?.columns().to_owned())
    })?;
    sql.suspending(
        "[method]cursor.next",
        NEXT.operation,
        |state, (cursor, max): (Resource<Cursor>, u32)| {
            Ok(state.table.get(&cursor)?.next(max as usize))
        },
    )
}

impl GuestState {
    fn database(&self, name: &str) -> Result<Granted, Error> {
        self.context.granted.sql.get(name).cloned().ok_or(Error::Denied)
    }
}

impl Granted {
    fn may_write(&self) -> bool {
        self.access == Access::Write
    }

    /// Where a statement goes of which it is not known yet whether it writes.
    fn role(&self, may_write: bool) -> Role {
        if may_write && self.may_write() { Role::Write } else { Role::Read }
    }

    async fn execute(self, hop: Hop, statement: Statement) -> Result<Outcome, Error> {
        let may_write = self.may_write();
        let role = self.role(true);
        let job = move |connection: &_| statement.execute(connection, may_write);
        self.database.run(hop, EXECUTE, role, limits::SQL_STATEMENT_TIME, job).await
    }

    /// No hop for what is short and in memory; else one, but for a statement that turns out to write although
    /// it does not begin like one.
    async fn query(self, hop: Hop, statement: Statement) -> Result<Rows, Error> {
        let briefly = self.database.on_loop(statement.sql(), |one| statement.query_briefly(one));
        if let Some(rows) = briefly {
            hop.spared(QUERY);
            return Ok(rows);
        }
        let statement = Arc::new(statement);
        let first = self.role(!statement.seems_to_read());
        if let Some(rows) = self.query_as(first, hop.clone(), statement.clone()).await? {
            return Ok(rows);
        }
        let again = self.role(true);
        self.query_as(again, hop, statement).await?.ok_or(Error::Denied)
    }

    async fn query_as(
        &self,
        role: Role,
        hop: Hop,
        statement: Arc<Statement>,
    ) -> Result<Option<Rows>, Error> {
        let job = move |connection: &_| statement.query(connection, role == Role::Write);
        self.database.clone().run(hop, QUERY, role, limits::SQL_STATEMENT_TIME, job).await
    }

    async fn batch(self, hop: Hop, statements: Vec<Statement>) -> Result<Vec<Outcome>, Error> {
        if statements.len() > limits::SQL_BATCH_MAX {
            return Err(Error::TooLarge);
        }
        let may_write = self.may_write();
        let job = move |connection: &_| statement::batch(connection, &statements, may_write);
        let limit = limits::SQL_TRANSACTION_TIME;
        self.database.clone().run(hop, BATCH, self.role(true), limit, job).await
    }

    async fn begin(self, hop: Hop, mode: Mode) -> Result<Open, Error> {
        let role = match mode {
            Mode::Read => Role::ReadOn,
            Mode::Write if self.may_write() => Role::Write,
            Mode::Write => return Err(Error::Denied),
        };
        let place = self.database.place(role, &hop).await?;
        Open::begin(place, hop, role).await
    }
}
