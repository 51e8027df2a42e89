//! Owns the bounds of `crypto`.

/// Bytes that are hashed with SHA-256, or sealed, on the loop and at once. A host thread is away for 7 us,
/// or 10 to 15 if it has not worked just before; SHA-256 takes 9 us for so many bytes, AES-GCM 9,
/// ChaCha20-Poly1305 12 (measured on a processor that helps with the first two). Ed25519 takes 20 us for
/// a signature and 40 to verify one.
pub const CRYPTO_AT_ONCE_BYTES_MAX: usize = 16 * 1024;

/// Memory of one password hash, in KiB. RFC 9106 recommends 64 MiB where memory is scarce, OWASP 19 to
/// 46. At most half of the host threads do this at once, so with four threads it is 512 MiB in all.
pub const PASSWORD_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Memory that one password hash may go over, in all its passes, in KiB.
pub const PASSWORD_WORK_KIB_MAX: u64 = 1024 * 1024;

/// Lanes of Argon2. They are done one after the other; hashes made elsewhere have up to 8.
pub const ARGON2_LANES_MAX: u32 = 16;

/// r and p of scrypt; 8 and 1 are usual, and 16 is in its RFC.
pub const SCRYPT_FACTOR_MAX: u32 = 64;

/// Rounds of PBKDF2, of all blocks together. OWASP recommends 600,000.
pub const PBKDF2_ROUNDS_MAX: u64 = 5_000_000;

/// The least cost of bcrypt that there is.
pub const BCRYPT_COST_MIN: u32 = 4;

/// The highest cost of bcrypt: each one more doubles the time.
pub const BCRYPT_COST_MAX: u32 = 16;

/// Bytes of `info` of HKDF, which is hashed again for every block of the output.
pub const HKDF_INFO_BYTES_MAX: usize = 4096;

/// Bytes of a password that bcrypt looks at. A longer one is refused, and not cut in silence.
pub const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;

/// Bytes of a password, of a salt, and of a hash string.
pub const PASSWORD_BYTES_MAX: usize = 4096;

/// Bytes of a key that is made out of a password: many times the longest key.
pub const DERIVED_KEY_BYTES_MAX: usize = 1024;
