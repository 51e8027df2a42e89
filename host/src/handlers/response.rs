//! Owns the turn from what a guest calls a response into one the wire can send.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use super::lane::ResponseError;

/// Fields that describe the connection, not the response (RFC 9110, section 7.6.1): the host owns
/// the connection.
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "http2-settings",
];

/// Builds a response's head from the records of the fast lanes.
pub(super) fn build<B>(
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: B,
) -> Result<http::Response<B>, ResponseError> {
    let mut response = http::Response::new(body);
    *response.status_mut() = check_status(status)?;
    let headers = response.headers_mut();
    for (name, value) in fields {
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(ResponseError(format!("{name:?} is not a header name")));
        };
        if OF_THE_CONNECTION.contains(&header.as_str()) {
            continue;
        }
        let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) else {
            return Err(ResponseError(format!("the value of header {name:?} is not valid")));
        };
        headers.append(header, value);
    }
    Ok(response)
}

/// Checks what the host itself would get wrong: an interim status is not an answer.
pub(super) fn check_status(status: u16) -> Result<http::StatusCode, ResponseError> {
    match http::StatusCode::from_u16(status) {
        Ok(code) if (200..=599).contains(&status) => Ok(code),
        _ => Err(ResponseError(format!("{status} is not a status of a response"))),
    }
}
