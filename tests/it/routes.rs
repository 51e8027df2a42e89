//! Which handler answers which path.

use crate::harness::{Serve, get, guest};

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
