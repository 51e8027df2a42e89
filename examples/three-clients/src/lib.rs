//! Three clients at once, for the timeline: a slow query, a file, and an answer at once. While the
//! first two wait for host threads, the loop is free for the third.

use hob_sdk::files::{self, Error as FileError};
use hob_sdk::{Error, Request, Response, Result, sql};
use serde::Deserialize;

const FILE: &str = "greeting.txt";

/// Counts on a host thread, which takes some 300 ms for the number below.
const SLOW: &str = "with recursive numbers(n) as \
                    (select 1 union all select n + 1 from numbers where n < ?) \
                    select count(*) from numbers";
const SLOW_COUNT: u32 = 3_000_000;

#[derive(Deserialize)]
struct Count {
    /// How far to count.
    to: Option<u32>,
}

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    match request.path().trim_start_matches("/three-clients") {
        "/query" => query(&request).await,
        "/file" => file().await,
        "/at-once" => Ok(Response::text("at once\n")),
        _ => Err(Error::status(404, "query, file or at-once")),
    }
}

async fn query(request: &Request) -> Result<Response> {
    let Count { to } = request.query().parse()?;
    let rows = sql::database("numbers").query(SLOW, [to.unwrap_or(SLOW_COUNT)]).await?;
    Ok(Response::text(format!("counted to {}\n", rows[0].get::<i64>(0)?)))
}

/// The file is written by whoever asks for it first.
async fn file() -> Result<Response> {
    let text = match files::read_to_string(FILE).await {
        Err(FileError::NotFound) => {
            files::write(FILE, "hello from a file\n").await?;
            files::read_to_string(FILE).await?
        }
        read => read?,
    };
    Ok(Response::text(text))
}
