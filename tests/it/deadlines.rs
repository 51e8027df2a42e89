//! Slow clients: they get the time that was set, and no more.

use std::time::Duration;

use crate::harness::{Client, Hob, Serve, get, guest};

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];

fn serve(connections: &str) -> Hob {
    Serve::new(KITCHENS.map(guest)).connections(connections).start()
}

/// Panics unless the answer is a refusal with this status and the connection is closed after it.
fn expect_refusal(client: &mut Client, status: u16, code: &str) {
    let answer = client.response().expect(status);
    assert!(answer.text().starts_with(&format!("{code}\n")), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    client.expect_closed();
}

#[test]
fn a_request_may_come_a_byte_at_a_time() {
    let hob = serve("");
    for name in hob.names() {
        let mut client = hob.client();
        let request = format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
             5;a=b\r\nhello\r\n0\r\nx-a: b\r\n\r\n"
        );
        for _ in 0..2 {
            for byte in request.bytes() {
                client.send([byte]);
            }
            assert_eq!(client.response().expect(200).text(), "hello", "{name}");
        }
    }
}

#[test]
fn a_head_that_is_not_finished_in_time_is_refused() {
    let hob = serve("head_ms = 1000");
    for beginning in ["G", "GET / HTTP/1.1\r\nhost", "GET / HTTP/1.1\r\nhost: hob\r\n", "\r\n"] {
        let mut client = hob.client();
        client.send(beginning);
        expect_refusal(&mut client, 408, "request-timeout");
    }
}

#[test]
fn a_head_that_trickles_gets_no_more_time_than_one_that_stands_still() {
    let hob = serve("head_ms = 300");
    let mut client = hob.client();
    client.send("GET / HTTP/1.1\r\nhost: hob\r\nx-endless: ");
    // A byte whenever a while has passed without an answer.
    while !client.hears_within(Duration::from_millis(20)) {
        if client.try_send("x").is_err() {
            break;
        }
    }
    expect_refusal(&mut client, 408, "request-timeout");
}

#[test]
fn a_second_head_has_its_deadline_too() {
    let hob = serve("head_ms = 1000");
    let mut client = hob.client();
    client.exchange(get("/kitchen/hello")).expect(200);
    client.send("GET /kitch");
    expect_refusal(&mut client, 408, "request-timeout");
}

#[test]
fn a_head_in_a_pipeline_waits_for_the_answers_before_it() {
    // The answer takes longer than a head may, and a head may take longer than this thread does.
    let hob = serve("head_ms = 3000");
    let mut client = hob.client();
    client.send(get("/kitchen/sleep?ms=4000") + "GET /kitch");
    assert!(client.response().expect(200).text().starts_with("slept"));
    client.send("en/hello HTTP/1.1\r\nhost: hob\r\n\r\n");
    client.response().expect(200);
}

#[test]
fn a_connection_that_never_says_anything_is_closed() {
    let hob = serve("head_ms = 1000");
    hob.client().expect_closed();
    hob.expect_hello("kitchen");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let hob = serve("keep_alive_ms = 200");
    let mut client = hob.client();
    client.exchange(get("/kitchen/hello")).expect(200);
    client.expect_closed();
}

#[test]
fn an_idle_connection_serves_again_after_it_has_given_back_its_buffers() {
    let hob = serve("keep_alive_ms = 5000");
    let mut client = hob.client();
    for _ in 0..2 {
        client.exchange(get("/kitchen/hello")).expect(200);
        // It is dormant after a second.
        assert!(!client.hears_within(Duration::from_millis(1500)), "it was closed too early");
    }
    client.send("GET /kitch");
    assert!(!client.hears_within(Duration::from_millis(100)));
    client.send("en/hello HTTP/1.1\r\nhost: hob\r\n\r\n");
    client.response().expect(200);
    // And then it is closed.
    client.expect_closed();
}

#[test]
fn an_idle_connection_that_is_dormant_is_closed_in_time() {
    let hob = serve("keep_alive_ms = 1500");
    let mut clients: Vec<_> = (0..50).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.exchange(get("/kitchen/hello")).expect(200);
    }
    clients.iter_mut().for_each(Client::expect_closed);
    hob.wait_for_metrics(|m| m.get("hob_connections{loop=\"0\"}") == 0.0);
}

#[test]
fn a_body_that_stands_still_is_refused() {
    let hob = serve("body_idle_ms = 200");
    for name in hob.names() {
        for framing in
            ["content-length: 100\r\n\r\n12345", "transfer-encoding: chunked\r\n\r\n5\r\n"]
        {
            let mut client = hob.client();
            client.send(format!("POST /{name}/echo HTTP/1.1\r\nhost: hob\r\n{framing}"));
            expect_refusal(&mut client, 408, "request-timeout");
            hob.wait_for_in_flight(name, 0);
        }
        let access = hob.wait_for_access(&format!("/{name}/echo"));
        assert_eq!(access["status"], 408, "{access}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_body_that_stands_still_after_the_answer_began_is_cut() {
    let hob = serve("body_idle_ms = 200");
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo-stream HTTP/1.1\r\nhost: hob\r\n\
             transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
        ));
        let answer = client.response();
        assert!(!answer.complete, "{name}: {answer:?}");
        assert_eq!((answer.status, answer.text()), (200, "hello"), "{name}");
        let access = hob.wait_for_access(&format!("/{name}/echo-stream"));
        assert_eq!(access["ended"], "cut", "{access}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_body_that_makes_progress_may_take_long() {
    let hob = serve("body_idle_ms = 1000");
    for name in hob.names() {
        let mut client = hob.client();
        client
            .send(format!("POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 12\r\n\r\n"));
        for byte in b"hello again!" {
            assert!(!client.hears_within(Duration::from_millis(100)), "{name}: refused");
            client.send([*byte]);
        }
        assert_eq!(client.response().expect(200).text(), "hello again!", "{name}");
    }
}

#[test]
fn a_body_in_drops_is_refused_at_the_wall_limit() {
    let handlers = ["kitchen", "fast-0-2"].map(|name| guest(name).limits("wall_ms = 1500"));
    let hob = Serve::new(handlers).start();
    for name in hob.names() {
        let mut client = hob.client();
        let head = format!("POST /{name}/echo HTTP/1.1\r\nhost: hob\r\n");
        client.send(format!("{head}content-length: 1000\r\n\r\n"));
        // No byte is late, but all of them would take half a minute.
        let refused = (0..999).any(|_| {
            let heard = client.hears_within(Duration::from_millis(30));
            heard || client.try_send("x").is_err()
        });
        assert!(refused, "{name}: it may come in drops");
        let answer = client.response().expect(408);
        assert!(answer.text().starts_with("request-timeout\n"), "{name}: {answer:?}");
        assert!(answer.header("x-request-id").is_some(), "{name}: {answer:?}");
        hob.wait_for_in_flight(name, 0);
        hob.expect_hello(name);
    }
}

/// In two ways: hyper is not kept while the guest sleeps, and is while it writes.
#[test]
fn an_idle_connection_is_kept_from_the_end_of_the_answer() {
    let hob = serve("keep_alive_ms = 3000");
    let mut clients = Vec::new();
    for name in hob.names() {
        for behaviour in ["sleep?ms=6000", "stream?chunks=8&size=5&pause_ms=750"] {
            let mut client = hob.client();
            client.send(get(&format!("/{name}/{behaviour}")));
            clients.push((name, client));
        }
    }
    for (_, client) in &mut clients {
        client.response().expect(200);
    }
    // Long enough for each to be dormant by now.
    assert!(!clients[0].1.hears_within(Duration::from_secs(2)));
    for (name, client) in &mut clients {
        client.exchange(get(&format!("/{name}/hello"))).expect(200);
    }
}

#[test]
fn a_guest_that_reads_slowly_is_no_fault_of_the_client() {
    let hob = serve("body_idle_ms = 200");
    let body = vec![b'x'; 200_000];
    let request = crate::harness::post("/kitchen/read-slowly?ms=300", body);
    assert_eq!(hob.exchange(request).expect(200).text(), "200000\n");
}
