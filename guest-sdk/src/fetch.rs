//! Outbound HTTP.
//!
//! Where requests may go is granted in `hob.toml`: `fetch = ["https://api.example.com"]`. The handler
//! is suspended while the other side works; several requests at once are joined as any futures are.
//! Connections are kept for the next request. Redirects are answers like any other.
//!
//! ```no_run
//! # async fn example() -> hob_sdk::Result<()> {
//! use hob_sdk::fetch;
//!
//! let page = fetch::get("https://example.com/").await?.text().await?;
//! # Ok(())
//! # }
//! ```

use core::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Body;
use crate::bindings::hob::host::fetch as treaty;

/// What an outbound request fails with. A response of any status is no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not allow this destination, or its address is not a public one.
    Denied,
    /// The request is none: the URL, the method, a header field.
    Invalid(String),
    /// Too many connections of the tenant are open: try later.
    Busy,
    /// The name has no address.
    NotFound,
    /// No one listens there, no way leads there, or the name cannot be looked up.
    Unreachable(String),
    /// Not connected, not answered or not gone on with in time.
    TimedOut,
    /// TLS could not be agreed on, or the certificate is not good.
    Tls(String),
    /// The connection was closed before the response was at its end.
    Closed,
    /// What came is no HTTP/1.1 response, or not the text or JSON that it should be.
    Malformed(String),
    /// The body is longer than the limit.
    TooLarge,
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Denied => Error::Denied,
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::Busy => Error::Busy,
            treaty::Error::NotFound => Error::NotFound,
            treaty::Error::Unreachable(why) => Error::Unreachable(why),
            treaty::Error::TimedOut => Error::TimedOut,
            treaty::Error::Tls(why) => Error::Tls(why),
            treaty::Error::Closed => Error::Closed,
            treaty::Error::Malformed(why) => Error::Malformed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied => f.write_str("requests may not go there"),
            Error::Invalid(why) => write!(f, "not a request: {why}"),
            Error::Busy => f.write_str("too many connections are open already"),
            Error::NotFound => f.write_str("the name has no address"),
            Error::Unreachable(why) => write!(f, "unreachable: {why}"),
            Error::TimedOut => f.write_str("no answer in time"),
            Error::Tls(why) => write!(f, "TLS: {why}"),
            Error::Closed => f.write_str("the connection was closed"),
            Error::Malformed(why) => write!(f, "malformed: {why}"),
            Error::TooLarge => f.write_str("the body is too large"),
        }
    }
}

impl std::error::Error for Error {}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    between_bytes: Option<Duration>,
}

/// Sends a GET and waits for the response's head.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let response = hob_sdk::fetch::get("https://example.com/").await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
pub async fn get(url: impl Into<String>) -> Result<Response, Error> {
    Request::get(url).send().await
}

impl Request {
    /// A request of this method to this absolute URL.
    ///
    /// ```
    /// let request = hob_sdk::fetch::Request::new("PURGE", "https://cache.example.com/a");
    /// ```
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            url: url.into(),
            fields: Vec::new(),
            body: Vec::new(),
            connect: None,
            first_byte: None,
            between_bytes: None,
        }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Request {
        Request::new("GET", url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>) -> Request {
        Request::new("POST", url)
    }

    /// A PUT.
    pub fn put(url: impl Into<String>) -> Request {
        Request::new("PUT", url)
    }

    /// A DELETE.
    pub fn delete(url: impl Into<String>) -> Request {
        Request::new("DELETE", url)
    }

    /// The same with one more header field.
    ///
    /// ```
    /// # use hob_sdk::fetch::Request;
    /// let request = Request::get("https://example.com/").header("accept", "text/html");
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Request {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The same with this body.
    ///
    /// ```
    /// # use hob_sdk::fetch::Request;
    /// let request = Request::put("https://example.com/note").body("remember the milk");
    /// ```
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// The same with a value as JSON for its body.
    ///
    /// ```
    /// # use hob_sdk::fetch::Request;
    /// #[derive(serde::Serialize)]
    /// struct Note {
    ///     title: &'static str,
    /// }
    ///
    /// let request = Request::post("https://example.com/notes").json(&Note { title: "milk" })?;
    /// # Ok::<(), hob_sdk::fetch::Error>(())
    /// ```
    pub fn json(self, value: &impl Serialize) -> Result<Request, Error> {
        let body = serde_json::to_vec(value).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long the other side may take to be found and connected to; 10 s at the most.
    pub fn connect_timeout(self, timeout: Duration) -> Request {
        Request { connect: Some(timeout), ..self }
    }

    /// How long it may take to begin its response; 30 s at the most.
    pub fn first_byte_timeout(self, timeout: Duration) -> Request {
        Request { first_byte: Some(timeout), ..self }
    }

    /// How long it may take to go on with the response's body; 30 s at the most.
    pub fn between_bytes_timeout(self, timeout: Duration) -> Request {
        Request { between_bytes: Some(timeout), ..self }
    }

    /// Sends it and waits for the response's head. Dropping the future gives the request up.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// use std::time::Duration;
    /// use hob_sdk::fetch::Request;
    ///
    /// let response = Request::post("https://api.example.com/orders")
    ///     .first_byte_timeout(Duration::from_secs(2))
    ///     .body("two of them")
    ///     .send()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Response, Error> {
        let (request, body) = self.into_treaty();
        Ok(Response::from_treaty(treaty::send(request, body).await?))
    }

    /// Sends it with a body that is written piece by piece: chunked, unless it has a
    /// `content-length`.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// # use hob_sdk::fetch::Request;
    /// let upload = Request::put("https://store.example.com/large").upload()?;
    /// for _ in 0..1000 {
    ///     upload.write(vec![0; 64 * 1024]).await?;
    /// }
    /// let response = upload.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn upload(self) -> Result<Upload, Error> {
        Ok(Upload(treaty::open_upload(&self.into_treaty().0)?))
    }

    fn into_treaty(self) -> (treaty::Request, Vec<u8>) {
        let ms = |timeout: Option<Duration>| {
            timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX))
        };
        let timeouts = treaty::Timeouts {
            connect: ms(self.connect),
            first_byte: ms(self.first_byte),
            between_bytes: ms(self.between_bytes),
        };
        let Request { method, url, fields: headers, body, .. } = self;
        (treaty::Request { method, url, headers, timeouts }, body)
    }
}

/// A request whose body is written piece by piece. Dropped before [`finish`](Upload::finish), the
/// request is broken off.
#[derive(Debug)]
pub struct Upload(treaty::Upload);

impl Upload {
    /// Adds bytes, and waits while the other side does not take them. After [`Error::Closed`]
    /// [`finish`](Upload::finish) may still give the answer with which the other side refused them.
    pub async fn write(&self, data: impl Into<Vec<u8>>) -> Result<(), Error> {
        Ok(self.0.write(data.into()).await?)
    }

    /// Ends the body and waits for the response's head.
    pub async fn finish(self) -> Result<Response, Error> {
        Ok(Response::from_treaty(self.0.finish().await?))
    }
}

/// A response: its head, and its body as it comes.
#[derive(Debug)]
pub struct Response {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Content,
    limit: usize,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    Pieces(treaty::Incoming),
}

/// How many bytes are asked for at once.
const PIECE: u32 = 256 * 1024;

impl Response {
    fn from_treaty(response: treaty::Response) -> Response {
        let treaty::Response { status, headers: fields, body } = response;
        let body = match body {
            treaty::Body::Bytes(bytes) => Content::Bytes(bytes),
            treaty::Body::Pieces(pieces) => Content::Pieces(pieces),
        };
        Response { status, fields, body, limit: Body::LIMIT }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header field of this name that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|field| field.0.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(&found.1).ok()
    }

    /// All header fields, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The same response with another limit of bytes to collect than 2 MiB.
    pub fn with_limit(self, limit: usize) -> Response {
        Response { limit, ..self }
    }

    /// The next piece of the body; none at the end of a complete one.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// let mut response = hob_sdk::fetch::get("https://example.com/large").await?;
    /// while let Some(piece) = response.chunk().await? {
    ///     println!("{} bytes", piece.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = match &mut self.body {
            Content::Bytes(bytes) => std::mem::take(bytes),
            Content::Pieces(pieces) => pieces.read(PIECE).await?,
        };
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// The whole body, within the limit.
    pub async fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut all = self.chunk().await?.unwrap_or_default();
        while all.len() <= self.limit {
            match self.chunk().await? {
                None => return Ok(all),
                Some(piece) => all.extend(piece),
            }
        }
        Err(Error::TooLarge)
    }

    /// The whole body as text, within the limit.
    pub async fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes().await?)
            .map_err(|error| Error::Malformed(format!("not UTF-8: {}", error.utf8_error())))
    }

    /// The whole body as a type of yours, from JSON, within the limit.
    ///
    /// ```no_run
    /// #[derive(serde::Deserialize)]
    /// struct Rate {
    ///     euro: f64,
    /// }
    ///
    /// # async fn example() -> hob_sdk::Result<()> {
    /// let rate: Rate = hob_sdk::fetch::get("https://api.example.com/rate").await?.json().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes().await?)
            .map_err(|error| Error::Malformed(format!("not the JSON expected: {error}")))
    }

    /// The body as that of a response of this handler, passed on as it comes.
    ///
    /// ```no_run
    /// # use hob_sdk::{Response, Result, fetch};
    /// # async fn example() -> Result<Response> {
    /// let image = fetch::get("https://images.example.com/large.png").await?;
    /// Ok(Response::new(image.into_body()).with_header("content-type", "image/png"))
    /// # }
    /// ```
    pub fn into_body(mut self) -> Body {
        match self.body {
            Content::Bytes(bytes) => bytes.into(),
            Content::Pieces(_) => Body::stream(async move |mut writer| {
                while let Some(piece) = self.chunk().await? {
                    writer.write(piece).await?;
                }
                Ok(())
            }),
        }
    }
}
