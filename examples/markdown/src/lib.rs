//! Markdown in, HTML out, by a program that knows nothing of Hob: comrak, as it is on crates.io. The
//! request's body is its standard input, and its standard output is the answer.

use hob_sdk::http::Method;
use hob_sdk::offload::{self, Error as OffloadError, Options};
use hob_sdk::{Error, Request, Response, Result};

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    if request.method() != Method::POST {
        return Ok(Response::text("only POST\n").with_status(405).with_header("allow", "POST"));
    }
    let to = request.query().first("to").unwrap_or("html".into()).into_owned();
    let options = Options::new().argument("--gfm").argument(format!("--to={to}"));
    let document = request.take_body().bytes().await?;
    match offload::run_with("comrak", document, options).await {
        // What the program says on standard error: which formats there are, for instance.
        Err(OffloadError::Exited { message, .. }) => Err(Error::status(422, message)),
        page if to == "html" => Ok(Response::html(String::from_utf8(page?)?)),
        text => Ok(Response::text(String::from_utf8(text?)?)),
    }
}
