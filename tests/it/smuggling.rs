//! Bytes that are no request, or one that two readers would read differently: each is refused
//! before a handler hears of it, and the connection is closed.

use crate::harness::{Hob, Serve, get, guest};

const GUESTS: [&str; 4] = ["kitchen", "kitchen-0-2", "kitchen-0-3", "fast-0-2"];

/// Instances of `fresh` are made for a call, so their number is that of the calls.
fn serve() -> Hob {
    Serve::new(GUESTS.map(|name| guest(name).isolation("fresh"))).start()
}

fn calls(hob: &Hob) -> f64 {
    let metrics = hob.metrics();
    hob.names().map(|name| metrics.of(name, "hob_instances_made_total")).sum()
}

/// Sends each to each handler. NAME stands for the handler's name.
#[track_caller]
fn expect_refused(cases: &[(&str, u16)]) {
    let hob = serve();
    for (case, status) in cases {
        for name in hob.names() {
            let request = case.replace("NAME", name);
            let mut client = hob.client();
            client.send(&request);
            let answer = client.response();
            assert!(answer.complete, "{request:?}: {answer:?}");
            assert_eq!(answer.status, *status, "{request:?}: {answer:?}");
            assert_eq!(answer.header("connection"), Some("close"), "{request:?}: {answer:?}");
            assert!(answer.header("x-request-id").is_some(), "{request:?}: {answer:?}");
            // A request that may hide behind it is not one.
            client.expect_closed();
        }
        refused_a_byte_at_a_time(&hob, case);
    }
    assert_eq!(calls(&hob), 0.0, "a handler was called");
    hob.names().for_each(|name| hob.expect_hello(name));
    assert_eq!(calls(&hob), GUESTS.len() as f64);
}

/// A fault is seen wherever a packet ends, if not always as the same one.
#[track_caller]
fn refused_a_byte_at_a_time(hob: &Hob, case: &str) {
    let mut client = hob.client();
    for byte in case.replace("NAME", "kitchen").bytes() {
        if client.try_send([byte]).is_err() {
            break;
        }
    }
    let answer = client.response();
    assert!([400, 501, 505].contains(&answer.status), "{case:?} in pieces: {answer:?}");
    assert!(answer.header("x-request-id").is_some(), "{case:?} in pieces: {answer:?}");
    client.expect_closed();
}

/// A POST with these fields, and this after the head.
macro_rules! post {
    ($fields:literal, $rest:literal) => {
        concat!("POST /NAME/echo HTTP/1.1\r\nHost: hob\r\n", $fields, "\r\n", $rest)
    };
}

macro_rules! with_line {
    ($line:literal) => {
        concat!("GET /NAME/hello HTTP/1.1\r\nHost: hob\r\n", $line, "\r\n\r\n")
    };
}

macro_rules! in_chunks {
    ($chunks:literal) => {
        post!("Transfer-Encoding: chunked\r\n", $chunks)
    };
}

#[test]
fn two_lengths_of_a_body_are_refused() {
    expect_refused(&[
        (post!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
        (post!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400),
        (post!("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
        (post!("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), 400),
        (post!("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
        (post!("Content-Length: 5\r\ncontent-LENGTH: 5\r\n", "hello"), 400),
        (post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
    ]);
}

#[test]
fn a_length_that_is_no_number_is_refused() {
    expect_refused(&[
        (post!("Content-Length: +5\r\n", "hello"), 400),
        (post!("Content-Length: -5\r\n", "hello"), 400),
        (post!("Content-Length: 5, 5\r\n", "hello"), 400),
        (post!("Content-Length: 5,6\r\n", "hello!"), 400),
        (post!("Content-Length: 0x5\r\n", "hello"), 400),
        (post!("Content-Length: 5 5\r\n", "hello"), 400),
        (post!("Content-Length: 5.0\r\n", "hello"), 400),
        (post!("Content-Length: \r\n", "hello"), 400),
        (post!("Content-Length: five\r\n", "hello"), 400),
        (post!("Content-Length: 18446744073709551621\r\n", "hello"), 400),
        (post!("Content-Length: 99999999999999999999999999\r\n", "hello"), 400),
    ]);
}

#[test]
fn a_transfer_coding_other_than_chunked_is_refused() {
    expect_refused(&[
        (post!("Transfer-Encoding: gzip\r\n", ""), 501),
        (post!("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding: identity\r\n", ""), 501),
        (post!("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding:\r\n", "0\r\n\r\n"), 501),
        (post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", "0\r\n\r\n"), 400),
        (post!("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "hello"), 501),
        (post!("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400),
        (post!("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"), 400),
        ("POST /NAME/echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /NAME/echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ]);
}

#[test]
fn a_malformed_chunk_is_refused() {
    expect_refused(&[
        (in_chunks!("-1\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("+5\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("0x5\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5h\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("g\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!(" 5\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5 \r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5 ;a=b\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5 5\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5,6\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5;a\rb\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5;a\0b\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("5\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!(";a=b\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 400),
        (in_chunks!("00000000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    ]);
}

#[test]
fn a_malformed_line_is_refused() {
    expect_refused(&[
        ("GET /NAME/hello HTTP/1.1\nHost: hob\n\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: hob\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: hob\r\n\n", 400),
        ("GET /NAME/hello HTTP/1.1\rHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\r\nHost: hob\r\n\r\n", 400),
        (with_line!("X-A: a\rb"), 400),
        (with_line!("X-A: a\r\n folded"), 400),
        (with_line!("X-A: a\r\n\tfolded"), 400),
        (" GET /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\n Host: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\n\r\nHost: hob\r\n\r\n", 400),
        ("\r\n\r\n\r\n\r\nGET /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("\nGET /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        (with_line!("X-A : a"), 400),
        (with_line!("X-A\t: a"), 400),
        (with_line!("X A: a"), 400),
        (with_line!(": a"), 400),
        (with_line!("X-A"), 400),
        (with_line!("X-\0A: a"), 400),
        (with_line!("X-A: a\0b"), 400),
        (with_line!("X-A: a\u{1}b"), 400),
        (with_line!("X-A: a\u{7f}b"), 400),
        (with_line!("X-A: a\u{b}b"), 400),
        (with_line!("X-(A): a"), 400),
        (with_line!("X-\u{e4}: a"), 400),
        (with_line!("\"X-A\": a"), 400),
    ]);
}

#[test]
fn a_malformed_request_line_is_refused() {
    expect_refused(&[
        ("GET /NAME/hello\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1 \r\nHost: hob\r\n\r\n", 400),
        ("GET  /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello  HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET\t/NAME/hello\tHTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello world HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello#a HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello?#a HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/h\0ello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/h\u{e4}llo HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET hob:80 HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET ftp://hob/NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET http:// HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("G(T /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("G\0T /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET: /NAME/hello HTTP/1.1\r\nHost: hob\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n", 400),
    ]);
}

#[test]
fn a_version_that_is_not_spoken_is_refused() {
    expect_refused(&[
        ("GET /NAME/hello HTTP/1.2\r\nHost: hob\r\n\r\n", 505),
        ("GET /NAME/hello HTTP/0.9\r\nHost: hob\r\n\r\n", 505),
        ("GET /NAME/hello HTTP/2.0\r\nHost: hob\r\n\r\n", 505),
        ("GET /NAME/hello HTTP/9.9\r\nHost: hob\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.10\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/01.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/ 1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello http/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTPS/1.1\r\nHost: hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1,1\r\nHost: hob\r\n\r\n", 400),
    ]);
}

#[test]
fn a_host_that_is_not_there_once_is_refused() {
    expect_refused(&[
        ("GET /NAME/hello HTTP/1.1\r\n\r\n", 400),
        ("GET http://hob/NAME/hello HTTP/1.1\r\n\r\n", 400),
        (with_line!("Host: hob"), 400),
        (with_line!("host: other"), 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: a?b\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: a#b\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: a\\b\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: <a>\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost: \u{e4}\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.1\r\nHost : hob\r\n\r\n", 400),
        ("GET /NAME/hello HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ]);
}

#[test]
fn what_hides_behind_a_refused_request_is_not_served() {
    expect_refused(&[
        (
            concat!(
                "POST /NAME/echo HTTP/1.1\r\nHost: hob\r\nContent-Length: 4\r\n",
                "Transfer-Encoding: chunked\r\n\r\n1a\r\nGET /NAME/hello HTTP/1.1\r\n\r\n0\r\n\r\n",
                "GET /NAME/count HTTP/1.1\r\nHost: hob\r\n\r\n"
            ),
            400,
        ),
        (
            concat!(
                "GET /NAME/hello HTTP/1.1\r\nHost: hob\r\nX: y\nGET /NAME/count HTTP/1.1\r\n",
                "Host: hob\r\n\r\nGET /NAME/count HTTP/1.1\r\nHost: hob\r\n\r\n"
            ),
            400,
        ),
    ]);
}

#[test]
fn the_line_of_a_refusal_has_its_id_and_code() {
    let hob = serve();
    let answer = hob.exchange("GET / HTTP/1.1\r\n\r\n").expect(400);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    assert_eq!(answer.text(), format!("no-host\nrequest {id}\n"));
    let access = hob.wait_for_line(|line| line["kind"] == "access" && line["id"] == *id);
    assert_eq!((&access["status"], &access["code"]), (&400.into(), &"no-host".into()));
    assert!(access["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
    assert_eq!(hob.metrics().get("hob_requests_malformed_total{loop=\"0\"}"), 1.0);
    hob.exchange(get("/kitchen/hello")).expect(200);
}
