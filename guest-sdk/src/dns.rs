//! The lookup of names, by the host's resolver. A handler that uses this must be granted it in
//! `hob.toml`: `dns = true`. Outbound requests look names up by themselves.

use core::fmt;
use std::net::IpAddr;

use crate::bindings::hob::host::dns as treaty;

/// What a lookup fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not allow it.
    Denied,
    /// There is no such name, or it has no address.
    NotFound,
    /// Too much of the tenant's work waits already: try later.
    Busy,
    /// That is no host name.
    Invalid(String),
    /// The resolver gives no answer.
    Failed(String),
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Denied => Error::Denied,
            treaty::Error::NotFound => Error::NotFound,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied => f.write_str("names may not be looked up"),
            Error::NotFound => f.write_str("the name has no address"),
            Error::Busy => f.write_str("too much work waits already"),
            Error::Invalid(why) => f.write_str(why),
            Error::Failed(why) => write!(f, "the lookup failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// The addresses of a name, in the resolver's order.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// for address in hob_sdk::dns::lookup("example.com").await? {
///     println!("{address}");
/// }
/// # Ok(())
/// # }
/// ```
pub async fn lookup(name: impl Into<String>) -> Result<Vec<IpAddr>, Error> {
    let addresses = treaty::lookup(name.into()).await?;
    Ok(addresses.iter().filter_map(|address| address.parse().ok()).collect())
}
