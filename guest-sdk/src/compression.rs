//! gzip, deflate, brotli and zstd, by the host at native speed.
//!
//! What is small is done at once; anything else suspends the handler while a host thread does it.
//! No grant is needed: nothing is reached by it. To compress a handler's answers, write
//! `compress = true` into its table in `hob.toml` instead.
//!
//! ```no_run
//! # async fn example(report: &str) -> hob_sdk::Result<()> {
//! use hob_sdk::compression::{self, Format};
//!
//! let small = compression::compress(Format::Zstd, None, report).await?;
//! let large = compression::decompress(Format::Zstd, small, 1 << 20).await?;
//! # Ok(())
//! # }
//! ```

use core::fmt;

use crate::bindings::hob::host::compression as treaty;

pub use treaty::Format;

/// What an operation fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A level there is not, input that is malformed or ends early.
    Invalid(String),
    /// More comes out than was allowed, or more goes in than may wait.
    TooLarge,
    /// Too much of the tenant's work waits already, or too many coders are open: try later.
    Busy,
    /// The host failed.
    Failed(String),
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(why) => write!(f, "the data cannot be meant: {why}"),
            Error::TooLarge => f.write_str("more than is allowed"),
            Error::Busy => f.write_str("too much work waits already"),
            Error::Failed(why) => write!(f, "the host failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// Compresses data. Levels are from 0 to 9, for zstd from 1; without one it is 6 for gzip and deflate,
/// 5 for brotli, 3 for zstd.
///
/// ```no_run
/// # use hob_sdk::{Response, Result};
/// # async fn example(page: String) -> Result<Response> {
/// use hob_sdk::compression::{self, Format};
///
/// let small = compression::compress(Format::Gzip, Some(9), page).await?;
/// Ok(Response::bytes(small).with_header("content-encoding", "gzip"))
/// # }
/// ```
pub async fn compress(
    format: Format,
    level: Option<u32>,
    data: impl Into<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::compress(format, level, data.into()).await?)
}

/// What was compressed; [`Error::TooLarge`] when it is more than `max_output` bytes, or than 16 MiB.
///
/// ```no_run
/// # use hob_sdk::{Request, Response, Result};
/// # async fn example(mut request: Request) -> Result<Response> {
/// use hob_sdk::compression::{self, Error, Format};
///
/// let body = request.take_body().bytes().await?;
/// let text = match compression::decompress(Format::Gzip, body, 1 << 20).await {
///     Err(Error::TooLarge) => return Ok(Response::text("too large\n").with_status(413)),
///     text => text?,
/// };
/// # Ok(Response::bytes(text))
/// # }
/// ```
pub async fn decompress(
    format: Format,
    data: impl Into<Vec<u8>>,
    max_output: u32,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::decompress(format, data.into(), max_output).await?)
}

/// Compresses data that comes in pieces.
#[derive(Debug)]
pub struct Encoder(treaty::Encoder);

/// Begins to compress data that comes in pieces. A level as for [`compress`].
///
/// ```no_run
/// # async fn example(mut body: hob_sdk::Body) -> hob_sdk::Result<()> {
/// use hob_sdk::compression::{self, Format};
/// use hob_sdk::files;
///
/// let mut encoder = compression::encoder(Format::Zstd, None)?;
/// let file = files::create("upload.zst").await?;
/// while let Some(chunk) = body.chunk().await? {
///     file.write(encoder.write(chunk).await?).await?;
/// }
/// file.write(encoder.finish().await?).await?;
/// file.finish().await?;
/// # Ok(())
/// # }
/// ```
pub fn encoder(format: Format, level: Option<u32>) -> Result<Encoder, Error> {
    Ok(Encoder(treaty::open_encoder(format, level)?))
}

impl Encoder {
    /// Takes a piece, and gives what has come out, which may be nothing.
    pub async fn write(&mut self, data: impl Into<Vec<u8>>) -> Result<Vec<u8>, Error> {
        Ok(self.0.write(data.into()).await?)
    }

    /// Gives all that a reader needs for what was written so far.
    pub async fn flush(&mut self) -> Result<Vec<u8>, Error> {
        Ok(self.0.flush().await?)
    }

    /// Gives the rest.
    pub async fn finish(self) -> Result<Vec<u8>, Error> {
        Ok(self.0.finish().await?)
    }
}

/// Decompresses data that comes in pieces.
#[derive(Debug)]
pub struct Decoder(treaty::Decoder);

/// Begins to decompress data that comes in pieces.
///
/// ```no_run
/// # async fn example(mut body: hob_sdk::Body) -> hob_sdk::Result<()> {
/// use hob_sdk::compression::{self, Format};
///
/// let mut decoder = compression::decoder(Format::Gzip)?;
/// let mut lines = 0;
/// while let Some(chunk) = body.chunk().await? {
///     let mut piece = decoder.write(chunk).await?;
///     while !piece.is_empty() {
///         lines += piece.iter().filter(|&&byte| byte == b'\n').count();
///         piece = decoder.more().await?;
///     }
/// }
/// decoder.finish().await?;
/// # Ok(())
/// # }
/// ```
pub fn decoder(format: Format) -> Result<Decoder, Error> {
    Ok(Decoder(treaty::open_decoder(format)?))
}

impl Decoder {
    /// Takes a piece, and gives what has come out: at most 1 MiB. Unless it is nothing there may be
    /// [`more`](Decoder::more).
    pub async fn write(&mut self, data: impl Into<Vec<u8>>) -> Result<Vec<u8>, Error> {
        Ok(self.0.write(data.into()).await?)
    }

    /// What comes out of the pieces written so far: at most 1 MiB; nothing when all of it has.
    pub async fn more(&mut self) -> Result<Vec<u8>, Error> {
        Ok(self.0.write(Vec::new()).await?)
    }

    /// Says whether all has come out and nothing is missing; if not it is [`Error::Invalid`].
    pub async fn finish(self) -> Result<(), Error> {
        Ok(self.0.finish().await?)
    }
}
