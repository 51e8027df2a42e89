//! The tenant's keys and values.
//!
//! A key is text of up to 512 bytes, a value has up to 1 MiB. Each call is atomic, and suspends the
//! handler once, while a host thread does the work. A handler that uses this must be granted it in
//! `hob.toml`: `kv = "read"` or `kv = "write"`.
//!
//! ```no_run
//! # async fn example() -> hob_sdk::Result<()> {
//! use hob_sdk::kv;
//!
//! kv::set("user:1", "ada").await?;
//! let name = kv::get("user:1").await?;
//! let visits = kv::increment("visits", 1).await?;
//! # Ok(())
//! # }
//! ```

use core::fmt;
use std::time::Duration;

use crate::bindings::hob::host::kv as treaty;

/// What an operation on the store fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not allow it.
    Denied,
    /// A key or a value is too long, or more is asked for than is handed over in one call.
    TooLarge,
    /// The key is empty; or the value is no number, or would be none any more.
    Invalid(String),
    /// No room is left on the disk.
    Full,
    /// Too much of the tenant's work waits already: try later.
    Busy,
    /// It took too long, and has changed nothing.
    TimedOut,
    /// The store failed.
    Failed(String),
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Denied => Error::Denied,
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::Full => Error::Full,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::TimedOut => Error::TimedOut,
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied => f.write_str("the store may not be used so"),
            Error::TooLarge => f.write_str("a key or a value is too large"),
            Error::Invalid(why) => write!(f, "the store cannot do that: {why}"),
            Error::Full => f.write_str("the store is full"),
            Error::Busy => f.write_str("the store is busy"),
            Error::TimedOut => f.write_str("the store took too long"),
            Error::Failed(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// A key and the value that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// How long it stays; none: for good.
    pub ttl: Option<Duration>,
}

/// Some keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their bytes.
    pub keys: Vec<String>,
    /// What to ask for the next page with; none: this is the last.
    pub next: Option<String>,
}

/// A time in milliseconds, and at least one: what is to be gone at once is deleted instead.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The value of a key, if there is one.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let page = hob_sdk::kv::get("page:home").await?.unwrap_or_default();
/// # Ok(())
/// # }
/// ```
pub async fn get(key: impl Into<String>) -> Result<Option<Vec<u8>>, Error> {
    Ok(treaty::get(key.into()).await?)
}

/// The values of up to 1,000 keys, of 4 MiB in all, as they are at one moment.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let both = hob_sdk::kv::get_many(["user:1", "user:2"]).await?;
/// # Ok(())
/// # }
/// ```
pub async fn get_many(
    keys: impl IntoIterator<Item = impl Into<String>>,
) -> Result<Vec<Option<Vec<u8>>>, Error> {
    Ok(treaty::get_many(keys.into_iter().map(Into::into).collect()).await?)
}

/// Gives a key a value, for good.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// hob_sdk::kv::set("greeting", "hello").await?;
/// # Ok(())
/// # }
/// ```
pub async fn set(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Result<(), Error> {
    Ok(treaty::set(key.into(), value.into(), None).await?)
}

/// Gives a key a value for some time.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// use std::time::Duration;
/// hob_sdk::kv::set_for("session:7", "ada", Duration::from_secs(3600)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn set_for(
    key: impl Into<String>,
    value: impl Into<Vec<u8>>,
    ttl: Duration,
) -> Result<(), Error> {
    Ok(treaty::set(key.into(), value.into(), Some(milliseconds(ttl))).await?)
}

/// Gives up to 1,000 keys their values: all of them, or none.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// use hob_sdk::kv::{self, Entry};
/// let entry = |key: &str| Entry { key: key.to_owned(), value: b"1".to_vec(), ttl: None };
/// kv::set_many([entry("a"), entry("b")]).await?;
/// # Ok(())
/// # }
/// ```
pub async fn set_many(entries: impl IntoIterator<Item = Entry>) -> Result<(), Error> {
    let entry =
        |Entry { key, value, ttl }| treaty::Entry { key, value, ttl: ttl.map(milliseconds) };
    Ok(treaty::set_many(entries.into_iter().map(entry).collect()).await?)
}

/// Takes a key and its value away; whether it was there.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let was_there = hob_sdk::kv::delete("session:7").await?;
/// # Ok(())
/// # }
/// ```
pub async fn delete(key: impl Into<String>) -> Result<bool, Error> {
    Ok(treaty::delete(vec![key.into()]).await? > 0)
}

/// Takes up to 1,000 keys away, all of them or none; how many were there.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let page = hob_sdk::kv::list("session:", None, 1000).await?;
/// hob_sdk::kv::delete_many(page.keys).await?;
/// # Ok(())
/// # }
/// ```
pub async fn delete_many(keys: impl IntoIterator<Item = impl Into<String>>) -> Result<u64, Error> {
    Ok(treaty::delete(keys.into_iter().map(Into::into).collect()).await?)
}

/// Whether there is such a key.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// if !hob_sdk::kv::exists("user:1").await? {
///     return Err(hob_sdk::Error::status(404, "no such user"));
/// }
/// # Ok(())
/// # }
/// ```
pub async fn exists(key: impl Into<String>) -> Result<bool, Error> {
    Ok(treaty::exists(key.into()).await?)
}

/// The keys that begin so: up to `limit` of them, but one at least and 1,000 at the most. The first page is
/// asked for without `cursor`, the next with what the one before gives.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let mut cursor = None;
/// loop {
///     let page = hob_sdk::kv::list("user:", cursor.as_deref(), 100).await?;
///     println!("{:?}", page.keys);
///     cursor = page.next;
///     if cursor.is_none() {
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub async fn list(
    prefix: impl Into<String>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page, Error> {
    let page = treaty::list(prefix.into(), cursor.map(str::to_owned), limit).await?;
    Ok(Page { keys: page.keys, next: page.next })
}

/// Adds to a number, which is 0 when there is no such key, and gives the sum. A number is its decimal
/// digits as text.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let stock = hob_sdk::kv::increment("stock:lamp", -1).await?;
/// # Ok(())
/// # }
/// ```
pub async fn increment(key: impl Into<String>, delta: i64) -> Result<i64, Error> {
    Ok(treaty::increment(key.into(), delta).await?)
}

/// Gives a key a value for good if it has the value `expected`, or none if that is none; whether it
/// did.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let is_mine = hob_sdk::kv::compare_and_set("lock", None, "me").await?;
/// # Ok(())
/// # }
/// ```
pub async fn compare_and_set(
    key: impl Into<String>,
    expected: Option<&[u8]>,
    value: impl Into<Vec<u8>>,
) -> Result<bool, Error> {
    let expected = expected.map(<[u8]>::to_vec);
    Ok(treaty::compare_and_set(key.into(), expected, value.into(), None).await?)
}

/// The same for some time.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// use std::time::Duration;
/// let time = Duration::from_secs(30);
/// let is_mine = hob_sdk::kv::compare_and_set_for("lock", None, "me", time).await?;
/// # Ok(())
/// # }
/// ```
pub async fn compare_and_set_for(
    key: impl Into<String>,
    expected: Option<&[u8]>,
    value: impl Into<Vec<u8>>,
    ttl: Duration,
) -> Result<bool, Error> {
    let expected = expected.map(<[u8]>::to_vec);
    let ttl = Some(milliseconds(ttl));
    Ok(treaty::compare_and_set(key.into(), expected, value.into(), ttl).await?)
}
