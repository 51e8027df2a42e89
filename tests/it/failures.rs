//! What a guest can do wrong. Each has a status and a short code; what happened is in the log,
//! and the next request is served.

use serde_json::Value;

use crate::harness::{Hob, Response, Serve, every_mode, get, guest, post};

const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

/// Panics unless the answer is the host's own, and says no more than it should.
#[track_caller]
pub(crate) fn expect_failure(answer: Response, status: u16, code: &str) -> String {
    let answer = answer.expect(status);
    let id = answer.header("x-request-id").unwrap_or_else(|| panic!("no id: {answer:?}"));
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{answer:?}");
    assert_eq!(answer.text(), format!("{code}\nrequest {id}\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    id.to_owned()
}

/// The line in which the log says more.
pub(crate) fn failure_line(hob: &Hob, id: &str) -> Value {
    hob.wait_for_line(|line| line["event"] == "handler-failed" && line["id"] == id)
}

/// Has each handler fail, and serve again on the same connection.
fn every_handler_fails(hob: &Hob, behaviour: &str, status: u16, code: &str, logged: &str) {
    for name in hob.names() {
        let mut client = hob.client();
        let answer = client.exchange(get(&format!("/{name}/{behaviour}")));
        let id = expect_failure(answer, status, code);
        let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
        assert_eq!(hello.text(), "hello world\n", "{name}");

        let line = failure_line(hob, &id);
        assert_eq!((&line["handler"], &line["code"]), (&name.into(), &code.into()), "{line}");
        let detail = line["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(logged), "{line}");
        let access = hob.wait_for_line(|line| line["kind"] == "access" && line["id"] == *id);
        assert_eq!(access["status"], status, "{access}");
        assert_eq!(access["handler"], name, "{access}");
        assert_eq!(access["code"], code, "{access}");
        assert_eq!(hob.metrics().answered(name, status), 1.0, "{name}: {status}");
    }
}

#[test]
fn a_trap_answers_500_and_the_next_request_works() {
    let guests = every_mode(&KITCHENS).into_iter().chain(every_mode(&["fast-0-2"]));
    every_handler_fails(&Serve::new(guests).start(), "trap", 500, "trap", "unreachable");
}

#[test]
fn a_panic_answers_500_and_its_message_is_a_line_of_the_guest() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    every_handler_fails(&hob, "panic", 500, "trap", "unreachable");
    for name in hob.names() {
        hob.wait_for_line(|line| {
            line["kind"] == "guest"
                && line["handler"] == name
                && line["line"].as_str().is_some_and(|text| text.contains("as the test wants it"))
        });
    }
}

#[test]
fn an_error_of_the_handler_is_in_the_log_and_not_in_the_answer() {
    let mut guests = every_mode(&["kitchen", "kitchen-standard", "kitchen-0-3"]);
    guests.extend(every_mode(&["fast-0-2"]));
    let hob = Serve::new(guests).start();
    every_handler_fails(&hob, "error", 500, "handler-error", "as the test wants it");
}

#[test]
fn a_header_that_cannot_be_sent_is_an_error_of_the_handler() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-standard")]).start();
    let fails = |target: &str, logged: &str| {
        for name in hob.names() {
            let id = expect_failure(hob.get(&format!("/{name}/{target}")), 500, "handler-error");
            let line = failure_line(&hob, &id);
            assert!(line["detail"].as_str().unwrap_or_default().contains(logged), "{line}");
        }
    };
    fails("redirect?to=/a%0d%0aset-cookie:%20b=c", "header location has the byte 0x0d");
    fails("redirect?to=/a%00", "header location has the byte 0x00");
    fails("header-named?to=two%20words", "two words");
    fails("header-named?to=", "that is not a header's name");
    // What is unusual only is sent as it is.
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/redirect?to=/%c3%a9%09b")).expect(303);
        assert!(answer.header("location").is_some_and(|to| to.contains("\tb")), "{answer:?}");
    }
}

#[test]
fn an_error_meant_for_the_client_reaches_it() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-standard")]).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/no-such-behaviour")).expect(404);
        assert_eq!(answer.text(), "no such behaviour\n");
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    }
}

#[test]
fn a_guest_that_gives_no_response_is_answered_for() {
    let hob = Serve::new(every_mode(&["kitchen-0-2"])).start();
    every_handler_fails(&hob, "no-response", 500, "no-response", "");
}

#[test]
fn a_recursion_without_end_answers_500_and_the_next_request_works() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    every_handler_fails(&hob, "recurse", 500, "trap", "call stack exhausted");
}

#[test]
fn a_guest_that_wants_more_memory_than_it_may_have_is_told_so() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("memory_mib = 16"));
    let hob = Serve::new(guests).start();
    every_handler_fails(&hob, "grow", 503, "memory-limit", "");
}

#[test]
fn a_guest_with_memory_it_may_not_have_from_the_start_is_told_so() {
    let hob = Serve::new([guest("kitchen").limits("memory_mib = 1")]).start();
    let answer = hob.get("/kitchen/hello");
    expect_failure(answer, 503, "memory-limit");
}

#[test]
fn a_failure_after_a_body_was_sent_leaves_the_connection_in_step() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        let answer = client.exchange(post(&format!("/{name}/trap"), "a body"));
        expect_failure(answer, 500, "trap");
        client.exchange(get(&format!("/{name}/hello"))).expect(200);
    }
}

#[test]
fn a_hundred_failures_leave_nothing_behind() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        for _ in 0..100 {
            expect_failure(client.exchange(get(&format!("/{name}/trap"))), 500, "trap");
        }
        hob.expect_hello(name);
        assert_eq!(hob.metrics().of(name, "hob_requests_in_flight"), 0.0, "{name}");
    }
}

#[test]
fn head_of_a_failure_has_no_body() {
    let hob = Serve::new([guest("kitchen")]).start();
    let mut client = hob.client();
    client.send("HEAD /kitchen/trap HTTP/1.1\r\nhost: hob\r\n\r\n");
    let head = client.head().expect(500);
    assert!(head.header("x-request-id").is_some(), "{head:?}");
    client.exchange(get("/kitchen/hello")).expect(200);
}
