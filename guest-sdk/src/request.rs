//! What the client asks for.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::mem;

use http::{HeaderMap, Method, Uri};
use serde::de::DeserializeOwned;

use crate::headers::{self, Field};
use crate::{Body, BodyError, Query};

/// One request.
///
/// The map of the headers and the URI are made when they are first asked for; what is not asked
/// for costs nothing.
///
/// ```
/// # use hob_sdk::{Request, http::Method};
/// let request = Request::new(Method::GET, "/notes/7?full=1").with_header("accept", "text/plain");
/// assert_eq!(request.method(), Method::GET);
/// assert_eq!(request.path(), "/notes/7");
/// assert_eq!(request.query().first("full").as_deref(), Some("1"));
/// assert_eq!(request.header("Accept"), Some("text/plain"));
/// ```
#[derive(Debug)]
pub struct Request {
    method: Method,
    target: String,
    fields: Vec<Field>,
    map: OnceCell<HeaderMap>,
    body: Body,
}

impl Request {
    /// A request without headers and body, as a test of a handler needs it.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::DELETE, "/notes/7");
    /// assert_eq!(request.target(), "/notes/7");
    /// ```
    pub fn new(method: Method, target: impl Into<String>) -> Request {
        Request::from_parts(method, target.into(), Vec::new(), Body::empty())
    }

    /// As the host hands it over.
    pub(crate) fn from_parts(
        method: Method,
        target: String,
        fields: Vec<Field>,
        body: Body,
    ) -> Request {
        Request { method, target, fields, map: OnceCell::new(), body }
    }

    /// The same request with one more header field.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/").with_header("x-id", "7");
    /// assert_eq!(request.header("x-id"), Some("7"));
    /// ```
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Request {
        headers::push(&mut self.fields, name.as_ref(), value.as_ref());
        self.map.take();
        self
    }

    /// The same request with this body.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// # futures_executor::block_on(async {
    /// let mut request = Request::new(Method::POST, "/").with_body("to be read");
    /// assert_eq!(request.text().await.unwrap(), "to be read");
    /// # });
    /// ```
    pub fn with_body(mut self, body: impl Into<Body>) -> Request {
        self.body = body.into();
        self
    }

    /// The method.
    ///
    /// ```
    /// # use hob_sdk::{Error, Request, Result, http::Method};
    /// fn allowed(request: &Request) -> Result<()> {
    ///     match *request.method() {
    ///         Method::GET | Method::HEAD => Ok(()),
    ///         _ => Err(Error::status(405, "only GET and HEAD")),
    ///     }
    /// }
    /// assert!(allowed(&Request::new(Method::POST, "/")).is_err());
    /// ```
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The target as the client sent it: path and query, not decoded.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// assert_eq!(Request::new(Method::GET, "/a%20b?c=d").target(), "/a%20b?c=d");
    /// ```
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path, not decoded.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// assert_eq!(Request::new(Method::GET, "/a%20b?c=d").path(), "/a%20b");
    /// ```
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query: empty if there is none.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/?name=Ada");
    /// assert_eq!(request.query().first("name").as_deref(), Some("Ada"));
    /// ```
    pub fn query(&self) -> Query<'_> {
        Query(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// The target as the `http` crate has it, if that finds it well formed.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/a?b=c");
    /// assert_eq!(request.uri()?.path_and_query().unwrap().as_str(), "/a?b=c");
    /// # Ok::<(), hob_sdk::Error>(())
    /// ```
    pub fn uri(&self) -> Result<Uri, http::uri::InvalidUri> {
        Uri::try_from(self.target.as_str())
    }

    /// The first header field called `name`, if it is text; its letter case does not matter.
    /// Cheaper than [`headers`](Request::headers) for one or two of them.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/").with_header("host", "example.org");
    /// assert_eq!(request.header("Host"), Some("example.org"));
    /// ```
    pub fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        let value = headers::first(&self.fields, name.as_ref())?;
        str::from_utf8(value).ok()
    }

    /// The parameter of the route called `name`, decoded: what stands for `{name}` in the path of the
    /// `[[route]]` that has led here. None if the route has no such parameter, or under another host
    /// than Hob.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// // As it comes by a route with `path = "/users/{id}"`.
    /// let request = Request::new(Method::GET, "/users/a%20b").with_header("hob-param-id", "a%20b");
    /// assert_eq!(request.param("id").as_deref(), Some("a b"));
    /// assert_eq!(request.param("name"), None);
    /// ```
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.header(format!("hob-param-{name}"))?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy())
    }

    /// Every header field, name in lower case and value, in the order they came.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/").with_header("x-id", "7");
    /// assert_eq!(request.header_pairs().next(), Some(("x-id", &b"7"[..])));
    /// ```
    pub fn header_pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The header fields as a map, made at the first call.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::{Method, header::ACCEPT}};
    /// let request = Request::new(Method::GET, "/").with_header("accept", "*/*");
    /// assert_eq!(request.headers()[ACCEPT], "*/*");
    /// ```
    pub fn headers(&self) -> &HeaderMap {
        self.map.get_or_init(|| headers::map(&self.fields))
    }

    /// Takes the body out, to read it in pieces or to pass it on. Afterwards the request has none:
    /// reading it again fails with [`BodyError::AlreadyRead`].
    ///
    /// ```
    /// # use hob_sdk::{Request, Response, Result};
    /// # async fn echo(mut request: Request) -> Result<Response> {
    /// let body = request.take_body();
    /// Ok(Response::new(body)) // the bytes go back as they come
    /// # }
    /// ```
    pub fn take_body(&mut self) -> Body {
        mem::replace(&mut self.body, Body::already_read())
    }

    /// The whole body, up to [`Body::LIMIT`] bytes; see [`Body::bytes`].
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// # futures_executor::block_on(async {
    /// let mut request = Request::new(Method::PUT, "/").with_body(vec![1, 2, 3]);
    /// assert_eq!(request.bytes().await.unwrap(), [1, 2, 3]);
    /// # });
    /// ```
    pub async fn bytes(&mut self) -> Result<Vec<u8>, BodyError> {
        self.take_body().bytes().await
    }

    /// The whole body as text, up to [`Body::LIMIT`] bytes; see [`Body::text`].
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// # futures_executor::block_on(async {
    /// let mut request = Request::new(Method::PUT, "/").with_body("text");
    /// assert_eq!(request.text().await.unwrap(), "text");
    /// # });
    /// ```
    pub async fn text(&mut self) -> Result<String, BodyError> {
        self.take_body().text().await
    }

    /// The whole body as a type of yours, from JSON, up to [`Body::LIMIT`] bytes; see
    /// [`Body::json`].
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// # futures_executor::block_on(async {
    /// let mut request = Request::new(Method::POST, "/").with_body("[1, 2, 3]");
    /// assert_eq!(request.json::<Vec<u32>>().await.unwrap(), [1, 2, 3]);
    /// # });
    /// ```
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, BodyError> {
        self.take_body().json().await
    }
}
