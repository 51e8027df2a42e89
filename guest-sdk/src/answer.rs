//! What a handler or a job may return, and what the macros make of them.

use core::fmt::Display;
use std::future::Future;

use crate::{Error, Request, Response, Result};

/// What a handler may return: a [`Response`], text or bytes, or a `Result` of one of them with any
/// error that becomes an [`Error`].
///
/// ```
/// # use hob_sdk::Request;
/// #[hob_sdk::handler]
/// async fn handle(request: Request) -> String {
///     format!("{} {}\n", request.method(), request.path())
/// }
/// # fn main() {}
/// ```
pub trait Answer {
    /// The answer in its one form.
    fn into_result(self) -> Result<Response>;
}

impl Answer for Response {
    fn into_result(self) -> Result<Response> {
        Ok(self)
    }
}

impl Answer for String {
    fn into_result(self) -> Result<Response> {
        Ok(Response::text(self))
    }
}

impl Answer for &str {
    fn into_result(self) -> Result<Response> {
        Ok(Response::text(self))
    }
}

impl Answer for Vec<u8> {
    fn into_result(self) -> Result<Response> {
        Ok(Response::bytes(self))
    }
}

impl<T: Answer, E: Into<Error>> Answer for Result<T, E> {
    fn into_result(self) -> Result<Response> {
        self.map_err(Into::into)?.into_result()
    }
}

/// What `#[handler]` makes of a function; both lanes call it.
pub trait Handler {
    /// Answers one request.
    fn handle(request: Request) -> impl Future<Output = Result<Response>>;
}

/// Runs what `#[job]` or `#[streaming_job]` was put on. Its error becomes the text for the caller.
pub async fn report<T, E: Display>(work: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    work.await.map_err(|error| error.to_string())
}
