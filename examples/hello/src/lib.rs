//! The smallest handler: the same twelve bytes for every request.

use hob_sdk::{Request, Response};

#[hob_sdk::handler]
async fn handle(_: Request) -> Response {
    Response::text("hello world\n")
}
