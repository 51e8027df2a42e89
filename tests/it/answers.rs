//! What each guest answers by each of the four interfaces, in each isolation mode.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{Guest, Hob, Serve, every_mode, get, guest};

const ALL: [&str; 5] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3", "fast-0-2"];
const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

#[test]
fn every_guest_answers_in_every_isolation_mode() {
    let hob = Serve::new(every_mode(&ALL)).start();
    for name in hob.names() {
        let mut client = hob.client();
        for _ in 0..3 {
            let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
            assert_eq!(hello.text(), "hello world\n", "{name}");
        }
        // One whose guest is interrupted in the middle is sent in chunks, on a slow machine.
        let has_length = (0..100).any(|_| {
            let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
            hello.header("content-length") == Some("12")
        });
        assert!(has_length, "{name}");
    }
}

#[test]
fn a_fresh_instance_serves_once_and_the_others_again_and_again() {
    let hob = Serve::new(every_mode(&ALL)).start();
    for name in hob.names() {
        let served = (0..4).map(|_| hob.get(&format!("/{name}/count")).expect(200));
        let served: Vec<_> = served.map(|answer| answer.text().trim().to_owned()).collect();
        let metrics = hob.metrics();
        let made = metrics.of(name, "hob_instances_made_total");
        let reused = metrics.of(name, "hob_instances_reused_total");
        if name.ends_with(".fresh") {
            assert_eq!(served, ["1", "1", "1", "1"], "{name}");
            assert_eq!((made, reused), (4.0, 0.0), "{name}");
        } else {
            assert_eq!(served, ["1", "2", "3", "4"], "{name}");
            assert_eq!((made, reused), (1.0, 3.0), "{name}");
        }
    }
}

#[test]
fn instances_of_reuse_serve_one_request_at_a_time() {
    let hob = Serve::new([guest("kitchen").isolation("reuse")]).start();
    let mut busy = hob.client();
    busy.send(get("/kitchen/sleep?ms=100000"));
    hob.wait_for_in_flight("kitchen", 1);
    // The first instance is taken, so these share another.
    assert_eq!(hob.get("/kitchen/count").expect(200).text(), "1\n");
    assert_eq!(hob.get("/kitchen/count").expect(200).text(), "2\n");
    assert_eq!(hob.metrics().of("kitchen", "hob_instances_made_total"), 2.0);
}

#[test]
fn a_guest_sees_its_environment_and_nothing_of_the_host() {
    let greeting = |guest: Guest| guest.set("environment = { GREETING = \"good day\" }");
    let hob = Serve::new(every_mode(&KITCHENS).into_iter().map(greeting)).start();
    for name in hob.names() {
        let env = hob.get(&format!("/{name}/env")).expect(200);
        assert_eq!(env.text(), "GREETING=good day\n", "{name}");
    }
}

#[test]
fn a_guest_has_the_time_and_random_numbers() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let nanoseconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let before = nanoseconds();
        let now = hob.get(&format!("/{name}/now")).expect(200);
        let now: u128 = now.text().trim().parse().expect("a number");
        assert!((before..=nanoseconds()).contains(&now), "{name}");

        let random = || hob.get(&format!("/{name}/random")).expect(200).text().to_owned();
        let (one, other) = (random(), random());
        assert_eq!(one.trim().len(), 32, "{name}");
        assert_ne!(one, other, "{name}");
    }
}

#[test]
fn a_status_arrives_as_the_guest_gave_it() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        for status in [200, 201, 204, 304, 400, 404, 418, 500, 503, 599] {
            let answer = client.exchange(get(&format!("/{name}/status?code={status}")));
            let answer = answer.expect(status);
            assert_eq!(answer.body, b"", "{name} {status}");
            let has_length = answer.header("content-length").is_some();
            assert!(!(has_length && [204, 304].contains(&status)), "{name} {status}: {answer:?}");
        }
        // The connection is in step after all of them, also after those that have no body.
        client.exchange(get(&format!("/{name}/hello"))).expect(200);
    }
}

#[test]
fn a_status_that_is_no_answer_is_a_failure_of_the_handler() {
    let names = ["kitchen", "kitchen-standard", "kitchen-0-3"];
    let hob = Serve::new(names.map(guest)).start();
    for name in hob.names() {
        for status in [100, 101, 103] {
            let answer = hob.get(&format!("/{name}/status?code={status}")).expect(500);
            assert!(answer.header("x-request-id").is_some(), "{name} {status}: {answer:?}");
            hob.expect_hello(name);
        }
    }
}

#[test]
fn a_guest_sees_the_request_as_it_was_sent() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-standard")]).start();
    hob.names().for_each(|name| sees_the_request(&hob, name));
}

fn sees_the_request(hob: &Hob, name: &str) {
    let target = format!("/{name}/headers?a=%20&b");
    let mut request = format!("BREW {target} HTTP/1.1\r\nHost: hob\r\n").into_bytes();
    request.extend(b"X-Two: one\r\nx-one:  some  words \t\r\nX-TWO: two\r\nx-empty:\r\n");
    request.extend(b"x-bytes: \xe4\r\n\r\n");
    let seen: Value = serde_json::from_slice(&hob.exchange(request).expect(200).body).unwrap();
    assert_eq!(seen["method"], "BREW");
    assert_eq!(seen["target"], target);
    let values = |name: &str| -> Vec<String> {
        let pairs = seen["headers"].as_array().unwrap().iter();
        let of_name = pairs.filter(|pair| pair[0] == name);
        of_name.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(values("host"), ["hob"]);
    assert_eq!(values("x-one"), ["some  words"]);
    assert_eq!(values("x-two"), ["one", "two"]);
    assert_eq!(values("x-empty"), [""]);
    assert_eq!(values("x-bytes"), ["\u{fffd}"]);
}

#[test]
fn large_and_numerous_headers_of_a_guest_reach_the_client() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-standard"])).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/big-headers?bytes=100000")).expect(200);
        assert_eq!(answer.header("x-big").map(str::len), Some(100_000), "{name}");
        let answer = hob.get(&format!("/{name}/many-headers?count=1000")).expect(200);
        assert_eq!(answer.header("x-999"), Some("value"), "{name}");
    }
}
