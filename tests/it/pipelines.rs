//! Malformed bytes behind good ones, and good ones that only look odd.

use crate::harness::{Client, Hob, Serve, get, guest};

const GUESTS: [&str; 4] = ["kitchen", "kitchen-0-2", "kitchen-0-3", "fast-0-2"];

fn serve() -> Hob {
    Serve::new(GUESTS.map(guest)).start()
}

#[track_caller]
fn expect_refusal(client: &mut Client) {
    let answer = client.response().expect(400);
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    client.expect_closed();
}

#[test]
fn a_malformed_request_behind_a_good_one_is_refused_after_its_answer() {
    let hob = serve();
    for name in hob.names() {
        for bad in ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\r\n", "x\n", "GET /a b HTTP/1.1\r\n\r\n"] {
            let mut client = hob.client();
            client.send(get(&format!("/{name}/hello")) + bad);
            assert_eq!(client.response().expect(200).text(), "hello world\n", "{name}");
            expect_refusal(&mut client);
        }
    }
}

#[test]
fn a_malformed_request_behind_a_slow_one_waits_for_its_answer() {
    let hob = serve();
    for name in ["kitchen", "kitchen-0-2", "kitchen-0-3"] {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/sleep?ms=200")) + "no request at all\r\n\r\n");
        assert!(client.response().expect(200).text().starts_with("slept"), "{name}");
        expect_refusal(&mut client);
        // And when it comes while the other is under way.
        let mut client = hob.client();
        client.send(get(&format!("/{name}/sleep?ms=400")));
        hob.wait_for_in_flight(name, 1);
        client.send("no request at all\r\n\r\n");
        assert!(client.response().expect(200).text().starts_with("slept"), "{name}");
        expect_refusal(&mut client);
    }
}

#[test]
fn a_malformed_request_behind_many_good_ones_is_refused_after_all_answers() {
    let hob = serve();
    let mut client = hob.client();
    client.send(get("/kitchen/hello").repeat(50) + "no request at all\r\n\r\n");
    for _ in 0..50 {
        client.response().expect(200);
    }
    expect_refusal(&mut client);
}

#[test]
fn bytes_beyond_a_body_s_length_are_the_next_request() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 5\r\n\r\nhello world\r\n\r\n"
        ));
        assert_eq!(client.response().expect(200).text(), "hello", "{name}");
        expect_refusal(&mut client);
    }
}

#[test]
fn a_malformed_chunk_while_the_handler_reads_is_refused() {
    let hob = serve();
    for name in hob.names() {
        for bad in ["zz\r\n", "-1\r\n", "5\nhello", "5\r\nhelloXX", "5\r\nhello\n"] {
            let mut client = hob.client();
            client.send(format!(
                "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n"
            ));
            hob.wait_for_in_flight(name, 1);
            client.send(bad);
            expect_refusal(&mut client);
            hob.wait_for_in_flight(name, 0);
        }
        let access = hob.wait_for_access(&format!("/{name}/echo"));
        assert_eq!(access["status"], 400, "{access}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_malformed_chunk_after_the_answer_began_cuts_it() {
    let hob = serve();
    for name in ["kitchen", "kitchen-0-2", "kitchen-0-3"] {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo-stream HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
             5\r\nhello\r\n"
        ));
        client.head().expect(200);
        assert_eq!(client.up_to(10), b"5\r\nhello\r\n", "{name}");
        client.send("zz\r\n");
        client.expect_closed();
        let access = hob.wait_for_access(&format!("/{name}/echo-stream"));
        assert_eq!(access["ended"], "cut", "{access}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_forbidden_trailer_is_refused() {
    let hob = serve();
    for name in hob.names() {
        for trailer in ["content-length: 5", "Transfer-Encoding: chunked", "host: a", "a b: c"] {
            let mut client = hob.client();
            client.send(format!(
                "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"
            ));
            expect_refusal(&mut client);
        }
    }
}

#[test]
fn what_is_odd_and_valid_is_served() {
    let hob = serve();
    for name in hob.names() {
        let head = format!("POST /{name}/echo HTTP/1.1\r\nhost: hob\r\n");
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
        for request in [
            format!("\r\n{head}content-length: 5\r\n\r\nhello"),
            format!("{head}CONTENT-length:5\r\n\r\nhello"),
            format!("{head}content-length: \t 5 \t\r\n\r\nhello"),
            format!("{head}content-length: 0005\r\n\r\nhello"),
            format!("POST /{name}/echo HTTP/1.1\r\nhOsT: hob\r\nContent-Length: 5\r\n\r\nhello"),
            format!("POST /{name}/echo HTTP/1.1\r\nhost:\r\ncontent-length: 5\r\n\r\nhello"),
            format!(
                "POST /{name}/echo HTTP/1.1\r\nhost: [::1]:80\r\ncontent-length: 5\r\n\r\nhello"
            ),
            format!("POST /{name}/echo HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello"),
            format!("POST /{name}/./%2e/a;b=c/echo?a=[]&b={{}}|^ HTTP/1.1\r\nhost: hob\r\n")
                + "content-length: 5\r\n\r\nhello",
            format!("{head}!#$%&'*+-.^_`|~1: a\r\ncontent-length: 5\r\n\r\nhello"),
            format!("{head}x-text: gr\u{fc}n\tund blau\r\ncontent-length: 5\r\n\r\nhello"),
            format!("{head}Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            format!("{chunked}5\r\nhello\r\n0\r\n\r\n"),
            format!("{chunked}0005\r\nhello\r\n000\r\n\r\n"),
            format!("{chunked}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
            format!("{chunked}5;a=b;c=\"d e\"\r\nhello\r\n0;end\r\n\r\n"),
            format!("{chunked}5\r\nhello\r\n0\r\nx-sum: 1\r\nX-Other: gr\u{fc}n\r\n\r\n"),
        ] {
            let mut client = hob.client();
            let answer = client.exchange(&request);
            assert_eq!((answer.status, answer.text()), (200, "hello"), "{request:?}");
        }
        let upper = format!("{chunked}0A\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n");
        assert_eq!(hob.exchange(upper).expect(200).text().len(), 20, "{name}");
    }
}
