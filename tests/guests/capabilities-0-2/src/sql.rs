//! `hob:host/sql`: see the module of `capabilities`.

#![expect(clippy::disallowed_methods, reason = "a guest has no loop of the host's to block")]

use crate::hob::host::sql::{self, Error, Mode, Outcome as Done, Rows, Statement, Value};
use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments, body: Vec<u8>) -> Outcome {
    let body = String::from_utf8(body).map_err(|error| error.to_string())?;
    let given: Vec<Statement> = body.split("\n--\n").map(statement).collect();
    let name = arguments.text("db");
    let result = match function {
        "execute" => sql::execute(&name, &given[0]).map(|done| show_done(&done)),
        "query" => sql::query(&name, &given[0]).map(|rows| show(&rows)),
        "batch" => sql::batch(&name, &given).map(|done| done.iter().map(show_done).collect()),
        "transaction" => transaction(&name, arguments, &given),
        "cursor" => cursor(&name, arguments, &given),
        "snapshot" => snapshot(&name, &given),
        "stubborn" => stubborn(&name, &given),
        "held" => held(&name, arguments, &given),
        _ => return Err("no such function".to_owned()),
    };
    result.map(String::into_bytes).map_err(|error| match error {
        Error::Denied => "Denied".to_owned(),
        Error::Constraint(_) => "Constraint".to_owned(),
        Error::Mismatch(_) => "Mismatch".to_owned(),
        Error::Invalid(_) => "Invalid".to_owned(),
        Error::TooLarge => "TooLarge".to_owned(),
        Error::Full => "Full".to_owned(),
        Error::Busy => "Busy".to_owned(),
        Error::TimedOut => "TimedOut".to_owned(),
        Error::Aborted => "Aborted".to_owned(),
        Error::Failed(why) => format!("Failed({why:?})"),
    })
}

fn statement(text: &str) -> Statement {
    let mut lines = text.lines();
    let sql = lines.next().unwrap_or_default().to_owned();
    Statement { sql, parameters: lines.map(value).collect() }
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

fn show(Rows { columns, rows }: &Rows) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = columns.join("|") + "\n";
    for row in rows {
        let values: Vec<_> = row.iter().map(show_value).collect();
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

fn transaction(name: &str, arguments: &Arguments, given: &[Statement]) -> Result<String, Error> {
    let mode = if arguments.text("mode") == "read" { Mode::Read } else { Mode::Write };
    let transaction = sql::begin(name, mode)?;
    let mut text = String::new();
    for statement in given {
        text = show(&transaction.query(statement)?);
    }
    match arguments.text("end").as_str() {
        "commit" => transaction.commit()?,
        "rollback" => transaction.rollback()?,
        "trap" => panic!("with a transaction open"),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(60)),
        _ => drop(transaction),
    }
    Ok(text)
}

fn cursor(name: &str, arguments: &Arguments, given: &[Statement]) -> Result<String, Error> {
    let (max, times) = (arguments.number("max") as u32, arguments.number("times"));
    let cursor = sql::open_cursor(name, &given[0])?;
    let columns = cursor.columns();
    let mut counts = (0, 0);
    let mut last = String::new();
    loop {
        let rows = cursor.next(max)?;
        let Some(row) = rows.last() else { break };
        counts = (counts.0 + rows.len(), counts.1 + 1);
        last = show(&Rows { columns: columns.clone(), rows: vec![row.clone()] });
        if counts.1 == times {
            break;
        }
    }
    if times == 0 {
        assert!(cursor.next(max)?.is_empty(), "an end is one for ever");
    }
    Ok(format!("{} {} {}\n{last}", counts.0, counts.1, columns.join("|")))
}

fn snapshot(name: &str, given: &[Statement]) -> Result<String, Error> {
    let cursor = sql::open_cursor(name, &given[0])?;
    let transaction = sql::begin(name, Mode::Read)?;
    transaction.query(&given[0])?;
    sql::execute(name, &given[1])?;
    let in_cursor = cursor.next(100)?.len();
    let in_transaction = transaction.query(&given[0])?.rows.len();
    let now = sql::query(name, &given[0])?.rows.len();
    Ok(format!("{in_cursor} {in_transaction} {now}"))
}

fn stubborn(name: &str, given: &[Statement]) -> Result<String, Error> {
    let transaction = sql::begin(name, Mode::Write)?;
    let mut count = 0;
    loop {
        match transaction.query(&given[0]) {
            Err(Error::Aborted) => return Ok(count.to_string()),
            _ => count += 1,
        }
    }
}

fn held(name: &str, arguments: &Arguments, given: &[Statement]) -> Result<String, Error> {
    let cursors = (0..arguments.number("times")).map(|_| sql::open_cursor(name, &given[0]));
    let all = cursors.collect::<Result<Vec<_>, _>>()?;
    for cursor in &all {
        cursor.next(1)?;
    }
    Ok(all.len().to_string())
}
