//! Several loops of one server.

use rustix::process::Signal;

use crate::harness::{Serve, get, guest};

#[test]
fn both_loops_serve() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2")]).server("loops = 2").start();
    for name in hob.names() {
        for _ in 0..100 {
            hob.expect_hello(name);
        }
    }
    let metrics = hob.metrics();
    let accepted =
        |index| metrics.get(&format!("hob_connections_accepted_total{{loop=\"{index}\"}}"));
    assert_eq!(accepted(0) + accepted(1), 200.0);
    assert!(accepted(0) > 0.0 && accepted(1) > 0.0, "{} and {}", accepted(0), accepted(1));
}

#[test]
fn ids_of_two_loops_do_not_meet() {
    let hob = Serve::new([guest("kitchen")]).server("loops = 2").start();
    let ids: Vec<_> = (0..100)
        .map(|_| hob.get("/nowhere").expect(404).header("x-request-id").unwrap().to_owned())
        .collect();
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn a_guest_that_spins_on_one_loop_leaves_the_other_alone() {
    let guests = [guest("kitchen").isolation("fresh").limits("cpu_ms = 3600000")];
    let hob = Serve::new(guests).server("loops = 2").start();
    let mut spinners: Vec<_> = (0..4).map(|_| hob.client()).collect();
    spinners.iter_mut().for_each(|client| client.send(get("/kitchen/spin")));
    hob.wait_for_in_flight("kitchen", 4);
    (0..20).for_each(|_| hob.expect_hello("kitchen"));
}

#[test]
fn all_loops_drain() {
    let mut hob = Serve::new([guest("kitchen")]).server("loops = 2").start();
    let mut clients: Vec<_> = (0..40).map(|_| hob.client()).collect();
    clients.iter_mut().for_each(|client| client.send(get("/kitchen/sleep?ms=1000")));
    hob.wait_for_in_flight("kitchen", 40);
    hob.signal(Signal::TERM);
    for client in &mut clients {
        client.response().expect(200);
        client.expect_closed();
    }
    assert_eq!(hob.wait().code(), Some(0));
}
