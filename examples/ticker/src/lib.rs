//! Server-sent events, as many and as often as the client says.

use std::time::Duration;

use hob_sdk::{Body, Request, Response, Result, time};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(default)]
struct Options {
    ms: u64,
    count: u64,
}

impl Default for Options {
    /// One a second, until the client goes away.
    fn default() -> Options {
        Options { ms: 1000, count: u64::MAX }
    }
}

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let Options { ms, count } = request.query().parse()?;
    let events = Body::stream(async move |mut writer| {
        for tick in 0..count {
            writer.write(format!("event: tick\ndata: {tick}\n\n")).await?;
            time::sleep(Duration::from_millis(ms)).await;
        }
        Ok(())
    });
    Ok(Response::new(events)
        .with_header("content-type", "text/event-stream")
        .with_header("cache-control", "no-store"))
}
