//! Clients that go away. What was done for them ends, and the record says so.

use crate::harness::{Hob, Serve, every_mode, get, guest};

const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

/// The access line has been written when the request is no longer counted, never before.
fn expect_gone(hob: &Hob, name: &str, path: &str, status: u16) {
    let access = hob.wait_for_access(&format!("/{name}/{path}"));
    assert_eq!(access["status"], status, "{access}");
    assert_eq!(access["ended"], "cut", "{access}");
    let metrics = hob.metrics();
    assert_eq!(metrics.of(name, "hob_requests_in_flight"), 0.0, "{name}");
    assert_eq!(metrics.answered(name, status), 1.0, "{name}: {status}");
    hob.expect_hello(name);
}

#[test]
fn a_client_that_leaves_while_the_guest_sleeps_counts_as_499() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/sleep?ms=60000")));
        hob.wait_for_in_flight(name, 1);
        client.reset();
        expect_gone(&hob, name, "sleep", 499);
    }
}

#[test]
fn a_client_that_closes_while_the_guest_sleeps_counts_as_499() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/sleep?ms=60000")));
        hob.wait_for_in_flight(name, 1);
        drop(client);
        expect_gone(&hob, name, "sleep", 499);
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_counts_as_499() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 1000\r\n\r\nsome of it"
        ));
        hob.wait_for_in_flight(name, 1);
        client.reset();
        expect_gone(&hob, name, "echo", 499);
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_long_body_counts_as_499() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n\
             5\r\nhello\r\n100\r\nsome of it"
        ));
        hob.wait_for_in_flight(name, 1);
        client.reset();
        expect_gone(&hob, name, "echo", 499);
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_the_response_cuts_it() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/stream?chunks=1000&size=100000&pause_ms=1")));
        client.head().expect(200);
        assert_eq!(client.up_to(200_000).len(), 200_000, "{name}");
        client.reset();
        expect_gone(&hob, name, "stream", 200);
    }
}

#[test]
fn a_client_that_leaves_while_the_guest_spins_frees_the_loop() {
    let guests = every_mode(&["kitchen", "kitchen-0-2"]).into_iter();
    let exclusive = guests.filter(|guest| !guest.name().ends_with(".shared"));
    let hob = Serve::new(exclusive.map(|guest| guest.limits("cpu_ms = 3600000"))).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/spin")));
        hob.wait_for_in_flight(name, 1);
        client.reset();
        expect_gone(&hob, name, "spin", 499);
    }
}

#[test]
fn many_clients_that_leave_at_once_leave_nothing_behind() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2")]).start();
    for name in hob.names() {
        for _ in 0..3 {
            let mut clients: Vec<_> = (0..100).map(|_| hob.client()).collect();
            for client in &mut clients {
                client.send(get(&format!("/{name}/sleep?ms=60000")));
            }
            hob.wait_for_in_flight(name, 100);
            clients.into_iter().for_each(|client| client.reset());
            hob.wait_for_in_flight(name, 0);
        }
        hob.expect_hello(name);
    }
    hob.wait_for_metrics(|m| m.get("hob_connections{loop=\"0\"}") == 0.0);
}
