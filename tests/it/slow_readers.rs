//! Clients that do not read what they have asked for: the guest is suspended, and the host's
//! memory is bounded.

use crate::harness::{Serve, every_mode, get, guest};

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];
const MIB: u64 = 1024 * 1024;

#[test]
fn a_gigabyte_that_no_one_reads_takes_no_memory_and_holds_up_no_one() {
    let mut guests = every_mode(&KITCHENS);
    guests.push(guest("kitchen").named("other"));
    let hob = Serve::new(guests).start();
    for name in hob.names().filter(|name| *name != "other") {
        hob.expect_hello(name);
        hob.expect_hello("other");
        let before = hob.resident_bytes();
        let mut idle: Vec<_> = (0..4).map(|_| hob.client()).collect();
        for client in &mut idle {
            client.send(get(&format!("/{name}/stream?chunks=16384&size=65536")));
            client.head().expect(200);
        }
        // The guests write until the sockets are full, while the others are served.
        let cpu = || hob.metrics().of(name, "hob_handler_cpu_seconds_total");
        let mut last = cpu();
        loop {
            (0..50).for_each(|_| hob.expect_hello("other"));
            let now = cpu();
            if now == last {
                break;
            }
            last = now;
        }
        let grown = hob.resident_bytes().saturating_sub(before);
        assert!(grown < 48 * MIB, "{name}: {} MiB more", grown / MIB);

        // And whoever begins to read gets on.
        let mut client = idle.pop().expect("a client");
        assert_eq!(client.up_to(50_000_000).len(), 50_000_000, "{name}");
        let grown = hob.resident_bytes().saturating_sub(before);
        assert!(grown < 48 * MIB, "{name}: {} MiB more", grown / MIB);
    }
}

#[test]
fn a_gigabyte_that_the_guest_does_not_read_takes_no_memory() {
    let hob = Serve::new(every_mode(&KITCHENS)).connections("body_bytes = 2000000000").start();
    for name in hob.names() {
        hob.expect_hello(name);
        let before = hob.resident_bytes();
        let mut client = hob.client();
        // These echo what they read, and no one reads the echo: nothing is to be read then.
        client.send(format!(
            "POST /{name}/echo-stream HTTP/1.1\r\nhost: hob\r\ncontent-length: 1000000000\r\n\r\n"
        ));
        let sent = client.send_until_full();
        assert!(sent < 100 * MIB, "{name}: {sent} bytes were taken");
        let grown = hob.resident_bytes().saturating_sub(before);
        assert!(grown < 48 * MIB, "{name}: {} MiB more", grown / MIB);
        hob.expect_hello(name);
    }
}

#[test]
fn a_client_that_stops_reading_is_given_up_after_a_while() {
    let hob = Serve::new(every_mode(&KITCHENS)).connections("write_idle_ms = 300").start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/stream?chunks=16384&size=65536")));
        let access = hob.wait_for_access(&format!("/{name}/stream"));
        assert_eq!(access["ended"], "cut", "{access}");
        assert_eq!(hob.metrics().of(name, "hob_requests_in_flight"), 0.0, "{name}");
        assert!(!client.response().complete, "{name}");
    }
}
