//! The fast lane of WASI 0.3, `hob:host/handler@0.3.0`, written against its WIT alone: it can give
//! answers that the SDK would not.

wit_bindgen::generate!({ path: "../../../wit/0.3", generate_all });

use exports::hob::host::handler::{Body, BodyStream, Guest, Request, Response};
use wit_bindgen::StreamResult;

export!(Fast);

struct Fast;

impl Guest for Fast {
    async fn handle(request: Request) -> Result<Response, String> {
        let path = request.target.split('?').next().unwrap_or("").to_owned();
        let (status, header) = match path.rsplit('/').next().unwrap_or("") {
            "bad-status" => (100, None),
            "bad-value" => (200, Some(("x-a", "b\r\nset-cookie: c=d"))),
            "bad-name" => (200, Some(("x a", "b"))),
            "hello" => return Ok(answer(200, None, b"hello world\n".to_vec())),
            "echo" => return Ok(answer(200, None, read(request.body).await)),
            _ => (404, None),
        };
        Ok(answer(status, header, b"an answer\n".to_vec()))
    }
}

fn answer(status: u16, header: Option<(&str, &str)>, body: Vec<u8>) -> Response {
    let headers = header.map(|(name, value)| (name.to_owned(), value.into()));
    Response { status, headers: headers.into_iter().collect(), body: Body::Bytes(body) }
}

async fn read(body: Body) -> Vec<u8> {
    let BodyStream { mut data, .. } = match body {
        Body::Bytes(bytes) => return bytes,
        Body::Stream(stream) => stream,
    };
    let mut all = Vec::new();
    loop {
        all.reserve(64 * 1024);
        let result;
        (result, all) = data.read(all).await;
        if let StreamResult::Dropped = result {
            return all;
        }
    }
}
