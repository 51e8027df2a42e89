//! A plug-in of the world `wasi:http/middleware` that lets in who knows the word: it answers 401 itself,
//! rewrites paths that end with `/greet`, and marks what comes back.

wit_bindgen::generate!({
    path: "../../../guest-sdk/wit",
    inline: "
        package hob:plugins;
        world gate { include wasi:http/middleware@0.3.0; }
    ",
    generate_all,
});

use exports::wasi::http::handler::Guest;
use wasi::http::handler;
use wasi::http::types::{ErrorCode, Fields, Request, Response};

export!(Gate);

struct Gate;

impl Guest for Gate {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        if request.get_headers().get("authorization") != [b"Bearer open".to_vec()] {
            let end = wit_future::new(|| Ok(None)).1;
            let refusal = Response::new(Fields::new(), None, end).0;
            refusal.set_status_code(401).unwrap();
            return Ok(refusal);
        }
        let target = request.get_path_with_query().unwrap_or_default();
        if let Some(before) = target.strip_suffix("/greet") {
            request.set_path_with_query(Some(&format!("{before}/hello"))).unwrap();
        }
        let answer = handler::handle(request).await?;
        let (status, headers) = (answer.get_status_code(), answer.get_headers().clone());
        headers.append("x-gate", b"passed").unwrap();
        let (body, end) = Response::consume_body(answer, wit_future::new(|| Ok(())).1);
        let marked = Response::new(headers, Some(body), end).0;
        marked.set_status_code(status).unwrap();
        Ok(marked)
    }
}
