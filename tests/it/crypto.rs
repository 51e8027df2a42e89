//! `hob:host/crypto`, of both generations and in every isolation mode, against the vectors of the
//! standards and what other programs have made.

use crate::harness::{Hob, Response, Serve, every_mode, guest, post};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

pub(crate) fn serve() -> Hob {
    Serve::new(every_mode(&GUESTS).into_iter().map(|guest| guest.grants(""))).start()
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).expect("a digit") as u8).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

/// Calls an operation with lists of bytes, in hexadecimal.
pub(crate) fn ask(hob: &Hob, name: &str, operation: &str, lists: &[&str]) -> Response {
    hob.exchange(post(&format!("/{name}/crypto.{operation}"), lists.join("\n")))
}

#[track_caller]
pub(crate) fn expect(hob: &Hob, name: &str, operation: &str, lists: &[&str], wanted: &str) {
    let answer = ask(hob, name, operation, lists).expect(200);
    assert_eq!(answer.text(), wanted, "{name} {operation}");
}

#[track_caller]
pub(crate) fn expect_error(hob: &Hob, name: &str, operation: &str, lists: &[&str], wanted: &str) {
    let answer = ask(hob, name, operation, lists).expect(422);
    assert_eq!(answer.text(), wanted, "{name} {operation}");
}

/// Of `abc`, and of 200,000 bytes, which are hashed on a host thread.
const HASHES: [(&str, &str, &str); 6] = [
    (
        "sha256",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "e24bc62381f1224fbbb74688663f8f9743b9680b193edd666835e97b06e730eb",
    ),
    (
        "sha384",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134\
         c825a7",
        "8044b00924d5cc247db52235d55752c4ddeced766f209ab58201103f60fdde2866e473ec7761f97dd4fbfd272b\
         43b1a6",
    ),
    (
        "sha512",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3\
         feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "251276bec7ec8a9792e3c5c581f15a8c82453b37941a26617fe2fed4e757a11f8ecd7667fc391298c2792e14f1\
         9231d2efe31410b898ea43e494bf83f7092dfa",
    ),
    (
        "sha3-256",
        "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        "0ae93d7d3531432ec1cb639ff593f64f0685fe4f04a00726f2103f0326593802",
    ),
    (
        "sha3-512",
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647\
         e3934057340b4cf408d5a56592f8274eec53f0",
        "d2c3f502512d0456a68ddb606141d0709e35c9443b0943f2b8f34d315571b397d1da265dd62e68317484a6f1c3\
         9d53175f19e18e3be27470da928337a52c62a8",
    ),
    (
        "blake3",
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "55409142cced2ec79897459f170b6d22565daf883710b4ad7aeeddaef54244b4",
    ),
];

#[test]
fn hashes_are_those_of_the_standards_whole_and_in_pieces() {
    let hob = serve();
    let large: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let large = hex(large);
    for name in hob.names() {
        for (algorithm, of_abc, of_large) in HASHES {
            let whole = format!("hash?what={algorithm}");
            expect(&hob, name, &whole, &["616263"], of_abc);
            expect(&hob, name, &whole, &[&large], of_large);
            let pieces = format!("hash-pieces?what={algorithm}&pieces=");
            expect(&hob, name, &format!("{pieces}2"), &["616263"], of_abc);
            expect(&hob, name, &format!("{pieces}70000"), &[&large], of_large);
        }
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        expect(&hob, name, "hash?what=sha256", &[""], of_nothing);
        expect(&hob, name, "hash-pieces?what=sha256&pieces=1", &[""], of_nothing);
    }
}

/// RFC 4231, test case 2.
#[test]
fn tags_are_those_of_the_standard_and_a_wrong_one_is_noticed() {
    let hob = serve();
    let (key, data) = (&hex("Jefe"), &hex("what do ya want for nothing?"));
    for name in hob.names() {
        for (algorithm, tag) in [
            ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "sha384",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b\
                 3239ecfab21649",
            ),
            (
                "sha512",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d\
                 034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            expect(&hob, name, &format!("hmac?what={algorithm}"), &[key, data], tag);
            let verify = format!("verify-hmac?what={algorithm}");
            expect(&hob, name, &verify, &[key, data, tag], "true");
            expect(&hob, name, &verify, &[key, data, &tag.replace('5', "6")], "false");
            expect(&hob, name, &verify, &[key, data, &tag[2..]], "false");
            expect(&hob, name, &verify, &[key, data, ""], "false");
        }
    }
}

/// RFC 5869, test cases 1 and 3, and the first with longer hashes.
#[test]
fn keys_are_expanded_as_the_standard_says() {
    let hob = serve();
    let (secret, salt) = (&"0b".repeat(22), "000102030405060708090a0b0c");
    let info = "f0f1f2f3f4f5f6f7f8f9";
    for name in hob.names() {
        for (algorithm, key) in [
            (
                "sha256",
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b8871858\
                 65",
            ),
            (
                "sha384",
                "9b5097a86038b805309076a44b3a9f38063e25b516dcbf369f394cfab43685f748b6457763e4f0204f\
                 c5",
            ),
            (
                "sha512",
                "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7\
                 cb",
            ),
        ] {
            let hkdf = format!("hkdf?what={algorithm}&length=42");
            expect(&hob, name, &hkdf, &[secret, salt, info], key);
        }
        let without_salt = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d2013\
                            95faa4b61a96c8";
        expect(&hob, name, "hkdf?what=sha256&length=42", &[secret, "", ""], without_salt);
        ask(&hob, name, "hkdf?what=sha256&length=8160", &[secret, "", ""]).expect(200);
        expect_error(&hob, name, "hkdf?what=sha256&length=8161", &[secret, "", ""], "Invalid");
        expect_error(&hob, name, "hkdf?what=sha256&length=4294967295", &[secret], "Invalid");
        let (most, more) = (&hex([7; 4096]), &hex([7; 4097]));
        ask(&hob, name, "hkdf?what=sha256&length=42", &[secret, "", most]).expect(200);
        expect_error(&hob, name, "hkdf?what=sha256&length=42", &[secret, "", more], "Invalid");
    }
}

/// The GCM specification's test cases 4 (and with the key of 16), and RFC 8439, 2.8.2.
fn sealings() -> [(&'static str, [String; 5]); 3] {
    const GCM_KEY: &str = "feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532f\
                 cf0e2449a6b525b16aedf5aa0de657ba637b39";
    let gcm = |key: String, sealed: &str| {
        let associated = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
        [&key, "cafebabefacedbaddecaf888", associated, plain, sealed].map(str::to_owned)
    };
    let key: Vec<u8> = (0x80..0xa0).collect();
    let sunscreen = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
                     for the future, sunscreen would be it.";
    let sealed = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca967128\
                  2fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fa\
                  b324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26\
                  a7e902ecbd0600691";
    let chacha = [hex(key), "070000004041424344454647".to_owned()];
    let associated = "50515253c0c1c2c3c4c5c6c7".to_owned();
    let [key, nonce] = chacha;
    [
        (
            "aes128-gcm",
            gcm(
                GCM_KEY.to_owned(),
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d\
                 8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
            ),
        ),
        (
            "aes256-gcm",
            gcm(
                GCM_KEY.repeat(2),
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7\
                 b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ),
        ("chacha20-poly1305", [key, nonce, associated, hex(sunscreen), sealed.to_owned()]),
    ]
}

#[test]
fn what_is_sealed_is_that_of_the_standards_and_opens_if_nothing_was_changed() {
    let hob = serve();
    for name in hob.names() {
        for (cipher, [key, nonce, associated, plain, sealed]) in &sealings() {
            let (seal, open) = (&format!("seal?what={cipher}"), &format!("open?what={cipher}"));
            expect(&hob, name, seal, &[key, nonce, associated, plain], sealed);
            expect(&hob, name, open, &[key, nonce, associated, sealed], plain);
            let changed = |text: &str, at: usize| {
                let mut bytes = unhex(text);
                bytes[at] ^= 1;
                hex(bytes)
            };
            let last = sealed.len() / 2 - 1;
            for lists in [
                [key, nonce, associated, &changed(sealed, 0)],
                [key, nonce, associated, &changed(sealed, last)],
                [key, nonce, associated, &sealed[2..].to_owned()],
                [key, nonce, associated, &sealed[..30].to_owned()],
                [key, nonce, associated, &String::new()],
                [key, nonce, &changed(associated, 3), sealed],
                [key, nonce, &String::new(), sealed],
                [key, &changed(nonce, 11), associated, sealed],
                [&changed(key, 5), nonce, associated, sealed],
            ] {
                expect_error(&hob, name, open, &lists.map(String::as_str), "NotAuthentic");
            }
            for (key, nonce) in
                [(&key[2..], &nonce[..]), ("", nonce), (key, &nonce[2..]), (key, ""), (key, key)]
            {
                expect_error(&hob, name, seal, &[key, nonce, "", plain], "Invalid");
                expect_error(&hob, name, open, &[key, nonce, "", sealed], "Invalid");
            }
            let large = &"5a".repeat(100_000);
            let sealed = ask(&hob, name, seal, &[key, nonce, "", large]).expect(200);
            assert_eq!(sealed.body.len(), 2 * (100_000 + 16));
            expect(&hob, name, open, &[key, nonce, "", sealed.text()], large);
            expect_error(&hob, name, open, &[key, nonce, "00", sealed.text()], "NotAuthentic");
            let of_nothing = ask(&hob, name, seal, &[key, nonce, "", ""]).expect(200);
            expect(&hob, name, open, &[key, nonce, "", of_nothing.text()], "");
        }
    }
}

/// RFC 8032, 7.1, test 2.
#[test]
fn signatures_are_those_of_the_standard_and_a_wrong_one_is_noticed() {
    let hob = serve();
    let secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e1599\
                     6e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    for name in hob.names() {
        expect(&hob, name, "public-key", &[secret], public);
        expect(&hob, name, "sign", &[secret, "72"], signature);
        expect(&hob, name, "verify", &[public, "72", signature], "true");
        expect(&hob, name, "verify", &[public, "73", signature], "false");
        expect(&hob, name, "verify", &[public, "", signature], "false");
        expect(&hob, name, "verify", &[public, "72", &signature.replace("92a0", "92a1")], "false");
        // A key of small order, under which a signature of zeros would be that of many messages.
        let small = format!("01{}", "00".repeat(31));
        let zeros = format!("01{}", "00".repeat(63));
        expect(&hob, name, "verify", &[&small, "72", &zeros], "false");
        expect_error(&hob, name, "verify", &[&public[2..], "72", signature], "Invalid");
        expect_error(&hob, name, "verify", &[public, "72", &signature[2..]], "Invalid");
        expect_error(
            &hob,
            name,
            "verify",
            &[&format!("02{}", "00".repeat(31)), "72", signature],
            "Invalid",
        );
        expect_error(&hob, name, "sign", &[&secret[2..], "72"], "Invalid");
        expect_error(&hob, name, "public-key", &[""], "Invalid");

        let pair = ask(&hob, name, "generate-key-pair", &[]).expect(200);
        let (secret, public) = pair.text().split_once('\n').expect("two keys");
        expect(&hob, name, "public-key", &[secret], public);
        let signature = ask(&hob, name, "sign", &[secret, "616263"]).expect(200);
        expect(&hob, name, "verify", &[public, "616263", signature.text()], "true");
        let another = ask(&hob, name, "generate-key-pair", &[]).expect(200);
        assert_ne!(pair.text(), another.text());
    }
}

#[test]
fn random_bytes_differ_and_equal_compares() {
    let hob = serve();
    for name in hob.names() {
        let random = |length: u32| ask(&hob, name, &format!("random?length={length}"), &[]);
        assert_ne!(random(16).expect(200).text(), random(16).expect(200).text());
        assert_eq!(random(65_536).expect(200).body.len(), 2 * 65_536);
        assert_eq!(random(0).expect(200).text(), "");
        expect_error(&hob, name, "random?length=65537", &[], "TooLarge");
        expect_error(&hob, name, "random?length=4294967295", &[], "TooLarge");
        let large = &"ab".repeat(100_000);
        expect(&hob, name, "equal", &["abcd", "abcd"], "true");
        expect(&hob, name, "equal", &["abcd", "abce"], "false");
        expect(&hob, name, "equal", &["abcd", "abcdef"], "false");
        expect(&hob, name, "equal", &["", ""], "true");
        expect(&hob, name, "equal", &[large, large], "true");
    }
}

#[test]
fn what_is_small_is_done_without_a_host_thread_and_what_is_large_is_not() {
    // With one thread, a job has been counted when the next one is done.
    let guest = guest("capabilities").grants("");
    let hob = Serve::new([guest]).server("host_threads = 1").start();
    let hashed = |algorithm: &str, bytes: usize| {
        let hash = format!("hash?what={algorithm}");
        ask(&hob, "capabilities", &hash, &[&"00".repeat(bytes)]).expect(200);
        ask(&hob, "capabilities", "random?length=60000", &[]).expect(200);
        let metrics = hob.ask_admin("/metrics").expect(200);
        let count = "hob_host_job_run_seconds_count{operation=\"crypto.hash\"} ";
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(count));
        line.map_or(0, |count| count.parse::<u32>().expect("a number"))
    };
    assert_eq!(hashed("sha256", 16_384), 0);
    assert_eq!(hashed("sha3-256", 3000), 0);
    assert_eq!(hashed("sha256", 16_385), 1);
    assert_eq!(hashed("sha3-512", 2000), 2);
}
