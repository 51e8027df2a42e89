//! Owns the answer of a server for developers whose handlers cannot be built: the reason, for a person
//! or a program.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use super::index::escape;
use crate::handlers::GuestBody;

/// Tells why there is nothing to serve. In a browser it looks again by itself.
pub(super) fn page(headers: &HeaderMap, why: &str) -> Response<GuestBody> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, text) = if accept.contains("text/html") {
        ("text/html; charset=utf-8", html(why))
    } else {
        ("text/plain; charset=utf-8", format!("build-failed\n{why}\n"))
    };
    let mut response = Response::new(GuestBody::of(Bytes::from(text)));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn html(why: &str) -> String {
    let why = escape(why);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"refresh\" content=\"1\">\n<title>Hob: the build has failed</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem}}pre{{font-size:14px;\
         overflow:auto;padding:1rem;background:#f4f4f4;border-left:4px solid #c00}}</style>\n\
         <h1>The build has failed</h1>\n<pre>{why}</pre>\n\
         <p>This page looks again every second.</p>\n</html>\n"
    )
}
