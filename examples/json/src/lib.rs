//! Takes JSON, checks it, and answers with JSON.

use hob_sdk::http::Method;
use hob_sdk::{Error, Request, Response, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    item: String,
    count: u32,
    #[serde(default)]
    price: f64,
}

#[derive(Serialize)]
struct Receipt<'a> {
    item: &'a str,
    count: u32,
    total: f64,
}

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    if request.method() != Method::POST {
        return Ok(Response::text("only POST\n").with_status(405).with_header("allow", "POST"));
    }
    // What is not an order at all is answered with 400 and the reason, by the `?`.
    let Order { item, count, price } = request.json().await?;
    if count == 0 {
        return Err(Error::status(422, "count must be at least 1"));
    }
    Response::json(&Receipt { item: &item, count, total: f64::from(count) * price })
}
