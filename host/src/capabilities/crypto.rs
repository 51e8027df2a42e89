//! Owns `hob:host/crypto`: at once where that is cheaper than a host thread, else there.

mod ciphers;
mod digests;
mod passwords;
mod signatures;

use std::future::Future;
use std::sync::Arc;

use futures_util::future::{Either, ready};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};

use super::GuestState;
use super::treaty::Interface;
use crate::engine::Generation;
use crate::event_loop::{Refused, Work};
use crate::limits;
use ciphers::Cipher;
use digests::{HashAlgorithm, HmacAlgorithm, Running};
use passwords::Scheme;
use signatures::KeyPair;

/// What the guest is told.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
enum Error {
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "not-authentic")]
    NotAuthentic,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "busy")]
    Busy,
    #[component(name = "failed")]
    Failed(String),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Error::Busy,
            Refused::Panicked => Error::Failed("a fault of the host".to_owned()),
        }
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::Invalid(what.into())
}

/// Bytes of a length that the guest has given with a list.
fn exactly<const N: usize>(what: &str, bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| invalid(format!("{what} has {} bytes, not {N}", bytes.len())))
}

/// Random bytes from the system. It answers at once after the boot.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|_| Error::Failed("the system gives no randomness".to_owned()))
}

/// A hash under way; none once it is finished.
struct Hasher {
    running: Arc<Mutex<Option<Running>>>,
    algorithm: HashAlgorithm,
}

const HASH: Work = Work::quick("crypto.hash");
const HMAC: Work = Work::quick("crypto.hmac");
const HKDF: Work = Work::quick("crypto.hkdf");
const DERIVE_KEY: Work = Work::slow("crypto.derive-key");
const HASH_PASSWORD: Work = Work::slow("crypto.hash-password");
const VERIFY_PASSWORD: Work = Work::slow("crypto.verify-password");
const SEAL: Work = Work::quick("crypto.seal");
const OPEN: Work = Work::quick("crypto.open");
const KEY_PAIR: Work = Work::quick("crypto.key-pair");
const SIGN: Work = Work::quick("crypto.sign");
const VERIFY: Work = Work::quick("crypto.verify");
const EQUAL: Work = Work::quick("crypto.equal");
const RANDOM: Work = Work::quick("crypto.random");

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut crypto = Interface::new(linker, generation, "crypto")?;
    link_digests(&mut crypto)?;
    link_hasher(&mut crypto)?;
    link_passwords(&mut crypto)?;
    link_ciphers(&mut crypto)?;
    link_signatures(&mut crypto)
}

fn link_digests(crypto: &mut Interface<'_>) -> wasmtime::Result<()> {
    type Bytes = Vec<u8>;
    crypto.suspending(
        "hash",
        HASH.operation,
        |state, (algorithm, data): (HashAlgorithm, Bytes)| {
            Ok(state.by_size(algorithm.weight(data.len()), HASH, move || Ok(algorithm.hash(&data))))
        },
    )?;
    crypto.suspending(
        "hmac",
        HMAC.operation,
        |state, (algorithm, key, data): (HmacAlgorithm, Bytes, Bytes)| {
            let size = algorithm.weight(key.len() + data.len());
            Ok(state.by_size(size, HMAC, move || Ok(algorithm.tag(&key, &data))))
        },
    )?;
    crypto.suspending(
        "verify-hmac",
        HMAC.operation,
        |state, (algorithm, key, data, tag): (HmacAlgorithm, Bytes, Bytes, Bytes)| {
            let size = algorithm.weight(key.len() + data.len());
            Ok(state.by_size(size, HMAC, move || {
                Ok(bool::from(algorithm.tag(&key, &data).ct_eq(&tag)))
            }))
        },
    )?;
    crypto.suspending(
        "hkdf",
        HKDF.operation,
        |state, (algorithm, secret, salt, info, length): (HmacAlgorithm, Bytes, Bytes, Bytes, u32)| {
            if info.len() > limits::HKDF_INFO_BYTES_MAX {
                let what = format!("info has more than {} bytes", limits::HKDF_INFO_BYTES_MAX);
                return Ok(Either::Left(ready(Err(invalid(what)))));
            }
            // Each block of the output hashes `info` again.
            let blocks = 1 + length as usize / algorithm.length();
            let size = secret.len() + salt.len() + (info.len() + 128) * blocks;
            let size = algorithm.weight(size);
            Ok(Either::Right(state.by_size(size, HKDF, move || {
                algorithm.expand(&secret, &salt, &info, length)
            })))
        },
    )?;
    crypto.suspending("equal", EQUAL.operation, |state, (one, other): (Bytes, Bytes)| {
        Ok(state.by_size(one.len(), EQUAL, move || Ok(bool::from(one.ct_eq(&other)))))
    })?;
    crypto.suspending("random", RANDOM.operation, |state, (length,): (u32,)| {
        Ok(state.by_size(length as usize, RANDOM, move || {
            if u64::from(length) > limits::RANDOM_BYTES_MAX {
                return Err(Error::TooLarge);
            }
            let mut bytes = vec![0; length as usize];
            fill(&mut bytes)?;
            Ok(bytes)
        }))
    })
}

fn link_hasher(crypto: &mut Interface<'_>) -> wasmtime::Result<()> {
    crypto.resource::<Hasher>("hasher")?;
    crypto.immediate("open-hasher", |state, (algorithm,): (HashAlgorithm,)| {
        let running = Arc::new(Mutex::new(Some(algorithm.begin())));
        Ok(state.table.push(Hasher { running, algorithm })?)
    })?;
    crypto.suspending(
        "[method]hasher.update",
        HASH.operation,
        |state, (hasher, data): (Resource<Hasher>, Vec<u8>)| {
            let Hasher { running, algorithm } = state.table.get(&hasher)?;
            let (running, size) = (running.clone(), algorithm.weight(data.len()));
            Ok(state.with_hasher(running, size, move |running| {
                running.as_mut().ok_or_else(finished)?.update(&data);
                Ok(())
            }))
        },
    )?;
    crypto.suspending(
        "[method]hasher.finish",
        HASH.operation,
        |state, (hasher,): (Resource<Hasher>,)| {
            let running = state.table.get(&hasher)?.running.clone();
            Ok(state.with_hasher(running, 0, move |running| {
                Ok(running.take().ok_or_else(finished)?.finish())
            }))
        },
    )
}

fn finished() -> Error {
    invalid("the hasher is finished")
}

fn link_passwords(crypto: &mut Interface<'_>) -> wasmtime::Result<()> {
    crypto.suspending(
        "derive-key",
        DERIVE_KEY.operation,
        |state, (scheme, password, salt, length): (Scheme, Vec<u8>, Vec<u8>, u32)| {
            Ok(state.blocking(DERIVE_KEY, move || scheme.derive(&password, &salt, length as usize)))
        },
    )?;
    crypto.suspending(
        "hash-password",
        HASH_PASSWORD.operation,
        |state, (scheme, password): (Scheme, Vec<u8>)| {
            Ok(state.blocking(HASH_PASSWORD, move || scheme.hash(&password)))
        },
    )?;
    crypto.suspending(
        "verify-password",
        VERIFY_PASSWORD.operation,
        |state, (password, hash): (Vec<u8>, String)| {
            Ok(state.blocking(VERIFY_PASSWORD, move || passwords::verify(&password, &hash)))
        },
    )
}

/// A cipher, a key, a nonce, what is authenticated beside the data, and the data.
type Sealing = (Cipher, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

fn link_ciphers(crypto: &mut Interface<'_>) -> wasmtime::Result<()> {
    crypto.suspending(
        "seal",
        SEAL.operation,
        |state, (cipher, key, nonce, associated, data): Sealing| {
            let size = associated.len() + data.len();
            Ok(state.by_size(size, SEAL, move || cipher.seal(&key, &nonce, &associated, data)))
        },
    )?;
    crypto.suspending(
        "open",
        OPEN.operation,
        |state, (cipher, key, nonce, associated, sealed): Sealing| {
            let size = associated.len() + sealed.len();
            Ok(state.by_size(size, OPEN, move || cipher.open(&key, &nonce, &associated, sealed)))
        },
    )
}

/// A signature takes longer than a host thread is away.
fn link_signatures(crypto: &mut Interface<'_>) -> wasmtime::Result<()> {
    crypto.suspending("generate-key-pair", KEY_PAIR.operation, |state, (): ()| {
        Ok(state.blocking(KEY_PAIR, KeyPair::generate))
    })?;
    crypto.suspending("public-key", KEY_PAIR.operation, |state, (secret,): (Vec<u8>,)| {
        Ok(state.blocking(KEY_PAIR, move || signatures::public(&secret)))
    })?;
    crypto.suspending("sign", SIGN.operation, |state, (secret, message): (Vec<u8>, Vec<u8>)| {
        Ok(state.blocking(SIGN, move || signatures::sign(&secret, &message)))
    })?;
    crypto.suspending(
        "verify",
        VERIFY.operation,
        |state, (public, message, signature): (Vec<u8>, Vec<u8>, Vec<u8>)| {
            Ok(state.blocking(VERIFY, move || signatures::verify(&public, &message, &signature)))
        },
    )
}

impl GuestState {
    /// Does work that is as much as hashing so many bytes with SHA-256, where that is cheaper.
    fn by_size<T, J>(
        &self,
        bytes: usize,
        work: Work,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, J>
    where
        J: FnOnce() -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        if bytes <= limits::CRYPTO_AT_ONCE_BYTES_MAX {
            return Either::Left(ready(job()));
        }
        Either::Right(self.blocking(work, job))
    }

    /// The same with a hasher, which a host thread may have in its hands: then it is waited for on the
    /// loop, so that no other host thread is.
    fn with_hasher<T, J>(
        &self,
        running: Arc<Mutex<Option<Running>>>,
        bytes: usize,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, J>
    where
        J: FnOnce(&mut Option<Running>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        if Arc::strong_count(&running) > limits::CODER_CALLS_MAX {
            return Either::Left(ready(Err(Error::Busy)));
        }
        let is_brief = bytes <= limits::CRYPTO_AT_ONCE_BYTES_MAX;
        // Now, for one that is called later must not come before.
        let free = match running.clone().try_lock_owned() {
            Ok(mut running) if is_brief => return Either::Left(ready(job(&mut running))),
            free => free.ok(),
        };
        let hop = self.hop();
        Either::Right(async move {
            let mut hasher = match free {
                Some(hasher) => hasher,
                None => running.lock_owned().await,
            };
            // One in whose hands it panics leaves none.
            let job = move || {
                let mut running = hasher.take();
                let result = job(&mut running);
                *hasher = running;
                result
            };
            hop.blocking(HASH, job).await
        })
    }
}
