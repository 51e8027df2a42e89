//! What is offloaded in the benchmarks: how a job is told, and the hashing, which is computed inline too.
//! With the feature `exported` it is a core module of Wasm for the peers, which so do the same work.

use sha2::{Digest, Sha256};

/// A piece of work.
#[derive(Clone, Copy)]
pub enum Chore {
    /// Nothing: what is measured is the way there and back.
    Empty,
    /// As many hashes, each of the one before.
    Hash { rounds: u32 },
    /// To give back what it was given.
    Echo,
    /// To say that it has begun, and to wait for a message.
    Wait,
}

impl Chore {
    /// As the input of a job.
    pub fn input(self) -> Vec<u8> {
        match self {
            Chore::Empty => vec![],
            Chore::Hash { rounds } => [&b"h"[..], &rounds.to_le_bytes()].concat(),
            Chore::Echo => vec![b'e'],
            Chore::Wait => vec![b'w'],
        }
    }

    /// From the input of a job. Whatever follows the `e` of an echo is to be given back too.
    pub fn of(input: &[u8]) -> Option<Chore> {
        match *input {
            [] => Some(Chore::Empty),
            [b'h', a, b, c, d] => Some(Chore::Hash { rounds: u32::from_le_bytes([a, b, c, d]) }),
            [b'e', ..] => Some(Chore::Echo),
            [b'w'] => Some(Chore::Wait),
            _ => None,
        }
    }
}

/// The last of a chain of SHA-256, which begins with 32 zeros.
pub fn hash(rounds: u32) -> [u8; 32] {
    let mut digest = [0; 32];
    for _ in 0..rounds {
        digest = Sha256::digest(digest).into();
    }
    digest
}

/// The first bytes of `hash`, for a caller without components.
#[cfg(feature = "exported")]
#[unsafe(no_mangle)]
extern "C" fn hash_beginning(rounds: u32) -> u32 {
    let [a, b, c, d, ..] = hash(rounds);
    u32::from_be_bytes([a, b, c, d])
}
