//! `compress = true` of a route to a folder: which files are compressed, what names them then, and that
//! a part of a file is one of the file itself.

use crate::harness::{Client, Hob, Response, Scratch, Serve, guest};
use std::fs;

/// A folder that is served below `/s`, with its files compressed.
struct Site {
    hob: Hob,
    folder: Scratch,
}

fn site(options: &str) -> Site {
    let folder = Scratch::new();
    folder.file("page.html", page());
    folder.file("long.json", long());
    folder.file("photo.png", page());
    folder.file("data.unknown", page());
    folder.file("short.txt", "x".repeat(1023));
    folder.file("random.txt", random(4000));
    let path = folder.path().display();
    let route = format!("prefix = \"/s\"\nstatic = {{ folder = \"{path}\"{options} }}");
    let hob = Serve::new([guest("kitchen")]).route(&format!("{route}\ncompress = true")).start();
    Site { hob, folder }
}

fn page() -> String {
    "<p>all work and no play makes a dull boy</p>\n".repeat(200)
}

/// Longer than what is read at once.
fn long() -> String {
    let lines = (0..100_000).map(|number| format!("{{\"number\":{number}}},"));
    lines.collect()
}

/// Bytes that do not get smaller.
fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn exchange(client: &mut Client, method: &str, target: &str, fields: &str) -> Response {
    client.send(format!("{method} /s/{target} HTTP/1.1\r\nhost: hob\r\n{fields}\r\n"));
    if method == "HEAD" { client.head() } else { client.response() }
}

fn ask(hob: &Hob, method: &str, target: &str, fields: &str) -> Response {
    exchange(&mut hob.client(), method, target, fields)
}

#[test]
fn a_file_is_compressed_as_the_client_likes_it() {
    let Site { hob, folder: _folder } = site("");
    let mut client = hob.client();
    for (target, content) in [("page.html", page()), ("long.json", long())] {
        for (accepts, coding) in [
            ("gzip", Some("gzip")),
            ("br", Some("br")),
            ("zstd", Some("zstd")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br;q=0.5", Some("gzip")),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=0", None),
            ("deflate", None),
        ] {
            let fields = format!("accept-encoding: {accepts}\r\n");
            let answer = exchange(&mut client, "GET", target, &fields).expect(200);
            assert_eq!(answer.header("content-encoding"), coding, "{target} {accepts}");
            assert_eq!(answer.header("vary"), Some("accept-encoding"), "{target} {accepts}");
            assert!(answer.decoded() == content.as_bytes(), "{target} {accepts}: other bytes");
            let ranges = if coding.is_some() { None } else { Some("bytes") };
            assert_eq!(answer.header("accept-ranges"), ranges, "{target} {accepts}");
            assert!(
                coding.is_none() || answer.body.len() < content.len() / 2,
                "{target} {accepts}"
            );
            let head = exchange(&mut client, "HEAD", target, &fields).expect(200);
            for field in [
                "content-encoding",
                "content-length",
                "content-type",
                "vary",
                "etag",
                "accept-ranges",
                "last-modified",
            ] {
                assert_eq!(head.header(field), answer.header(field), "{target} {accepts} {field}");
            }
        }
        let plain = exchange(&mut client, "GET", target, "").expect(200);
        assert_eq!(plain.header("content-length"), Some(&*content.len().to_string()));
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        assert!(plain.text() == content, "other bytes");
    }
}

#[test]
fn only_files_that_get_smaller_are_compressed() {
    let Site { hob, folder: _folder } = site("");
    let mut client = hob.client();
    let gzip = "accept-encoding: gzip\r\n";
    for (target, varies) in [
        ("photo.png", false),
        ("data.unknown", false),
        ("short.txt", false),
        // Which is of text by its name.
        ("random.txt", true),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = exchange(&mut client, method, target, gzip).expect(200);
            assert_eq!(answer.header("content-encoding"), None, "{method} {target}");
            assert_eq!(answer.header("vary").is_some(), varies, "{method} {target}");
            assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{method} {target}");
            let tag = answer.header("etag").expect("a tag");
            assert!(tag.starts_with('"'), "{method} {target}: {tag}");
            let known = format!("if-none-match: {tag}\r\n{gzip}");
            let again = exchange(&mut client, method, target, &known).expect(304);
            assert_eq!(again.header("vary").is_some(), varies, "{method} {target}");
            assert_eq!(again.header("etag"), Some(tag), "{method} {target}");
        }
    }
    assert_eq!(ask(&hob, "GET", "no-such.html", gzip).expect(404).header("vary"), None);
}

#[test]
fn each_form_of_a_file_has_a_tag_and_is_not_sent_twice() {
    let Site { hob, folder } = site("");
    for target in ["page.html", "long.json"] {
        let plain = ask(&hob, "GET", target, "").expect(200);
        let compressed = ask(&hob, "GET", target, "accept-encoding: gzip\r\n").expect(200);
        let (strong, weak) = (plain.header("etag").unwrap(), compressed.header("etag").unwrap());
        // The weak one says what is meant, and not by which bytes.
        assert_eq!(weak, format!("W/{strong}"));
        for method in ["GET", "HEAD"] {
            for (known, accepts) in [(strong, ""), (weak, "accept-encoding: gzip\r\n")] {
                let fields = format!("if-none-match: {known}\r\n{accepts}");
                let answer = ask(&hob, method, target, &fields).expect(304);
                assert_eq!(answer.header("etag"), Some(known), "{method} {target}");
                assert_eq!(answer.header("vary"), Some("accept-encoding"), "{method} {target}");
                assert_eq!(answer.header("content-encoding"), None, "{method} {target}");
            }
        }
        folder.file(target, "<p>other".repeat(1000));
        let fields = format!("if-none-match: {weak}\r\naccept-encoding: gzip\r\n");
        let other = ask(&hob, "GET", target, &fields).expect(200);
        assert!(other.decoded() == "<p>other".repeat(1000).as_bytes(), "{target}: other bytes");
    }
}

#[test]
fn a_part_is_one_of_the_file_as_it_lies_there() {
    let Site { hob, folder: _folder } = site("");
    for (target, content) in [("page.html", page()), ("long.json", long())] {
        let plain = ask(&hob, "GET", target, "").expect(200);
        let compressed = ask(&hob, "GET", target, "accept-encoding: gzip\r\n").expect(200);
        let strong = plain.header("etag").unwrap();
        let part = |fields: &str| {
            let fields = format!("range: bytes=1000-2999\r\naccept-encoding: gzip\r\n{fields}");
            ask(&hob, "GET", target, &fields)
        };
        for fields in ["", &format!("if-range: {strong}\r\n")] {
            let answer = part(fields).expect(206);
            assert!(answer.body == content.as_bytes()[1000..3000], "{target}: other bytes");
            assert_eq!(answer.header("content-encoding"), None, "{target}");
            assert_eq!(answer.header("content-length"), Some("2000"), "{target}");
            assert_eq!(answer.header("etag"), Some(strong), "{target}");
        }
        // Who has begun with the compressed form is not given a part of the other.
        let (weak, date) = (compressed.header("etag"), compressed.header("last-modified"));
        for known in [weak.unwrap(), date.unwrap()] {
            let answer = part(&format!("if-range: {known}\r\n")).expect(200);
            assert_eq!(answer.header("content-encoding"), Some("gzip"), "{target} {known}");
            assert!(answer.decoded() == content.as_bytes(), "{target} {known}: other bytes");
        }
        // Who takes no coding has no other form.
        let fields = format!("range: bytes=0-9\r\nif-range: {}\r\n", date.unwrap());
        ask(&hob, "GET", target, &fields).expect(206);
        let beyond = "range: bytes=9000000-\r\naccept-encoding: gzip\r\n";
        assert_eq!(ask(&hob, "GET", target, beyond).expect(416).header("content-encoding"), None);
    }
}

#[test]
fn a_compressed_file_that_lies_there_is_sent_rather() {
    let Site { hob, folder } = site(", precompressed = true");
    folder.file("page.html.gz", "as gzip".repeat(300));
    let get = |accepts: &str| {
        let fields = format!("accept-encoding: {accepts}\r\n");
        ask(&hob, "GET", "page.html", &fields).expect(200)
    };
    // Also where another coding would have been chosen.
    for accepts in ["gzip", "gzip, zstd, br"] {
        let answer = get(accepts);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{accepts}");
        assert_eq!(answer.text(), "as gzip".repeat(300), "{accepts}");
        let tag = answer.header("etag").unwrap();
        assert!(tag.ends_with("-gzip\"") && tag.starts_with('"'), "{accepts}: {tag}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{accepts}");
        let fields = format!("if-none-match: {tag}\r\naccept-encoding: {accepts}\r\n");
        let again = ask(&hob, "GET", "page.html", &fields).expect(304);
        assert_eq!(again.header("etag"), Some(tag), "{accepts}");
    }
    let other = get("br");
    assert_eq!(other.header("content-encoding"), Some("br"));
    assert!(other.decoded() == page().as_bytes());
}

#[test]
fn a_compressed_file_that_is_not_read_is_not_in_memory() {
    let Site { hob, folder } = site("");
    // Of what gets smaller, all might fit into the sockets.
    folder.file("noise.txt", random(40 * 1024 * 1024));
    hob.get("/s/page.html").expect(200);
    let before = hob.resident_bytes();
    let mut clients: Vec<Client> = (0..8).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.send("GET /s/noise.txt HTTP/1.1\r\nhost: hob\r\naccept-encoding: gzip\r\n\r\n");
        let head = client.head();
        assert_eq!((head.status, head.header("content-encoding")), (200, Some("gzip")));
    }
    for _ in 0..50 {
        hob.get("/s/page.html").expect(200);
        hob.get("/kitchen/hello").expect(200);
    }
    let grown = hob.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes for files that no one reads");
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_compressed_does_not_look_whole() {
    let Site { hob, folder } = site("");
    folder.file("noise.txt", random(40 * 1024 * 1024));
    let mut client = hob.client();
    client.send("GET /s/noise.txt HTTP/1.1\r\nhost: hob\r\naccept-encoding: gzip\r\n\r\n");
    assert_eq!(client.head().status, 200);
    let file = fs::OpenOptions::new().write(true).open(folder.join("noise.txt")).unwrap();
    file.set_len(1000).unwrap();
    let rest = client.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it ends as if it were whole");
    let line = hob.wait_for_line(|line| line["event"] == "body-broken");
    assert_eq!(line["detail"], "the file has become shorter");
}
