//! Hashes, passwords, ciphers and signatures, by the host at native speed.
//!
//! What is small is done at once; anything else suspends the handler while a host thread does it.
//! No grant is needed: nothing is reached by it.
//!
//! ```no_run
//! # async fn example(password: &str) -> hob_sdk::Result<()> {
//! use hob_sdk::crypto::{self, PasswordScheme};
//!
//! let kept = crypto::hash_password(PasswordScheme::default(), password).await?;
//! assert!(crypto::verify_password(password, kept).await?);
//! # Ok(())
//! # }
//! ```

use core::fmt;

use crate::bindings::hob::host::crypto as treaty;

pub use treaty::{
    Argon2Cost, Cipher, HashAlgorithm, HmacAlgorithm, PasswordScheme, Pbkdf2Cost, ScryptCost,
};

/// What an operation fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument that cannot be meant: a key or a nonce of the wrong length, a cost beyond the
    /// bounds, a hash string that is malformed.
    Invalid(String),
    /// What is opened was not sealed so: another key, another nonce, or it was changed.
    NotAuthentic,
    /// More is asked for than is given in one call.
    TooLarge,
    /// Too much of the tenant's work waits already, or there is no memory for it: try later.
    Busy,
    /// The host failed.
    Failed(String),
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::NotAuthentic => Error::NotAuthentic,
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(why) => write!(f, "the argument cannot be meant: {why}"),
            Error::NotAuthentic => f.write_str("it was not sealed with this key, or was changed"),
            Error::TooLarge => f.write_str("more than is given in one call"),
            Error::Busy => f.write_str("too much work waits already"),
            Error::Failed(why) => write!(f, "the host failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl Default for PasswordScheme {
    /// Argon2id with 19 MiB and two passes: the least that OWASP recommends.
    fn default() -> Self {
        PasswordScheme::Argon2id(Argon2Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 })
    }
}

/// The hash of data.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, HashAlgorithm};
///
/// let hash = crypto::hash(HashAlgorithm::Sha256, "hello").await?;
/// assert_eq!(hash.len(), 32);
/// # Ok(())
/// # }
/// ```
pub async fn hash(algorithm: HashAlgorithm, data: impl Into<Vec<u8>>) -> Result<Vec<u8>, Error> {
    Ok(treaty::hash(algorithm, data.into()).await?)
}

/// A hash of data that comes in pieces.
#[derive(Debug)]
pub struct Hasher(treaty::Hasher);

/// Begins a hash of data that comes in pieces.
///
/// ```no_run
/// # use hob_sdk::{Request, Result};
/// # async fn example(mut request: Request) -> Result<Vec<u8>> {
/// use hob_sdk::crypto::{self, HashAlgorithm};
///
/// let mut hasher = crypto::hasher(HashAlgorithm::Blake3);
/// let mut body = request.take_body();
/// while let Some(chunk) = body.chunk().await? {
///     hasher.update(chunk).await?;
/// }
/// Ok(hasher.finish().await?)
/// # }
/// ```
pub fn hasher(algorithm: HashAlgorithm) -> Hasher {
    Hasher(treaty::open_hasher(algorithm))
}

impl Hasher {
    /// Adds the next piece.
    pub async fn update(&mut self, data: impl Into<Vec<u8>>) -> Result<(), Error> {
        Ok(self.0.update(data.into()).await?)
    }

    /// The hash of all pieces.
    pub async fn finish(self) -> Result<Vec<u8>, Error> {
        Ok(self.0.finish().await?)
    }
}

/// The tag (HMAC) of data under a key of any length.
///
/// ```no_run
/// # async fn example(secret: &[u8], payload: &[u8]) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, HmacAlgorithm};
///
/// let tag = crypto::hmac(HmacAlgorithm::Sha256, secret, payload).await?;
/// # Ok(())
/// # }
/// ```
pub async fn hmac(
    algorithm: HmacAlgorithm,
    key: impl Into<Vec<u8>>,
    data: impl Into<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::hmac(algorithm, key.into(), data.into()).await?)
}

/// Whether a tag is that of data, in a time that does not tell where they differ.
///
/// ```no_run
/// # use hob_sdk::{Response, Result};
/// # async fn example(secret: &[u8], payload: &[u8], tag: &[u8]) -> Result<Response> {
/// use hob_sdk::crypto::{self, HmacAlgorithm};
///
/// if !crypto::verify_hmac(HmacAlgorithm::Sha256, secret, payload, tag).await? {
///     return Ok(Response::text("who are you?\n").with_status(401));
/// }
/// # Ok(Response::text(""))
/// # }
/// ```
pub async fn verify_hmac(
    algorithm: HmacAlgorithm,
    key: impl Into<Vec<u8>>,
    data: impl Into<Vec<u8>>,
    tag: impl Into<Vec<u8>>,
) -> Result<bool, Error> {
    Ok(treaty::verify_hmac(algorithm, key.into(), data.into(), tag.into()).await?)
}

/// Makes a key out of a secret that has enough randomness already (HKDF); `info` says what it is for.
/// At most 255 times the hash's length.
///
/// ```no_run
/// # async fn example(shared: &[u8]) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, HmacAlgorithm};
///
/// let key = crypto::hkdf(HmacAlgorithm::Sha256, shared, "", "session key", 32).await?;
/// # Ok(())
/// # }
/// ```
pub async fn hkdf(
    algorithm: HmacAlgorithm,
    secret: impl Into<Vec<u8>>,
    salt: impl Into<Vec<u8>>,
    info: impl Into<Vec<u8>>,
    length: u32,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::hkdf(algorithm, secret.into(), salt.into(), info.into(), length).await?)
}

/// Makes a key of up to 1,024 bytes out of a password and a salt.
///
/// ```no_run
/// # async fn example(password: &str, salt: &[u8]) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, PasswordScheme, ScryptCost};
///
/// let scheme = PasswordScheme::Scrypt(ScryptCost { log_n: 15, r: 8, p: 1 });
/// let key = crypto::derive_key(scheme, password, salt, 32).await?;
/// # Ok(())
/// # }
/// ```
pub async fn derive_key(
    scheme: PasswordScheme,
    password: impl Into<Vec<u8>>,
    salt: impl Into<Vec<u8>>,
    length: u32,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::derive_key(scheme, password.into(), salt.into(), length).await?)
}

/// Hashes a password, with a salt of its own, into a string to be kept.
///
/// ```no_run
/// # async fn example(password: &str) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, PasswordScheme};
///
/// let kept = crypto::hash_password(PasswordScheme::Bcrypt(12), password).await?;
/// assert!(kept.starts_with("$2b$12$"));
/// # Ok(())
/// # }
/// ```
pub async fn hash_password(
    scheme: PasswordScheme,
    password: impl Into<Vec<u8>>,
) -> Result<String, Error> {
    Ok(treaty::hash_password(scheme, password.into()).await?)
}

/// Whether a password is the one that was hashed, here or elsewhere: Argon2, scrypt and PBKDF2 as
/// PHC strings, bcrypt as `$2a$`, `$2b$` or `$2y$`.
///
/// ```no_run
/// # async fn example(password: &str, kept: &str) -> hob_sdk::Result<()> {
/// if hob_sdk::crypto::verify_password(password, kept).await? {
///     println!("welcome");
/// }
/// # Ok(())
/// # }
/// ```
pub async fn verify_password(
    password: impl Into<Vec<u8>>,
    hash: impl Into<String>,
) -> Result<bool, Error> {
    Ok(treaty::verify_password(password.into(), hash.into()).await?)
}

/// Hides and authenticates data, and authenticates `associated` beside it; the tag is at the end. A
/// nonce has 12 bytes, and must never be used twice with one key.
///
/// ```no_run
/// # async fn example(key: &[u8], text: &str) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, Cipher};
///
/// let nonce = crypto::random(12).await?;
/// let sealed = crypto::seal(Cipher::Aes256Gcm, key, nonce.clone(), "user 7", text).await?;
/// let opened = crypto::open(Cipher::Aes256Gcm, key, nonce, "user 7", sealed).await?;
/// # Ok(())
/// # }
/// ```
pub async fn seal(
    cipher: Cipher,
    key: impl Into<Vec<u8>>,
    nonce: impl Into<Vec<u8>>,
    associated: impl Into<Vec<u8>>,
    data: impl Into<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    let (key, nonce) = (key.into(), nonce.into());
    Ok(treaty::seal(cipher, key, nonce, associated.into(), data.into()).await?)
}

/// What was sealed; [`Error::NotAuthentic`] if it was not sealed so. See [`seal`].
///
/// ```no_run
/// # async fn example(key: &[u8], nonce: &[u8], sealed: &[u8]) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto::{self, Cipher, Error};
///
/// match crypto::open(Cipher::Chacha20Poly1305, key, nonce, "", sealed).await {
///     Err(Error::NotAuthentic) => println!("somebody has changed it"),
///     opened => println!("{} bytes", opened?.len()),
/// }
/// # Ok(())
/// # }
/// ```
pub async fn open(
    cipher: Cipher,
    key: impl Into<Vec<u8>>,
    nonce: impl Into<Vec<u8>>,
    associated: impl Into<Vec<u8>>,
    sealed: impl Into<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    let (key, nonce) = (key.into(), nonce.into());
    Ok(treaty::open(cipher, key, nonce, associated.into(), sealed.into()).await?)
}

/// A key pair for Ed25519. It is not printed by `{:?}`.
#[derive(Clone)]
pub struct KeyPair {
    /// The secret key, of 32 bytes.
    pub secret: Vec<u8>,
    /// The public key, of 32 bytes.
    pub public: Vec<u8>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A new key pair for Ed25519.
///
/// ```no_run
/// # async fn example(message: &str) -> hob_sdk::Result<()> {
/// use hob_sdk::crypto;
///
/// let keys = crypto::generate_key_pair().await?;
/// let signature = crypto::sign(keys.secret, message).await?;
/// assert!(crypto::verify(keys.public, message, signature).await?);
/// # Ok(())
/// # }
/// ```
pub async fn generate_key_pair() -> Result<KeyPair, Error> {
    let treaty::KeyPair { secret, public } = treaty::generate_key_pair().await?;
    Ok(KeyPair { secret, public })
}

/// The public key that belongs to a secret one.
///
/// ```no_run
/// # async fn example(secret: &[u8]) -> hob_sdk::Result<()> {
/// let public = hob_sdk::crypto::public_key(secret).await?;
/// # Ok(())
/// # }
/// ```
pub async fn public_key(secret: impl Into<Vec<u8>>) -> Result<Vec<u8>, Error> {
    Ok(treaty::public_key(secret.into()).await?)
}

/// The Ed25519 signature of a message, of 64 bytes. See [`generate_key_pair`].
///
/// ```no_run
/// # async fn example(secret: &[u8]) -> hob_sdk::Result<()> {
/// let signature = hob_sdk::crypto::sign(secret, "I owe you 5").await?;
/// # Ok(())
/// # }
/// ```
pub async fn sign(
    secret: impl Into<Vec<u8>>,
    message: impl Into<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    Ok(treaty::sign(secret.into(), message.into()).await?)
}

/// Whether an Ed25519 signature is that of a message.
///
/// ```no_run
/// # async fn example(public: &[u8], signature: &[u8]) -> hob_sdk::Result<()> {
/// let is_theirs = hob_sdk::crypto::verify(public, "I owe you 5", signature).await?;
/// # Ok(())
/// # }
/// ```
pub async fn verify(
    public: impl Into<Vec<u8>>,
    message: impl Into<Vec<u8>>,
    signature: impl Into<Vec<u8>>,
) -> Result<bool, Error> {
    Ok(treaty::verify(public.into(), message.into(), signature.into()).await?)
}

/// Whether two lists are equal, in a time that tells their lengths only.
///
/// ```no_run
/// # async fn example(given: &str, token: &str) -> hob_sdk::Result<()> {
/// let is_ours = hob_sdk::crypto::equal(given, token).await?;
/// # Ok(())
/// # }
/// ```
pub async fn equal(one: impl Into<Vec<u8>>, other: impl Into<Vec<u8>>) -> Result<bool, Error> {
    Ok(treaty::equal(one.into(), other.into()).await?)
}

/// Random bytes for keys, at most 64 KiB.
///
/// ```no_run
/// # async fn example() -> hob_sdk::Result<()> {
/// let session = hob_sdk::crypto::random(32).await?;
/// # Ok(())
/// # }
/// ```
pub async fn random(length: u32) -> Result<Vec<u8>, Error> {
    Ok(treaty::random(length).await?)
}
