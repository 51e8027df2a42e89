//! Owns what is made of passwords, slowly by intent and within bounds: keys, and hashes to be kept.

use argon2::{Algorithm, Argon2, Params, Version};
use pbkdf2::pbkdf2_hmac;
use phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use wasmtime::component::{ComponentType, Lift};

use super::digests::HmacAlgorithm;
use super::{Error, invalid, random};
use crate::limits;

/// A way to make a key or a hash out of a password, and its cost.
#[derive(ComponentType, Lift, Clone, Debug)]
#[component(variant)]
pub(super) enum Scheme {
    #[component(name = "argon2id")]
    Argon2id(Argon2Cost),
    #[component(name = "scrypt")]
    Scrypt(ScryptCost),
    #[component(name = "pbkdf2")]
    Pbkdf2(Pbkdf2Cost),
    #[component(name = "bcrypt")]
    Bcrypt(u32),
}

#[derive(ComponentType, Lift, Clone, Debug)]
#[component(record)]
pub(super) struct Argon2Cost {
    #[component(name = "memory-kib")]
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(ComponentType, Lift, Clone, Debug)]
#[component(record)]
pub(super) struct ScryptCost {
    #[component(name = "log-n")]
    log_n: u8,
    r: u32,
    p: u32,
}

#[derive(ComponentType, Lift, Clone, Debug)]
#[component(record)]
pub(super) struct Pbkdf2Cost {
    algorithm: HmacAlgorithm,
    rounds: u32,
}

/// Bytes of a hash that is kept, and of its salt.
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

impl Scheme {
    /// A key.
    pub(super) fn derive(
        &self,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Result<Vec<u8>, Error> {
        check_length("the password", password.len(), limits::PASSWORD_BYTES_MAX)?;
        check_length("the salt", salt.len(), limits::PASSWORD_BYTES_MAX)?;
        check_length("the key", length, limits::DERIVED_KEY_BYTES_MAX)?;
        if length == 0 {
            return Err(invalid("a key of no bytes"));
        }
        match self {
            Scheme::Argon2id(cost) => {
                cost.derive(Algorithm::Argon2id, Version::V0x13, password, salt, length)
            }
            Scheme::Scrypt(cost) => cost.derive(password, salt, length),
            Scheme::Pbkdf2(cost) => cost.derive(password, salt, length),
            Scheme::Bcrypt(_) => Err(invalid("bcrypt makes hashes, no keys")),
        }
    }

    /// A hash with a salt of its own.
    pub(super) fn hash(&self, password: &[u8]) -> Result<String, Error> {
        let salt = random::<SALT_BYTES>()?;
        let (name, version, parameters) = match self {
            Scheme::Argon2id(Argon2Cost { memory_kib: m, passes: t, lanes: p }) => {
                ("argon2id", Some(Version::V0x13.into()), vec![("m", *m), ("t", *t), ("p", *p)])
            }
            Scheme::Scrypt(ScryptCost { log_n, r, p }) => {
                ("scrypt", None, vec![("ln", u32::from(*log_n)), ("r", *r), ("p", *p)])
            }
            Scheme::Pbkdf2(Pbkdf2Cost { algorithm, rounds }) => {
                (pbkdf2_name(*algorithm), None, vec![("i", *rounds), ("l", HASH_BYTES as u32)])
            }
            Scheme::Bcrypt(cost) => return bcrypt_hash(*cost, password, salt),
        };
        let mut params = ParamsString::new();
        for (name, value) in parameters {
            params.add_decimal(name, value).map_err(malformed)?;
        }
        let hash = self.derive(password, &salt, HASH_BYTES)?;
        let kept = PasswordHash {
            algorithm: Ident::new(name).map_err(malformed)?,
            version,
            params,
            salt: Some(Salt::new(&salt).map_err(malformed)?),
            hash: Some(Output::new(&hash).map_err(malformed)?),
        };
        Ok(kept.to_string())
    }
}

impl Argon2Cost {
    fn derive(
        &self,
        algorithm: Algorithm,
        version: Version,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Result<Vec<u8>, Error> {
        let work_kib = u64::from(self.memory_kib) * u64::from(self.passes);
        if self.memory_kib > limits::PASSWORD_MEMORY_KIB_MAX
            || work_kib > limits::PASSWORD_WORK_KIB_MAX
            || self.lanes > limits::ARGON2_LANES_MAX
        {
            return Err(invalid("a cost of Argon2 beyond the bounds"));
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(length));
        let argon2 = Argon2::new(algorithm, version, params.map_err(malformed)?);
        let mut key = vec![0; length];
        argon2.hash_password_into(password, salt, &mut key).map_err(|error| match error {
            argon2::Error::OutOfMemory => Error::Busy,
            error => malformed(error),
        })?;
        Ok(key)
    }
}

impl ScryptCost {
    fn derive(&self, password: &[u8], salt: &[u8], length: usize) -> Result<Vec<u8>, Error> {
        let beyond = || invalid("a cost of scrypt beyond the bounds");
        let n = 1_u64.checked_shl(self.log_n.into()).ok_or_else(beyond)?;
        let memory_kib = (n / 8).saturating_mul(self.r.into());
        let work_kib = memory_kib.saturating_mul(self.p.into());
        if memory_kib > u64::from(limits::PASSWORD_MEMORY_KIB_MAX)
            || work_kib > limits::PASSWORD_WORK_KIB_MAX
            || self.r > limits::SCRYPT_FACTOR_MAX
            || self.p > limits::SCRYPT_FACTOR_MAX
        {
            return Err(beyond());
        }
        let params = scrypt::Params::new(self.log_n, self.r, self.p).map_err(malformed)?;
        let mut key = vec![0; length];
        scrypt::scrypt(password, salt, &params, &mut key).map_err(malformed)?;
        Ok(key)
    }
}

impl Pbkdf2Cost {
    fn derive(&self, password: &[u8], salt: &[u8], length: usize) -> Result<Vec<u8>, Error> {
        let blocks = length.div_ceil(self.algorithm.length()) as u64;
        let rounds = u64::from(self.rounds) * blocks;
        if rounds == 0 || rounds > limits::PBKDF2_ROUNDS_MAX {
            return Err(invalid("rounds of PBKDF2 beyond the bounds"));
        }
        let mut key = vec![0; length];
        match self.algorithm {
            HmacAlgorithm::Sha256 => {
                pbkdf2_hmac::<Sha256>(password, salt, self.rounds, &mut key);
            }
            HmacAlgorithm::Sha384 => {
                pbkdf2_hmac::<Sha384>(password, salt, self.rounds, &mut key);
            }
            HmacAlgorithm::Sha512 => {
                pbkdf2_hmac::<Sha512>(password, salt, self.rounds, &mut key);
            }
        }
        Ok(key)
    }
}

/// Whether a password is the one that was hashed.
pub(super) fn verify(password: &[u8], hash: &str) -> Result<bool, Error> {
    check_length("the password", password.len(), limits::PASSWORD_BYTES_MAX)?;
    check_length("the hash", hash.len(), limits::PASSWORD_BYTES_MAX)?;
    if hash.starts_with("$2") {
        return bcrypt_verify(password, hash);
    }
    let kept = PasswordHash::new(hash).map_err(malformed)?;
    let (Some(salt), Some(wanted)) = (&kept.salt, &kept.hash) else {
        return Err(invalid("a hash string without a salt or a hash"));
    };
    let (salt, length) = (salt.as_ref(), wanted.len());
    let found = match kept.algorithm.as_str() {
        name @ ("argon2id" | "argon2i" | "argon2d") => {
            let [memory_kib, passes, lanes] = parameters(&kept, ["m", "t", "p"], &[])?;
            let algorithm = Algorithm::new(name).map_err(malformed)?;
            // Strings of before version 1.3 have none.
            let version = Version::try_from(kept.version.unwrap_or(0x10)).map_err(malformed)?;
            Argon2Cost { memory_kib, passes, lanes }
                .derive(algorithm, version, password, salt, length)?
        }
        "scrypt" => {
            let [log_n, r, p] = parameters(&kept, ["ln", "r", "p"], &[])?;
            let log_n = u8::try_from(log_n).unwrap_or(u8::MAX);
            ScryptCost { log_n, r, p }.derive(password, salt, length)?
        }
        name => {
            let algorithms = [HmacAlgorithm::Sha256, HmacAlgorithm::Sha384, HmacAlgorithm::Sha512];
            let found = algorithms.into_iter().find(|known| pbkdf2_name(*known) == name);
            let algorithm =
                found.ok_or_else(|| invalid("a hash string of no scheme known here"))?;
            let [rounds] = parameters(&kept, ["i"], &["l"])?;
            Pbkdf2Cost { algorithm, rounds }.derive(password, salt, length)?
        }
    };
    Ok(found.ct_eq(wanted.as_bytes()).into())
}

/// The parameters of a hash string: all of these, and none but these and what is optional.
fn parameters<const N: usize>(
    kept: &PasswordHash,
    names: [&str; N],
    optional: &[&str],
) -> Result<[u32; N], Error> {
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        let given = kept.params.get_decimal(name);
        *value = given.ok_or_else(|| invalid(format!("a hash string without `{name}`")))?;
    }
    let is_known = |name: &str| names.contains(&name) || optional.contains(&name);
    if let Some((name, _)) = kept.params.iter().find(|(name, _)| !is_known(name.as_str())) {
        return Err(invalid(format!("a hash string with `{name}`, which is not known here")));
    }
    Ok(values)
}

fn pbkdf2_name(algorithm: HmacAlgorithm) -> &'static str {
    match algorithm {
        HmacAlgorithm::Sha256 => "pbkdf2-sha256",
        HmacAlgorithm::Sha384 => "pbkdf2-sha384",
        HmacAlgorithm::Sha512 => "pbkdf2-sha512",
    }
}

fn bcrypt_hash(cost: u32, password: &[u8], salt: [u8; SALT_BYTES]) -> Result<String, Error> {
    check_bcrypt(cost)?;
    check_length("the password", password.len(), limits::BCRYPT_PASSWORD_BYTES_MAX)?;
    let parts = bcrypt::hash_with_salt(password, cost, salt).map_err(malformed)?;
    Ok(parts.format_for_version(bcrypt::Version::TwoB))
}

/// Of a longer password bcrypt sees the beginning, and so it was when it was hashed elsewhere.
fn bcrypt_verify(password: &[u8], hash: &str) -> Result<bool, Error> {
    let parts: bcrypt::HashParts = hash.parse().map_err(malformed)?;
    check_bcrypt(parts.get_cost())?;
    bcrypt::verify(password, hash).map_err(malformed)
}

fn check_bcrypt(cost: u32) -> Result<(), Error> {
    if (limits::BCRYPT_COST_MIN..=limits::BCRYPT_COST_MAX).contains(&cost) {
        return Ok(());
    }
    Err(invalid(format!("a cost of bcrypt of {cost}, beyond the bounds")))
}

fn check_length(what: &str, length: usize, most: usize) -> Result<(), Error> {
    if length <= most {
        return Ok(());
    }
    Err(invalid(format!("{what} has {length} bytes; at most {most} are taken")))
}

fn malformed(error: impl std::fmt::Display) -> Error {
    invalid(error.to_string())
}
