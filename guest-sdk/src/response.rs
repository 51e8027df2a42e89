//! What the client gets.

use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::headers::{self, Field};
use crate::{Body, Result};

/// One answer: 200 unless said otherwise.
///
/// A header field that HTTP does not allow, for instance with a line's end in its value, is answered
/// as an error of the handler: the log names the field, and the client sees 500.
///
/// ```
/// # use hob_sdk::Response;
/// let response = Response::text("created\n").with_status(201).with_header("location", "/notes/7");
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.header("location"), Some("/notes/7"));
/// ```
#[derive(Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Body,
}

/// A status: a number, or the `http` crate's type. One that is not 200 to 599 is answered as an
/// error of the handler.
///
/// ```
/// # use hob_sdk::{Response, http::StatusCode};
/// assert_eq!(Response::new("").with_status(404).status(), 404);
/// assert_eq!(Response::new("").with_status(StatusCode::NOT_FOUND).status(), 404);
/// ```
pub trait IntoStatus {
    /// The number.
    fn into_status(self) -> u16;
}

impl IntoStatus for u16 {
    fn into_status(self) -> u16 {
        self
    }
}

impl IntoStatus for StatusCode {
    fn into_status(self) -> u16 {
        self.as_u16()
    }
}

impl Response {
    /// An answer with this body and no headers: bytes, text, or a [`Body`] that comes in pieces.
    ///
    /// ```
    /// # use hob_sdk::{Body, Response};
    /// let empty = Response::new(Body::empty()).with_status(204);
    /// let image = Response::new(vec![0x89, 0x50]).with_header("content-type", "image/png");
    /// ```
    pub fn new(body: impl Into<Body>) -> Response {
        Response { status: 200, fields: Vec::new(), body: body.into() }
    }

    /// Plain text.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// let response = Response::text("hello world\n");
    /// assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    /// ```
    pub fn text(text: impl Into<String>) -> Response {
        Response::of_type("text/plain; charset=utf-8", text.into())
    }

    /// HTML.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// let response = Response::html("<!doctype html><title>Hello</title>");
    /// assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    /// ```
    pub fn html(text: impl Into<String>) -> Response {
        Response::of_type("text/html; charset=utf-8", text.into())
    }

    /// Bytes of no known type.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// let response = Response::bytes(vec![1, 2, 3]);
    /// assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    /// ```
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Response {
        Response::of_type("application/octet-stream", bytes.into())
    }

    /// A value as JSON. Fails if it has no form in JSON, as a map whose keys are not text.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// #[derive(serde::Serialize)]
    /// struct Note {
    ///     id: u32,
    /// }
    ///
    /// let response = Response::json(&Note { id: 7 })?;
    /// assert_eq!(response.header("content-type"), Some("application/json"));
    /// # Ok::<(), hob_sdk::Error>(())
    /// ```
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Response> {
        Ok(Response::of_type("application/json", serde_json::to_vec(value)?))
    }

    /// Sends the client to another place, to GET it there: 303. What comes from a client, as
    /// `next` in a query, must be encoded for a URI; a line's end in it is an error of the handler.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// let response = Response::redirect("/notes/7");
    /// assert_eq!((response.status(), response.header("location")), (303, Some("/notes/7")));
    /// let moved = Response::redirect("/elsewhere").with_status(308);
    /// ```
    pub fn redirect(location: impl AsRef<str>) -> Response {
        Response::new(Body::empty())
            .with_status(StatusCode::SEE_OTHER)
            .with_header("location", location.as_ref())
    }

    fn of_type(content_type: &str, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body);
        let field = ("content-type".to_owned(), content_type.as_bytes().to_vec());
        response.fields.push(field);
        response
    }

    /// The same answer with this status.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// assert_eq!(Response::text("gone\n").with_status(410).status(), 410);
    /// ```
    pub fn with_status(mut self, status: impl IntoStatus) -> Response {
        self.status = status.into_status();
        self
    }

    /// The same answer with this header field, in place of any of that name.
    ///
    /// ```
    /// # use hob_sdk::{Response, http::header::CONTENT_TYPE};
    /// let response = Response::text("a,b\n").with_header(CONTENT_TYPE, "text/csv");
    /// assert_eq!(response.header("content-type"), Some("text/csv"));
    /// ```
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Response {
        self.fields.retain(|field| !field.0.eq_ignore_ascii_case(name.as_ref()));
        self.with_added_header(name, value)
    }

    /// The same answer with one more header field, beside any of that name.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// let response = Response::text("hello\n")
    ///     .with_added_header("set-cookie", "a=1")
    ///     .with_added_header("set-cookie", "b=2");
    /// assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    /// ```
    pub fn with_added_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Response {
        headers::push(&mut self.fields, name.as_ref(), value.as_ref());
        self
    }

    /// The same answer with all of these header fields, beside those it has.
    ///
    /// ```
    /// # use hob_sdk::{Response, http::{HeaderMap, HeaderValue, header::ETAG}};
    /// let mut headers = HeaderMap::new();
    /// headers.insert(ETAG, HeaderValue::from_static("\"7\""));
    /// assert_eq!(Response::new("").with_headers(&headers).header("etag"), Some("\"7\""));
    /// ```
    pub fn with_headers(mut self, fields: &HeaderMap) -> Response {
        for (name, value) in fields {
            headers::push(&mut self.fields, name.as_str(), value.as_bytes());
        }
        self
    }

    /// The same answer with another body.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// let response = Response::text("").with_body("late\n");
    /// ```
    pub fn with_body(mut self, body: impl Into<Body>) -> Response {
        self.body = body.into();
        self
    }

    /// The status.
    ///
    /// ```
    /// assert_eq!(hob_sdk::Response::text("").status(), 200);
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header field called `name`, if it is text.
    ///
    /// ```
    /// assert_eq!(hob_sdk::Response::new("").header("content-type"), None);
    /// ```
    pub fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        let value = headers::first(&self.fields, name.as_ref())?;
        str::from_utf8(value).ok()
    }

    /// The header fields as a map.
    ///
    /// ```
    /// assert_eq!(hob_sdk::Response::text("").headers().len(), 1);
    /// ```
    pub fn headers(&self) -> HeaderMap {
        headers::map(&self.fields)
    }

    /// The body, as a test of a handler reads it.
    ///
    /// ```
    /// # use hob_sdk::Response;
    /// # futures_executor::block_on(async {
    /// let response = Response::text("hello\n");
    /// assert_eq!(response.into_body().text().await.unwrap(), "hello\n");
    /// # });
    /// ```
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The text for the host's log if the head is none that an answer may have.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.status {
            200..=599 => headers::check(&self.fields),
            status => Err(format!("the response's status is {status}, not 200 to 599")),
        }
    }
}
