//! Routes that name another address.

use crate::harness::{Serve, get, guest};

fn serve() -> Serve {
    Serve::new([guest("kitchen")])
}

#[test]
fn a_redirect_names_the_address_with_the_parameters_in_it() {
    let hob = serve()
        .route("path = \"/users/{id}\"\nredirect = { to = \"/people/{id}\" }")
        .route("path = \"/part/{id}\"\nredirect = { to = \"/people/{id}#part\" }")
        .route("path = \"/old/{rest...}\"\nredirect = { to = \"/{rest}\", status = 301 }")
        .route("prefix = \"/gone\"\nredirect = { to = \"https://example.com/?a=b\", status = 302 }")
        .route("host = \"www.hob\"\nprefix = \"/\"\nredirect = { to = \"/up\", status = 307 }")
        .start();
    let expect = |target: &str, status: u16, location: &str| {
        let answer = hob.get(target).expect(status);
        assert_eq!(answer.header("location"), Some(location), "{target}");
    };
    expect("/part/7?x=y", 308, "/people/7?x=y#part");
    expect("/part/7", 308, "/people/7#part");
    expect("/users/a%20b", 308, "/people/a%20b");
    expect("/users/7?x=y", 308, "/people/7?x=y");
    expect("/old/a/b/", 301, "/a/b/");
    expect("/gone/anything?x=y", 302, "https://example.com/?a=b");
    // The client does not choose the host.
    expect("/old//evil.example/a", 301, "/evil.example/a");
    expect("/old////evil.example", 301, "/evil.example");
    let mut client = hob.client();
    let other = client.exchange("POST /a HTTP/1.1\r\nhost: www.hob\r\ncontent-length: 1\r\n\r\nx");
    assert_eq!(other.expect(307).header("location"), Some("/up"));
    client.send("HEAD /users/7 HTTP/1.1\r\nhost: hob\r\n\r\n");
    assert_eq!(client.head().expect(308).header("location"), Some("/people/7"));
    client.exchange(get("/kitchen/hello")).expect(200);
}
