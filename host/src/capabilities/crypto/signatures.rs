//! Owns signatures: Ed25519.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use wasmtime::component::{ComponentType, Lower};

use super::{Error, exactly, invalid, random};

/// A secret key and the public key that belongs to it.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct KeyPair {
    secret: Vec<u8>,
    public: Vec<u8>,
}

impl KeyPair {
    pub(super) fn generate() -> Result<Self, Error> {
        let secret = random::<32>()?;
        Ok(KeyPair { public: public(&secret)?, secret: secret.to_vec() })
    }
}

pub(super) fn public(secret: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(signing(secret)?.verifying_key().to_bytes().to_vec())
}

pub(super) fn sign(secret: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(signing(secret)?.sign(message).to_bytes().to_vec())
}

/// Strict: what one verifier takes, all that keep to it take.
pub(super) fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, Error> {
    let public = VerifyingKey::from_bytes(&exactly("the public key", public)?)
        .map_err(|_| invalid("the public key is no point of the curve"))?;
    let signature = Signature::from_bytes(&exactly("the signature", signature)?);
    Ok(public.verify_strict(message, &signature).is_ok())
}

fn signing(secret: &[u8]) -> Result<SigningKey, Error> {
    Ok(SigningKey::from_bytes(&exactly("the secret key", secret)?))
}
