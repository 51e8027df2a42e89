//! Answers that are there before the request's body is: a request has one answer, its connection says how it
//! goes on, and nobody is late who is not waited for.

use crate::harness::{Client, Hob, Serve, every_mode, get, guest, unfinished};

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];

/// A handler, and paths that it does not answer at.
fn serve() -> Serve {
    Serve::new([guest("kitchen"), guest("kitchen").named("other")])
        .route("path = \"/old\"\nredirect = { to = \"/new\" }")
        .route("path = \"/new\"\nmethods = [\"GET\"]\nhandler = \"kitchen\"")
}

const WITHOUT_HANDLER: [(&str, u16); 3] = [("/nowhere", 404), ("/old", 308), ("/new", 405)];

#[test]
fn a_fault_in_the_body_of_a_request_that_was_answered_is_no_second_answer() {
    let hob = serve().connections("body_bytes = 1000000").start();
    for (path, status) in WITHOUT_HANDLER {
        for chunk in ["200000\r\n", "zz\r\n", "5\r\nhello!!\r\n"] {
            for fields in ["", "connection: close\r\n"] {
                let mut client = hob.client();
                client.send(format!(
                    "POST {path} HTTP/1.1\r\nhost: hob\r\n{fields}transfer-encoding: chunked\r\n\r\n{chunk}"
                ));
                // The one or the other, as the bytes come.
                let answer = client.response();
                let is_one = [status, 400, 413].contains(&answer.status);
                assert!(is_one && answer.complete, "{path} {chunk:?}: {answer:?}");
                client.expect_closed();
            }
        }
    }
}

fn expect_said_to_close(client: &mut Client, path: &str, status: u16) {
    let answer = client.response().expect(status);
    assert_eq!(answer.header("connection"), Some("close"), "{path}: {answer:?}");
    client.expect_closed();
}

#[test]
fn an_answer_without_a_handler_says_that_the_connection_closes_where_the_body_is_not_read() {
    let hob = serve().start();
    for (path, status) in WITHOUT_HANDLER {
        let head = format!("POST {path} HTTP/1.1\r\nhost: hob\r\ncontent-length: 50000\r\n");
        let mut client = hob.client();
        client.send(format!("{head}\r\n"));
        expect_said_to_close(&mut client, path, status);
        let mut client = hob.client();
        client.send(format!("{head}expect: 100-continue\r\n\r\n"));
        expect_said_to_close(&mut client, path, status);
        // One that is there is no trouble.
        let mut client = hob.client();
        client.send(format!("POST {path} HTTP/1.1\r\nhost: hob\r\ncontent-length: 5\r\n\r\nhello"));
        client.response().expect(status);
        client.exchange(get("/other/hello")).expect(200);
    }
}

#[test]
fn an_answer_says_that_the_connection_closes_where_the_handler_does_not_read_the_body() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        for (path, status) in [("hello", 200), ("trap", 500)] {
            let path = format!("/{name}/{path}");
            let mut client = hob.client();
            let head = format!("POST {path} HTTP/1.1\r\nhost: hob\r\n");
            client.send(format!("{head}content-length: 5000000\r\n\r\nhello"));
            expect_said_to_close(&mut client, &path, status);
        }
    }
}

/// A guest that shares its instance goes on, and has the body still.
#[test]
fn a_request_that_takes_too_long_is_told_that_the_connection_closes_where_the_body_is_not_read() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("wall_ms = 300"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let path = format!("/{name}/sleep?ms=3600000");
        let mut client = hob.client();
        let head = format!("POST {path} HTTP/1.1\r\nhost: hob\r\n");
        client.send(format!("{head}content-length: 5000000\r\n\r\nhello"));
        expect_said_to_close(&mut client, &path, 504);
        hob.expect_hello(name);
    }
}

#[test]
fn a_client_that_sends_nothing_of_a_body_that_no_one_waits_for_is_not_cut() {
    let hob = Serve::new(every_mode(&KITCHENS)).connections("body_idle_ms = 200").start();
    for name in hob.names() {
        let target = format!("/{name}/stream?chunks=4&size=10&pause_ms=300");
        for framing in
            ["content-length: 100000\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"]
        {
            let mut client = hob.client();
            client.send(format!("POST {target} HTTP/1.1\r\nhost: hob\r\n{framing}"));
            let answer = client.response().expect(200);
            assert!(answer.complete && answer.body.len() >= 40, "{name}: {answer:?}");
        }
    }
}

fn sends_all(hob: &Hob, path: &str, status: u16) {
    const BYTES: usize = 5_000_000;
    let mut client = hob.client();
    let head = format!("POST {path} HTTP/1.1\r\nhost: hob\r\ncontent-length: {BYTES}\r\n\r\n");
    // As clients do that look for an answer when all is sent.
    client.try_send([head.into_bytes(), vec![b'x'; BYTES]].concat()).expect("all is taken");
    assert_eq!(client.response().status, status, "{path}");
}

#[test]
fn a_client_that_sends_all_before_it_looks_has_its_answer() {
    let hob = serve().start();
    WITHOUT_HANDLER.iter().for_each(|(path, status)| sends_all(&hob, path, *status));
    sends_all(&hob, "/other/hello", 200);
    let mut client = hob.client();
    client.send(unfinished("/nowhere"));
    client.response().expect(404);
}
