//! A body: whole, or in pieces as they come or are made.

use core::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;

use serde::de::DeserializeOwned;
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::bindings::exports::hob::host::handler as treaty;
use crate::bindings::wasi::http::types as standard;
use crate::writer::BodyWriter;

/// How many bytes are asked for at once.
const CHUNK: usize = 32 * 1024;

/// How many bytes of a body are made room for before they come.
const RESERVED_MAX: usize = 64 * 1024;

/// The body of a request or of a response.
///
/// A body is read once, whole with [`bytes`](Body::bytes), [`text`](Body::text) or
/// [`json`](Body::json), or in pieces with [`chunk`](Body::chunk). A body that broke off is an
/// error, never a short body.
///
/// ```
/// # use hob_sdk::Body;
/// # futures_executor::block_on(async {
/// let mut body = Body::from("in one piece");
/// while let Some(chunk) = body.chunk().await? {
///     assert_eq!(chunk, b"in one piece");
/// }
/// # Ok::<(), hob_sdk::Error>(())
/// # }).unwrap();
/// ```
pub struct Body {
    pub(crate) content: Content,
    limit: usize,
    length: Option<usize>,
}

pub(crate) enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// Comes in pieces, by Hob's interface.
    Hob(treaty::BodyStream),
    /// Comes in pieces, by the standard interface.
    Standard(StandardStream),
    /// Made in pieces, by the handler.
    Written(Box<dyn FnOnce(BodyWriter) -> Writing>),
    /// Read to the end, or until it broke off.
    Ended(Result<(), BodyError>),
}

/// The work of writing a body: what it ends with says whether the body is complete.
pub(crate) type Writing = Pin<Box<dyn Future<Output = Result<(), BodyError>>>>;

/// A body of `wasi:http`.
pub(crate) struct StandardStream {
    pub(crate) data: StreamReader<u8>,
    pub(crate) end: FutureReader<StandardEnd>,
}

pub(crate) type StandardEnd = Result<Option<standard::Trailers>, standard::ErrorCode>;

/// Why a body could not be read, or written to its end.
///
/// With `?` the faults of the client become answers to the client, with the status given here; the
/// others are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The other side went away, or what it sent was malformed: 400. Under Hob this is also what is
    /// left of a request's body that broke a bound of the host's: the host has answered the client
    /// itself then, with 408 or 413.
    Aborted,
    /// Longer than the limit of the body, see [`Body::with_limit`]: 413. Hosts other than Hob may
    /// say it of a limit of their own.
    TooLarge,
    /// The other side made no progress for too long: 408. Hosts other than Hob may say it.
    TimedOut,
    /// Not the text, or not the JSON, that it should be; the message says where: 400.
    Malformed(String),
    /// The handler has read it before.
    AlreadyRead,
    /// Nobody reads it any more: what is written goes nowhere.
    Closed,
}

impl Body {
    /// How many bytes [`bytes`](Body::bytes), [`text`](Body::text) and [`json`](Body::json)
    /// collect, unless [`with_limit`](Body::with_limit) says otherwise: 2 MiB.
    pub const LIMIT: usize = 2 * 1024 * 1024;

    pub(crate) fn from_content(content: Content, length: Option<usize>) -> Body {
        Body { content, limit: Body::LIMIT, length }
    }

    pub(crate) fn already_read() -> Body {
        Body::from_content(Content::Ended(Err(BodyError::AlreadyRead)), None)
    }

    /// No bytes.
    ///
    /// ```
    /// # use hob_sdk::Body;
    /// # futures_executor::block_on(async {
    /// assert!(Body::empty().bytes().await.unwrap().is_empty());
    /// # });
    /// ```
    pub fn empty() -> Body {
        Body::from_content(Content::Bytes(Vec::new()), None)
    }

    /// A body that `write` makes piece by piece while the client reads. A slow client slows the
    /// writer: no more than one piece is in memory. If `write` fails, the connection is cut, so
    /// that the client sees that the body is not complete, and the reason goes to standard error;
    /// but not that the client went away, [`BodyError::Closed`].
    ///
    /// ```
    /// # use hob_sdk::{Body, Response};
    /// let body = Body::stream(async |mut writer| {
    ///     for number in 0..1000 {
    ///         writer.write(format!("{number}\n")).await?;
    ///     }
    ///     Ok(())
    /// });
    /// let response = Response::new(body).with_header("content-type", "text/plain");
    /// ```
    pub fn stream<W>(write: W) -> Body
    where
        W: AsyncFnOnce(BodyWriter) -> crate::Result<()> + 'static,
    {
        let write = |writer| -> Writing {
            Box::pin(async move {
                write(writer).await.map_err(|error| {
                    if matches!(error.downcast_ref(), Some(BodyError::Closed)) {
                        return BodyError::Closed;
                    }
                    eprintln!("the response's body broke off: {error:?}");
                    BodyError::Aborted
                })
            })
        };
        Body::from_content(Content::Written(Box::new(write)), None)
    }

    /// The same body with another limit of bytes to collect: a longer one fails with
    /// [`BodyError::TooLarge`].
    ///
    /// ```
    /// # use hob_sdk::{Body, BodyError};
    /// # futures_executor::block_on(async {
    /// let body = Body::from("12345").with_limit(4);
    /// assert!(matches!(body.bytes().await, Err(BodyError::TooLarge)));
    /// # });
    /// ```
    pub fn with_limit(mut self, bytes: usize) -> Body {
        self.limit = bytes;
        self
    }

    /// The next piece, as it comes; none at the end of a complete body.
    ///
    /// ```
    /// # use hob_sdk::{Request, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// let mut body = request.take_body();
    /// let mut length = 0;
    /// while let Some(chunk) = body.chunk().await? {
    ///     length += chunk.len();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        if let Content::Bytes(bytes) = &mut self.content {
            let bytes = mem::take(bytes);
            return Ok((!bytes.is_empty()).then_some(bytes));
        }
        let chunk = self.read(Vec::with_capacity(CHUNK)).await?;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// The whole body, within the limit.
    ///
    /// ```
    /// # use hob_sdk::{Request, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// let bytes = request.take_body().with_limit(64 * 1024).bytes().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bytes(mut self) -> Result<Vec<u8>, BodyError> {
        let mut all = match self.content {
            Content::Bytes(bytes) => {
                return if bytes.len() > self.limit { Err(BodyError::TooLarge) } else { Ok(bytes) };
            }
            _ => match self.length {
                Some(length) if length > self.limit => return Err(BodyError::TooLarge),
                // One byte more, so that the end is seen without growing. The length is only what
                // the client says: what it does not send must not cost memory.
                Some(length) => Vec::with_capacity(length.min(RESERVED_MAX) + 1),
                None => Vec::new(),
            },
        };
        loop {
            if all.len() == all.capacity() {
                all.reserve(CHUNK.max(all.len()));
            }
            let before = all.len();
            all = self.read(all).await?;
            if all.len() > self.limit {
                return Err(BodyError::TooLarge);
            }
            if all.len() == before {
                return Ok(all);
            }
        }
    }

    /// The whole body as text, within the limit.
    ///
    /// ```
    /// # use hob_sdk::{Body, BodyError};
    /// # futures_executor::block_on(async {
    /// assert_eq!(Body::from("text").text().await.unwrap(), "text");
    /// let body = Body::from(vec![0xff]);
    /// assert!(matches!(body.text().await, Err(BodyError::Malformed(_))));
    /// # });
    /// ```
    pub async fn text(self) -> Result<String, BodyError> {
        String::from_utf8(self.bytes().await?)
            .map_err(|error| BodyError::Malformed(format!("not UTF-8: {}", error.utf8_error())))
    }

    /// The whole body as a type of yours, from JSON, within the limit.
    ///
    /// ```
    /// # use hob_sdk::Body;
    /// #[derive(serde::Deserialize)]
    /// struct Note {
    ///     title: String,
    /// }
    ///
    /// # futures_executor::block_on(async {
    /// let note: Note = Body::from(r#"{"title": "milk"}"#).json().await.unwrap();
    /// assert_eq!(note.title, "milk");
    /// let error = Body::from("{}").json::<Note>().await.err().unwrap();
    /// assert!(error.to_string().contains("missing field `title`"));
    /// # });
    /// ```
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, BodyError> {
        serde_json::from_slice(&self.bytes().await?)
            .map_err(|error| BodyError::Malformed(format!("not the JSON expected: {error}")))
    }

    /// Appends what comes to `buffer`, which has room; nothing at the end of a complete body.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, BodyError> {
        let data = match &mut self.content {
            Content::Hob(stream) => &mut stream.data,
            Content::Standard(stream) => &mut stream.data,
            _ => return self.read_own(buffer).await,
        };
        let before = buffer.len();
        let (mut result, mut buffer) = data.read(buffer).await;
        while matches!(result, StreamResult::Complete(_)) && buffer.len() == before {
            (result, buffer) = data.read(buffer).await;
        }
        if buffer.len() > before {
            return Ok(buffer);
        }
        // Until it has said how it ended, it counts as broken off.
        let ended = Content::Ended(Err(BodyError::Aborted));
        let end = match mem::replace(&mut self.content, ended) {
            Content::Hob(stream) => stream.end.await.map_err(BodyError::from),
            Content::Standard(stream) => stream.end.await.map(drop).map_err(BodyError::from),
            _ => unreachable!("a stream was read"),
        };
        if end.is_ok() {
            self.content = Content::Ended(Ok(()));
        }
        end.map(|()| buffer)
    }

    /// The same for a body that is not the host's.
    async fn read_own(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>, BodyError> {
        let ended = Content::Ended(Err(BodyError::AlreadyRead));
        match mem::replace(&mut self.content, ended) {
            Content::Bytes(bytes) => buffer.extend(bytes),
            Content::Written(write) => {
                let (writer, written) = BodyWriter::to_memory();
                write(writer).await?;
                buffer.append(&mut written.borrow_mut());
            }
            Content::Ended(result) => result?,
            Content::Hob(_) | Content::Standard(_) => unreachable!("the host's"),
        }
        self.content = Content::Ended(Ok(()));
        Ok(buffer)
    }
}

impl Content {
    /// The work of writing all of it to `writer`.
    pub(crate) fn write(self, mut writer: BodyWriter) -> Writing {
        match self {
            Content::Written(write) => write(writer),
            Content::Bytes(bytes) => Box::pin(async move { writer.write(bytes).await }),
            content => Box::pin(async move {
                let mut body = Body::from_content(content, None);
                while let Some(chunk) = body.chunk().await? {
                    writer.write(chunk).await?;
                }
                Ok(())
            }),
        }
    }
}

impl BodyError {
    /// The status that the client deserves, if it is the client's fault.
    pub(crate) fn status_code(&self) -> Option<u16> {
        match self {
            BodyError::Aborted | BodyError::Malformed(_) => Some(400),
            BodyError::TooLarge => Some(413),
            BodyError::TimedOut => Some(408),
            BodyError::AlreadyRead | BodyError::Closed => None,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Aborted => f.write_str("the body broke off"),
            BodyError::TooLarge => f.write_str("the body is too large"),
            BodyError::TimedOut => f.write_str("the body did not come in time"),
            BodyError::Malformed(what) => write!(f, "the body is malformed: {what}"),
            BodyError::AlreadyRead => f.write_str("the body has been read before"),
            BodyError::Closed => f.write_str("nobody reads the body any more"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<treaty::BodyError> for BodyError {
    fn from(error: treaty::BodyError) -> BodyError {
        match error {
            treaty::BodyError::Aborted => BodyError::Aborted,
            treaty::BodyError::TooLarge => BodyError::TooLarge,
            treaty::BodyError::TimedOut => BodyError::TimedOut,
        }
    }
}

impl From<standard::ErrorCode> for BodyError {
    fn from(error: standard::ErrorCode) -> BodyError {
        use standard::ErrorCode::*;
        match error {
            HttpRequestBodySize(_) => BodyError::TooLarge,
            ConnectionTimeout | ConnectionReadTimeout | HttpResponseTimeout => BodyError::TimedOut,
            _ => BodyError::Aborted,
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::from_content(Content::Bytes(bytes), None)
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Body {
        bytes.to_vec().into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        text.into_bytes().into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Body {
        text.as_bytes().into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Content::Hob(_) | Content::Standard(_) | Content::Written(_) => {
                f.write_str("Body(stream)")
            }
            Content::Ended(_) => f.write_str("Body(read)"),
        }
    }
}
