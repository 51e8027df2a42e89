//! Work that computes, beside the event loop.
//!
//! A handler holds the loop while it computes. What takes longer than some milliseconds belongs into a
//! module: a component that exports a [`job`](crate::job), a
//! [`streaming_job`](crate::streaming_job), or any command-line program made for WASI. It runs in an
//! instance of its own, on threads of their own kind, within limits of its own. It has a
//! `[[module]]` table in `hob.toml`, and a handler that uses it must be granted it there:
//! `offload = ["thumbnail"]`.
//!
//! ```no_run
//! # async fn example(picture: Vec<u8>) -> hob_sdk::Result<()> {
//! use hob_sdk::offload;
//!
//! let thumbnail = offload::run("thumbnail", picture).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod job;
mod options;
mod together;

use crate::bindings::hob::host::offload as treaty;

pub use error::Error;
pub use job::{Job, Progress};
pub use options::Options;

/// Runs a module to its end, and gives its output. A program's input is its standard input and its
/// output the standard output; a streaming job's are all that it takes and gives. Dropped, the job is
/// stopped.
///
/// ```no_run
/// # use hob_sdk::{Error, Result, offload};
/// # async fn example(picture: Vec<u8>) -> Result<Vec<u8>> {
/// match offload::run("thumbnail", picture).await {
///     Err(offload::Error::Rejected(why)) => Err(Error::status(422, why)),
///     thumbnail => Ok(thumbnail?),
/// }
/// # }
/// ```
pub async fn run(module: impl Into<String>, input: impl Into<Vec<u8>>) -> Result<Vec<u8>, Error> {
    run_with(module, input, Options::new()).await
}

/// The same with options: the arguments of a program, and how long it may take.
///
/// ```no_run
/// # async fn example(text: String) -> hob_sdk::Result<()> {
/// use hob_sdk::offload::{self, Options};
///
/// let lines = offload::run_with("sort", text, Options::new().argument("--unique")).await?;
/// # Ok(())
/// # }
/// ```
pub async fn run_with(
    module: impl Into<String>,
    input: impl Into<Vec<u8>>,
    options: Options,
) -> Result<Vec<u8>, Error> {
    let input = input.into();
    check(&input)?;
    Ok(treaty::run(module.into(), input, options.into_treaty()).await?)
}

/// No module takes more bytes at once.
const AT_ONCE_MAX: usize = 16 * 1024 * 1024;

/// Refuses what is too long for any call. The host would have to take it before it could refuse it, and
/// ends the handler instead.
fn check(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > AT_ONCE_MAX { Err(Error::TooLarge) } else { Ok(()) }
}

/// How many pieces of [`all`] are offloaded at once: more than there are threads for them on most
/// machines, and a part of what a tenant may have begun.
const PIECES_AT_ONCE: usize = 64;

/// Runs a module once for each piece of the input, all at once as far as there are threads, and gives
/// the outputs in the order of the pieces. The first error stops the rest. At most 64 pieces are
/// offloaded at once; the others follow as these are done.
///
/// ```no_run
/// # async fn example(numbers: Vec<u8>) -> hob_sdk::Result<()> {
/// let quarter = numbers.len().div_ceil(4).max(1);
/// let sorted = hob_sdk::offload::all("sort-piece", numbers.chunks(quarter)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn all(
    module: impl Into<String>,
    pieces: impl IntoIterator<Item = impl Into<Vec<u8>>>,
) -> Result<Vec<Vec<u8>>, Error> {
    all_with(module, pieces, Options::new()).await
}

/// The same with options, which are the same for each piece.
pub async fn all_with(
    module: impl Into<String>,
    pieces: impl IntoIterator<Item = impl Into<Vec<u8>>>,
    options: Options,
) -> Result<Vec<Vec<u8>>, Error> {
    let module = module.into();
    let job = |piece| run_with(module.clone(), piece, options.clone());
    together::together(pieces.into_iter().map(job), PIECES_AT_ONCE).await
}

/// Begins a job, which goes on while the handler does, and exchanges messages with it. `input` is what
/// a [`job`](crate::job) is called with, or the beginning of the input of a program and of a streaming
/// job. It waits for a thread, if it must, while the handler goes on.
///
/// ```no_run
/// # use std::time::Duration;
/// # use hob_sdk::{offload, time};
/// # async fn example(film: Vec<u8>) -> hob_sdk::Result<()> {
/// let encoder = offload::spawn("encode", film)?;
/// time::sleep(Duration::from_secs(1)).await;
/// println!("so far: {:?}", encoder.progress());
/// let encoded = encoder.finish().await?;
/// # Ok(())
/// # }
/// ```
pub fn spawn(module: &str, input: impl AsRef<[u8]>) -> Result<Job, Error> {
    spawn_with(module, input, Options::new())
}

/// The same with options.
pub fn spawn_with(module: &str, input: impl AsRef<[u8]>, options: Options) -> Result<Job, Error> {
    check(input.as_ref())?;
    let job = treaty::spawn(module, input.as_ref(), &options.into_treaty())?;
    Ok(Job(job))
}
