//! Owns why a request is answered by the host and not by its handler, and what that is called.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::status::{limit_of, status_of};
use crate::handlers::Failure;
use crate::tenants::{Limit, OverLimit, seconds_to_wait};

/// Why a request is answered by the host and not by its handler.
pub(super) enum Refusal {
    NoRoute,
    NoFile,
    FileFailed,
    Method,
    /// The methods there are routes for.
    OtherMethods(HeaderValue),
    Overload,
    BodyBroken,
    BodyTooLong,
    BodyTimedOut,
    /// Its tenant is over a limit.
    Tenant(OverLimit),
    Failed(Failure, Duration),
}

impl Refusal {
    /// The status, and the short code that says more.
    pub(super) fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Refusal::NoRoute => (StatusCode::NOT_FOUND, "no-handler"),
            Refusal::NoFile => (StatusCode::NOT_FOUND, "no-file"),
            Refusal::FileFailed => (StatusCode::INTERNAL_SERVER_ERROR, "file-failed"),
            Refusal::OtherMethods(_) => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Refusal::Method => (StatusCode::NOT_IMPLEMENTED, "method-not-implemented"),
            Refusal::Overload => (StatusCode::SERVICE_UNAVAILABLE, "overload"),
            Refusal::BodyBroken => (StatusCode::BAD_REQUEST, "body-broken"),
            Refusal::BodyTooLong => (StatusCode::PAYLOAD_TOO_LARGE, Limit::Body.code()),
            Refusal::BodyTimedOut => (StatusCode::REQUEST_TIMEOUT, "request-timeout"),
            Refusal::Tenant(over) => (StatusCode::TOO_MANY_REQUESTS, over.limit.code()),
            Refusal::Failed(failure, _) => (status_of(failure), failure.code()),
        }
    }

    /// Seconds after which the same request may be answered, if that is to be expected.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::Overload | Refusal::Failed(Failure::NoInstance, _) => Some(1),
            Refusal::Tenant(over) => Some(seconds_to_wait(over.retry_after)),
            Refusal::Failed(failure, _) => limit_of(failure).map(|_| 1),
            _ => None,
        }
    }
}
