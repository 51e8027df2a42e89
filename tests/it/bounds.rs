//! What is too large, too long or too many: each has a status of its own.

use std::process::Command;
use std::time::Instant;

use crate::harness::{Client, Hob, PATIENCE, Serve, get, guest, post, run};

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];

fn serve() -> Hob {
    Serve::new(KITCHENS.map(guest)).connections("body_bytes = 100000").start()
}

#[track_caller]
fn expect_refusal(client: &mut Client, status: u16, code: &str) {
    let answer = client.response().expect(status);
    assert!(answer.text().starts_with(&format!("{code}\n")), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    client.expect_closed();
}

#[test]
fn a_target_up_to_its_bound_is_answered_and_a_longer_one_refused() {
    let hob = serve();
    let target = |length: usize| {
        let start = "/kitchen/hello?";
        format!("{start}{}", "x".repeat(length - start.len()))
    };
    hob.get(&target(8192)).expect(200);
    for length in [8193, 8300, 20_000, 1_000_000] {
        let mut client = hob.client();
        // It may have been refused before all of it was sent.
        let _ = client.send_beside(get(&target(length)).into_bytes());
        expect_refusal(&mut client, 414, "target-too-long");
    }
    hob.expect_hello("kitchen");
}

#[test]
fn a_head_up_to_its_bound_is_answered_and_a_longer_one_refused() {
    let hob = serve();
    let request = |length: usize| {
        let start = "GET /kitchen/hello HTTP/1.1\r\nhost: hob\r\nx: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    hob.exchange(request(32 * 1024)).expect(200);
    for length in [32 * 1024 + 1, 65_536, 1_000_000] {
        let mut client = hob.client();
        let _ = client.send_beside(request(length).into_bytes());
        expect_refusal(&mut client, 431, "head-too-large");
    }
    hob.expect_hello("kitchen");
}

#[test]
fn a_head_of_many_fields_is_answered_up_to_a_number() {
    let hob = serve();
    let request = |fields: usize| {
        let fields: String = (1..fields).map(|number| format!("x-{number}: y\r\n")).collect();
        format!("GET /kitchen/hello HTTP/1.1\r\nhost: hob\r\n{fields}\r\n")
    };
    hob.exchange(request(100)).expect(200);
    for fields in [101, 2000] {
        let mut client = hob.client();
        let _ = client.send_beside(request(fields).into_bytes());
        expect_refusal(&mut client, 431, "head-too-large");
    }
    hob.expect_hello("kitchen");
}

#[test]
fn a_body_up_to_its_bound_is_taken_and_a_longer_one_refused_by_its_length() {
    let hob = serve();
    for name in hob.names() {
        let answer = hob.exchange(post(&format!("/{name}/echo"), vec![b'x'; 100_000]));
        assert_eq!(answer.expect(200).body.len(), 100_000, "{name}");
        let made = hob.metrics().of(name, "hob_instances_made_total");
        let mut client = hob.client();
        // The length is enough: no byte of it needs to come.
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 100001\r\n\r\n"
        ));
        expect_refusal(&mut client, 413, "body-too-large");
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 9999999999999999999\r\n\
             expect: 100-continue\r\n\r\n"
        ));
        expect_refusal(&mut client, 413, "body-too-large");
        assert_eq!(hob.metrics().of(name, "hob_instances_made_total"), made, "{name}");
    }
}

#[test]
fn a_body_in_chunks_is_refused_where_it_becomes_too_long() {
    let hob = serve();
    for name in hob.names() {
        let head = format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        // With the first chunk, and with a later one.
        for chunks in ["186a1\r\n".to_owned(), format!("5\r\nhello\r\n{:x}\r\n", 100_000 - 4)] {
            let mut client = hob.client();
            client.send(format!("{head}{chunks}"));
            expect_refusal(&mut client, 413, "body-too-large");
        }
        let mut client = hob.client();
        client.send(format!("{head}fffffffffffffff\r\n"));
        expect_refusal(&mut client, 413, "body-too-large");
        hob.wait_for_in_flight(name, 0);
        hob.expect_hello(name);
    }
}

#[test]
fn trailers_are_bounded() {
    let hob = serve();
    for name in hob.names() {
        let mut client = hob.client();
        let trailers = "x-trailer: some words\r\n".repeat(10_000);
        let _ = client.send_beside(
            format!(
                "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n{trailers}"
            )
            .into_bytes(),
        );
        let answer = client.response();
        assert_eq!(answer.status, 431, "{name}: {answer:?}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_chunk_s_line_is_bounded() {
    let hob = serve();
    let mut client = hob.client();
    let extension = "x".repeat(100_000);
    let _ = client.send_beside(
        format!(
            "POST /kitchen/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
             5;{extension}"
        )
        .into_bytes(),
    );
    expect_refusal(&mut client, 400, "bad-chunk");
}

#[test]
fn a_connection_too_many_is_told_so() {
    let hob = Serve::new([guest("kitchen")]).connections("max = 3").start();
    let mut clients: Vec<_> = (0..3).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.exchange(get("/kitchen/hello")).expect(200);
    }
    for _ in 0..3 {
        expect_refusal(&mut hob.client(), 503, "too-many-connections");
    }
    // Also when it has sent its request already.
    let answer = hob.get("/kitchen/hello").expect(503);
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    let metrics = hob.metrics();
    assert_eq!(metrics.get("hob_connections{loop=\"0\"}"), 3.0);
    assert_eq!(metrics.get("hob_connections_refused_total{loop=\"0\"}"), 4.0);

    clients.pop();
    hob.wait_for_metrics(|m| m.get("hob_connections{loop=\"0\"}") == 2.0);
    hob.expect_hello("kitchen");
}

#[test]
fn a_request_too_many_is_told_so() {
    let hob = Serve::new([guest("kitchen")]).server("requests_in_flight = 2").start();
    let mut clients: Vec<_> = (0..2).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.send(get("/kitchen/sleep?ms=60000"));
    }
    hob.wait_for_in_flight("kitchen", 2);
    let mut client = hob.client();
    let answer = client.exchange(get("/kitchen/hello")).expect(503);
    assert!(answer.text().starts_with("overload\n"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    clients.pop();
    hob.wait_for_in_flight("kitchen", 1);
    client.exchange(get("/kitchen/hello")).expect(200);
}

#[test]
fn without_descriptors_the_listener_rests_and_recovers() {
    let hob = Serve::new([guest("kitchen")]).start();
    let mut admin = Client::connect(hob.admin);
    admin.exchange(get("/healthz")).expect(200);
    let descriptors = format!("/proc/{}/fd", hob.pid());
    let used = std::fs::read_dir(descriptors).expect("the process runs").count();
    let (pid, limit) = (hob.pid().to_string(), format!("--nofile={0}:{0}", used + 2));
    let lowered = run(Command::new("prlimit").args(["--pid", &pid, &limit]));
    assert!(lowered.success, "{}", lowered.stderr);

    let mut clients: Vec<_> = (0..10).map(|_| hob.client()).collect();
    clients.iter_mut().for_each(|client| client.send(get("/kitchen/hello")));
    let backoffs = |admin: &mut Client| {
        let answer = admin.exchange(get("/metrics")).expect(200);
        let metrics = crate::harness::Metrics::parse(answer.text());
        metrics.get("hob_accept_backoffs_total{loop=\"0\"}")
    };
    let until = Instant::now() + PATIENCE;
    while backoffs(&mut admin) == 0.0 {
        assert!(Instant::now() < until, "the listener does not rest");
        std::thread::yield_now();
    }
    // Each that is answered and leaves makes room for the next.
    for mut client in clients {
        client.response().expect(200);
    }
    hob.expect_hello("kitchen");
}

#[test]
fn a_small_limit_of_descriptors_bounds_the_connections() {
    // 128 are kept back, and 4 for the loop itself.
    let hob = Serve::new([guest("kitchen")]).through(&["prlimit", "--nofile=142:142"]).start();
    let mut clients: Vec<_> = (0..10).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.exchange(get("/kitchen/hello")).expect(200);
    }
    expect_refusal(&mut hob.client(), 503, "too-many-connections");
    clients.pop();
    hob.wait_for_metrics(|m| m.get("hob_connections{loop=\"0\"}") == 9.0);
    hob.expect_hello("kitchen");
}
