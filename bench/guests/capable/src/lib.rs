//! One path for each capability that is measured; `bench/servers/node-*.js` do the same in Node.js.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::try_join_all;
use hob_sdk::crypto::{self, PasswordScheme};
use hob_sdk::{Error, Request, Response, Result, fetch, files, sql};

/// Rows of the table.
const ROWS: u32 = 1_000_000;

/// Calls of one request to the other server.
const CALLS: usize = 5;

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    match request.path().rsplit('/').next().unwrap_or("") {
        "hello" => Ok(Response::text("hello world\n")),
        "small" => Ok(Response::bytes(files::read("small").await?)),
        "large" => large().await,
        "query" => query().await,
        "five" => five().await,
        "password" => password().await,
        _ => Err(Error::status(404, "no such path")),
    }
}

async fn large() -> Result<Response> {
    let file = files::open("large").await?;
    let length = file.size().to_string();
    Ok(Response::new(file.into_body()).with_header("content-length", length))
}

/// A point query for one row after another in an order that no cache foresees.
async fn query() -> Result<Response> {
    static LAST: AtomicU32 = AtomicU32::new(1);
    let last = LAST.load(Ordering::Relaxed);
    let id = (u64::from(last) * 48_271 % 2_147_483_647) as u32;
    LAST.store(id, Ordering::Relaxed);
    let rows =
        sql::database("main").query("select name from items where id = ?", (id % ROWS,)).await?;
    let row = rows.first().ok_or_else(|| Error::new("no such row"))?;
    Ok(Response::text(row.get::<String>("name")?))
}

/// Several calls at once, joined.
async fn five() -> Result<Response> {
    let upstream = std::env::var("UPSTREAM")?;
    let calls = (0..CALLS).map(|_| async { fetch::get(&upstream).await?.text().await });
    let texts = try_join_all(calls).await?;
    Ok(Response::text(texts.concat()))
}

/// A hash with what OWASP recommends: 19 MiB, two passes.
async fn password() -> Result<Response> {
    let hash =
        crypto::hash_password(PasswordScheme::default(), "correct horse battery staple").await?;
    Ok(Response::text(if hash.starts_with("$argon2id$") { "hashed\n" } else { "wrong\n" }))
}
