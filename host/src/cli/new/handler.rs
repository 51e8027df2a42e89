//! A request handler. Serve it with `hob serve --build .`

use hob_sdk::{Request, Response, Result};

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let name = request.query().first("name").unwrap_or("world".into());
    Ok(Response::text(format!("hello {name}\n")))
}
