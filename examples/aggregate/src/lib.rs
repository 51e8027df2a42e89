//! Asks several other services at once and answers with what they have said. It takes as long as the
//! slowest of them.

use std::time::Duration;

use futures_util::future::join_all;
use hob_sdk::{Request, Response, Result, fetch, time};
use serde::Serialize;

/// Which services, separated by blanks; set in `hob.toml`.
const UPSTREAMS: &str = "UPSTREAMS";

/// How long a service may take before its part of the answer is left out.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Summary {
    parts: Vec<Part>,
    took_ms: u128,
}

#[derive(Serialize)]
struct Part {
    url: String,
    /// What the service has said, or why it has not.
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Answer(String),
    Error(String),
}

#[hob_sdk::handler]
async fn handle(_: Request) -> Result<Response> {
    let start = time::now();
    let upstreams = std::env::var(UPSTREAMS)?;
    let parts = join_all(upstreams.split_whitespace().map(ask)).await;
    Response::json(&Summary { parts, took_ms: start.elapsed().as_millis() })
}

async fn ask(url: &str) -> Part {
    let outcome = match text(url).await {
        Ok(text) => Outcome::Answer(text),
        Err(error) => Outcome::Error(error.to_string()),
    };
    Part { url: url.to_owned(), outcome }
}

async fn text(url: &str) -> Result<String, fetch::Error> {
    let request = fetch::Request::get(url).first_byte_timeout(PATIENCE);
    request.send().await?.text().await
}
