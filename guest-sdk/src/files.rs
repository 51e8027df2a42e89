//! The tenant's own folder.
//!
//! Paths are relative to it, with `/` between names; one that leaves the folder, by `..` or through
//! a symbolic link, is [`Error::Denied`]. Each call suspends the handler once, while a host thread
//! does the work. A handler that uses this must be granted it in `hob.toml`: `files = "read"` or
//! `files = "write"`.
//!
//! ```no_run
//! # async fn example() -> hob_sdk::Result<()> {
//! use hob_sdk::files;
//!
//! files::write("greeting.txt", "hello\n").await?;
//! let text = files::read_to_string("greeting.txt").await?;
//! # Ok(())
//! # }
//! ```
//!
//! `std::fs` works too: the folder is `/`. It blocks the one handler that uses it, costs a suspension
//! for every step, and does not say `Busy`.

use core::fmt;
use std::time::{Duration, SystemTime};

use crate::Body;
use crate::bindings::hob::host::files as treaty;

pub use treaty::Kind;

/// What an operation on files fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The path leaves the folder, or the grant does not allow it.
    Denied,
    /// Nothing is there.
    NotFound,
    /// Something is there already.
    Exists,
    /// More than is handed over in one call: use [`read_range`] or [`open`].
    TooLarge,
    /// No room is left on the disk. Nothing was changed.
    Full,
    /// Too much of the tenant's work waits already: try later.
    Busy,
    /// The path cannot be meant, as a folder where a file is wanted.
    Invalid(String),
    /// The disk failed.
    Failed(String),
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Denied => Error::Denied,
            treaty::Error::NotFound => Error::NotFound,
            treaty::Error::Exists => Error::Exists,
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Full => Error::Full,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied => f.write_str("the file may not be reached"),
            Error::NotFound => f.write_str("there is no such file"),
            Error::Exists => f.write_str("there is such a file already"),
            Error::TooLarge => f.write_str("the file is too large for one call"),
            Error::Full => f.write_str("the disk is full"),
            Error::Busy => f.write_str("too much work waits already"),
            Error::Invalid(why) => write!(f, "the path cannot be meant: {why}"),
            Error::Failed(why) => write!(f, "the disk failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// What is at a path.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// A file, a folder, or something else.
    pub kind: Kind,
    /// In bytes; of a folder 0.
    pub size: u64,
    /// When its content last changed.
    pub modified: SystemTime,
}

/// What is in a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, without the folder's path.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// The whole content of a file of up to 16 MiB.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// use hob_sdk::files::{self, Error};
///
/// let logo = match files::read("logo.png").await {
///     Err(Error::NotFound) => files::read("default.png").await?,
///     read => read?,
/// };
/// # Ok(())
/// # }
/// ```
pub async fn read(path: impl Into<String>) -> Result<Vec<u8>, Error> {
    Ok(treaty::read(path.into()).await?)
}

/// The whole content of a file of up to 16 MiB, as text; [`Error::Invalid`] if it is not UTF-8.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let text = hob_sdk::files::read_to_string("notes/today.md").await?;
/// # Ok(())
/// # }
/// ```
pub async fn read_to_string(path: impl Into<String>) -> Result<String, Error> {
    String::from_utf8(read(path).await?).map_err(|error| Error::Invalid(error.to_string()))
}

/// Up to `length` bytes from `offset` on, 16 MiB at the most; fewer at the end of the file.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let header = hob_sdk::files::read_range("video.mp4", 0, 64).await?;
/// # Ok(())
/// # }
/// ```
pub async fn read_range(
    path: impl Into<String>,
    offset: u64,
    length: u32,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::read_range(path.into(), offset, length).await?)
}

/// Makes or replaces a file, whole or not at all. It is on the disk when this returns, and nobody
/// sees half of it.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// hob_sdk::files::write("settings.json", r#"{"theme": "dark"}"#).await?;
/// # Ok(())
/// # }
/// ```
pub async fn write(path: impl Into<String>, data: impl Into<Vec<u8>>) -> Result<(), Error> {
    Ok(treaty::write(path.into(), data.into()).await?)
}

/// Adds to the end of a file, which is made when it is not there. On the disk when this returns.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// hob_sdk::files::append("visits.log", "somebody\n").await?;
/// # Ok(())
/// # }
/// ```
pub async fn append(path: impl Into<String>, data: impl Into<Vec<u8>>) -> Result<(), Error> {
    Ok(treaty::append(path.into(), data.into()).await?)
}

/// A page of what is in a folder, in the order of the names: up to `limit` entries, 1,000 at the
/// most, after the name `after`.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let mut after = None;
/// loop {
///     let page = hob_sdk::files::list("uploads", after.as_deref(), 100).await?;
///     let Some(last) = page.last() else { break };
///     after = Some(last.name.clone());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn list(
    path: impl Into<String>,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let page = treaty::list(path.into(), after.map(str::to_owned), limit).await?;
    Ok(page.into_iter().map(|treaty::Entry { name, kind }| Entry { name, kind }).collect())
}

/// What is at a path.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let size = hob_sdk::files::stat("video.mp4").await?.size;
/// # Ok(())
/// # }
/// ```
pub async fn stat(path: impl Into<String>) -> Result<Metadata, Error> {
    let treaty::Metadata { kind, size, modified } = treaty::stat(path.into()).await?;
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(modified);
    Ok(Metadata { kind, size, modified })
}

/// Removes a file or an empty folder.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// hob_sdk::files::remove("uploads/old.png").await?;
/// # Ok(())
/// # }
/// ```
pub async fn remove(path: impl Into<String>) -> Result<(), Error> {
    Ok(treaty::remove(path.into()).await?)
}

/// Gives a file or folder another path; a file that is there is replaced.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// hob_sdk::files::rename("inbox/1.eml", "archive/1.eml").await?;
/// # Ok(())
/// # }
/// ```
pub async fn rename(path: impl Into<String>, to: impl Into<String>) -> Result<(), Error> {
    Ok(treaty::rename(path.into(), to.into()).await?)
}

/// Makes a folder, and those above it. It may be there already.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// hob_sdk::files::create_folder("uploads/2026").await?;
/// # Ok(())
/// # }
/// ```
pub async fn create_folder(path: impl Into<String>) -> Result<(), Error> {
    Ok(treaty::create_folder(path.into()).await?)
}

/// A file that is read piece by piece.
#[derive(Debug)]
pub struct Reader(treaty::Reader);

/// Opens a file to be read piece by piece.
///
/// ```no_run
/// # use hob_sdk::{Response, Result};
/// # async fn example() -> Result<Response> {
/// let video = hob_sdk::files::open("video.mp4").await?;
/// Ok(Response::new(video.into_body()).with_header("content-type", "video/mp4"))
/// # }
/// ```
pub async fn open(path: impl Into<String>) -> Result<Reader, Error> {
    Ok(Reader(treaty::open_reader(path.into()).await?))
}

impl Reader {
    /// How many bytes are read at once for a body.
    const PIECE: u32 = 256 * 1024;

    /// Its length when it was opened.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// The next bytes, at most `max` and at most 1 MiB; none at the end.
    ///
    /// ```no_run
    /// # async fn example() -> hob_sdk::Result<()> {
    /// let file = hob_sdk::files::open("video.mp4").await?;
    /// while let Some(piece) = file.read(64 * 1024).await? {
    ///     println!("{} bytes", piece.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read(&self, max: u32) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.0.read(max).await?;
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// The file as a response's body, read as the client takes it, up to the length it had when it was
    /// opened.
    pub fn into_body(self) -> Body {
        Body::stream(async move |mut writer| {
            let mut left = self.size();
            // Its length is known, so the end need not be asked for.
            while left > 0 {
                let Some(piece) = self.read(Self::PIECE).await? else { break };
                left = left.saturating_sub(piece.len() as u64);
                writer.write(piece).await?;
            }
            Ok(())
        })
    }
}

/// A file that is written piece by piece. Dropped before [`finish`](Writer::finish), it leaves
/// nothing behind.
#[derive(Debug)]
pub struct Writer(treaty::Writer);

/// Begins a file that is to be at `path` when it is finished.
///
/// ```no_run
/// # use hob_sdk::{Request, Response, Result};
/// # async fn example(mut request: Request) -> Result<Response> {
/// let file = hob_sdk::files::create("upload.bin").await?;
/// let mut body = request.take_body();
/// while let Some(chunk) = body.chunk().await? {
///     file.write(chunk).await?;
/// }
/// file.finish().await?;
/// Ok(Response::text("stored\n").with_status(201))
/// # }
/// ```
pub async fn create(path: impl Into<String>) -> Result<Writer, Error> {
    Ok(Writer(treaty::open_writer(path.into()).await?))
}

impl Writer {
    /// Adds bytes.
    pub async fn write(&self, data: impl Into<Vec<u8>>) -> Result<(), Error> {
        Ok(self.0.write(data.into()).await?)
    }

    /// Puts the whole file in its place, replacing one that is there.
    pub async fn finish(self) -> Result<(), Error> {
        Ok(self.0.finish().await?)
    }
}
