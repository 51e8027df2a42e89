//! Folders as answers: what is found, what is hidden, what a client has already, and parts of files.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Client, Hob, Response, Scratch, Serve, guest};

/// Bytes that no piece of has a twin at another place.
fn large() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// A folder with files, served below `/s`.
struct Site {
    hob: Hob,
    folder: Scratch,
}

fn site(options: &str) -> Site {
    let folder = Scratch::new();
    folder.file("hello.txt", "hello world\n");
    folder.file("page.html", "<p>page");
    folder.file("data.unknown", [0, 1, 2]);
    folder.file("a b.css", "p {}");
    folder.file("large.bin", large());
    folder.file("empty", "");
    folder.file(".secret", "secret");
    for name in ["dir", "bare", ".git"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    folder.file("dir/index.html", "<p>index");
    folder.file(".git/config", "secret");
    symlink("/etc/passwd", folder.join("outside")).unwrap();
    symlink("/", folder.join("root")).unwrap();
    symlink("hello.txt", folder.join("inside")).unwrap();
    let path = folder.path().display();
    let route = format!("prefix = \"/s\"\nstatic = {{ folder = \"{path}\"{options} }}");
    let hob = Serve::new([guest("kitchen")]).route(&route).start();
    Site { hob, folder }
}

fn ask(hob: &Hob, method: &str, target: &str, fields: &str) -> Response {
    let mut client = hob.client();
    exchange(&mut client, method, target, fields)
}

fn exchange(client: &mut Client, method: &str, target: &str, fields: &str) -> Response {
    client.send(format!("{method} {target} HTTP/1.1\r\nhost: hob\r\n{fields}\r\n"));
    if method == "HEAD" { client.head() } else { client.response() }
}

#[test]
fn a_file_is_answered_with_its_type_and_length() {
    let Site { hob, folder: _folder } = site(", cache = \"public, max-age=60\"");
    let mut client = hob.client();
    for (name, kind, body) in [
        ("hello.txt", "text/plain; charset=utf-8", "hello world\n"),
        ("page.html", "text/html; charset=utf-8", "<p>page"),
        ("data.unknown", "application/octet-stream", "\0\u{1}\u{2}"),
        ("a%20b.css", "text/css; charset=utf-8", "p {}"),
        ("%68ello.txt", "text/plain; charset=utf-8", "hello world\n"),
        ("inside", "application/octet-stream", "hello world\n"),
        ("empty", "application/octet-stream", ""),
    ] {
        let target = format!("/s/{name}");
        let answer = exchange(&mut client, "GET", &target, "").expect(200);
        assert_eq!(answer.text(), body, "{name}");
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert!(answer.header("etag").is_some_and(|tag| tag.starts_with('"')), "{answer:?}");
        assert!(answer.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
        let head = exchange(&mut client, "HEAD", &target, "").expect(200);
        for field in ["content-length", "content-type", "etag", "last-modified"] {
            assert_eq!(head.header(field), answer.header(field), "{name} {field}");
        }
    }
    let refused = ask(&hob, "POST", "/s/hello.txt", "content-length: 0\r\n").expect(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_large_file_comes_whole_in_pieces() {
    let Site { hob, folder: _folder } = site("");
    let answer = ask(&hob, "GET", "/s/large.bin", "").expect(200);
    assert_eq!(answer.header("content-length"), Some("1200000"));
    assert!(answer.body == large(), "other bytes");
    let head = ask(&hob, "HEAD", "/s/large.bin", "").expect(200);
    assert_eq!(head.header("content-length"), Some("1200000"));
    let line = hob.wait_for_line(|line| line["method"] == "GET" && line["bytes"] == 1_200_000);
    assert!(line["ended"].is_null(), "{line}");
}

#[test]
fn a_client_that_does_not_read_holds_no_file_in_memory() {
    let Site { hob, folder } = site("");
    let file = fs::File::create(folder.join("huge")).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    hob.get("/s/hello.txt").expect(200);
    let before = hob.resident_bytes();
    let mut clients: Vec<Client> = (0..8).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.send("GET /s/huge HTTP/1.1\r\nhost: hob\r\n\r\n");
        assert_eq!(client.head().status, 200);
    }
    // The loop and the threads have time for others.
    for _ in 0..50 {
        hob.get("/s/hello.txt").expect(200);
        hob.get("/kitchen/hello").expect(200);
    }
    let grown = hob.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes for files that no one reads");
}

#[test]
fn a_file_that_becomes_shorter_is_cut() {
    let Site { hob, folder } = site("");
    let file = fs::File::create(folder.join("huge")).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    let mut client = hob.client();
    client.send("GET /s/huge HTTP/1.1\r\nhost: hob\r\n\r\n");
    // The file is open when its head is here.
    assert_eq!(client.head().header("content-length"), Some("209715200"));
    file.set_len(1000).unwrap();
    assert!(client.rest().len() < 209_715_200, "all of it has come");
    let line = hob.wait_for_line(|line| line["event"] == "body-broken");
    assert_eq!(line["detail"], "the file has become shorter");
}

#[test]
fn no_path_leads_out_of_the_folder_or_to_what_is_hidden() {
    let Site { hob, folder } = site("");
    let path = rustix::fs::CWD;
    rustix::fs::mknodat(
        path,
        folder.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for target in [
        "/s/../s/hello.txt",
        "/s/..",
        "/s/%2e%2e/etc/passwd",
        "/s/..%2f..%2fetc%2fpasswd",
        "/s/dir/../hello.txt",
        "/s/dir%2Findex.html",
        "/s/./hello.txt",
        "/s//hello.txt",
        "/s//",
        "/s//etc/passwd",
        "/s/outside",
        "/s/root/etc/passwd",
        "/s/root/",
        "/s/.secret",
        "/s/%2esecret",
        "/s/.git/config",
        "/s/.git",
        "/s/hello.txt%00",
        "/s/hello.txt/",
        "/s/hello.txt/x",
        "/s/%zz",
        "/s/no-such",
        "/s/pipe",
        "/s/bare/",
        "/s/",
    ] {
        let answer = ask(&hob, "GET", target, "").expect(404);
        assert!(answer.text().starts_with("no-file\n"), "{target}: {answer:?}");
        assert!(answer.header("cache-control").is_none(), "{target}");
    }
    let deep = format!("/s{}", "/a".repeat(100));
    ask(&hob, "GET", &deep, "").expect(404);
}

#[test]
fn hidden_files_are_served_when_they_are_to_be() {
    let Site { hob, folder: _folder } = site(", hidden = true");
    assert_eq!(ask(&hob, "GET", "/s/.git/config", "").expect(200).text(), "secret");
    ask(&hob, "GET", "/s/dir/../hello.txt", "").expect(404);
    ask(&hob, "GET", "/s/.", "").expect(404);
}

#[test]
fn a_folder_is_answered_with_its_index() {
    let Site { hob, folder: _folder } = site("");
    let page = ask(&hob, "GET", "/s/dir/", "").expect(200);
    assert_eq!(page.text(), "<p>index");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for (target, location) in [
        ("/s/dir", "/s/dir/"),
        ("/s/dir?a=b", "/s/dir/?a=b"),
        ("/s/bare", "/s/bare/"),
        ("/s", "/s/"),
    ] {
        let answer = ask(&hob, "GET", target, "").expect(308);
        assert_eq!(answer.header("location"), Some(location), "{target}");
    }
    let Site { hob, folder: _folder } = site(", index = \"\"");
    ask(&hob, "GET", "/s/dir/", "").expect(404);
    let Site { hob, folder: _folder } = site(", index = \"hello.txt\"");
    assert_eq!(ask(&hob, "GET", "/s/", "").expect(200).text(), "hello world\n");
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let Site { hob, folder } = site("");
    let answer = ask(&hob, "GET", "/s/hello.txt", "").expect(200);
    let (tag, date) = (answer.header("etag").unwrap(), answer.header("last-modified").unwrap());
    let status = |fields: String| {
        let answer = ask(&hob, "GET", "/s/hello.txt", &fields);
        if answer.status == 304 {
            assert_eq!(answer.header("etag"), Some(tag));
            assert_eq!(answer.header("last-modified"), Some(date));
        }
        answer.status
    };
    assert_eq!(status(format!("if-none-match: {tag}\r\n")), 304);
    assert_eq!(status(format!("if-none-match: \"a\", W/{tag}\r\n")), 304);
    assert_eq!(status("if-none-match: *\r\n".into()), 304);
    assert_eq!(status("if-none-match: \"a\"\r\n".into()), 200);
    assert_eq!(status(format!("if-modified-since: {date}\r\n")), 304);
    assert_eq!(status("if-modified-since: Mon, 01 Jan 2001 00:00:00 GMT\r\n".into()), 200);
    assert_eq!(status("if-modified-since: yesterday\r\n".into()), 200);
    // A tag says more than a date.
    let both = format!("if-none-match: \"a\"\r\nif-modified-since: {date}\r\n");
    assert_eq!(status(both), 200);
    let head = ask(&hob, "HEAD", "/s/hello.txt", &format!("if-none-match: {tag}\r\n"));
    assert_eq!(head.status, 304);
    folder.file("hello.txt", "hello, other world\n");
    let other = ask(&hob, "GET", "/s/hello.txt", &format!("if-none-match: {tag}\r\n"));
    assert_eq!(other.expect(200).text(), "hello, other world\n");
}

#[test]
fn a_part_of_a_file_is_sent_by_itself() {
    let Site { hob, folder: _folder } = site("");
    let part = |range: &str| ask(&hob, "GET", "/s/hello.txt", &format!("range: {range}\r\n"));
    for (range, content_range, body) in [
        ("bytes=0-4", "bytes 0-4/12", "hello"),
        ("bytes=6-", "bytes 6-11/12", "world\n"),
        ("bytes=-6", "bytes 6-11/12", "world\n"),
        ("bytes=6-1000", "bytes 6-11/12", "world\n"),
        ("bytes=-1000", "bytes 0-11/12", "hello world\n"),
        ("BYTES=0-0", "bytes 0-0/12", "h"),
        ("bytes=0-99999999999999999999999", "bytes 0-11/12", "hello world\n"),
    ] {
        let answer = part(range).expect(206);
        assert_eq!(answer.text(), body, "{range}");
        assert_eq!(answer.header("content-range"), Some(content_range), "{range}");
    }
    for range in ["bytes=12-", "bytes=100-200", "bytes=-0"] {
        let answer = part(range).expect(416);
        assert_eq!(answer.header("content-range"), Some("bytes */12"), "{range}");
    }
    // Several parts, and what is no range: all of it.
    for range in ["bytes=0-1,3-4", "bytes=5-3", "lines=1-2", "bytes=", "bytes=a-b", "bytes=+1-2"] {
        assert_eq!(part(range).expect(200).text(), "hello world\n", "{range}");
    }
    let large = large();
    let answer = ask(&hob, "GET", "/s/large.bin", "range: bytes=100000-1099999\r\n").expect(206);
    assert_eq!(answer.header("content-length"), Some("1000000"));
    assert!(answer.body == large[100_000..1_100_000], "other bytes");
    let head = ask(&hob, "HEAD", "/s/hello.txt", "range: bytes=0-4\r\n").expect(200);
    assert_eq!(head.header("content-length"), Some("12"));
}

#[test]
fn a_part_is_only_sent_of_the_file_that_the_client_knows() {
    let Site { hob, folder: _folder } = site("");
    let answer = ask(&hob, "GET", "/s/hello.txt", "").expect(200);
    let (tag, date) = (answer.header("etag").unwrap(), answer.header("last-modified").unwrap());
    let status = |if_range: &str| {
        let fields = format!("range: bytes=0-4\r\nif-range: {if_range}\r\n");
        ask(&hob, "GET", "/s/hello.txt", &fields).status
    };
    assert_eq!(status(tag), 206);
    assert_eq!(status(date), 206);
    assert_eq!(status("\"other\""), 200);
    assert_eq!(status(&format!("W/{tag}")), 200);
    assert_eq!(status("Mon, 01 Jan 2001 00:00:00 GMT"), 200);
}

#[test]
fn a_compressed_copy_is_sent_to_who_takes_it() {
    let Site { hob, folder } = site(", precompressed = true");
    folder.file("page.html.br", "as brotli");
    folder.file("page.html.gz", "as gzip");
    folder.file("hello.txt.zst", "as zstd");
    folder.file("only.js.gz", "as gzip");
    let get = |target: &str, accepted: &str| {
        ask(&hob, "GET", target, &format!("accept-encoding: {accepted}\r\n"))
    };
    for (target, accepted, coding, body) in [
        ("/s/page.html", "gzip, br", Some("br"), "as brotli"),
        ("/s/page.html", "gzip", Some("gzip"), "as gzip"),
        ("/s/page.html", "gzip, br;q=0.5", Some("gzip"), "as gzip"),
        ("/s/page.html", "zstd", None, "<p>page"),
        ("/s/page.html", "*", Some("br"), "as brotli"),
        ("/s/page.html", "br;q=0", None, "<p>page"),
        ("/s/hello.txt", "gzip, zstd", Some("zstd"), "as zstd"),
    ] {
        let answer = get(target, accepted).expect(200);
        assert_eq!(answer.header("content-encoding"), coding, "{target} {accepted}");
        assert_eq!(answer.text(), body, "{target} {accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        let kind = if target.ends_with("html") { "text/html" } else { "text/plain" };
        let said = answer.header("content-type");
        assert_eq!(said, Some(format!("{kind}; charset=utf-8").as_str()), "{target} {accepted}");
    }
    let plain = ask(&hob, "GET", "/s/page.html", "").expect(200);
    let compressed = get("/s/page.html", "br").expect(200);
    assert_ne!(plain.header("etag"), compressed.header("etag"));
    // What has no uncompressed form is not there under that name.
    get("/s/only.js", "gzip").expect(404);
    let Site { hob, folder } = site("");
    folder.file("page.html.br", "as brotli");
    let answer = ask(&hob, "GET", "/s/page.html", "accept-encoding: br\r\n").expect(200);
    assert_eq!((answer.text(), answer.header("vary")), ("<p>page", None));
}

#[test]
fn the_rest_of_a_path_may_name_the_file() {
    let folder = Scratch::new();
    folder.file("a.txt", "a");
    let path = folder.path().display();
    let route = format!(
        "path = \"/{{user}}/files/{{rest...}}\"\nstatic.folder = \"{path}\"\ncors.origins = \"*\""
    );
    let hob = Serve::new([guest("kitchen")]).route(&route).start();
    let answer = ask(&hob, "GET", "/someone/files/a.txt", "origin: https://a\r\n").expect(200);
    assert_eq!(answer.text(), "a");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    ask(&hob, "GET", "/someone/files", "").expect(404);
}
