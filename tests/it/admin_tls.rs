//! The second listener over TLS: whom it speaks with and whom it does not, bytes that wait where no
//! readiness tells of them, and a certificate that is renewed.

use std::fs;

use rustix::process::Signal;

use crate::harness::{
    CERTIFICATE_LINES, Certificate, Client, Hob, Place, Response, TOKEN, expect_denied, get,
    greeter, guest, view,
};

/// A folder for a server with this certificate, and these further lines of `[server]`.
fn place(certificate: &Certificate, server: &str) -> Place {
    let place = Place::new(&format!("{CERTIFICATE_LINES}\n{server}"), &[guest("fast-0-2")]);
    certificate.put(&place.scratch);
    place
}

fn serve(server: &str) -> (Certificate, Place, Hob) {
    let certificate = Certificate::new();
    let place = place(&certificate, server);
    let hob = place.start();
    (certificate, place, hob)
}

/// A request of an operator.
fn operation(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: hob\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn reload(client: &mut Client) -> Response {
    client.exchange(operation("POST", "/v1/reload", &[]))
}

#[test]
fn every_page_and_the_api_are_served_over_tls() {
    let (certificate, _place, hob) = serve("");
    assert!(hob.errors().contains("health and metrics on https://"), "{}", hob.errors());
    assert_eq!(certificate.ask(&hob, "/readyz").expect(200).text(), "ready\n");
    let metrics = certificate.ask(&hob, "/metrics").expect(200);
    assert!(metrics.text().contains("hob_loop_tasks"), "{}", metrics.text());
    certificate.ask(&hob, "/debug/timeline").expect(200);
    certificate.ask(&hob, "/v1/handlers").expect(401);
    view(certificate.client(&hob).exchange(operation("GET", "/v1/handlers", &[])));
    // The public listener goes on without.
    assert_eq!(hob.greeting("fast-0-2"), "world");
}

#[test]
fn requests_are_answered_however_they_are_cut_into_records() {
    let (certificate, _place, hob) = serve("");
    let mut client = certificate.client(&hob);
    for _ in 0..3 {
        client.exchange(get("/healthz")).expect(200);
    }
    // Several in one record.
    client.send([get("/healthz"), get("/readyz"), get("/nothing")].concat());
    client.response().expect(200);
    assert_eq!(client.response().expect(200).text(), "ready\n");
    client.response().expect(404);
    // A record for each byte.
    for byte in get("/readyz").as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.response().expect(200).text(), "ready\n");
    // The end of one and the beginning of the next in one record, and a last one.
    let (all, closing) = (get("/healthz").repeat(2), "\r\nconnection: close\r\n\r\n");
    client.send(&all[..all.len() / 2 + 10]);
    client.response().expect(200);
    client.send(all[all.len() / 2 + 10..].replace("\r\n\r\n", closing));
    client.response().expect(200);
    client.expect_closed();
}

#[test]
fn a_request_behind_one_that_takes_long_waits_where_it_is_decrypted() {
    // At rest is whoever has been so for as long as an idle connection is kept.
    let certificate = Certificate::new();
    let place = place(&certificate, "data = \"kept\"");
    place.add("[connections]\nkeep_alive_ms = 100\n");
    let fifo = place.scratch.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .expect("a pipe");
    let hob = place.start();
    // From now on a reload waits until someone writes a secret.
    place.add("[[handler]]\nname = \"late\"\nsecrets = { S = { file = \"fifo\" } }\n");
    let mut client = certificate.client(&hob);
    let mut piped = certificate.client(&hob);
    client.send(operation("POST", "/v1/reload", &[]));
    piped.send([operation("GET", "/v1/handlers", &[]), get("/readyz").into_bytes()].concat());
    // Those who came later and are closed for their rest show that the first has had its own.
    let others_rest = || {
        for _ in 0..3 {
            let mut idle = certificate.client(&hob);
            idle.exchange(get("/healthz")).expect(200);
            idle.expect_closed();
        }
    };
    others_rest();
    client.send(get("/readyz"));
    others_rest();
    fs::write(&fifo, "a secret").expect("someone reads");
    for client in [&mut client, &mut piped] {
        view(client.response());
        assert_eq!(client.response().expect(200).text(), "ready\n");
    }
}

#[test]
fn an_idle_connection_is_closed_in_the_words_of_tls() {
    let certificate = Certificate::new();
    let place = place(&certificate, "");
    place.add("[connections]\nkeep_alive_ms = 50\nhead_ms = 1000\n");
    let hob = place.start();
    let mut client = certificate.client(&hob);
    client.exchange(get("/healthz")).expect(200);
    // A client of TLS takes an end without those words for a cut, and the harness fails.
    client.expect_closed();
    let mut silent = certificate.client(&hob);
    assert!(silent.shakes_hands());
    silent.expect_closed();
}

#[test]
fn a_large_upload_and_large_answers_that_no_one_reads_yet_come_whole() {
    let certificate = Certificate::new();
    let place = place(&certificate, "");
    for number in 0..60 {
        place.add(&guest("fast-0-2").named(&format!("more-{number}")).toml());
    }
    let hob = place.start();
    let version = padded(greeter("fast-0-2", "there"), 5_000_000);
    let path = "/v1/tenants/default/handlers/fast-0-2/versions";
    let mut client = certificate.client(&hob);
    view(client.exchange(operation("POST", path, &version)));
    assert_eq!(hob.greeting("fast-0-2"), "there");
    // Somewhere here is what the kernel keeps of it: for one of them the last records wait in the session.
    let mut readers: Vec<_> = (36..56)
        .map(|count| {
            let mut reader = certificate.client(&hob);
            reader.takes_little_at_once();
            reader.send(get("/metrics").repeat(count) + &get("/readyz"));
            (reader, count)
        })
        .collect();
    for _ in 0..100 {
        client.exchange(get("/healthz")).expect(200);
    }
    for (reader, count) in &mut readers {
        for _ in 0..*count {
            let page = reader.response().expect(200);
            assert!(page.text().contains("handler=\"more-59\""));
            assert!(page.body.len() > 50_000, "{}", page.body.len());
        }
        assert_eq!(reader.response().expect(200).text(), "ready\n");
    }
    drop(readers);
    // One who leaves in the middle is no one's trouble.
    let mut leaver = certificate.client(&hob);
    leaver.send(get("/metrics").repeat(150));
    leaver.up_to(100_000);
    leaver.reset();
    let mut torn = certificate.client(&hob);
    torn.send(&operation("POST", path, &version)[..100_000]);
    torn.reset();
    view(client.exchange(operation("GET", "/v1/handlers", &[])));
}

/// The component with a custom section of so many bytes more.
fn padded(mut component: Vec<u8>, bytes: usize) -> Vec<u8> {
    let name = b"\x07padding";
    component.push(0);
    let mut length = bytes + name.len();
    while length >= 0x80 {
        component.push(length as u8 | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend(name);
    component.resize(component.len() + bytes, b'p');
    component
}

#[test]
fn http_without_tls_is_told_that_https_is_spoken() {
    let (certificate, _place, hob) = serve("");
    let mut client = Client::connect(hob.admin);
    client.send(operation("POST", "/v1/reload", &[0; 300_000]));
    let told = client.response().expect(400);
    assert!(told.text().contains("speaks HTTPS"), "{told:?}");
    assert!(!told.text().contains(TOKEN));
    client.expect_closed();
    certificate.ask(&hob, "/healthz").expect(200);
}

#[test]
fn what_is_neither_http_nor_tls_is_closed_at_once() {
    let (certificate, _place, hob) = serve("");
    let mut random = fastrand::Rng::with_seed(7);
    let mut garbage = vec![0; 1000];
    random.fill(&mut garbage);
    for first in [0, 0x15, 0x17, 0x80, b'a', 0xff] {
        garbage[0] = first;
        let mut client = Client::connect(hob.admin);
        client.send(&garbage);
        client.expect_closed();
    }
    // A record of a handshake with nothing of the kind in it is told so, in an alert.
    garbage[..5].copy_from_slice(&[22, 3, 1, 0, 200]);
    let mut client = Client::connect(hob.admin);
    client.send(&garbage);
    assert!(matches!(client.rest().as_slice(), [] | [21, 3, ..]));
    // One that claims to be longer than a message may be is not waited for.
    let mut client = Client::connect(hob.admin);
    client.send([22, 3, 1, 64, 0, 1, 0xff, 0xff, 0xff]);
    client.send(vec![0; 70_000]);
    assert!(matches!(client.rest().as_slice(), [] | [21, 3, ..]));
    // Who does not trust the certificate leaves in the middle of the handshake.
    let mut other = Client::secure(hob.admin, &Certificate::new().der);
    assert!(!other.shakes_hands());
    certificate.ask(&hob, "/healthz").expect(200);
}

#[test]
fn a_handshake_that_does_not_come_to_its_end_has_a_deadline() {
    let certificate = Certificate::new();
    let place = place(&certificate, "");
    place.add("[connections]\nhead_ms = 1000\n");
    let hob = place.start();
    Client::connect(hob.admin).expect_closed();
    let mut half = Client::connect(hob.admin);
    half.send([22, 3, 1, 1]);
    half.expect_closed();
    let mut trickle = Client::connect(hob.admin);
    let closed = (0..100_000).any(|_| {
        let is_over = trickle.try_send([22]).is_err();
        std::thread::yield_now();
        is_over
    });
    assert!(closed || trickle.rest().is_empty());
    certificate.ask(&hob, "/healthz").expect(200);
}

#[test]
fn a_connection_too_many_is_closed_and_the_place_of_one_that_has_left_is_free_again() {
    let (certificate, _place, hob) = serve("");
    let mut kept: Vec<_> = (0..64)
        .map(|_| {
            let mut client = certificate.client(&hob);
            client.exchange(get("/healthz")).expect(200);
            client
        })
        .collect();
    Client::connect(hob.admin).expect_closed();
    let mut last = kept.pop().expect("one of them");
    last.finish();
    last.expect_closed();
    certificate.ask(&hob, "/healthz").expect(200);
}

#[test]
fn a_server_that_drains_answers_what_has_come_and_waits_for_no_handshake() {
    let (certificate, _place, mut hob) = serve("");
    let silent = Client::connect(hob.admin);
    let mut idle = certificate.client(&hob);
    idle.exchange(get("/readyz")).expect(200);
    let mut client = certificate.client(&hob);
    view(client.exchange(operation("POST", "/v1/drain", &[])));
    idle.expect_closed();
    assert!(hob.wait().success());
    drop(silent);
}

#[test]
fn a_renewed_certificate_is_shown_after_a_reload_and_open_connections_go_on() {
    let (first, place, hob) = serve("");
    let mut open = first.client(&hob);
    view(reload(&mut open));
    first.ask(&hob, "/healthz").expect(200);

    let second = Certificate::new();
    second.put(&place.scratch);
    first.ask(&hob, "/healthz").expect(200);
    view(reload(&mut open));
    assert!(!Client::secure(hob.admin, &first.der).shakes_hands());
    second.ask(&hob, "/healthz").expect(200);
    open.exchange(get("/healthz")).expect(200);

    // Wrong ones change nothing, be it that the key is still the old one.
    let third = Certificate::new();
    for (chain, key, words) in [
        (&*third.pem, &*second.key, ["key.pem", "not the key"]),
        ("", &second.key, ["chain.pem", "no certificate"]),
        (&second.pem, "", ["key.pem", "no private key"]),
    ] {
        place.scratch.file("chain.pem", chain);
        place.scratch.file("key.pem", key);
        expect_denied(reload(&mut open), 422, "refused", &words);
        hob.wait_for_line(|line| {
            line["event"] == "reloaded"
                && line["refused"].as_str().is_some_and(|why| words.iter().all(|w| why.contains(w)))
        });
        second.ask(&hob, "/healthz").expect(200);
    }
    fs::remove_file(place.scratch.join("chain.pem")).expect("a file");
    expect_denied(reload(&mut open), 422, "refused", &["chain.pem", "No such file"]);

    third.put(&place.scratch);
    hob.signal(Signal::HUP);
    hob.wait_for_line(|line| {
        line["event"] == "reloaded"
            && line["refused"].is_null()
            && Client::secure(hob.admin, &third.der).shakes_hands()
    });
    open.exchange(get("/healthz")).expect(200);
}

#[test]
fn other_files_are_taken_over_by_a_reload_and_tls_itself_by_a_restart() {
    let (first, place, hob) = serve("");
    let second = Certificate::new();
    place.scratch.file("other.pem", format!("{}{}", second.key, second.pem));
    let text = fs::read_to_string(place.scratch.join("hob.toml")).expect("a file");
    place
        .scratch
        .file("hob.toml", text.replace("chain.pem", "other.pem").replace("key.pem", "other.pem"));
    let mut open = first.client(&hob);
    assert_eq!(view(reload(&mut open))["needs_restart"], serde_json::json!([]));
    second.ask(&hob, "/healthz").expect(200);
    place.scratch.file("hob.toml", text.replace(CERTIFICATE_LINES, ""));
    let needs = serde_json::json!(["server.admin_certificate"]);
    assert_eq!(view(reload(&mut open))["needs_restart"], needs);
    second.ask(&hob, "/healthz").expect(200);
}

#[test]
fn the_next_process_shows_the_certificate_of_its_own_configuration() {
    let certificate = Certificate::new();
    // A Unix socket's path is short, and the folder's is not.
    let handover = std::env::temp_dir().join(format!("hob-{}", std::process::id()));
    let place = place(&certificate, &format!("handover = {handover:?}"));
    let mut first = place.start();
    let mut idle = certificate.client(&first);
    idle.exchange(get("/healthz")).expect(200);
    let renewed = Certificate::new();
    renewed.put(&place.scratch);
    let second = place.start();
    assert_eq!(second.admin, first.admin);
    idle.expect_closed();
    assert!(first.wait().success());
    renewed.ask(&second, "/readyz").expect(200);
    view(renewed.client(&second).exchange(operation("POST", "/v1/reload", &[])));
    // One that cannot use its certificate does not come to serve.
    place.scratch.file("chain.pem", "");
    let broken =
        crate::harness::run(crate::harness::hob().arg("serve").arg(place.scratch.join("hob.toml")));
    assert!(!broken.success && broken.stderr.contains("no certificate"), "{broken:?}");
    renewed.ask(&second, "/readyz").expect(200);
    fs::remove_file(handover).expect("a socket");
}
