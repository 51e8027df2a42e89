//! Guests that keep what they are given: the host replaces an instance before that hurts.

use crate::harness::{Serve, get, guest};

#[test]
fn a_reused_instance_that_leaks_a_handle_a_request_goes_on() {
    let hob = Serve::new([guest("kitchen-0-2").isolation("reuse")]).start();
    let mut client = hob.client();
    for _ in 0..3000 {
        client.exchange(get("/kitchen-0-2/leak")).expect(200);
    }
    let metrics = hob.metrics();
    let made = metrics.of("kitchen-0-2", "hob_instances_made_total");
    assert!((2.0..=100.0).contains(&made), "{made} instances for 3000 requests");
}

#[test]
fn a_reused_instance_that_leaks_many_handles_is_replaced() {
    for name in ["kitchen-0-2", "kitchen-0-3"] {
        let hob = Serve::new([guest(name).isolation("reuse")]).start();
        let behaviour = if name == "kitchen-0-2" { "leak-many" } else { "leak" };
        let mut client = hob.client();
        for _ in 0..200 {
            let answer = client.exchange(get(&format!("/{name}/{behaviour}?n=1000")));
            assert_eq!(answer.expect(200).text(), "leaked\n", "{name}");
        }
        let metrics = hob.metrics();
        let made = metrics.of(name, "hob_instances_made_total");
        assert!(made >= 50.0, "{name}: {made} instances for 200,000 handles");
        assert!(metrics.of(name, "hob_instances_reused_total") > 0.0, "{name}");
    }
}

#[test]
fn memory_beyond_a_declared_maximum_is_not_counted() {
    let handlers = [guest("fast-0-2").isolation("reuse").limits("memory_mib = 256")];
    let hob = Serve::new(handlers).start();
    let mut client = hob.client();
    for _ in 0..20 {
        let answer = client.exchange(get("/fast-0-2/probe-memory")).expect(200);
        assert_eq!(answer.text(), "true 8388608\n");
    }
    // Nor has the instance been replaced for it.
    assert_eq!(hob.metrics().of("fast-0-2", "hob_instances_made_total"), 1.0);
}

#[test]
fn a_shared_instance_that_leaks_is_replaced() {
    let hob = Serve::new([guest("kitchen-0-3").isolation("shared")]).start();
    let mut client = hob.client();
    for _ in 0..300 {
        client.exchange(get("/kitchen-0-3/leak?n=500")).expect(200);
    }
    let made = hob.metrics().of("kitchen-0-3", "hob_instances_made_total");
    assert!(made >= 2.0, "{made} instances for 150,000 handles");
}

#[test]
fn a_shared_instance_that_leaks_is_replaced_also_when_it_is_never_at_rest() {
    let hob = Serve::new([guest("kitchen-0-3").isolation("shared")]).start();
    let mut restless = hob.client();
    let mut client = hob.client();
    // There is always one request under way when the other ends.
    restless.send(get("/kitchen-0-3/sleep?ms=30"));
    for _ in 0..300 {
        client.exchange(get("/kitchen-0-3/leak?n=500")).expect(200);
        if restless.hears_within(std::time::Duration::from_nanos(1000)) {
            restless.response().expect(200);
            restless.send(get("/kitchen-0-3/sleep?ms=30"));
        }
    }
    let made = hob.metrics().of("kitchen-0-3", "hob_instances_made_total");
    assert!(made >= 2.0, "{made} instances for 150,000 handles");
}

#[test]
fn handles_without_bound_in_one_request_are_a_failure_of_that_request() {
    let guests = ["kitchen-0-2", "kitchen-0-3"].map(|name| guest(name).isolation("fresh"));
    let hob = Serve::new(guests).start();
    for (name, behaviour) in [("kitchen-0-2", "leak-many"), ("kitchen-0-3", "leak")] {
        let answer = hob.get(&format!("/{name}/{behaviour}?n=1000000")).expect(500);
        assert!(answer.text().starts_with("trap\n"), "{name}: {answer:?}");
        hob.expect_hello(name);
    }
}
