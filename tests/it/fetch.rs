//! Outbound requests: by `hob:host/fetch` of both generations and by `wasi:http` of both, to servers
//! that answer, stall, break off and lie.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Barrier, Mutex};

use crate::harness::{
    Deed, Guest, Hob, Response, Scratch, Serve, Upstream, answer, every_mode, get, guest, post,
};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

fn serve(guests: impl IntoIterator<Item = Guest>) -> Hob {
    Serve::new(guests.into_iter().map(|guest| guest.grants(""))).start()
}

fn send(hob: &Hob, name: &str, to: &str, body: impl AsRef<[u8]>) -> Response {
    hob.exchange(post(&format!("/{name}/fetch.send?to={to}"), body))
}

#[track_caller]
fn expect_error(hob: &Hob, name: &str, arguments: &str, error: &str) {
    let answer = hob.exchange(post(&format!("/{name}/fetch.{arguments}"), "")).expect(422);
    assert_eq!(answer.text(), error, "{name} {arguments}");
}

#[test]
fn a_request_goes_out_as_the_guest_has_made_it() {
    let upstream = Upstream::start(|_| answer("well"));
    let hob = serve(every_mode(&GUESTS));
    let address = upstream.address;
    for name in hob.names() {
        let target = format!("/{name}/fetch.send?method=PUT&to=http://{address}/a/b%3Fc=d");
        let got = hob.exchange(post(&target, "a body")).expect(200);
        assert_eq!(got.text(), "200 a well", "{name}");
        let seen = upstream.seen();
        assert!(seen.head.starts_with("PUT /a/b?c=d HTTP/1.1\r\n"), "{}", seen.head);
        assert_eq!(seen.body, b"a body");
        assert_eq!(seen.header("x-test"), Some("yes"));
        assert_eq!(seen.header("content-length"), Some("6"));
        // What belongs to the connection is the host's.
        assert_eq!(seen.header("host"), Some(address.to_string().as_str()));
        assert_eq!(seen.header("connection"), None);
    }
}

#[test]
fn large_bodies_stream_both_ways() {
    let upstream = Upstream::start(|seen| answer(&seen.body));
    let hob = serve(every_mode(&GUESTS));
    let piece = vec![b'x'; 100_000];
    for name in hob.names() {
        let to = format!("http://{}/", upstream.address);
        let target = format!("/{name}/fetch.upload?method=POST&pieces=20&to={to}");
        let got = hob.exchange(post(&target, &piece)).expect(200);
        assert_eq!(got.body.len(), "200 a ".len() + 2_000_000, "{name}");
        let seen = upstream.seen();
        assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
        assert_eq!(seen.body.len(), 2_000_000);
    }
}

#[test]
fn a_chunked_response_and_one_without_a_length_are_read_to_their_ends() {
    let upstream = Upstream::start(|seen| {
        if seen.head.contains("chunked-please") {
            let chunks = "HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n\r\n\
                          3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
            Deed::Answer(chunks.into())
        } else {
            Deed::AnswerAndClose("HTTP/1.1 200 OK\r\n\r\nuntil the close".into())
        }
    });
    let hob = serve(every_mode(&GUESTS));
    for name in hob.names() {
        let to = format!("http://{}/", upstream.address);
        let got = send(&hob, name, &format!("{to}chunked-please"), "").expect(200);
        assert_eq!(got.text(), "201 - onetwo", "{name}");
        let got = send(&hob, name, &to, "").expect(200);
        assert_eq!(got.text(), "200 - until the close", "{name}");
    }
}

#[test]
fn connections_are_kept_and_not_shared_between_tenants() {
    let upstream = Upstream::start(|_| answer("well"));
    let guests = ["one", "two"].map(|t| guest("capabilities").named(t).tenant(t).grants(""));
    let hob = Serve::new(guests).start();
    let to = format!("http://{}/", upstream.address);
    let mut connections = Vec::new();
    for name in ["one", "one", "two", "one", "two"] {
        send(&hob, name, &to, "").expect(200);
        connections.push(upstream.seen().connection);
    }
    assert_eq!(connections, [0, 0, 1, 0, 1]);
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_costs_no_request() {
    let upstream = Upstream::start(|_| {
        Deed::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into())
    });
    let hob = serve([guest("capabilities")]);
    let to = format!("http://{}/", upstream.address);
    for _ in 0..20 {
        assert_eq!(send(&hob, "capabilities", &to, "").expect(200).text(), "200 - ok");
    }
}

/// An upstream that answers the first request of a connection and closes at the second, unanswered.
fn upstream_that_answers_once() -> Upstream {
    let answered = Mutex::new(BTreeSet::new());
    Upstream::start(move |seen| {
        let is_first = answered.lock().expect("connections").insert(seen.connection);
        if is_first { answer("well") } else { Deed::AnswerAndClose(Vec::new()) }
    })
}

#[test]
fn a_request_that_may_be_repeated_is_sent_anew_when_a_kept_connection_ends_under_it() {
    let hob = serve(every_mode(&GUESTS));
    for name in hob.names() {
        let upstream = upstream_that_answers_once();
        let to = format!("http://{}/", upstream.address);
        for _ in 0..2 {
            assert_eq!(send(&hob, name, &to, "").expect(200).text(), "200 a well", "{name}");
        }
        assert_eq!([(); 3].map(|()| upstream.seen().connection), [0, 0, 1], "{name}");
    }
}

#[test]
fn a_request_that_may_not_be_repeated_is_sent_once() {
    for (method, body) in [("POST", ""), ("PATCH", ""), ("PUT", "what is given only once")] {
        let upstream = upstream_that_answers_once();
        let hob = serve([guest("capabilities")]);
        let to = format!("http://{}/&method={method}", upstream.address);
        send(&hob, "capabilities", &to, body).expect(200);
        assert_eq!(send(&hob, "capabilities", &to, body).expect(422).text(), "Closed", "{method}");
        // Over a new connection.
        send(&hob, "capabilities", &to, body).expect(200);
        assert_eq!([(); 3].map(|()| upstream.seen().connection), [0, 0, 1], "{method}");
    }
}

#[test]
fn what_another_server_does_wrong_is_told_apart() {
    let upstream = Upstream::start(|seen| {
        let path = seen.head.split(' ').nth(1).expect("a target");
        match path {
            "/garbage" => Deed::AnswerAndClose("\0\x01\x02 what?\r\n\r\n".into()),
            "/close" => Deed::AnswerAndClose(Vec::new()),
            "/half-head" => Deed::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-".into()),
            "/half-body" => {
                Deed::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into())
            }
            "/half-large" => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nhalf";
                Deed::AnswerAndClose(head.into())
            }
            "/stall" => Deed::Stall(Vec::new()),
            "/stall-in-body" => {
                Deed::Stall("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into())
            }
            "/endless-head" => {
                let field = format!("x: {}\r\n", "y".repeat(1000));
                Deed::AnswerAndClose(format!("HTTP/1.1 200 OK\r\n{}", field.repeat(500)).into())
            }
            other => panic!("{other}"),
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0").expect("a listener").local_addr();
    let closed = closed.expect("an address");
    let hob = serve(every_mode(&GUESTS));
    for name in hob.names() {
        let to = format!("http://{}", upstream.address);
        expect_error(&hob, name, &format!("send?to={to}/garbage"), "Malformed");
        expect_error(&hob, name, &format!("send?to={to}/close"), "Closed");
        expect_error(&hob, name, &format!("send?to={to}/half-head"), "Closed");
        expect_error(&hob, name, &format!("send?to={to}/half-body"), "Closed");
        expect_error(&hob, name, &format!("send?to={to}/half-large"), "Closed");
        expect_error(&hob, name, &format!("send?to={to}/endless-head"), "Malformed");
        expect_error(&hob, name, &format!("send?ms=50&to={to}/stall"), "TimedOut");
        expect_error(&hob, name, &format!("send?ms=50&to={to}/stall-in-body"), "TimedOut");
        expect_error(&hob, name, &format!("send?to=http://{closed}/"), "Unreachable");
        expect_error(&hob, name, "send?to=not%20a%20url", "Invalid");
        expect_error(&hob, name, "send?to=ftp://127.0.0.1/", "Invalid");
        expect_error(&hob, name, "send?to=http://user@127.0.0.1/", "Invalid");
        expect_error(&hob, name, &format!("send?method=B%20AD&to={to}/"), "Invalid");
        hob.expect_hello(name);
    }
}

#[test]
fn requests_go_only_where_they_may() {
    let upstream = Upstream::start(|_| answer("well"));
    let port = upstream.address.port();
    let may = |rules: &str| guest("capabilities").grants(&format!("fetch = {rules}"));
    let hob = Serve::new([
        may("[]").named("nowhere"),
        may("[\"http://*:*\"]").named("public"),
        may(&format!("[{{ to = \"http://*:{port}\", private = true }}]")).named("private"),
        may(&format!("[\"http://localhost:{port}\"]")).named("localhost"),
        may("[\"http://127.0.0.1:1\"]").named("other-port"),
        may(&format!("[\"https://127.0.0.1:{port}\"]")).named("secure"),
        may(&format!("[\"http://*.localhost:{port}\"]")).named("below"),
    ])
    .start();
    let outcome = |name: &str, host: &str| {
        send(&hob, name, &format!("http://{host}:{port}/"), "").text().to_owned()
    };
    assert_eq!(outcome("nowhere", "127.0.0.1"), "Denied");
    // The rule allows the name; what the name stands for is within.
    assert_eq!(outcome("public", "127.0.0.1"), "Denied");
    assert_eq!(outcome("public", "localhost"), "Denied");
    assert_eq!(outcome("public", "[::1]"), "Denied");
    assert_eq!(outcome("public", "[::ffff:127.0.0.1]"), "Denied");
    assert_eq!(outcome("public", "169.254.169.254"), "Denied");
    assert_eq!(outcome("private", "localhost"), "200 a well");
    assert_eq!(outcome("private", "LOCALHOST."), "200 a well");
    assert_eq!(outcome("localhost", "localhost"), "200 a well");
    assert_eq!(outcome("localhost", "127.0.0.1"), "Denied");
    assert_eq!(outcome("other-port", "127.0.0.1"), "Denied");
    assert_eq!(outcome("secure", "127.0.0.1"), "Denied");
    assert_eq!(outcome("below", "localhost"), "Denied");
}

#[test]
fn a_connection_to_within_is_not_lent_to_who_may_only_go_out() {
    let upstream = Upstream::start(|_| answer("well"));
    let port = upstream.address.port();
    let may = |private: bool| {
        let rule = format!("[{{ to = \"http://localhost:{port}\", private = {private} }}]");
        guest("capabilities").grants(&format!("fetch = {rule}"))
    };
    let wide = format!("fetch = [\"http://*:{port}\"]");
    let out = guest("capabilities").grants(&wide).named("out");
    let hob = Serve::new([may(true).named("within"), out]).start();
    let to = format!("http://localhost:{port}/");
    // The same tenant, the same origin; the connection is kept.
    assert_eq!(send(&hob, "within", &to, "").expect(200).text(), "200 a well");
    assert_eq!(send(&hob, "out", &to, "").expect(422).text(), "Denied");
}

#[test]
fn an_announced_length_is_that_of_what_is_sent() {
    let upstream = Upstream::start(|_| answer("well"));
    let hob = serve(every_mode(&GUESTS));
    let to = format!("http://{}/", upstream.address);
    for name in hob.names() {
        for (method, length, body) in
            [("GET", "5", ""), ("POST", "5", ""), ("POST", "3", "four"), ("PUT", "%2B4", "four")]
        {
            let target = format!("send?method={method}&length_field={length}&to={to}");
            let answer = hob.exchange(post(&format!("/{name}/fetch.{target}"), body)).expect(422);
            assert_eq!(answer.text(), "Invalid", "{name} {method} {length}");
        }
        let target = format!("/{name}/fetch.send?method=POST&length_field=4&to={to}");
        hob.exchange(post(&target, "four")).expect(200);
        let seen = upstream.seen();
        assert_eq!((seen.header("content-length"), &seen.body[..]), (Some("4"), &b"four"[..]));
        hob.exchange(post(&format!("/{name}/fetch.send?method=POST&to={to}"), "")).expect(200);
        assert_eq!(upstream.seen().header("content-length"), Some("0"), "{name}");
        expect_error(&hob, name, &format!("upload?method=GET&pieces=1&to={to}"), "Invalid");
    }
}

#[test]
fn several_requests_of_one_handler_are_under_way_at_once() {
    let all_here = Arc::new(Barrier::new(5));
    let upstream = Upstream::start(move |_| {
        // Answered only when all of them have come.
        all_here.wait();
        answer("well")
    });
    let names = ["fresh", "reuse", "shared"];
    let hob = serve(names.map(|mode| guest("capabilities").named(mode).isolation(mode)));
    for name in hob.names() {
        let target = format!("/{name}/fetch.several?pieces=5&to=http://{}/", upstream.address);
        assert_eq!(hob.get(&target).expect(200).text(), "5", "{name}");
    }
}

#[test]
fn a_tenant_has_so_many_connections_and_the_next_request_is_told_so() {
    let all_here = Arc::new(Barrier::new(256));
    let upstream = Upstream::start(move |_| {
        all_here.wait();
        answer("well")
    });
    let hob = serve([guest("capabilities")]);
    let to = format!("http://{}/", upstream.address);
    let target = format!("/capabilities/fetch.several?pieces=300&to={to}");
    assert_eq!(hob.get(&target).expect(200).text(), "256");
}

#[test]
fn a_tenant_with_a_limit_of_its_own_has_so_many_connections() {
    let all_here = Arc::new(Barrier::new(8));
    let upstream = Upstream::start(move |_| {
        all_here.wait();
        answer("well")
    });
    let guests = [guest("capabilities").grants("")];
    let hob = Serve::new(guests).tenant("t", "connections_out = 8").start();
    let to = format!("http://{}/", upstream.address);
    let target = format!("/capabilities/fetch.several?pieces=20&to={to}");
    assert_eq!(hob.get(&target).expect(200).text(), "8");
    let line = hob.wait_for_line(|line| line["event"] == "tenant-busy");
    assert_eq!((&line["tenant"], &line["code"]), (&"t".into(), &"tenant-connections".into()));
    assert_eq!(hob.metrics().refused("t", "connections"), 12.0);
}

#[test]
fn a_request_that_no_one_waits_for_is_given_up() {
    let upstream = Upstream::start(|_| Deed::Stall(Vec::new()));
    let hob = serve(every_mode(&["capabilities"]));
    let to = format!("http://{}/", upstream.address);
    for name in hob.names() {
        // The handler lets go of it.
        hob.get(&format!("/{name}/fetch.abandon?to={to}")).expect(200);
    }
    while upstream.open() > 0 {
        upstream.left();
    }
    // One that has seen nothing of those.
    let upstream = Upstream::start(|_| Deed::Stall(Vec::new()));
    let hob = serve(every_mode(&["capabilities-0-2"]));
    let to = format!("http://{}/", upstream.address);
    for name in hob.names() {
        // The client lets go of the handler.
        let mut client = hob.client();
        client.send(get(&format!("/{name}/fetch.send?to={to}")));
        upstream.seen();
        client.reset();
        upstream.left();
    }
}

#[test]
fn a_body_that_breaks_off_does_not_look_whole() {
    let upstream = Upstream::start(|_| answer("well"));
    let hob = serve(every_mode(&GUESTS));
    let to = format!("http://{}/", upstream.address);
    for name in hob.names() {
        let target = format!("/{name}/fetch.upload-broken?method=POST&to={to}");
        // More than the host and the kernel hold: it has begun when it is broken off.
        hob.exchange(post(&target, "half of it".repeat(100_000))).expect(200);
        assert!(!upstream.seen().complete, "{name}");
    }
}

#[test]
fn wasi_http_sends_too() {
    let upstream = Upstream::start(|seen| answer([b"got ", &seen.body[..]].concat()));
    let guests = every_mode(&["kitchen-0-2", "kitchen-0-3"]).into_iter();
    let address = upstream.address;
    let grant = format!("grants.fetch = [\"http://{address}\"]");
    let hob = Serve::new(guests.map(|guest| guest.set(&grant))).start();
    for name in hob.names() {
        let body = "y".repeat(100_000);
        let answer = hob.exchange(post(&format!("/{name}/fetch?to={address}/path"), &body));
        assert_eq!(answer.expect(200).text(), format!("200 got {body}"), "{name}");
        let seen = upstream.seen();
        assert!(seen.head.starts_with("POST /path HTTP/1.1\r\n"), "{}", seen.head);
        let denied = hob.get(&format!("/{name}/fetch?to=127.0.0.1:1/")).expect(200);
        assert_eq!(denied.text(), "ErrorCode::HttpRequestDenied\n", "{name}");
    }
}

#[test]
fn tls_is_spoken_with_who_is_trusted_and_with_no_one_else() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a key");
    let scratch = Scratch::new();
    let trusted = scratch.file("ca.pem", certified.cert.pem());
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("both versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.expect("a key"))
        .expect("a certificate");
    let config = Arc::new(config);
    let upstream = Upstream::start_over(
        move |stream| {
            let session = rustls::ServerConnection::new(config.clone()).expect("a session");
            rustls::StreamOwned::new(session, stream)
        },
        |seen| answer(&seen.body),
    );
    let speaks_first = |mut stream: std::net::TcpStream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("room for a few bytes");
        stream
    };
    let plain = Upstream::start_over(speaks_first, |_| answer("not secure"));
    let rules = "[\"https://127.0.0.1:*\", \"https://localhost:*\"]";
    let guests = || every_mode(&GUESTS).into_iter().map(|g| g.grants(&format!("fetch = {rules}")));

    let trusting = Serve::new(guests()).server(&format!("trust = {trusted:?}")).start();
    for name in trusting.names() {
        let to = format!("https://{}/", upstream.address);
        let body = "z".repeat(200_000);
        let got = send(&trusting, name, &to, &body).expect(200);
        assert!(got.text() == format!("200 a {body}"), "{name}");
        let other_name = format!("https://localhost:{}/", upstream.address.port());
        assert_eq!(send(&trusting, name, &other_name, "").expect(422).text(), "Tls", "{name}");
        let not_secure = format!("https://{}/", plain.address);
        assert_eq!(send(&trusting, name, &not_secure, "").expect(422).text(), "Tls", "{name}");
    }

    let other = Serve::new(guests()).start();
    for name in other.names() {
        let to = format!("https://{}/", upstream.address);
        assert_eq!(send(&other, name, &to, "").expect(422).text(), "Tls", "{name}");
    }
}

#[test]
fn names_are_looked_up() {
    let hob = serve(every_mode(&GUESTS));
    for name in hob.names() {
        let lookup = |to: &str| hob.get(&format!("/{name}/dns.lookup?to={to}"));
        assert!(lookup("localhost").expect(200).text().lines().any(|line| line == "127.0.0.1"));
        assert_eq!(lookup("127.0.0.2").expect(200).text(), "127.0.0.2\n");
        assert_eq!(lookup("a%20b").expect(422).text(), "Invalid", "{name}");
        // Where there is no resolver at all, it fails; where there is one, there is no such name.
        let nothing = lookup("nothing.invalid").expect(422);
        assert!(["NotFound", "Failed"].contains(&nothing.text()), "{name}: {}", nothing.text());
    }
}
