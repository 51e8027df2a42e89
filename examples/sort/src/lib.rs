//! Sorts numbers on as many threads as there are for it: splits them into pieces, offloads all of them
//! at once, and merges what comes back.

use hob_sdk::http::Method;
use hob_sdk::{Error, Request, Response, Result, offload};
use serde::Deserialize;

/// How many bytes of numbers are taken: four millions of them.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A number's length, in bytes.
const NUMBER: usize = size_of::<u32>();

#[derive(Deserialize)]
struct Options {
    /// Into how many pieces the numbers are split.
    #[serde(default = "Options::pieces")]
    pieces: usize,
}

impl Options {
    fn pieces() -> usize {
        4
    }
}

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    if request.method() != Method::POST {
        return Ok(Response::text("only POST\n").with_status(405).with_header("allow", "POST"));
    }
    let Options { pieces } = request.query().parse()?;
    let numbers = request.take_body().with_limit(BYTES_MAX).bytes().await?;
    if pieces == 0 || !numbers.len().is_multiple_of(NUMBER) {
        return Err(Error::status(422, "numbers of 4 bytes each, in 1 piece or more"));
    }
    // At least one number a piece, so that no piece is empty.
    let piece = (numbers.len() / NUMBER).div_ceil(pieces).max(1) * NUMBER;
    let sorted = offload::all("sort-piece", numbers.chunks(piece)).await?;
    Ok(Response::bytes(merge(&sorted.concat())))
}

/// Sorts what is a row of sorted pieces. A stable sort of the standard library finds the pieces, and
/// merges them: much less work than to sort them.
fn merge(pieces: &[u8]) -> Vec<u8> {
    let (numbers, _) = pieces.as_chunks::<NUMBER>();
    let mut numbers: Vec<u32> = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    numbers.sort();
    numbers.iter().map(|number| number.to_le_bytes()).collect::<Vec<_>>().into_flattened()
}
