//! How a server stops: requests in flight finish, and nothing new begins.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{
    Client, END_OF_BODY, Hob, PATIENCE, Serve, compile_cache, component, get, guest, hob,
    unfinished,
};

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
fn work_after_the_answer_is_waited_for() {
    for mode in ["fresh", "shared"] {
        let handlers = ["kitchen", "kitchen-0-3"].map(|name| guest(name).isolation(mode));
        let mut hob = Serve::new(handlers).start();
        for name in hob.names() {
            // It waits for a second, and computes for longer than a slice.
            let target = format!("/{name}/late-spin?pause_ms=1000&ms=10&line={name}-is-done");
            hob.get(&target).expect(200);
        }
        hob.signal(Signal::TERM);
        assert_eq!(hob.wait().code(), Some(0), "{mode}");
        for name in hob.names() {
            hob.wait_for_line(|line| line["line"] == format!("{name}-is-done"));
        }
    }
}

/// Between the signal and the end of its drain, a server may see a request that has come before.
#[test]
fn a_request_that_came_before_the_signal_is_answered() {
    for _ in 0..30 {
        let mut hob = Serve::new([guest("fast-0-2")]).start();
        let mut idle = hob.client();
        idle.exchange(get("/fast-0-2/hello")).expect(200);
        let mut new = hob.client();
        // What is written is in the other socket's queue, whether or not the server has seen it.
        idle.send(get("/fast-0-2/hello"));
        new.send(get("/fast-0-2/hello"));
        hob.signal(Signal::TERM);
        for mut client in [idle, new] {
            assert_eq!(client.response().expect(200).text(), "hello world\n");
            client.expect_closed();
        }
        assert_eq!(hob.wait().code(), Some(0));
    }
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
fn a_log_that_no_one_reads_does_not_keep_the_server_from_ending() {
    let component = component("kitchen");
    let mut command = hob();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "off"]);
    command.args(["--cache", compile_cache()]).arg(component);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("hob starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let address = said.find_map(|line| {
        Some(line.ok()?.strip_prefix("hob: listening on http://")?.parse().expect("an address"))
    });
    let mut client = Client::connect(address.expect("it listens"));
    // Some megabytes of log, and a pipe takes 64 KiB.
    client.exchange(get("/newlines?bytes=20000")).expect(200);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("the process runs");
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if Instant::now() > until {
            child.kill().expect("a child");
            panic!("the process does not end");
        }
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(0), "{status}");
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
