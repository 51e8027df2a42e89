//! HTTP/1.1 as every client speaks it.

use serde_json::Value;

use crate::harness::{Client, Hob, Serve, get, guest, post};

fn serve() -> Hob {
    Serve::new([guest("kitchen"), guest("kitchen-0-2"), guest("kitchen-0-3")]).start()
}

fn hello(name: &str, rest: &str) -> String {
    format!("GET /{name}/hello HTTP/1.1\r\nhost: hob\r\n{rest}\r\n")
}

#[test]
fn a_connection_is_kept_for_many_requests() {
    let hob = serve();
    let mut client = hob.client();
    for _ in 0..100 {
        for name in hob.names() {
            let answer = client.exchange(hello(name, "")).expect(200);
            assert_eq!(answer.version, "HTTP/1.1");
            assert!(answer.header("connection").is_none(), "{answer:?}");
        }
    }
    assert_eq!(hob.metrics().get("hob_connections_accepted_total{loop=\"0\"}"), 1.0);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let hob = serve();
    for name in hob.names() {
        let mut requests = get(&format!("/{name}/sleep?ms=50")).into_bytes();
        for status in 201..=250 {
            requests.extend(get(&format!("/{name}/status?code={status}")).into_bytes());
        }
        requests.extend(post(&format!("/{name}/echo"), "a body in between"));
        requests.extend(get(&format!("/{name}/hello")).into_bytes());
        let mut client = hob.client();
        client.send(requests);
        assert!(client.response().expect(200).text().starts_with("slept"), "{name}");
        for status in 201..=250 {
            client.response().expect(status);
        }
        assert_eq!(client.response().expect(200).text(), "a body in between", "{name}");
        assert_eq!(client.response().expect(200).text(), "hello world\n", "{name}");
    }
}

#[test]
fn head_and_small_body_come_in_one_read() {
    let hob = serve();
    for name in hob.names() {
        let mut reads = (0..20).map(|_| {
            let mut client = hob.client();
            client.send(hello(name, ""));
            String::from_utf8(client.one_read()).unwrap()
        });
        let is_whole = |read: &String| {
            read.starts_with("HTTP/1.1 200 OK\r\n") && read.ends_with("\r\n\r\nhello world\n")
        };
        if name == "kitchen" {
            assert!(reads.all(|read| is_whole(&read)), "{name}");
        } else {
            // Through the standard interfaces a body is a stream: should the guest's slice end
            // between its only piece and its end, on a busy machine, they are sent one by one.
            assert!(reads.filter(is_whole).count() >= 10, "{name}");
        }
    }
}

#[test]
fn every_answer_has_a_date() {
    let hob = serve();
    let is_date = |text: &str| text.len() == 29 && text.ends_with(" GMT") && text.contains(", ");
    let targets = ["/", "/nowhere", "/kitchen/hello", "/kitchen/trap", "/kitchen/stream"];
    for target in targets {
        let answer = hob.get(target);
        assert!(answer.header("date").is_some_and(is_date), "{target}: {answer:?}");
    }
    let refused = hob.exchange("no request at all\r\n\r\n").expect(400);
    assert!(refused.header("date").is_some_and(is_date), "{refused:?}");
}

#[test]
fn head_is_answered_with_the_length_and_without_the_body() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        // A guest that is interrupted in the middle of its answer has not told its length by then.
        let has_length = (0..100).any(|_| {
            client.send(format!("HEAD /{name}/hello HTTP/1.1\r\nhost: hob\r\n\r\n"));
            client.head().expect(200).header("content-length") == Some("12")
        });
        assert!(has_length, "{name}");
        // What comes next is the next answer.
        assert_eq!(client.exchange(hello(name, "")).expect(200).text(), "hello world\n");
    }
}

#[test]
fn connection_close_closes_after_the_answer() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        let answer = client.exchange(hello(name, "Connection: Close\r\n")).expect(200);
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        client.expect_closed();
    }
}

#[test]
fn nothing_after_connection_close_is_a_request() {
    let hob = serve();
    let mut client = hob.client();
    client.send(hello("kitchen", "connection: close\r\n") + &hello("kitchen", ""));
    client.response().expect(200);
    client.expect_closed();
}

#[test]
fn http_1_0_closes_unless_it_is_asked_to_stay() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!("GET /{name}/hello HTTP/1.0\r\n\r\n"));
        let answer = client.response().expect(200);
        assert_eq!(answer.text(), "hello world\n", "{name}");
        client.expect_closed();

        let staying = format!("GET /{name}/hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        let mut client = hob.client();
        for _ in 0..2 {
            let answer = client.exchange(&staying).expect(200);
            assert_eq!(answer.header("connection"), Some("keep-alive"), "{name}: {answer:?}");
        }
    }
}

#[test]
fn http_1_0_gets_a_stream_without_chunks() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        let target = format!("/{name}/stream?chunks=3&size=10&pause_ms=1");
        client.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
        let answer = client.response().expect(200);
        assert!(answer.header("transfer-encoding").is_none(), "{name}: {answer:?}");
        assert_eq!(answer.text(), "aaaaaaaaaabbbbbbbbbbcccccccccc", "{name}");
    }
}

#[test]
fn an_absolute_target_is_taken_as_a_proxy_sends_it() {
    let hob = serve();
    for name in hob.names() {
        for target in [
            format!("http://hob/{name}/hello"),
            format!("http://other.example:8080/{name}/hello?a=b"),
            format!("HTTP://hob/{name}/hello"),
        ] {
            let answer = hob.exchange(format!("GET {target} HTTP/1.1\r\nhost: hob\r\n\r\n"));
            assert_eq!(answer.expect(200).text(), "hello world\n", "{target}");
        }
    }
    let request = "GET http://hob/kitchen/headers?a=b HTTP/1.1\r\nhost: hob\r\n\r\n";
    let seen: Value = serde_json::from_slice(&hob.exchange(request).expect(200).body).unwrap();
    assert_eq!(seen["target"], "/kitchen/headers?a=b");
    // No path is the root.
    hob.exchange("GET http://hob HTTP/1.1\r\nhost: hob\r\n\r\n").expect(200);
}

#[test]
fn an_expectation_is_met_when_the_body_is_wanted() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 5\r\n\
             expect: 100-continue\r\n\r\n"
        ));
        assert_eq!(client.response().status, 100, "{name}");
        assert_eq!(client.exchange("hello").expect(200).text(), "hello", "{name}");
        // In chunks too, and the connection is still good.
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\
             Expect: 100-Continue\r\n\r\n"
        ));
        assert_eq!(client.response().status, 100, "{name}");
        let answer = client.exchange("5\r\nhello\r\n0\r\n\r\n").expect(200);
        assert_eq!(answer.text(), "hello", "{name}");
    }
}

#[test]
fn a_client_that_does_not_wait_for_100_gets_a_good_answer_too() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 5\r\n\
             expect: 100-continue\r\n\r\nhello"
        ));
        let mut answer = client.response();
        if answer.status == 100 {
            answer = client.response();
        }
        assert_eq!(answer.expect(200).text(), "hello", "{name}");
    }
}

#[test]
fn connections_that_say_nothing_are_no_errors() {
    let hob = serve();
    for _ in 0..50 {
        drop(Client::connect(hob.address));
        Client::connect(hob.address).reset();
    }
    hob.expect_hello("kitchen");
    let refused = hob.lines().iter().filter(|line| line["kind"] == "access").count();
    assert!(refused <= 1, "{:#?}", hob.lines());
}

#[test]
fn connect_and_upgrades_are_not_offered() {
    let hob = serve();
    let answer = hob.exchange("CONNECT hob:80 HTTP/1.1\r\nhost: hob\r\n\r\n");
    assert_eq!(answer.status, 501, "{answer:?}");
    let upgrade = "connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n";
    let answer = hob.exchange(hello("kitchen", upgrade)).expect(200);
    assert_eq!(answer.text(), "hello world\n");
}

#[test]
fn an_answer_to_1_0_that_only_the_end_of_the_connection_ends_says_so() {
    let hob = Serve::new([guest("kitchen")]).start();
    let mut client = hob.client();
    client.send("GET /kitchen/stream?chunks=3&size=4&pause_ms=20 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let head = client.head();
    assert_ne!(head.header("connection"), Some("keep-alive"), "{head:?}");
    assert_eq!(head.header("content-length"), None, "{head:?}");
    assert_eq!(client.rest().len(), 12);
}
