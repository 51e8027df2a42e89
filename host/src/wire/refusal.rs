//! Owns the answers that are written without hyper: to bytes that are no request, and to
//! connections there is no room for.

use std::time::SystemTime;

use http::StatusCode;

/// What a listener that speaks TLS answers to HTTP without it.
pub const SPEAKS_HTTPS: &str = "this port speaks HTTPS; write https:// in place of http://\n";

/// The body of such an answer.
pub struct Refusal {
    /// Its media type.
    pub format: &'static str,
    /// What it says.
    pub body: String,
}

/// A whole response, after which the connection closes.
pub(super) fn answer(status: StatusCode, id: &str, refusal: &Refusal) -> Vec<u8> {
    whole(status, &format!("x-request-id: {id}\r\n"), refusal)
}

/// The answer to HTTP without TLS where that is needed.
pub(super) fn to_plain_http() -> Vec<u8> {
    let refusal = Refusal { format: "text/plain", body: SPEAKS_HTTPS.to_owned() };
    whole(StatusCode::BAD_REQUEST, "", &refusal)
}

fn whole(status: StatusCode, fields: &str, Refusal { format, body }: &Refusal) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let date = httpdate::fmt_http_date(SystemTime::now());
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {format}\r\ncontent-length: {}\r\n\
         connection: close\r\n{fields}date: {date}\r\n\r\n{body}",
        status.as_u16(),
        body.len(),
    )
    .into_bytes()
}

/// What an error's body says to the public: the short code and the id, nothing of the host.
pub fn body(code: &str, id: &str) -> String {
    format!("{code}\nrequest {id}\n")
}
