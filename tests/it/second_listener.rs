//! The second listener, when those who connect want nothing of it or speak badly.

use serde_json::Value;

use crate::harness::{
    CERTIFICATE_LINES, Certificate, Client, Place, TOKEN, expect_denied, get, guest, view,
};

/// Connections that it has.
const PLACES: usize = 64;

#[test]
fn connections_that_ask_for_nothing_make_room_for_operators() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let silent: Vec<_> = (0..PLACES).map(|_| Client::connect(hob.admin)).collect();
    assert_eq!(hob.ask_admin("/readyz").expect(200).text(), "ready\n");
    // Those that have asked once and stay, and those that never end a head.
    let mut staying: Vec<_> = (0..PLACES / 2).map(|_| Client::connect(hob.admin)).collect();
    for client in &mut staying {
        client.exchange(get("/healthz")).expect(200);
    }
    let mut slow: Vec<_> = (0..PLACES / 2).map(|_| Client::connect(hob.admin)).collect();
    slow.iter_mut().for_each(|client| client.send("GET /healthz HTTP/1.1\r\nx-s"));
    for _ in 0..PLACES {
        assert_eq!(hob.ask_admin("/readyz").expect(200).text(), "ready\n");
        view(hob.operate("GET", "/v1/handlers", &[]));
    }
    drop((silent, staying, slow));
}

#[test]
fn a_request_under_way_does_not_make_room() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let head = format!(
        "POST /v1/tenants/default/handlers/fast-0-2/versions HTTP/1.1\r\nhost: hob\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-length: 4\r\n\r\n12"
    );
    let mut upload = Client::connect(hob.admin);
    upload.send(head);
    // It has its turn once another is told so.
    while hob.deploy("fast-0-2", b"nonsense").status != 409 {}
    let silent: Vec<_> = (0..3 * PLACES).map(|_| Client::connect(hob.admin)).collect();
    hob.ask_admin("/readyz").expect(200);
    upload.send("34");
    expect_denied(upload.response(), 422, "refused", &["not a WebAssembly component"]);
    drop(silent);
}

#[test]
fn over_tls_those_who_say_nothing_make_room_too() {
    let certificate = Certificate::new();
    let place = Place::new(CERTIFICATE_LINES, &[guest("fast-0-2")]);
    certificate.put(&place.scratch);
    let hob = place.start();
    let silent: Vec<_> = (0..PLACES).map(|_| Client::connect(hob.admin)).collect();
    for _ in 0..4 {
        certificate.ask(&hob, "/readyz").expect(200);
    }
    drop(silent);
}

#[test]
fn a_connection_without_a_first_byte_is_closed() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    Client::connect(hob.admin).expect_closed();
}

#[test]
fn what_the_wire_refuses_is_told_as_the_api_tells_things() {
    let place = Place::new("[connections]\nbody_idle_ms = 300", &[guest("fast-0-2")]);
    let hob = place.start();
    let path = "/v1/tenants/default/handlers/fast-0-2/versions";
    let ask = |fields: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: hob\r\nauthorization: Bearer {TOKEN}\r\n{fields}\r\n"
        );
        Client::connect(hob.admin).exchange(head)
    };
    for (fields, status, code, word) in [
        ("content-length: 134217729\r\n", 413, "too-large", "128 MiB"),
        ("", 411, "length", "content-length"),
        ("transfer-encoding: chunked\r\n", 411, "length", "content-length"),
        ("content-length: 1\r\ncontent-length: 2\r\n", 400, "", ""),
        ("transfer-encoding: gzip\r\n", 501, "unknown-transfer-coding", ""),
    ] {
        let answer = ask(fields);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
        let said: Value = serde_json::from_str(answer.text()).expect("JSON");
        // Of what is malformed there are codes of many kinds.
        let said = said["error"].as_str().expect("a code").to_owned();
        expect_denied(answer, status, if code.is_empty() { &said } else { code }, &[word]);
    }
    let late = ask("content-length: 4\r\n");
    expect_denied(late, 408, "request-timeout", &["in time"]);
}

#[test]
fn the_scheme_of_a_token_has_no_case() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let fields = format!("authorization: {scheme} {TOKEN}\r\n");
        view(hob.operate_as(&fields, "GET", "/v1/handlers", &[]));
    }
    let fields = format!("authorization: Bearer{TOKEN}\r\n");
    expect_denied(hob.operate_as(&fields, "GET", "/v1/handlers", &[]), 401, "wrong-token", &[]);
}
