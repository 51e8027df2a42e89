//! `compress = true` of a handler: which answers are compressed, with which coding, and how.

use std::io::Read;

use crate::harness::{Client, Hob, Response, Serve, guest};

const PLAIN: &str = "x-answer-content-type: text/plain";

fn serve() -> Hob {
    let on = guest("capabilities").named("on").grants("").set("compress = true");
    let off = guest("capabilities").named("off").grants("");
    let traps = guest("kitchen").set("compress = true");
    Serve::new([on, off, traps]).start()
}

fn text() -> String {
    "all work and no play makes a dull boy\n".repeat(200)
}

/// Asks for an answer that has this body, with these lines of the request's head.
fn request(target: &str, lines: &[&str], body: &str) -> String {
    let length = body.len();
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("POST {target} HTTP/1.1\r\nhost: hob\r\ncontent-length: {length}\r\n{lines}\r\n{body}")
}

fn ask(hob: &Hob, lines: &[&str], body: &str) -> Response {
    hob.exchange(request("/on/mirror", lines, body))
}

#[test]
fn the_client_chooses_the_coding() {
    let hob = serve();
    for (accepts, coding) in [
        ("gzip", Some("gzip")),
        ("GZIP", Some("gzip")),
        ("x-gzip", Some("gzip")),
        ("br", Some("br")),
        ("zstd", Some("zstd")),
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, deflate, br", Some("br")),
        ("gzip;q=1.0, br;q=0.5", Some("gzip")),
        ("gzip; q=0.2 , br; q=0.3,zstd;q=0", Some("br")),
        ("*", Some("zstd")),
        ("*;q=0.5, zstd;q=0", Some("br")),
        ("identity;q=0, gzip", Some("gzip")),
        ("identity;q=0.5, gzip;q=0.5", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("identity", None),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=0, *", Some("zstd")),
        ("gzip;q=much", None),
        ("gzip;q=2", None),
        ("deflate", None),
        ("compress", None),
        ("", None),
        (",,;;,", None),
    ] {
        let line = format!("accept-encoding: {accepts}");
        for target in ["/on/mirror", "/on/mirror-stream"] {
            let answer = hob.exchange(request(target, &[&line, PLAIN], &text())).expect(200);
            assert_eq!(answer.header("content-encoding"), coding, "{accepts}");
            assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepts}");
            assert!(answer.decoded() == text().as_bytes(), "{accepts}");
            assert!(coding.is_none() || answer.body.len() < 1000, "{accepts}");
        }
    }
    let lines = ["accept-encoding: gzip;q=0.5", "accept-encoding: br", PLAIN];
    assert_eq!(ask(&hob, &lines, &text()).header("content-encoding"), Some("br"));
    let answer = ask(&hob, &[PLAIN], &text()).expect(200);
    assert_eq!((answer.header("content-encoding"), answer.text()), (None, &*text()));
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
}

#[test]
fn a_whole_answer_has_the_length_of_what_is_sent() {
    let hob = serve();
    for coding in ["gzip", "br", "zstd"] {
        for body in [text(), text().repeat(100)] {
            let lines = [&format!("accept-encoding: {coding}"), PLAIN];
            let answer = ask(&hob, &lines, &body).expect(200);
            let length = answer.header("content-length").expect("a length");
            assert_eq!(length, answer.body.len().to_string());
            assert!(answer.decoded() == body.as_bytes());
        }
    }
}

#[test]
fn only_what_gets_smaller_is_compressed() {
    let hob = serve();
    let gzip = "accept-encoding: gzip";
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/CSS",
        "application/json",
        "application/problem+json",
        "application/javascript;charset=utf-8",
        "application/wasm",
        "application/xml",
        "image/svg+xml",
    ] {
        let answer = ask(&hob, &[gzip, &format!("x-answer-content-type: {kind}")], &text());
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{kind}");
    }
    for kind in
        ["image/png", "video/mp4", "application/zip", "application/octet-stream", "nonsense"]
    {
        let answer = ask(&hob, &[gzip, &format!("x-answer-content-type: {kind}")], &text());
        assert_eq!(answer.header("content-encoding"), None, "{kind}");
        assert_eq!(answer.header("vary"), None, "{kind}");
        assert!(answer.text() == text());
    }
    let unnamed = ask(&hob, &[gzip], &text()).expect(200);
    assert_eq!(unnamed.header("content-encoding"), None);
    let small = ask(&hob, &[gzip, PLAIN], &"x".repeat(1023)).expect(200);
    assert_eq!(small.header("content-encoding"), None);
    let enough = ask(&hob, &[gzip, PLAIN], &"x".repeat(1024)).expect(200);
    assert_eq!(enough.header("content-encoding"), Some("gzip"));
    let mut random = fastrand::Rng::with_seed(3);
    let noise: String = (0..3000).map(|_| random.char('!'..='~')).collect();
    let noise = ask(&hob, &["accept-encoding: zstd", PLAIN], &noise).expect(200);
    assert!(noise.body.len() <= 3000);
}

#[test]
fn what_the_handler_has_settled_stays() {
    let hob = serve();
    let gzip = "accept-encoding: gzip";
    for settled in [
        "x-answer-content-encoding: br",
        "x-answer-content-encoding: identity",
        "x-answer-cache-control: public, No-Transform",
        "x-answer-content-range: bytes 0-7599/9000",
        "x-answer-repr-digest: sha-256=:AAAA:",
        "x-status: 206",
    ] {
        for target in ["/on/mirror", "/on/mirror-stream"] {
            let answer = hob.exchange(request(target, &[gzip, PLAIN, settled], &text()));
            assert!(answer.text() == text(), "{settled}");
            assert_ne!(answer.header("content-encoding"), Some("gzip"), "{settled}");
        }
    }
    let empty = ask(&hob, &[gzip, PLAIN, "x-status: 204"], "").expect(204);
    assert_eq!(empty.header("content-encoding"), None);
    // A handler that does not say so has its answers sent as they are.
    let off = hob.exchange(request("/off/mirror", &[gzip, PLAIN], &text())).expect(200);
    assert!(off.text() == text() && off.header("vary").is_none());
    // An error page is an answer too; what the host says itself is short.
    let missing = ask(&hob, &[gzip, PLAIN, "x-status: 404"], &text()).expect(404);
    assert!(
        missing.header("content-encoding") == Some("gzip")
            && missing.header("x-request-id").is_some()
    );
    let trap = hob.exchange(request("/kitchen/trap", &[gzip], "")).expect(500);
    assert!(trap.text().starts_with("trap"));
}

#[test]
fn tags_are_weakened_and_ranges_not_promised() {
    let hob = serve();
    let gzip = "accept-encoding: gzip";
    let lines = [PLAIN, "x-answer-etag: \"v1\"", "x-answer-accept-ranges: bytes"];
    let answer = ask(&hob, &[&lines[..], &[gzip]].concat(), &text()).expect(200);
    assert_eq!(answer.header("etag"), Some("W/\"v1\""));
    assert_eq!(answer.header("accept-ranges"), None);
    let answer = ask(&hob, &lines, &text()).expect(200);
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    let weak = ask(&hob, &[PLAIN, gzip, "x-answer-etag: W/\"v1\""], &text()).expect(200);
    assert_eq!(weak.header("etag"), Some("W/\"v1\""));
    let vary = ask(&hob, &[PLAIN, gzip, "x-answer-vary: Accept-Encoding, Origin"], &text());
    assert_eq!(vary.header("vary"), Some("Accept-Encoding, Origin"));
    // An answer that says only that nothing has changed has the tag that the client's body had.
    let not_modified = [gzip, "x-status: 304", "x-answer-etag: \"v1\""];
    let strong = ask(&hob, &[&not_modified[..], &["if-none-match: \"v1\""]].concat(), "");
    assert_eq!((strong.status, strong.header("etag")), (304, Some("\"v1\"")));
    let weak = "if-none-match: \"v0\", W/\"v1\"";
    let same = ask(&hob, &[&not_modified[..], &[weak]].concat(), "");
    assert_eq!((same.status, same.header("etag")), (304, Some("W/\"v1\"")));
    assert_eq!(same.header("content-encoding"), None);
    assert_eq!(same.header("vary"), Some("accept-encoding"));
}

#[test]
fn the_answer_to_a_head_says_what_a_get_would_be() {
    let hob = serve();
    let head = |lines: &[&str], body: &str| {
        let mut client = hob.client();
        client.send(request("/on/mirror", lines, body).replacen("POST", "HEAD", 1));
        let head = client.head();
        client.send("GET /on/hello HTTP/1.1\r\nhost: hob\r\n\r\n");
        assert_eq!(client.response().expect(200).text(), "hello world\n");
        head
    };
    let gzip = "accept-encoding: gzip";
    let long = "x-answer-content-length: 5000";
    let of_get = ask(&hob, &[gzip, PLAIN], &text()).expect(200);
    let length = of_get.header("content-length");
    for (lines, body, length) in
        [([gzip, PLAIN, long], "", None), ([gzip, PLAIN, "x-a: b"], &*text(), length)]
    {
        let head = head(&lines, body);
        assert_eq!(head.header("content-encoding"), Some("gzip"));
        assert_eq!(head.header("content-length"), length);
        assert_eq!(head.header("vary"), Some("accept-encoding"));
    }
    let short = head(&[gzip, PLAIN, "x-answer-content-length: 100"], "");
    assert_eq!(short.header("content-encoding"), None);
    assert_eq!(short.header("content-length"), Some("100"));
    let unasked = head(&[PLAIN, long], "");
    assert_eq!(unasked.header("content-encoding"), None);
    assert_eq!(unasked.header("content-length"), Some("5000"));
}

/// One chunk of a chunked body.
fn chunk(client: &mut Client) -> Vec<u8> {
    let mut size = Vec::new();
    while !size.ends_with(b"\r\n") {
        size.extend(client.up_to(1));
    }
    let size = std::str::from_utf8(&size[..size.len() - 2]).expect("digits");
    let size = usize::from_str_radix(size, 16).expect("a size");
    let mut data = client.up_to(size + 2);
    data.truncate(size);
    data
}

/// Each piece that the handler has given can be read before it gives the next, which it does only
/// when the client has read so far.
#[test]
fn a_streamed_answer_is_not_held_back() {
    let hob = serve();
    for coding in ["gzip", "br", "zstd"] {
        let mut client = hob.client();
        client.send(format!(
            "POST /on/mirror-stream HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\
             accept-encoding: {coding}\r\n{PLAIN}\r\n\r\n"
        ));
        let mut sent = String::new();
        let mut received = Vec::new();
        for round in 0..4 {
            let piece = format!("piece {round} of a long story; ");
            client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
            sent.push_str(&piece);
            if round == 0 {
                let head = client.head();
                assert_eq!(head.header("content-encoding"), Some(coding));
                assert_eq!(head.header("content-length"), None);
            }
            while readable(coding, &received) != sent.as_bytes() {
                received.extend(chunk(&mut client));
            }
        }
        client.send("0\r\n\r\n");
        loop {
            let data = chunk(&mut client);
            if data.is_empty() {
                break;
            }
            received.extend(data);
        }
        let whole = Response {
            headers: vec![("content-encoding".to_owned(), coding.to_owned())],
            body: received,
            ..hob.get("/on/hello")
        };
        assert_eq!(whole.decoded(), sent.as_bytes());
    }
}

/// As much as can be decoded of a body that has not ended.
fn readable(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // What is cut gives an error at its end, and all before.
    let _ = match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut text),
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut text),
        _ => zstd::Decoder::new(body).expect("a decoder").read_to_end(&mut text),
    };
    text
}

#[test]
fn a_long_streamed_answer_comes_whole_and_one_that_breaks_off_does_not_look_whole() {
    let hob = serve();
    let long = text().repeat(500);
    for coding in ["gzip", "br", "zstd"] {
        let accept = format!("accept-encoding: {coding}");
        let answer =
            hob.exchange(request("/on/mirror-stream", &[&accept, PLAIN], &long)).expect(200);
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert!(answer.decoded() == long.as_bytes());
        for length in ["3000000", "4000000"] {
            let length = format!("x-answer-content-length: {length}");
            let lines = [&*accept, PLAIN, &length];
            let cut = hob.exchange(request("/on/mirror-stream", &lines, &long));
            assert!(!cut.complete, "{coding} {length}");
        }
        let length = format!("x-answer-content-length: {}", long.len());
        let right = hob.exchange(request("/on/mirror-stream", &[&accept, PLAIN, &length], &long));
        assert!(right.expect(200).decoded() == long.as_bytes());
    }
}

/// The handler's body goes on as long as its request does, which has no end here.
#[test]
fn a_streamed_answer_ends_when_its_length_is_there() {
    let hob = serve();
    let text = text();
    for coding in ["gzip", "br", "zstd"] {
        let mut client = hob.client();
        client.send(format!(
            "POST /on/mirror-stream HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\
             accept-encoding: {coding}\r\nx-answer-content-length: {}\r\n{PLAIN}\r\n\r\n",
            text.len()
        ));
        client.send(format!("{:x}\r\n{text}\r\n", text.len()));
        let answer = client.response().expect(200);
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert!(answer.decoded() == text.as_bytes());
    }
}

/// The handler's body is an endless stream; a client that does not read stops it.
#[test]
fn a_client_that_does_not_read_stops_the_handler() {
    let hob = serve();
    let mut client = hob.client();
    client.send(format!(
        "POST /on/mirror-stream HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\
         accept-encoding: gzip\r\n{PLAIN}\r\n\r\n"
    ));
    let mut random = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = (0..65_536).map(|_| random.u8(..)).collect();
    let chunk = [b"10000\r\n", &noise[..], b"\r\n"].concat();
    let mut sent = 0;
    while client.sends_within_a_second(&chunk) {
        sent += chunk.len();
        assert!(sent < 256 << 20, "what is sent is taken without end");
    }
    hob.expect_hello("on");
}
