//! The tenant's databases, by name.
//!
//! A handler that uses this must be granted each database in `hob.toml`, as
//! `sql = { main = "write" }`. Each call suspends the handler once, while a host thread does the work.
//!
//! ```no_run
//! # async fn example() -> hob_sdk::Result<()> {
//! use hob_sdk::sql;
//!
//! let main = sql::database("main");
//! main.execute("insert into notes (title, stars) values (?, ?)", ("first", 3)).await?;
//! for row in main.query("select id, title from notes where stars > ?", [2]).await? {
//!     println!("{}: {}", row.get::<i64>("id")?, row.get::<String>("title")?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Parameters are written `?`, or `$1`, `$2` and so on; what they stand for is never part of the
//! statement's text. They are given as a tuple, an array or a vector: see [`Parameters`].

mod error;
mod row;
mod value;

use std::rc::Rc;

use crate::bindings::hob::host::sql as treaty;
use treaty::Mode;

pub use error::Error;
pub use row::{Column, Row};
pub use value::{FromValue, Parameters, Value};

/// One of the tenant's databases. Only a name: nothing is opened for it.
#[derive(Clone, Debug)]
pub struct Database {
    name: String,
}

/// The database of this name.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let users = hob_sdk::sql::database("users");
/// let count: i64 = users.query("select count(*) from users", ()).await?[0].get(0)?;
/// # Ok(())
/// # }
/// ```
pub fn database(name: impl Into<String>) -> Database {
    Database { name: name.into() }
}

/// A statement with its parameters, for [`Database::batch`].
#[derive(Clone, Debug)]
pub struct Statement(treaty::Statement);

impl Statement {
    /// A statement.
    ///
    /// ```no_run
    /// let statement = hob_sdk::sql::Statement::new("delete from notes where id = ?", [7]);
    /// ```
    pub fn new(sql: impl Into<String>, parameters: impl Parameters) -> Statement {
        let parameters = parameters.into_values().into_iter().map(Value::into_treaty).collect();
        Statement(treaty::Statement { sql: sql.into(), parameters })
    }
}

/// What a statement has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that were inserted, changed or deleted.
    pub affected: u64,
    /// The key that the last inserted row was given.
    pub last_id: Option<i64>,
}

impl From<treaty::Outcome> for Outcome {
    fn from(treaty::Outcome { affected, last_id }: treaty::Outcome) -> Outcome {
        Outcome { affected, last_id }
    }
}

impl Database {
    /// Runs a statement in a transaction of its own.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// use hob_sdk::sql::{self, Error};
    ///
    /// let main = sql::database("main");
    /// match main.execute("insert into users (name) values (?)", ["ada"]).await {
    ///     Err(Error::Constraint(_)) => return Err(hob_sdk::Error::status(409, "taken")),
    ///     outcome => println!("{:?}", outcome?.last_id),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn execute(&self, sql: &str, parameters: impl Parameters) -> Result<Outcome, Error> {
        let Statement(statement) = Statement::new(sql, parameters);
        Ok(treaty::execute(self.name.clone(), statement).await?.into())
    }

    /// Runs a statement in a transaction of its own, and gives all its rows: up to 10,000, and 4 MiB.
    /// More is [`Error::TooLarge`]; use [`cursor`](Database::cursor).
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// let main = hob_sdk::sql::database("main");
    /// let rows = main.query("select id from notes where day between ? and ?", (1, 7)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn query(&self, sql: &str, parameters: impl Parameters) -> Result<Vec<Row>, Error> {
        let Statement(statement) = Statement::new(sql, parameters);
        Ok(row::rows(treaty::query(self.name.clone(), statement).await?))
    }

    /// The first row that a statement gives, if it gives one. The others are thrown away here, so a
    /// statement that may give many had better say `limit 1`.
    ///
    /// ```no_run
    /// # async fn example(id: i64) -> hob_sdk::Result<()> {
    /// let main = hob_sdk::sql::database("main");
    /// let note = main.query_first("select title from notes where id = ?", [id]).await?;
    /// let note = note.ok_or_else(|| hob_sdk::Error::status(404, "no such note"))?;
    /// println!("{}", note.get::<String>("title")?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn query_first(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// Runs up to 1,000 statements in one transaction and one suspension: all of them, or none.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// use hob_sdk::sql::{self, Statement};
    ///
    /// let give = "update accounts set money = money + ? where id = ?";
    /// let both = [Statement::new(give, (-5, 1)), Statement::new(give, (5, 2))];
    /// sql::database("main").batch(both).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn batch(
        &self,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Result<Vec<Outcome>, Error> {
        let statements = statements.into_iter().map(|Statement(statement)| statement).collect();
        let outcomes = treaty::batch(self.name.clone(), statements).await?;
        Ok(outcomes.into_iter().map(Outcome::from).collect())
    }

    /// Begins a transaction that writes. It waits for the one before it, and must be over within 10
    /// seconds.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// let transaction = hob_sdk::sql::database("main").begin().await?;
    /// let row = transaction.query_first("select money from accounts where id = ?", [1]).await?;
    /// if row.is_some_and(|row| row.get::<i64>("money").is_ok_and(|money| money >= 5)) {
    ///     transaction.execute("update accounts set money = money - 5 where id = 1", ()).await?;
    ///     transaction.commit().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(Transaction(treaty::begin(self.name.clone(), Mode::Write).await?))
    }

    /// Begins a transaction that only reads: it sees the database as it is at its first statement, and
    /// keeps nobody from writing.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// let snapshot = hob_sdk::sql::database("main").begin_read().await?;
    /// let users = snapshot.query("select count(*) from users", ()).await?;
    /// let notes = snapshot.query("select count(*) from notes", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin_read(&self) -> Result<Transaction, Error> {
        Ok(Transaction(treaty::begin(self.name.clone(), Mode::Read).await?))
    }

    /// Runs a statement that only reads, and hands over its rows in pieces: as many as there are.
    ///
    /// ```no_run
    /// # use hob_sdk::{Body, Response, Result};
    /// # async fn example() -> Result<Response> {
    /// let all = hob_sdk::sql::database("main").cursor("select title from notes", ()).await?;
    /// Ok(Response::new(Body::stream(async move |mut body| {
    ///     while let Some(rows) = all.next(1000).await? {
    ///         for row in rows {
    ///             body.write(row.get::<String>(0)? + "\n").await?;
    ///         }
    ///     }
    ///     Ok(())
    /// })))
    /// # }
    /// ```
    pub async fn cursor(&self, sql: &str, parameters: impl Parameters) -> Result<Cursor, Error> {
        let Statement(statement) = Statement::new(sql, parameters);
        let cursor = treaty::open_cursor(self.name.clone(), statement).await?;
        let columns = cursor.columns().into();
        Ok(Cursor { cursor, columns })
    }
}

/// Statements that happen together, or not at all. Dropped before [`commit`](Transaction::commit),
/// nothing has happened.
#[derive(Debug)]
pub struct Transaction(treaty::Transaction);

impl Transaction {
    /// Runs a statement within the transaction.
    ///
    /// ```no_run
    /// # async fn example(transaction: hob_sdk::sql::Transaction) -> hob_sdk::Result<()> {
    /// transaction.execute("update seats set taken = 1 where id = ?", [12]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn execute(&self, sql: &str, parameters: impl Parameters) -> Result<Outcome, Error> {
        let Statement(statement) = Statement::new(sql, parameters);
        Ok(self.0.execute(statement).await?.into())
    }

    /// Runs a statement within the transaction, and gives all its rows.
    ///
    /// ```no_run
    /// # async fn example(transaction: hob_sdk::sql::Transaction) -> hob_sdk::Result<()> {
    /// let free = transaction.query("select id from seats where not taken", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn query(&self, sql: &str, parameters: impl Parameters) -> Result<Vec<Row>, Error> {
        let Statement(statement) = Statement::new(sql, parameters);
        Ok(row::rows(self.0.query(statement).await?))
    }

    /// The first row that a statement gives, if it gives one.
    pub async fn query_first(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// Makes it happen. After an error nothing has.
    ///
    /// ```no_run
    /// # async fn example(transaction: hob_sdk::sql::Transaction) -> hob_sdk::Result<()> {
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit().await?)
    }

    /// Makes nothing of it happen.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.0.rollback().await?)
    }
}

/// Rows that are handed over in pieces.
#[derive(Debug)]
pub struct Cursor {
    cursor: treaty::Cursor,
    columns: Rc<[String]>,
}

impl Cursor {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next rows, at most `max` and about 1 MiB of them; none at the end. The cursor ends when
    /// nothing was asked for in 30 seconds: [`Error::Aborted`].
    ///
    /// ```no_run
    /// # async fn example(seats: hob_sdk::sql::Cursor) -> hob_sdk::Result<()> {
    /// while let Some(rows) = seats.next(1000).await? {
    ///     println!("{} rows of {:?}", rows.len(), seats.columns());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&self, max: u32) -> Result<Option<Vec<Row>>, Error> {
        let piece = self.cursor.next(max).await?;
        let row = |values| Row::new(self.columns.clone(), values);
        Ok((!piece.is_empty()).then(|| piece.into_iter().map(row).collect()))
    }
}
