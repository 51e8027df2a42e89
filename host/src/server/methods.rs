//! Owns what a client is told of the methods that there are routes for.

use http::header::ALLOW;
use http::{HeaderValue, Method, Response, StatusCode};

use super::answer::AnswerBody;

/// The value of the field `allow`.
pub(super) fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    // What the host does by itself.
    for (given, served) in [("GET", "HEAD"), ("", "OPTIONS")] {
        if (given.is_empty() || names.contains(&given)) && !names.contains(&served) {
            names.push(served);
        }
    }
    HeaderValue::from_str(&names.join(", ")).expect("methods are tokens")
}

/// The answer to who asks.
pub(super) fn options(methods: &[Method]) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::of(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow(methods));
    response
}
