//! What a request's target may be made of.

use crate::harness::{Client, Response, Serve, every_mode, get, guest};

/// Panics unless it is an answer of a handler, or a refusal that can be asked about.
#[track_caller]
fn expect_own(answer: &Response, target: &str) {
    let has_id = answer.header("x-request-id").is_some();
    let is_own = answer.status == 200 || matches!(answer.status, 400 | 404) && has_id;
    assert!(is_own && answer.complete, "{target}: {answer:?}");
}

/// Each visible character, in every part of a target.
fn targets(name: &str) -> impl Iterator<Item = String> {
    let name = name.to_owned();
    (0x21..=0x7e_u8).map(char::from).flat_map(move |byte| {
        [
            format!("/{name}/{byte}/hello"),
            format!("/{name}/hello?{byte}"),
            format!("/{name}/hello?a={byte}&b"),
            format!("http://hob/{name}/{byte}/hello"),
            format!("http://hob/{name}/hello?{byte}"),
        ]
    })
}

#[test]
fn every_character_of_a_target_is_answered_or_refused_with_an_id() {
    let guests = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3", "fast-0-2"];
    let hob = Serve::new(guests.map(guest)).start();
    for name in hob.names() {
        for target in targets(name) {
            expect_own(&hob.get(&target), &target);
        }
    }
}

#[test]
fn every_character_of_a_target_that_comes_in_pieces_is_answered_or_refused_with_an_id() {
    let hob = Serve::new([guest("fast-0-2")]).start();
    for target in targets("fast-0-2") {
        let mut client = hob.client();
        for byte in get(&target).bytes() {
            // It may have been refused by now.
            if client.try_send([byte]).is_err() {
                break;
            }
        }
        expect_own(&client.response(), &target);
    }
}

#[test]
fn a_method_that_is_too_long_is_refused_with_an_id() {
    let hob = Serve::new([guest("kitchen")]).start();
    let method = |length: usize| "M".repeat(length);
    let request =
        |length| format!("{} /kitchen/hello HTTP/1.1\r\nhost: hob\r\n\r\n", method(length));
    hob.exchange(request(64)).expect(200);
    let refused = |client: &mut Client| {
        let answer = client.response().expect(400);
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        client.expect_closed();
    };
    for length in [65, 66, 1000] {
        let mut client = hob.client();
        client.send(request(length));
        refused(&mut client);
        // As soon as it can be known.
        let mut client = hob.client();
        client.send(method(length));
        refused(&mut client);
    }
}

/// Longer than hyper's buffers are kept for a request that waits: a new hyper answers it.
#[test]
fn a_method_that_no_one_knows_is_answered_after_long() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-0-2", "kitchen-0-3"])).start();
    let mut clients = Vec::new();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!("BREW /{name}/sleep?ms=2500 HTTP/1.1\r\nhost: hob\r\n\r\n"));
        clients.push((name, client));
    }
    for (name, mut client) in clients {
        assert!(client.response().expect(200).text().starts_with("slept"), "{name}");
        client.exchange(get(&format!("/{name}/hello"))).expect(200);
        let access = hob.wait_for_access(&format!("/{name}/sleep"));
        assert_eq!(access["method"], "BREW", "{access}");
    }
}

#[test]
fn the_host_that_a_target_names_is_the_one_that_a_handler_sees() {
    let guests = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3", "fast-0-2"];
    let hob = Serve::new(guests.map(guest)).start();
    for name in hob.names().filter(|name| *name != "fast-0-2") {
        for host in ["named.example", "named.example:8080"] {
            let target = format!("http://{host}/{name}/fields");
            let request = format!("GET {target} HTTP/1.1\r\nhost: other.example\r\n\r\n");
            let seen = hob.exchange(request).expect(200);
            // To the others it is not among the fields.
            assert!(seen.text().contains(host) || name != "kitchen", "{name}: {seen:?}");
            assert!(!seen.text().contains("other.example"), "{name}: {seen:?}");
        }
    }
}
