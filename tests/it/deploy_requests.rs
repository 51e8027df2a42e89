//! Requests to the API of operators as no operator makes them: whatever comes is answered, nothing of it is
//! served, and the server goes on.

use crate::harness::{Client, Place, TOKEN, greeter, guest, view};

/// Requests of each kind: some seconds of a debug build.
const ROUNDS: usize = 60;

/// A seed that is printed when the test fails, and another each time.
fn random() -> fastrand::Rng {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

#[test]
fn a_component_with_any_bytes_in_it_is_judged_and_the_version_stays() {
    let place = Place::new("", &[guest("fast-0-2").limits("cpu_ms = 1000")]);
    let hob = place.start();
    let whole = greeter("fast-0-2", "there");
    let path = "/v1/tenants/default/handlers/fast-0-2/versions?check=true";
    let mut random = random();
    for _ in 0..ROUNDS {
        let mut bytes = whole.clone();
        match random.u8(..4) {
            0 => bytes.truncate(random.usize(..bytes.len())),
            1 => {
                // Near its beginning are the sections that are looked at first.
                for _ in 0..random.usize(1..8) {
                    let place = random.usize(..bytes.len().min(4096));
                    bytes[place] = random.u8(..);
                }
            }
            2 => {
                let place = random.usize(..bytes.len());
                let end = bytes.len().min(place + random.usize(1..64));
                random.fill(&mut bytes[place..end]);
            }
            _ => {
                bytes = vec![0; random.usize(..2000)];
                random.fill(&mut bytes);
                if random.bool() {
                    bytes.splice(..0, *b"\0asm\x0d\0\x01\0");
                }
            }
        }
        let answer = hob.operate("POST", path, &bytes);
        assert!(matches!(answer.status, 200 | 422), "{answer:?}");
    }
    assert_eq!(hob.greeting("fast-0-2"), "world");
    assert!(place.components().is_empty(), "{:?}", place.components());
    view(hob.deploy("fast-0-2", &whole));
    assert_eq!(hob.greeting("fast-0-2"), "there");
}

#[test]
fn a_request_with_anything_in_its_head_is_answered_or_cut_off() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let parts = [
        "/v1",
        "/",
        "tenants",
        "default",
        "handlers",
        "fast-0-2",
        "versions",
        "rollback",
        "..",
        "%2e",
        "%00",
        "?",
        "&",
        "=",
        "check=true",
        "preview=true",
        "to=",
        "path=/",
        "\u{fc}",
        "a",
        "@",
        "#",
    ];
    let methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "X"];
    let mut random = random();
    for _ in 0..ROUNDS * 4 {
        let count = random.usize(..8);
        let target: String = (0..count).map(|_| random.choice(parts).expect("parts")).collect();
        let method = random.choice(methods).expect("methods");
        // What drains a server, or takes a version away, is for other tests.
        let fields = match random.u8(..3) {
            0 => String::new(),
            1 => format!("authorization: Bearer {}\r\n", &TOKEN[..random.usize(..TOKEN.len())]),
            _ => format!("authorization: {TOKEN}\r\n"),
        };
        let body = vec![b'{'; random.usize(..40)];
        let claimed = body.len() + random.usize(..2);
        let head = format!(
            "{method} /v1/{target} HTTP/1.1\r\nhost: hob\r\n{fields}content-length: {claimed}\r\n\
             connection: close\r\n\r\n"
        );
        let mut client = Client::connect(hob.admin);
        client.send([head.as_bytes(), &body].concat());
        if claimed > body.len() {
            // It waits for the rest, or has answered: either way the client leaves.
            client.reset();
            continue;
        }
        if method == "HEAD" {
            assert!((400..500).contains(&client.head().status));
            continue;
        }
        let status = client.response().status;
        let is_description = target == "openapi.json";
        assert!((400..500).contains(&status) || is_description, "{head}: {status}");
    }
    assert_eq!(hob.greeting("fast-0-2"), "world");
    assert_eq!(hob.ask_admin("/readyz").expect(200).text(), "ready\n");
}
