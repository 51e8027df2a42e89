//! Whoever has offloaded this job: messages in both directions while it runs.
//!
//! Of a [`streaming_job`](crate::streaming_job) messages are its input and its output; a
//! [`job`](crate::job) may exchange them beside these. What a handler sends and receives is a
//! [`Job`](crate::offload::Job) of [`offload`](crate::offload).
//!
//! ```
//! use hob_sdk::caller;
//!
//! #[hob_sdk::streaming_job]
//! async fn upper_case() -> Result<(), caller::Error> {
//!     while let Some(piece) = caller::receive().await {
//!         caller::send(piece.to_ascii_uppercase()).await?;
//!     }
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! A component that uses this can be a job, and no handler.

use core::fmt;

use crate::bindings::hob::host::caller as treaty;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It is longer than 1 MiB.
    TooLarge,
    /// No one receives: the job was run for its output alone.
    Gone,
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Gone => Error::Gone,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::TooLarge => "the message is too large",
            Error::Gone => "no one receives the message",
        })
    }
}

impl std::error::Error for Error {}

/// The length of a message, in bytes, at the most. The host ends a job that hands over much more.
const MESSAGE_MAX: usize = 1024 * 1024;

/// The next message; none when there will be no more. Of a streaming job the first is the beginning of
/// the input.
///
/// ```no_run
/// # use hob_sdk::caller;
/// # async fn example() {
/// let mut length = 0;
/// while let Some(piece) = caller::receive().await {
///     length += piece.len();
/// }
/// # }
/// ```
pub async fn receive() -> Option<Vec<u8>> {
    treaty::receive().await
}

/// Gives the caller a message of up to 1 MiB, and waits while eight are there that it has not
/// received. Of a streaming job it is a piece of the output.
///
/// ```no_run
/// # async fn example(rows: Vec<String>) -> Result<(), hob_sdk::caller::Error> {
/// for row in rows {
///     hob_sdk::caller::send(row).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub async fn send(message: impl Into<Vec<u8>>) -> Result<(), Error> {
    let message = message.into();
    if message.len() > MESSAGE_MAX {
        return Err(Error::TooLarge);
    }
    Ok(treaty::send(message).await?)
}

/// Says how far the job is: so much is done of so much, or of nobody knows how much. The caller sees
/// the last that was said, by [`Job::progress`](crate::offload::Job::progress).
///
/// ```no_run
/// hob_sdk::caller::progress(3, 10);
/// hob_sdk::caller::progress(4096, None);
/// ```
pub fn progress(done: u64, total: impl Into<Option<u64>>) {
    treaty::progress(done, total.into().unwrap_or(0));
}
