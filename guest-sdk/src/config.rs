//! What `hob.toml` tells a handler, and its secrets: `wasi:config`.
//!
//! ```toml
//! [[handler]]
//! name = "shop"
//! component = "shop.wasm"
//! config = { currency = "EUR" }
//! secrets = { API_KEY = { file = "api-key" }, TOKEN = { env = "SHOP_TOKEN" } }
//! ```
//!
//! ```no_run
//! # fn example() -> hob_sdk::Result<()> {
//! use hob_sdk::config;
//!
//! let currency = config::get("currency")?.unwrap_or("USD".into());
//! let key = config::secret("API_KEY")?;
//! # Ok(())
//! # }
//! ```
//!
//! No grant is needed: what is there was written for this handler.

use core::fmt;

use crate::bindings::wasi::config::store;

/// Why the host cannot tell. Hob always can; other hosts ask elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A secret that is wanted is not there.
    Missing(String),
    /// Where the host asks has failed.
    Failed(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match error {
            store::Error::Upstream(why) | store::Error::Io(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing(key) => write!(f, "there is no secret `{key}`"),
            Error::Failed(why) => write!(f, "the configuration cannot be read: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// A value of `config` or of `secrets`, if there is one.
///
/// ```no_run
/// # fn example() -> hob_sdk::Result<()> {
/// let limit: usize = match hob_sdk::config::get("page-size")? {
///     Some(text) => text.parse()?,
///     None => 20,
/// };
/// # Ok(())
/// # }
/// ```
pub fn get(key: &str) -> Result<Option<String>, Error> {
    Ok(store::get(key)?)
}

/// All values of `config`; the secrets are not among them.
///
/// ```no_run
/// # fn example() -> hob_sdk::Result<()> {
/// for (key, value) in hob_sdk::config::all()? {
///     println!("{key} = {value}");
/// }
/// # Ok(())
/// # }
/// ```
pub fn all() -> Result<Vec<(String, String)>, Error> {
    Ok(store::get_all()?)
}

/// A secret, or [`Error::Missing`].
///
/// ```no_run
/// # use hob_sdk::crypto::{self, HmacAlgorithm};
/// # async fn example(payload: &[u8]) -> hob_sdk::Result<()> {
/// let key = hob_sdk::config::secret("SIGNING_KEY")?;
/// let tag = crypto::hmac(HmacAlgorithm::Sha256, key.expose(), payload).await?;
/// # Ok(())
/// # }
/// ```
pub fn secret(key: &str) -> Result<Secret, Error> {
    store::get(key)?.map(Secret).ok_or_else(|| Error::Missing(key.to_owned()))
}

/// A secret, which neither `{:?}` nor an error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What it is.
    ///
    /// ```no_run
    /// # fn example() -> hob_sdk::Result<()> {
    /// let authorization = format!("Bearer {}", hob_sdk::config::secret("TOKEN")?.expose());
    /// # Ok(())
    /// # }
    /// ```
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
