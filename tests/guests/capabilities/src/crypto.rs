//! `hob:host/crypto`. Lists of bytes come in hexadecimal, one a line of the body, and go so.

use hob_sdk::crypto::{
    self, Argon2Cost, Cipher, Error, HashAlgorithm, HmacAlgorithm, PasswordScheme, Pbkdf2Cost,
    ScryptCost,
};

use crate::{Arguments, Outcome, hexadecimal};

pub(crate) async fn call(function: &str, arguments: Arguments, body: Vec<u8>) -> Outcome {
    answer(function, arguments, body).await.map_err(|error| match error {
        Error::Invalid(_) => "Invalid".to_owned(),
        error => format!("{error:?}"),
    })
}

async fn answer(function: &str, arguments: Arguments, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    let Arguments { what, length, pieces, .. } = arguments;
    let mut lists = hexadecimal::read(&body).into_iter();
    let mut next = || lists.next().unwrap_or_default();
    let text = |bytes: Vec<u8>| hexadecimal::text(&bytes).into_bytes();
    let word = |is: bool| is.to_string().into_bytes();
    match function {
        "hash" => crypto::hash(hash_algorithm(&what), next()).await.map(text),
        "hash-pieces" => {
            let data = next();
            let mut hasher = crypto::hasher(hash_algorithm(&what));
            for piece in data.chunks(pieces as usize) {
                hasher.update(piece).await?;
            }
            hasher.finish().await.map(text)
        }
        "hmac" => crypto::hmac(hmac_algorithm(&what), next(), next()).await.map(text),
        "verify-hmac" => {
            crypto::verify_hmac(hmac_algorithm(&what), next(), next(), next()).await.map(word)
        }
        "hkdf" => {
            crypto::hkdf(hmac_algorithm(&what), next(), next(), next(), length).await.map(text)
        }
        "derive-key" => crypto::derive_key(scheme(&what), next(), next(), length).await.map(text),
        "hash-password" => {
            crypto::hash_password(scheme(&what), next()).await.map(String::into_bytes)
        }
        "verify-password" => {
            let hash = String::from_utf8(next()).expect("text");
            crypto::verify_password(next(), hash).await.map(word)
        }
        "seal" => crypto::seal(cipher(&what), next(), next(), next(), next()).await.map(text),
        "open" => crypto::open(cipher(&what), next(), next(), next(), next()).await.map(text),
        "generate-key-pair" => {
            let keys = crypto::generate_key_pair().await?;
            assert!(!format!("{keys:?}").contains("secret"));
            let lines = [hexadecimal::text(&keys.secret), hexadecimal::text(&keys.public)];
            Ok(lines.join("\n").into_bytes())
        }
        "public-key" => crypto::public_key(next()).await.map(text),
        "sign" => crypto::sign(next(), next()).await.map(text),
        "verify" => crypto::verify(next(), next(), next()).await.map(word),
        "equal" => crypto::equal(next(), next()).await.map(word),
        "random" => crypto::random(length).await.map(text),
        _ => Err(Error::Failed("no such function".to_owned())),
    }
}

fn hash_algorithm(name: &str) -> HashAlgorithm {
    match name {
        "sha256" => HashAlgorithm::Sha256,
        "sha384" => HashAlgorithm::Sha384,
        "sha512" => HashAlgorithm::Sha512,
        "sha3-256" => HashAlgorithm::Sha3256,
        "sha3-512" => HashAlgorithm::Sha3512,
        "blake3" => HashAlgorithm::Blake3,
        _ => panic!("no hash function {name}"),
    }
}

fn hmac_algorithm(name: &str) -> HmacAlgorithm {
    match name {
        "sha256" => HmacAlgorithm::Sha256,
        "sha384" => HmacAlgorithm::Sha384,
        "sha512" => HmacAlgorithm::Sha512,
        _ => panic!("no hash function {name}"),
    }
}

fn cipher(name: &str) -> Cipher {
    match name {
        "aes128-gcm" => Cipher::Aes128Gcm,
        "aes256-gcm" => Cipher::Aes256Gcm,
        "chacha20-poly1305" => Cipher::Chacha20Poly1305,
        _ => panic!("no cipher {name}"),
    }
}

/// A scheme and its costs, with colons between them.
fn scheme(text: &str) -> PasswordScheme {
    let (name, costs) = text.split_once(':').expect("a scheme and its costs");
    let cost = |index| {
        let text: &str = costs.split(':').nth(index).expect("a cost");
        text.parse::<u32>().expect("a number")
    };
    match name {
        "argon2id" => PasswordScheme::Argon2id(Argon2Cost {
            memory_kib: cost(0),
            passes: cost(1),
            lanes: cost(2),
        }),
        "scrypt" => {
            PasswordScheme::Scrypt(ScryptCost { log_n: cost(0) as u8, r: cost(1), p: cost(2) })
        }
        "bcrypt" => PasswordScheme::Bcrypt(cost(0)),
        algorithm => PasswordScheme::Pbkdf2(Pbkdf2Cost {
            algorithm: hmac_algorithm(algorithm),
            rounds: cost(0),
        }),
    }
}
