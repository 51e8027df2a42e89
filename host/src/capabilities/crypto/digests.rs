//! Owns hashes, and what is built of one: tags (HMAC) and keys (HKDF).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};
use sha3::{Sha3_256, Sha3_512};
use wasmtime::component::{ComponentType, Lift};

use super::{Error, invalid};

/// A hash function.
#[derive(ComponentType, Lift, Clone, Copy, Debug)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "a guest makes them")]
pub(super) enum HashAlgorithm {
    #[component(name = "sha256")]
    Sha256,
    #[component(name = "sha384")]
    Sha384,
    #[component(name = "sha512")]
    Sha512,
    #[component(name = "sha3-256")]
    Sha3With256,
    #[component(name = "sha3-512")]
    Sha3With512,
    #[component(name = "blake3")]
    Blake3,
}

/// A hash under way.
pub(super) enum Running {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Sha3With256(Sha3_256),
    Sha3With512(Sha3_512),
    Blake3(Box<blake3::Hasher>),
}

impl HashAlgorithm {
    pub(super) fn begin(self) -> Running {
        match self {
            HashAlgorithm::Sha256 => Running::Sha256(Sha256::new()),
            HashAlgorithm::Sha384 => Running::Sha384(Sha384::new()),
            HashAlgorithm::Sha512 => Running::Sha512(Sha512::new()),
            HashAlgorithm::Sha3With256 => Running::Sha3With256(Sha3_256::new()),
            HashAlgorithm::Sha3With512 => Running::Sha3With512(Sha3_512::new()),
            HashAlgorithm::Blake3 => Running::Blake3(Box::default()),
        }
    }

    /// As many bytes as SHA-256, which processors help with, would hash in the same time; measured,
    /// and rounded.
    pub(super) fn weight(self, bytes: usize) -> usize {
        match self {
            HashAlgorithm::Blake3 => bytes / 2,
            HashAlgorithm::Sha256 => bytes,
            HashAlgorithm::Sha384 | HashAlgorithm::Sha512 => 3 * bytes,
            HashAlgorithm::Sha3With256 => 5 * bytes,
            HashAlgorithm::Sha3With512 => 9 * bytes,
        }
    }

    pub(super) fn hash(self, data: &[u8]) -> Vec<u8> {
        let mut running = self.begin();
        running.update(data);
        running.finish()
    }
}

impl Running {
    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Running::Sha256(running) => running.update(data),
            Running::Sha384(running) => running.update(data),
            Running::Sha512(running) => running.update(data),
            Running::Sha3With256(running) => running.update(data),
            Running::Sha3With512(running) => running.update(data),
            Running::Blake3(running) => {
                running.update(data);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Running::Sha256(running) => running.finalize().to_vec(),
            Running::Sha384(running) => running.finalize().to_vec(),
            Running::Sha512(running) => running.finalize().to_vec(),
            Running::Sha3With256(running) => running.finalize().to_vec(),
            Running::Sha3With512(running) => running.finalize().to_vec(),
            Running::Blake3(running) => running.finalize().as_bytes().to_vec(),
        }
    }
}

/// The hash function inside of HMAC, HKDF and PBKDF2.
#[derive(ComponentType, Lift, Clone, Copy, Debug, PartialEq)]
#[component(enum)]
#[repr(u8)]
pub(super) enum HmacAlgorithm {
    #[component(name = "sha256")]
    Sha256,
    #[component(name = "sha384")]
    Sha384,
    #[component(name = "sha512")]
    Sha512,
}

impl HmacAlgorithm {
    /// As [`HashAlgorithm::weight`].
    pub(super) fn weight(self, bytes: usize) -> usize {
        if self == HmacAlgorithm::Sha256 { bytes } else { 3 * bytes }
    }

    /// Bytes of the hash.
    pub(super) fn length(self) -> usize {
        match self {
            HmacAlgorithm::Sha256 => 32,
            HmacAlgorithm::Sha384 => 48,
            HmacAlgorithm::Sha512 => 64,
        }
    }

    pub(super) fn tag(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            HmacAlgorithm::Sha256 => tag::<Hmac<Sha256>>(key, data),
            HmacAlgorithm::Sha384 => tag::<Hmac<Sha384>>(key, data),
            HmacAlgorithm::Sha512 => tag::<Hmac<Sha512>>(key, data),
        }
    }

    pub(super) fn expand(
        self,
        secret: &[u8],
        salt: &[u8],
        info: &[u8],
        length: u32,
    ) -> Result<Vec<u8>, Error> {
        let most = 255 * self.length();
        if length as usize > most {
            return Err(invalid(format!("a key of {length} bytes, but at most {most} are made")));
        }
        let mut key = vec![0; length as usize];
        let expanded = match self {
            HmacAlgorithm::Sha256 => Hkdf::<Sha256>::new(Some(salt), secret).expand(info, &mut key),
            HmacAlgorithm::Sha384 => Hkdf::<Sha384>::new(Some(salt), secret).expand(info, &mut key),
            HmacAlgorithm::Sha512 => Hkdf::<Sha512>::new(Some(salt), secret).expand(info, &mut key),
        };
        expanded.map_err(|error| invalid(error.to_string()))?;
        Ok(key)
    }
}

fn tag<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
