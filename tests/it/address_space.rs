//! The address space: in a small one there is no pool of instances, and they are made as long as there is room.

use std::process::Command;

use crate::failures::expect_failure;
use crate::harness::{Client, Hob, Serve, get, guest, run};

const GUESTS: [&str; 2] = ["kitchen-0-2", "kitchen-0-3"];

/// A pool would need a multiple of this.
fn serve() -> Hob {
    let guests = GUESTS.map(|name| guest(name).isolation("fresh"));
    // Each thread takes some address space for itself when it starts.
    let server = Serve::new(guests).server("host_threads = 1");
    server.through(&["prlimit", &format!("--as={}", 4_u64 << 30)]).start()
}

fn sleep(hob: &Hob, name: &str) -> Client {
    let mut client = hob.client();
    client.send(get(&format!("/{name}/sleep?ms=3600000")));
    client
}

#[test]
fn several_requests_are_served_at_once_without_a_pool() {
    let hob = serve();
    for name in GUESTS {
        let _sleepers: Vec<_> = (0..30).map(|_| sleep(&hob, name)).collect();
        hob.wait_for_in_flight(name, 30);
        hob.expect_hello(name);
    }
}

#[test]
fn a_request_that_there_is_no_room_for_is_told_so() {
    let hob = serve();
    GUESTS.iter().for_each(|name| hob.expect_hello(name));
    // The one host thread is there from now on.
    hob.metrics();
    // Room for some more instances: each takes its memory and a stack.
    let (pid, space) = (hob.pid().to_string(), hob.address_space_bytes() + (96 << 20));
    let lowered = run(Command::new("prlimit").args(["--pid", &pid, &format!("--as={space}")]));
    assert!(lowered.success, "{}", lowered.stderr);
    for name in GUESTS {
        let mut sleepers: Vec<_> = (0..200).map(|_| sleep(&hob, name)).collect();
        let refused =
            hob.wait_for_line(|line| line["event"] == "handler-failed" && line["handler"] == name);
        assert_eq!(refused["code"], "no-instance", "{refused}");
        // The last of them came when there was no room for long.
        let answer = sleepers.pop().expect("a sleeper").response();
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        expect_failure(answer, 503, "no-instance");
        drop(sleepers);
        hob.wait_for_in_flight(name, 0);
        hob.expect_hello(name);
    }
}

#[test]
fn a_server_asks_for_no_huge_pages() {
    assert!(!serve().may_have_huge_pages());
}
