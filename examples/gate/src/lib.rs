//! Lets requests through to the handler that bring the key, and answers the others itself.

wit_bindgen::generate!({
    path: "../../guest-sdk/wit",
    inline: "
        package example:gate;
        world gate {
            include wasi:http/middleware@0.3.0;
            import wasi:config/store@0.2.0-rc.1;
        }
    ",
    generate_all,
});

use exports::wasi::http::handler::Guest;
use wasi::config::store;
use wasi::http::handler;
use wasi::http::types::{ErrorCode, Fields, Request, Response};

export!(Gate);

struct Gate;

impl Guest for Gate {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        // A gate without a key is shut.
        let key = store::get("key").ok().flatten().ok_or(ErrorCode::ConfigurationError)?;
        if request.get_headers().get("x-key") != [key.into_bytes()] {
            return Ok(refusal(401));
        }
        let answer = handler::handle(request).await?;
        let (status, headers) = (answer.get_status_code(), answer.get_headers().clone());
        let _too_many_fields = headers.append("x-gate", b"passed");
        // The body is handed on: it does not pass through this component's memory.
        let (body, trailers) = Response::consume_body(answer, wit_future::new(|| Ok(())).1);
        let (marked, _) = Response::new(headers, Some(body), trailers);
        marked.set_status_code(status).expect("the status of an answer");
        Ok(marked)
    }
}

fn refusal(status: u16) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (refusal, _) = Response::new(Fields::new(), None, trailers);
    refusal.set_status_code(status).expect("a status");
    refusal
}
