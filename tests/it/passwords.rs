//! What `hob:host/crypto` makes of passwords, of both generations and in every isolation mode.

use crate::crypto::{ask, expect, expect_error, hex, serve};

/// RFC 7914 and what the reference programs make.
#[test]
fn keys_are_made_of_passwords_as_the_standards_say() {
    let hob = serve();
    for name in hob.names() {
        for (scheme, password, salt, key) in [
            (
                "sha256:1000",
                "passwd",
                "salt",
                "fa9c158e678bfe94189b0b1a707a0921672fdc9f11fa978805969df312c2c8ef2c981020be9fda5485\
                 f3a5aa6b65e6b9941fca9df03878b1ff7283d685f50679",
            ),
            (
                "sha384:1000",
                "passwd",
                "salt",
                "940ed57d440f285dbfbb7fd1bdd63c154af960c2167ad3f2aeefadbc01ea3a2568a27316193dbbdc25\
                 edb1b7bb2fe90a91c648be96cec035147c675119bcde92",
            ),
            (
                "sha512:1000",
                "passwd",
                "salt",
                "9b24b69e88dfa45d31e06a6dd20bc963268c0a94924677f76d4b2f02e5a105a7f65fca857a354cb2e5\
                 069580b8b8457cb5b40da49084e4d75c39b31ac1f356d5",
            ),
            (
                "scrypt:10:8:16",
                "password",
                "NaCl",
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886f\
                 f109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
            ),
            (
                "argon2id:256:2:2",
                "password",
                "somesalt",
                "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
            ),
        ] {
            let derive = format!("derive-key?what={scheme}&length={}", key.len() / 2);
            expect(&hob, name, &derive, &[&hex(password), &hex(salt)], key);
        }
    }
}

#[test]
fn costs_beyond_the_bounds_are_refused() {
    let hob = serve();
    let (password, salt) = (&hex("password"), &hex("some salt"));
    let long = &"00".repeat(4097);
    for name in hob.names() {
        for refused in [
            "argon2id:262145:1:1",
            "argon2id:262144:5:1",
            "argon2id:4294967295:4294967295:1",
            "argon2id:1024:1:17",
            "argon2id:1024:1:0",
            "argon2id:1024:0:1",
            "argon2id:7:1:1",
            "scrypt:22:8:1",
            "scrypt:18:8:5",
            "scrypt:255:1:1",
            "scrypt:64:1:1",
            "scrypt:2:65:1",
            "scrypt:2:1:65",
            "scrypt:2:0:1",
            "scrypt:2:1:0",
            "sha256:5000001",
            "sha256:0",
            "bcrypt:17",
            "bcrypt:3",
            "bcrypt:4294967295",
        ] {
            let derive = format!("derive-key?what={refused}&length=32");
            expect_error(&hob, name, &derive, &[password, salt], "Invalid");
            expect_error(
                &hob,
                name,
                &format!("hash-password?what={refused}"),
                &[password],
                "Invalid",
            );
        }
        for (operation, password, salt) in [
            ("derive-key?what=sha256:1&length=1025", password, salt),
            ("derive-key?what=sha256:1&length=0", password, salt),
            ("derive-key?what=sha256:2500001&length=33", password, salt),
            ("derive-key?what=sha256:1&length=32", long, salt),
            ("derive-key?what=sha256:1&length=32", password, long),
            ("derive-key?what=argon2id:64:1:1&length=32", password, &hex("short")),
            ("derive-key?what=argon2id:64:1:1&length=3", password, salt),
            ("derive-key?what=bcrypt:4&length=23", password, salt),
            ("hash-password?what=bcrypt:4", &"61".repeat(73), salt),
            ("hash-password?what=argon2id:64:1:1", long, salt),
        ] {
            expect_error(&hob, name, operation, &[password, salt], "Invalid");
        }
        ask(&hob, name, "hash-password?what=bcrypt:4", &[&"61".repeat(72)]).expect(200);
    }
}

#[test]
fn a_password_is_known_by_the_hash_that_was_kept_and_no_other_is() {
    let hob = serve();
    for name in hob.names() {
        for (scheme, beginning) in [
            ("argon2id:64:2:1", "$argon2id$v=19$m=64,t=2,p=1$"),
            ("scrypt:4:8:1", "$scrypt$ln=4,r=8,p=1$"),
            ("sha256:10", "$pbkdf2-sha256$i=10,l=32$"),
            ("sha384:10", "$pbkdf2-sha384$i=10,l=32$"),
            ("sha512:10", "$pbkdf2-sha512$i=10,l=32$"),
            ("bcrypt:4", "$2b$04$"),
        ] {
            let hash = || {
                let operation = format!("hash-password?what={scheme}");
                ask(&hob, name, &operation, &[&hex("secret")]).expect(200).text().to_owned()
            };
            let (kept, again) = (hash(), hash());
            assert!(kept.starts_with(beginning), "{kept}");
            assert_ne!(kept, again, "the salt is another each time");
            let kept = &hex(kept);
            expect(&hob, name, "verify-password", &[kept, &hex("secret")], "true");
            expect(&hob, name, "verify-password", &[kept, &hex("Secret")], "false");
            expect(&hob, name, "verify-password", &[kept, ""], "false");
        }
    }
}

/// Made by argon2-cffi, hashlib, bcrypt and crypt_blowfish.
#[test]
fn hashes_made_elsewhere_are_verified() {
    let hob = serve();
    for name in hob.names() {
        for kept in [
            "$argon2id$v=19$m=256,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$+GOGKJvIoTEl91TCgE0yArmEow80raLkxO\
             XPceNYR9E",
            "$argon2i$v=19$m=256,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$KuC7rtmbFYDshX2KbKZjJ6KD/vxEmx9HeYr\
             x1ZrGSWE",
            "$argon2d$v=19$m=256,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$XR/4TZL+nz3YNKwFGdftKI9IgtFHjOF0sqg\
             zOy/oIps",
            "$argon2i$v=16$m=256,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$TCOkDfrjj/J7N42A+O+kVxxHTQ8QAN0m7tv\
             hyvdbv1I",
            "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF6\
             7M",
            "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT\
             8Srwk4M",
            "$pbkdf2-sha512$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$OM0FAoIqCVK1sWtxDiffVlBejtLa+ks4TP71Jiecw\
             uSZCG8iLbnlIEPOMoVX+i2B2wkSxjQ8CRGR9OkNGuIPMQ",
            "$2y$04$qifsKfB7tNsZcQn0kSLmLuVNxRPOCUxUQCZVgXTcX/W0Tra4SN.ey",
        ] {
            expect(&hob, name, "verify-password", &[&hex(kept), &hex("correct horse")], "true");
            expect(&hob, name, "verify-password", &[&hex(kept), &hex("correct horses")], "false");
        }
        let foreign = hex("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
        expect(&hob, name, "verify-password", &[&foreign, &hex("U*U")], "true");
        let not_utf8 = hex("$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq");
        expect(&hob, name, "verify-password", &[&not_utf8, "a3"], "true");
    }
}

#[test]
fn a_hash_string_that_is_absurd_or_malformed_is_invalid_and_is_not_tried() {
    let hob = serve();
    const END: &str = "$MDEyMzQ1Njc4OWFiY2RlZg$+GOGKJvIoTEl91TCgE0yArmEow80raLkxOXPceNYR9E";
    const BCRYPT: &str = "qifsKfB7tNsZcQn0kSLmLuVNxRPOCUxUQCZVgXTcX/W0Tra4SN.ey";
    for name in hob.names() {
        for parameters in [
            "$argon2id$v=19$m=4194304,t=1,p=1",
            "$argon2id$v=19$m=262144,t=4294967295,p=1",
            "$argon2id$v=19$m=256,t=2,p=16777215",
            "$argon2id$v=99$m=256,t=2,p=1",
            "$argon2id$v=19$m=256,t=2",
            "$argon2id$v=19$m=256,t=2,p=1,keyid=Hj5+dsK0",
            "$argon2x$v=19$m=256,t=2,p=1",
            "$scrypt$ln=63,r=8,p=1",
            "$scrypt$ln=300,r=8,p=1",
            "$scrypt$ln=10,r=4294967295,p=4294967295",
            "$pbkdf2-sha256$i=4294967295",
            "$pbkdf2-sha256$i=0",
            "$pbkdf2-sha256$29000",
            "$pbkdf2-md5$i=1",
        ] {
            let hash = hex(format!("{parameters}{END}"));
            expect_error(&hob, name, "verify-password", &[&hash, &hex("secret")], "Invalid");
        }
        for hash in [
            &format!("$2y$17${BCRYPT}"),
            &format!("$2y$31${BCRYPT}"),
            &format!("$2y$99${BCRYPT}"),
            &format!("$2y$03${BCRYPT}"),
            &format!("$2z$04${BCRYPT}"),
            &format!("$2y$04${}", &BCRYPT[1..]),
            &format!("$2y$04${}", BCRYPT.replace('q', "!")),
            "$2",
            "",
            "secret",
            "$argon2id$v=19$m=256,t=2,p=1",
            "$argon2id$v=19$m=256,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            &"$".repeat(5000),
        ] {
            expect_error(&hob, name, "verify-password", &[&hex(hash), &hex("secret")], "Invalid");
        }
    }
}
