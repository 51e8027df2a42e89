//! Calls a capability of the host, by the SDK: the last segment of the path is the operation, its
//! query and its body are the arguments. The answer is the result as text, or the error's name with
//! status 422. `capabilities-0-2` does the same by the sync treaty.

mod compression;
mod config;
mod crypto;
mod fetch;
mod files;
mod hexadecimal;
mod kv;
mod mirror;
mod sql;
mod timers;

use hob_sdk::{Error, Request, Response, Result};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Arguments {
    path: String,
    to: String,
    after: Option<String>,
    offset: u64,
    length: u32,
    limit: u32,
    pieces: u32,
    method: Option<String>,
    length_field: Option<String>,
    ms: Option<u64>,
    what: String,
    level: Option<u32>,
}

/// What an operation gives: bytes, or the words for an error.
type Outcome = Result<Vec<u8>, String>;

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    let operation = request.path().rsplit('/').next().unwrap_or("").to_owned();
    let arguments: Arguments = request.query().parse()?;
    if operation.starts_with("mirror") {
        return mirror::answer(request, operation == "mirror-stream").await;
    }
    let for_sql = request.query().parse()?;
    let for_kv = request.query().parse()?;
    let body = request.take_body().with_limit(32 << 20).bytes().await?;
    let (capability, function) = operation.split_once('.').unwrap_or((&operation, ""));
    let outcome = match capability {
        "fetch" => fetch::call(function, arguments, body).await,
        "dns" => fetch::lookup(arguments).await,
        "files" => files::call(function, arguments, body).await,
        "compression" => compression::call(function, arguments, body).await,
        "config" => config::call(function, arguments),
        "timers" => timers::call(function, arguments).await,
        "crypto" => crypto::call(function, arguments, body).await,
        "sql" => sql::call(function, for_sql, body).await,
        "kv" => kv::call(function, for_kv, body).await,
        "hello" => Ok(b"hello world\n".to_vec()),
        _ => return Err(Error::status(404, "no such capability")),
    };
    Ok(match outcome {
        Ok(bytes) => Response::bytes(bytes),
        Err(why) => Response::text(why).with_status(422),
    })
}
