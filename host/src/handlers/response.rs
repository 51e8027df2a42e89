//! Owns the turn from what a guest calls a response into one the wire can send.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};

use crate::limits;

/// A guest gave a response that none can be: why.
pub(super) struct Invalid(pub(super) String);

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

/// What a field takes in the host's memory beside its bytes, roughly. It also keeps the number of
/// fields within what a header map can hold.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Builds a response with all of its body from the records of the fast lanes. The host counts the
/// body itself; an empty one may be the answer to HEAD, and then the guest knows its length.
pub(super) fn whole(
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
) -> Result<http::Response<Bytes>, Invalid> {
    let length = Some(body.len()).filter(|length| *length > 0);
    build(status, fields, length, Bytes::from(body))
}

/// Builds a response whose body comes in pieces.
pub(super) fn streamed<B>(
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: B,
) -> Result<http::Response<B>, Invalid> {
    build(status, fields, None, body)
}

fn build<B>(
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    length: Option<usize>,
    body: B,
) -> Result<http::Response<B>, Invalid> {
    let mut response = http::Response::new(body);
    *response.status_mut() = check_status(status)?;
    let headers = response.headers_mut();
    let mut bytes = 0;
    for (name, value) in fields {
        bytes += name.len() + value.len() + FIELD_OVERHEAD_BYTES;
        if bytes > limits::FIELDS_BYTES_MAX {
            return Err(Invalid("its header fields are too large".to_owned()));
        }
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(Invalid(format!("{name:?} is not a header name")));
        };
        if OF_THE_CONNECTION.contains(&header.as_str())
            || (length.is_some() && header == CONTENT_LENGTH)
        {
            continue;
        }
        let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) else {
            return Err(Invalid(format!("the value of header {name:?} is not valid")));
        };
        headers.append(header, value);
    }
    Ok(response)
}

/// Checks what the host itself would get wrong: an interim status is not an answer.
pub(super) fn check_status(status: u16) -> Result<http::StatusCode, Invalid> {
    match http::StatusCode::from_u16(status) {
        Ok(code) if (200..=599).contains(&status) => Ok(code),
        _ => Err(Invalid(format!("{status} is not a status of a response"))),
    }
}
