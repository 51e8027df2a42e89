//! Which pages of other origins may use a route: the Fetch standard's fields.

use crate::harness::{Hob, Response, Serve, guest};

fn ask(hob: &Hob, method: &str, target: &str, fields: &str) -> Response {
    hob.exchange(format!("{method} {target} HTTP/1.1\r\nhost: hob\r\n{fields}\r\n"))
}

const LISTED: &str = "origins = [\"https://a.example\", \"http://localhost:3000\"], credentials = true, \
                      headers = [\"x-token\"], expose = [\"x-count\"], max_age_s = 600";

fn serve() -> Hob {
    Serve::new([guest("kitchen")])
        .route(&format!("prefix = \"/listed\"\nhandler = \"kitchen\"\ncors = {{ {LISTED} }}"))
        .route(
            "prefix = \"/open\"\nmethods = [\"GET\"]\nhandler = \"kitchen\"\ncors.origins = \"*\"",
        )
        .route("prefix = \"/none\"\nhandler = \"kitchen\"")
        .start()
}

#[test]
fn the_host_answers_a_preflight() {
    let hob = serve();
    let asks = "access-control-request-method: PUT\r\n";
    let fields = format!("origin: https://a.example\r\n{asks}");
    let answer = ask(&hob, "OPTIONS", "/listed/no-such", &fields).expect(204);
    for (name, value) in [
        ("access-control-allow-origin", "https://a.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("access-control-allow-headers", "x-token"),
        ("access-control-max-age", "600"),
        ("vary", "origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}: {answer:?}");
    }
    // Another origin is told nothing, and the cache that it is another.
    let fields = format!("origin: https://b.example\r\n{asks}");
    let answer = ask(&hob, "OPTIONS", "/listed/hello", &fields).expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("access-control-allow-methods"), None);
    assert_eq!(answer.header("vary"), Some("origin"));

    let fields = "origin: https://b.example\r\naccess-control-request-method: GET\r\n";
    let answer = ask(&hob, "OPTIONS", "/open/hello", fields).expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(answer.header("vary"), None);
}

#[test]
fn an_option_that_is_no_preflight_goes_to_the_handler() {
    let hob = serve();
    let method = |target: &str, fields: &str| {
        let answer = ask(&hob, "OPTIONS", target, fields).expect(200);
        assert!(answer.text().contains("\"method\":\"OPTIONS\""), "{answer:?}");
    };
    method("/listed/headers", "");
    method("/listed/headers", "origin: https://a.example\r\n");
    let asks = "origin: https://a.example\r\naccess-control-request-method: GET\r\n";
    method("/none/headers", asks);
}

#[test]
fn an_answer_says_who_may_read_it() {
    let hob = serve();
    let listed = |origin: &str, target: &str, status| {
        ask(&hob, "GET", target, &format!("origin: {origin}\r\n")).expect(status)
    };
    let answer = listed("http://localhost:3000", "/listed/hello", 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-count"));
    assert_eq!(answer.header("vary"), Some("origin"));
    for origin in ["http://localhost", "https://a.example.evil", "null", "https://A.example"] {
        let answer = listed(origin, "/listed/hello", 200);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}");
    }
    // Also without an origin: the answer may be kept for one that has it.
    assert_eq!(ask(&hob, "GET", "/listed/hello", "").expect(200).header("vary"), Some("origin"));
    // A page must see that the handler has failed.
    let answer = listed("https://a.example", "/listed/trap", 500);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    // The route decides, and not the handler.
    let own = "/listed/header-named?to=access-control-allow-origin";
    assert_eq!(listed("https://b.example", own, 200).header("access-control-allow-origin"), None);
    let own = "/open/header-named?to=access-control-allow-credentials";
    let answer = listed("https://b.example", own, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}
