//! Owns the ciphers that authenticate what they hide.

use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use wasmtime::component::{ComponentType, Lift};

use super::{Error, invalid};

/// A cipher.
#[derive(ComponentType, Lift, Clone, Copy, Debug)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "a guest makes them")]
pub(super) enum Cipher {
    #[component(name = "aes128-gcm")]
    Aes128Gcm,
    #[component(name = "aes256-gcm")]
    Aes256Gcm,
    #[component(name = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

impl Cipher {
    pub(super) fn seal(
        self,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Cipher::Aes128Gcm => seal::<Aes128Gcm>(key, nonce, associated, data),
            Cipher::Aes256Gcm => seal::<Aes256Gcm>(key, nonce, associated, data),
            Cipher::ChaCha20Poly1305 => seal::<ChaCha20Poly1305>(key, nonce, associated, data),
        }
    }

    pub(super) fn open(
        self,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        sealed: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Cipher::Aes128Gcm => open::<Aes128Gcm>(key, nonce, associated, sealed),
            Cipher::Aes256Gcm => open::<Aes256Gcm>(key, nonce, associated, sealed),
            Cipher::ChaCha20Poly1305 => open::<ChaCha20Poly1305>(key, nonce, associated, sealed),
        }
    }
}

fn keyed<C: KeyInit>(key: &[u8]) -> Result<C, Error> {
    C::new_from_slice(key)
        .map_err(|_| invalid(format!("a key of {} bytes, not {}", key.len(), C::key_size())))
}

fn checked<C: AeadInOut>(nonce: &[u8]) -> Result<&Nonce<C>, Error> {
    nonce.try_into().map_err(|_| invalid(format!("a nonce of {} bytes, not 12", nonce.len())))
}

fn seal<C: KeyInit + AeadInOut>(
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
    mut data: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let (cipher, nonce) = (keyed::<C>(key)?, checked::<C>(nonce)?);
    cipher
        .encrypt_in_place(nonce, associated, &mut data)
        .map_err(|_| invalid("more data than the cipher can hide"))?;
    Ok(data)
}

fn open<C: KeyInit + AeadInOut>(
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
    mut sealed: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let (cipher, nonce) = (keyed::<C>(key)?, checked::<C>(nonce)?);
    cipher.decrypt_in_place(nonce, associated, &mut sealed).map_err(|_| Error::NotAuthentic)?;
    Ok(sealed)
}
