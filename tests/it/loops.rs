//! Several loops of one server.

use rustix::process::Signal;

use crate::harness::{END_OF_BODY, Metrics, Serve, get, guest, unfinished};

fn of_loop(metrics: &Metrics, name: &str, index: usize) -> f64 {
    metrics.get(&format!("{name}{{loop=\"{index}\"}}"))
}

#[test]
fn both_loops_serve() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2")]).server("loops = 2").start();
    for name in hob.names() {
        for _ in 0..100 {
            hob.expect_hello(name);
        }
    }
    let metrics = hob.metrics();
    let accepted = |index| of_loop(&metrics, "hob_connections_accepted_total", index);
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
    let mut spinner = hob.client();
    spinner.send(get("/kitchen/spin"));
    let slices = |metrics: &Metrics, index| of_loop(metrics, "hob_loop_heavy_slices_total", index);
    hob.wait_for_metrics(|m| slices(m, 0) + slices(m, 1) > 10.0);
    let before = hob.metrics();
    let (busy, other) = if slices(&before, 0) > 0.0 { (0, 1) } else { (1, 0) };
    assert_eq!(slices(&before, other), 0.0, "one guest spins on both loops");

    // The kernel chooses the loop. A thousand connections that all go to one do not happen.
    let served = || of_loop(&hob.metrics(), "hob_connections_accepted_total", other);
    (0..1000).take_while(|_| served() < 20.0).for_each(|_| hob.expect_hello("kitchen"));
    assert!(served() >= 20.0, "{} on the other loop", served());
    assert_eq!(hob.metrics().of("kitchen", "hob_requests_in_flight"), 1.0);
    assert!(slices(&hob.metrics(), busy) > slices(&before, busy), "it spins no more");
}

#[test]
fn all_loops_drain() {
    let mut hob = Serve::new([guest("kitchen")]).server("loops = 2").start();
    let mut clients: Vec<_> = (0..40).map(|_| hob.client()).collect();
    clients.iter_mut().for_each(|client| client.send(unfinished("/kitchen/echo")));
    hob.wait_for_in_flight("kitchen", 40);
    let metrics = hob.metrics();
    let connections = |index| of_loop(&metrics, "hob_connections", index);
    assert!(connections(0) > 0.0 && connections(1) > 0.0, "all are on one loop");
    hob.signal(Signal::TERM);
    hob.wait_for_line(|line| line["event"] == "draining");
    for client in &mut clients {
        client.send(END_OF_BODY);
        client.response().expect(200);
        client.expect_closed();
    }
    assert_eq!(hob.wait().code(), Some(0));
}
