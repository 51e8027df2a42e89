//! Owns the fields by which a browser lets pages of other origins read an answer, and the answer to its
//! question beforehand, the preflight (the Fetch standard, section 3.3).

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};

use super::answer::AnswerBody;
use crate::config::CorsConfig;

/// The method that a browser asks about before it uses it.
pub(super) fn asked_for<B>(request: &Request<B>) -> Option<Method> {
    let headers = request.headers();
    if *request.method() != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

/// The answer to that. A browser finds in it what it may do.
pub(super) fn preflight(cors: &CorsConfig, origin: Option<&HeaderValue>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::of(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if !allow(cors, origin, headers) {
        return response;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, cors.methods.clone());
    if let Some(names) = &cors.headers {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if let Some(age) = &cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
    }
    response
}

/// Says of an answer, also of a refusal, who may read it. What a handler has said of that is taken away:
/// the route decides.
pub(super) fn mark(cors: &CorsConfig, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(name);
    }
    if allow(cors, origin, headers)
        && let Some(names) = &cors.expose
    {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
    }
}

/// Allows the origin if it is one of those. A cache must know that the answer is for one origin.
fn allow(cors: &CorsConfig, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
    let Some(origins) = &cors.origins else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return true;
    };
    headers.append(VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin.and_then(|origin| origins.iter().find(|one| *one == origin)) else {
        return false;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}
