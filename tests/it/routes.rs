//! Which handler answers which path.

use crate::harness::{Hob, Response, Serve, get, guest};

#[test]
fn a_handler_answers_its_path_and_what_is_below_it() {
    let hob = Serve::new([guest("kitchen").set("path = \"/a\"")]).start();
    hob.get("/a/hello").expect(200);
    hob.get("/a/deep/er/hello?query").expect(200);
    // The handler itself knows no such behaviour, and says so with its own text.
    assert_eq!(hob.get("/a").expect(404).text(), "no such behaviour\n");
    for target in ["/ab/hello", "/hello", "/b/a/hello", "/A/hello", "//a/hello"] {
        let answer = hob.get(target).expect(404);
        assert!(answer.text().starts_with("no-handler\n"), "{target}: {answer:?}");
        assert!(answer.header("x-request-id").is_some(), "{target}: {answer:?}");
    }
}

#[test]
fn a_path_is_what_the_client_sends() {
    let path = "/a%20b/~caf%C3%A9;c=(1,2)@$&!'+-._:";
    let hob = Serve::new([guest("kitchen").set(&format!("path = \"{path}\""))]).start();
    hob.get(&format!("{path}/hello")).expect(200);
    assert!(hob.get("/").expect(200).text().contains("href=\"/a%20b/"), "no link");
}

#[test]
fn the_longest_path_wins() {
    let hob = Serve::new([
        guest("kitchen").named("root").set("path = \"/\""),
        guest("kitchen").named("a").set("path = \"/a\""),
        guest("kitchen").named("a-b").set("path = \"/a/b/\""),
    ])
    .start();
    for (path, handler) in
        [("/hello", "root"), ("/ab/hello", "root"), ("/a/hello", "a"), ("/a/b/hello", "a-b")]
    {
        hob.get(path).expect(200);
        assert_eq!(hob.wait_for_access(path)["handler"], handler, "{path}");
    }
}

#[test]
fn the_page_at_the_root_lists_the_handlers() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2")]).start();
    let page = hob.get("/").expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for name in hob.names() {
        assert!(page.text().contains(&format!("href=\"/{name}\"")), "{}", page.text());
    }
    let mut client = hob.client();
    client.send("HEAD / HTTP/1.1\r\nhost: hob\r\n\r\n");
    assert_eq!(client.head().expect(200).header("content-length"), page.header("content-length"));
    client.exchange("POST / HTTP/1.1\r\nhost: hob\r\ncontent-length: 0\r\n\r\n").expect(404);
    client.exchange(get("/kitchen/hello")).expect(200);
}

fn ask(hob: &Hob, method: &str, host: &str, target: &str) -> Response {
    let request = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let mut client = hob.client();
    client.send(request);
    if method == "HEAD" { client.head() } else { client.response() }
}

/// Who has answered, by the header that the guest sees.
fn answered_by(hob: &Hob, host: &str, target: &str) -> String {
    let path = format!("{target}/hello");
    ask(hob, "GET", host, &path).expect(200);
    let line = hob.wait_for_access(&path);
    line["handler"].as_str().expect("a name").to_owned()
}

#[test]
fn the_host_comes_before_the_path() {
    let names = ["exact", "deep", "wild", "any", "only-path"];
    let mut serve = Serve::new(names.map(|name| guest("kitchen").named(name)))
        .route("prefix = \"/\"\nhandler = \"any\"")
        .route("prefix = \"/only\"\nhandler = \"only-path\"");
    for (host, name) in
        [("a.example.com", "exact"), ("*.b.example.com", "deep"), ("*.example.com", "wild")]
    {
        let route = format!("host = \"{host}\"\nprefix = \"/p\"\nhandler = \"{name}\"");
        serve = serve.route(&route);
    }
    let hob = serve.start();
    for (host, name) in [
        ("a.example.com", "exact"),
        ("A.Example.COM:8080", "exact"),
        ("a.example.com.", "exact"),
        ("x.b.example.com", "deep"),
        ("b.example.com", "wild"),
        ("x.y.example.com", "wild"),
        ("example.com", "any"),
        ("notexample.com", "any"),
        ("[::1]:80", "any"),
    ] {
        let target = format!("/p/{}", host.replace(['[', ']', ':'], "-"));
        assert_eq!(answered_by(&hob, host, &target), name, "{host}");
    }
    // What no route of the host fits goes on to the others.
    assert_eq!(answered_by(&hob, "a.example.com", "/only/x"), "only-path");
    let absolute =
        "GET http://a.example.com/p/absolute/hello HTTP/1.1\r\nhost: a.example.com\r\n\r\n";
    hob.exchange(absolute).expect(200);
    assert_eq!(hob.wait_for_access("/p/absolute/hello")["handler"], "exact");
}

#[test]
fn the_most_specific_path_wins_segment_by_segment() {
    let names = ["literal", "param", "rest", "prefix", "late", "exact"];
    let hob = Serve::new(names.map(|name| guest("kitchen").named(name)))
        .route("prefix = \"/a\"\nhandler = \"prefix\"")
        .route("path = \"/a/{rest...}\"\nhandler = \"rest\"")
        .route("path = \"/a/{id}/hello\"\nhandler = \"param\"")
        .route("path = \"/a/b/hello\"\nhandler = \"literal\"")
        .route("path = \"/a/b/{id}/late/hello\"\nhandler = \"late\"")
        .route("path = \"/hello\"\nhandler = \"exact\"")
        .start();
    for (target, name) in [
        // First, for the line is found by the end of its path.
        ("", "exact"),
        ("/a/b", "literal"),
        ("/a/c", "param"),
        // The literal `b` leads nowhere: what is left is tried.
        ("/a/b/c", "rest"),
        ("/a/b/c/late", "late"),
        ("/a/x/y/z", "rest"),
        ("/a/", "rest"),
    ] {
        assert_eq!(answered_by(&hob, "hob", target), name, "{target}");
    }
    hob.get("/a").expect(404);
    assert_eq!(hob.wait_for_access("/a")["handler"], "prefix");
    hob.get("/hello/").expect(404);
    // A page of what is served is for a server without routes of its own.
    hob.get("/").expect(404);
}

#[test]
fn a_method_that_no_route_is_for_is_told_which_are() {
    let hob = Serve::new(["reads", "writes", "any"].map(|name| guest("kitchen").named(name)))
        .route("path = \"/m/hello\"\nmethods = [\"GET\"]\nhandler = \"reads\"")
        .route("path = \"/m/hello\"\nmethods = [\"POST\", \"PUT\"]\nhandler = \"writes\"")
        .route("path = \"/n/hello\"\nmethods = [\"GET\"]\nhandler = \"reads\"")
        .route("prefix = \"/n\"\nmethods = [\"DELETE\"]\nhandler = \"any\"")
        .start();
    let handler_of = |method: &str, target: &str| {
        let marked = format!("{target}?{method}");
        ask(&hob, method, "hob", &marked).expect(200);
        let line = hob.wait_for_line(|line| line["method"] == method && line["path"] == target);
        line["handler"].as_str().expect("a name").to_owned()
    };
    assert_eq!(handler_of("GET", "/m/hello"), "reads");
    assert_eq!(handler_of("HEAD", "/m/hello"), "reads");
    assert_eq!(handler_of("PUT", "/m/hello"), "writes");
    // The more specific route is for another method only.
    assert_eq!(handler_of("DELETE", "/n/hello"), "any");

    let refused = ask(&hob, "DELETE", "hob", "/m/hello").expect(405);
    assert!(refused.text().starts_with("method-not-allowed\n"), "{refused:?}");
    assert_eq!(refused.header("allow"), Some("GET, POST, PUT, HEAD, OPTIONS"));
    let options = ask(&hob, "OPTIONS", "hob", "/m/hello").expect(204);
    assert_eq!(options.header("allow"), Some("GET, POST, PUT, HEAD, OPTIONS"));
    ask(&hob, "POST", "hob", "/none").expect(404);
}

#[test]
fn a_route_may_want_its_own_mode_and_limits_and_compression() {
    let kitchen = guest("kitchen").isolation("shared").limits("cpu_ms = 60000");
    let hob = Serve::new([kitchen])
        .route("prefix = \"/plain\"\nhandler = \"kitchen\"")
        .route("prefix = \"/fresh\"\nhandler = \"kitchen\"\nisolation = \"fresh\"")
        .route("prefix = \"/short\"\nhandler = \"kitchen\"\nlimits = { cpu_ms = 50 }")
        .route("prefix = \"/small\"\nhandler = \"kitchen\"\ncompress = true")
        .start();
    for _ in 0..2 {
        assert_eq!(hob.get("/fresh/count").expect(200).text(), "1\n");
    }
    assert_eq!(hob.get("/plain/count").expect(200).text(), "1\n");
    assert_eq!(hob.get("/plain/count").expect(200).text(), "2\n");
    let spun = hob.get("/short/spin").expect(503);
    assert!(spun.text().starts_with("cpu-limit\n"), "{spun:?}");
    hob.get("/plain/spin?ms=100").expect(200);
    let long = |path: &str| {
        let target = format!("{path}/stream?chunks=1&size=5000");
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: hob\r\naccept-encoding: gzip\r\n\r\n");
        hob.exchange(request).expect(200).header("content-encoding").map(str::to_owned)
    };
    assert_eq!(long("/plain"), None);
    let text = "GET /small/param?to=x HTTP/1.1\r\nhost: hob\r\naccept-encoding: gzip\r\n\r\n";
    hob.exchange(text).expect(200);
    // All of it is the handler's in the metrics.
    let metrics = hob.metrics();
    let counted = metrics.of("kitchen", "hob_instances_made_total");
    assert!(counted >= 3.0, "{counted}");
}

#[test]
fn tenants_may_have_handlers_of_the_same_name() {
    let hob = Serve::new([guest("kitchen").tenant("a"), guest("kitchen").tenant("b")])
        .route("host = \"a\"\nprefix = \"/\"\nhandler = \"kitchen\"\ntenant = \"a\"")
        .route("host = \"b\"\nprefix = \"/\"\nhandler = \"kitchen\"\ntenant = \"b\"")
        .start();
    assert_eq!(answered_by(&hob, "a", "/x"), "a/kitchen");
    assert_eq!(answered_by(&hob, "b", "/y"), "b/kitchen");
    ask(&hob, "GET", "c", "/hello").expect(404);
    hob.metrics();
}
