//! Sends the request's body back as it comes, without looking at it.

use hob_sdk::{Request, Response};

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Response {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream");
    let content_type = content_type.to_owned();
    Response::new(request.take_body()).with_header("content-type", content_type)
}
