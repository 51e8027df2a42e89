//! Waits as long as the client says, and says how long it was.

use std::time::Duration;

use hob_sdk::{Error, Request, Response, Result, time};

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let start = time::now();
    if let Some(ms) = request.query().first("ms") {
        let ms = ms.parse().map_err(|_| Error::status(400, "ms must be a whole number"))?;
        time::sleep(Duration::from_millis(ms)).await;
    }
    Ok(Response::text(format!("slept {} ms\n", start.elapsed().as_millis())))
}
