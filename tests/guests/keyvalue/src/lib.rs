//! A guest of WASI 0.3 that uses `wasi:keyvalue` by its WIT alone.

mod store;

use hob_sdk::{Request, Response, Result};

wit_bindgen::generate!({
    inline: "
        package hob:keyvalue;
        world guest {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
        }
    ",
    path: "wit",
    generate_all,
});

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    let target = request.target().to_owned();
    let body = request.take_body().with_limit(32 << 20).bytes().await?;
    let (status, bytes) = store::call(&target, body);
    Ok(Response::bytes(bytes).with_status(status))
}
