//! `hob:host/sql`. The body has statements with `--` on a line between them; in a statement each line
//! after the first is a parameter: `i7`, `r0.5`, `ttext`, `b00ff` or `n`.

use std::time::Duration;

use hob_sdk::sql::{self, Database, Error, Outcome as Done, Row, Statement, Transaction, Value};
use serde::Deserialize;

use crate::Outcome;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Arguments {
    db: String,
    mode: String,
    end: String,
    max: u32,
    times: u32,
}

type Given = (String, Vec<Value>);

pub(crate) async fn call(function: &str, arguments: Arguments, body: Vec<u8>) -> Outcome {
    let body = String::from_utf8(body).map_err(|error| error.to_string())?;
    let given: Vec<Given> = body.split("\n--\n").map(statement).collect();
    let database = sql::database(&arguments.db);
    let (text, values) = given[0].clone();
    let result = match function {
        "execute" => database.execute(&text, values).await.map(|done| show_done(&done)),
        "query" => database.query(&text, values).await.map(|rows| show(&rows)),
        "batch" => {
            let statements = given.into_iter().map(|(text, values)| Statement::new(text, values));
            let done = database.batch(statements).await;
            done.map(|done| done.iter().map(show_done).collect())
        }
        "transaction" => transaction(&database, &arguments, given).await,
        "cursor" => cursor(&database, &arguments, given).await,
        "snapshot" => snapshot(&database, given).await,
        "stubborn" => stubborn(&database, given).await,
        "held" => held(&database, &arguments, given).await,
        _ => return Err("no such function".to_owned()),
    };
    result.map(String::into_bytes).map_err(|error| match error {
        Error::Constraint(_) => "Constraint".to_owned(),
        Error::Mismatch(_) => "Mismatch".to_owned(),
        Error::Invalid(_) => "Invalid".to_owned(),
        error => format!("{error:?}"),
    })
}

fn statement(text: &str) -> Given {
    let mut lines = text.lines();
    let sql = lines.next().unwrap_or_default().to_owned();
    (sql, lines.map(value).collect())
}

fn value(line: &str) -> Value {
    let (kind, rest) = line.split_at(1);
    match kind {
        "i" => Value::Integer(rest.parse().expect("an integer")),
        "r" => Value::Real(rest.parse().expect("a real")),
        "t" => Value::Text(rest.to_owned()),
        "b" => {
            let byte = |at: usize| u8::from_str_radix(&rest[at..at + 2], 16).expect("a byte");
            Value::Blob((0..rest.len()).step_by(2).map(byte).collect())
        }
        _ => Value::Null,
    }
}

fn show_done(Done { affected, last_id }: &Done) -> String {
    match last_id {
        Some(id) => format!("{affected} {id}\n"),
        None => format!("{affected}\n"),
    }
}

fn show(rows: &[Row]) -> String {
    let mut text = rows.first().map_or(String::new(), |row| row.columns().join("|") + "\n");
    for row in rows {
        let values: Vec<_> = row.values().iter().map(show_value).collect();
        text += &(values.join("|") + "\n");
    }
    text
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Null => "n".to_owned(),
        Value::Integer(number) => format!("i{number}"),
        Value::Real(number) => format!("r{number:?}"),
        Value::Text(text) => format!("t{text}"),
        Value::Blob(bytes) => {
            "b".to_owned() + &bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
        }
    }
}

async fn begin(database: &Database, arguments: &Arguments) -> Result<Transaction, Error> {
    if arguments.mode == "read" { database.begin_read().await } else { database.begin().await }
}

/// Runs statements in a transaction, shows the rows of the last, and ends it in the way asked for.
async fn transaction(
    database: &Database,
    arguments: &Arguments,
    given: Vec<Given>,
) -> Result<String, Error> {
    let transaction = begin(database, arguments).await?;
    let mut text = String::new();
    for (sql, values) in given {
        text = show(&transaction.query(&sql, values).await?);
    }
    match arguments.end.as_str() {
        "commit" => transaction.commit().await?,
        "rollback" => transaction.rollback().await?,
        "trap" => panic!("with a transaction open"),
        "sleep" => hob_sdk::time::sleep(Duration::from_secs(60)).await,
        _ => drop(transaction),
    }
    Ok(text)
}

/// Reads a result in pieces: how many rows in how many pieces, and the last row.
async fn cursor(
    database: &Database,
    arguments: &Arguments,
    given: Vec<Given>,
) -> Result<String, Error> {
    let (sql, values) = given[0].clone();
    let cursor = database.cursor(&sql, values).await?;
    let mut counts = (0, 0);
    let mut last = String::new();
    while let Some(rows) = cursor.next(arguments.max).await? {
        counts = (counts.0 + rows.len(), counts.1 + 1);
        last = show(&rows[rows.len() - 1..]);
        if counts.1 == arguments.times {
            break;
        }
    }
    if arguments.times == 0 {
        assert!(cursor.next(arguments.max).await?.is_none(), "an end is one for ever");
    }
    Ok(format!("{} {} {}\n{last}", counts.0, counts.1, cursor.columns().join("|")))
}

/// Writes with the second statement while the first one reads in a cursor, and in a transaction.
async fn snapshot(database: &Database, given: Vec<Given>) -> Result<String, Error> {
    let (sql, values) = given[0].clone();
    let cursor = database.cursor(&sql, values.clone()).await?;
    let transaction = database.begin_read().await?;
    transaction.query(&sql, values.clone()).await?;
    database.execute(&given[1].0, given[1].1.clone()).await?;
    let in_cursor = cursor.next(100).await?.unwrap_or_default().len();
    let in_transaction = transaction.query(&sql, values.clone()).await?.len();
    let now = database.query(&sql, values).await?.len();
    Ok(format!("{in_cursor} {in_transaction} {now}"))
}

/// Runs a statement in a transaction again and again, until that is over: how often it was not.
async fn stubborn(database: &Database, given: Vec<Given>) -> Result<String, Error> {
    let (sql, values) = given[0].clone();
    let transaction = database.begin().await?;
    let mut count = 0;
    loop {
        match transaction.query(&sql, values.clone()).await {
            Err(Error::Aborted) => return Ok(count.to_string()),
            _ => count += 1,
        }
    }
}

/// Opens cursors and keeps them: how many.
async fn held(
    database: &Database,
    arguments: &Arguments,
    given: Vec<Given>,
) -> Result<String, Error> {
    let (sql, values) = given[0].clone();
    let mut all = Vec::new();
    for _ in 0..arguments.times {
        all.push(database.cursor(&sql, values.clone()).await?);
    }
    for cursor in &all {
        cursor.next(1).await?;
    }
    Ok(all.len().to_string())
}
