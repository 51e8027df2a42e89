//! An answer as the request wants it: its headers that begin with `x-answer-`, without that, and its
//! body, whole or as it comes.

use hob_sdk::{Request, Response, Result};

pub(crate) async fn answer(mut request: Request, is_streamed: bool) -> Result<Response> {
    let status = request.header("x-status").and_then(|status| status.parse().ok()).unwrap_or(200);
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-answer-")?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let body = request.take_body().with_limit(32 << 20);
    let response = match is_streamed {
        true => Response::new(body),
        false => Response::new(body.bytes().await?),
    };
    let answer = |response: Response, (name, value): &(String, String)| {
        response.with_added_header(name, value)
    };
    Ok(headers.iter().fold(response, answer).with_status(status))
}
