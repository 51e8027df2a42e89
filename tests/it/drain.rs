//! How a server stops: requests in flight finish, and nothing new begins.

use rustix::process::Signal;

use crate::harness::{Client, END_OF_BODY, Hob, Serve, get, guest, unfinished};

fn serve() -> Serve {
    Serve::new([guest("kitchen"), guest("kitchen-0-2"), guest("kitchen-0-3")])
}

/// Signals, and waits until the drain has begun.
fn drain(hob: &Hob, signal: Signal) {
    hob.signal(signal);
    // Not by `/readyz`: a test may ask that itself.
    hob.wait_for_line(|line| line["event"] == "draining");
}

fn finishes_what_is_in_flight(signal: Signal) {
    let mut hob = serve().start();
    let mut slow: Vec<Client> = Vec::new();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(unfinished(&format!("/{name}/echo")));
        hob.wait_for_in_flight(name, 1);
        slow.push(client);
    }
    let mut stream = hob.client();
    stream.send(unfinished("/kitchen/echo-chunks"));
    stream.head().expect(200);
    assert_eq!(stream.up_to(10), b"5\r\nhello\r\n");
    drain(&hob, signal);
    assert!(Client::try_connect(hob.address).is_err(), "a new connection was accepted");
    for client in &mut slow {
        client.send(END_OF_BODY);
        let answer = client.response().expect(200);
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        client.expect_closed();
    }
    stream.send(format!("3\r\nbye\r\n{END_OF_BODY}"));
    let rest = stream.rest();
    assert_eq!(rest, b"3\r\nbye\r\n0\r\n\r\n", "{:?}", String::from_utf8_lossy(&rest));
    let status = hob.wait();
    assert_eq!(status.code(), Some(0), "{status}");
    // The lines of the last requests have been written before the end.
    let served = hob.lines().iter().filter(|line| line["kind"] == "access").count();
    assert_eq!(served, 4);
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_ends_with_0() {
    finishes_what_is_in_flight(Signal::TERM);
}

#[test]
fn sigint_finishes_what_is_in_flight_and_ends_with_0() {
    finishes_what_is_in_flight(Signal::INT);
}

#[test]
fn a_guest_that_sleeps_wakes_up_in_a_drain() {
    let mut hob = serve().start();
    let mut client = hob.client();
    client.send(unfinished("/kitchen/read-slowly?ms=100"));
    hob.wait_for_in_flight("kitchen", 1);
    drain(&hob, Signal::TERM);
    // It sleeps once more after this piece.
    client.send(format!("3\r\nbye\r\n{END_OF_BODY}"));
    assert_eq!(client.response().expect(200).text(), "8\n");
    assert_eq!(hob.wait().code(), Some(0));
}

#[test]
fn an_idle_server_ends_at_once() {
    let mut hob = serve().start();
    hob.signal(Signal::TERM);
    assert_eq!(hob.wait().code(), Some(0));
}

#[test]
fn idle_connections_are_closed_and_hold_nothing_up() {
    let mut hob = serve().server("drain_ms = 3600000").start();
    let mut silent = hob.client();
    let mut idle = hob.client();
    idle.exchange(get("/kitchen/hello")).expect(200);
    let mut dormant = hob.client();
    dormant.exchange(get("/kitchen/hello")).expect(200);
    assert!(!dormant.hears_within(std::time::Duration::from_millis(1200)));
    let mut admin = Client::connect(hob.admin);
    admin.exchange(get("/healthz")).expect(200);
    hob.signal(Signal::TERM);
    silent.expect_closed();
    idle.expect_closed();
    dormant.expect_closed();
    admin.expect_closed();
    assert_eq!(hob.wait().code(), Some(0));
}

#[test]
fn a_draining_server_is_alive_and_not_ready() {
    let mut hob = serve().start();
    assert_eq!(hob.ask_admin("/readyz").expect(200).text(), "ready\n");
    let mut slow = hob.client();
    slow.send(get("/kitchen/sleep?ms=60000"));
    hob.wait_for_in_flight("kitchen", 1);
    drain(&hob, Signal::TERM);
    assert_eq!(hob.ask_admin("/readyz").expect(503).text(), "draining\n");
    assert_eq!(hob.ask_admin("/healthz").expect(200).text(), "ok\n");
    assert_eq!(hob.metrics().of("kitchen", "hob_requests_in_flight"), 1.0);
    // Its client leaves, and with it the last reason to stay.
    drop(slow);
    assert_eq!(hob.wait().code(), Some(0));
}

#[test]
fn a_pipelined_request_behind_the_one_in_flight_is_not_begun() {
    let mut hob = serve().start();
    let mut client = hob.client();
    client.send(unfinished("/kitchen/echo"));
    hob.wait_for_in_flight("kitchen", 1);
    drain(&hob, Signal::TERM);
    client.send(END_OF_BODY.to_owned() + &get("/kitchen/hello"));
    client.response().expect(200);
    client.expect_closed();
    assert_eq!(hob.wait().code(), Some(0));
}

#[test]
fn a_request_that_does_not_finish_is_cut_at_the_deadline() {
    let mut hob = serve().server("drain_ms = 200").start();
    let mut client = hob.client();
    client.send(get("/kitchen/sleep?ms=60000"));
    hob.wait_for_in_flight("kitchen", 1);
    hob.signal(Signal::TERM);
    client.expect_closed();
    let status = hob.wait();
    assert!(status.code().is_some(), "{status}");
    let cut = hob.wait_for_line(|line| line["event"] == "drain-deadline");
    assert_eq!(cut["connections"], 1, "{cut}");
    assert_eq!(hob.wait_for_access("/kitchen/sleep")["ended"], "cut");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut hob = serve().server("drain_ms = 3600000").start();
    let mut client = hob.client();
    client.send(get("/kitchen/sleep?ms=60000"));
    hob.wait_for_in_flight("kitchen", 1);
    drain(&hob, Signal::TERM);
    hob.signal(Signal::TERM);
    let status = hob.wait();
    assert!(!status.success(), "{status}");
}

#[test]
fn a_guest_that_spins_does_not_keep_the_server_from_ending() {
    let spinner = guest("kitchen").limits("cpu_ms = 3600000");
    let mut hob = Serve::new([spinner]).server("drain_ms = 300").start();
    let mut client = hob.client();
    client.send(get("/kitchen/spin"));
    hob.wait_for_in_flight("kitchen", 1);
    hob.signal(Signal::TERM);
    hob.wait();
    client.expect_closed();
}
