//! Waiting: it costs the loop nothing, and holds up no one.

use crate::harness::{Client, Metrics, Serve, every_mode, get, guest};

const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

#[test]
fn two_hundred_sleepers_sleep_at_once() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut sleepers: Vec<Client> = (0..200).map(|_| hob.client()).collect();
        for sleeper in &mut sleepers {
            sleeper.send(get(&format!("/{name}/sleep?ms=300")));
        }
        for sleeper in &mut sleepers {
            let answer = sleeper.response().expect(200);
            assert!(answer.text().starts_with("slept"), "{name}: {answer:?}");
        }
    }
}

#[test]
fn a_sleep_of_a_minute_holds_up_no_one() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut sleeper = hob.client();
        sleeper.send(get(&format!("/{name}/sleep?ms=60000")));
        hob.wait_for_in_flight(name, 1);
        hob.expect_hello(name);
        assert_eq!(hob.get(&format!("/{name}/sleep?ms=1")).status, 200, "{name}");
    }
}

#[test]
fn a_guest_that_polls_without_waiting_holds_up_no_one() {
    let guests = every_mode(&["kitchen-0-2"]).into_iter();
    let hob = Serve::new(guests.map(|guest| guest.limits("cpu_ms = 60000"))).start();
    for name in hob.names() {
        let mut poller = hob.client();
        poller.send(get(&format!("/{name}/poll-zero?ms=60000")));
        hob.wait_for_in_flight(name, 1);
        for _ in 0..20 {
            hob.expect_hello(name);
        }
        assert_eq!(hob.get(&format!("/{name}/sleep?ms=1")).status, 200, "{name}");
        assert_eq!(hob.metrics().of(name, "hob_requests_in_flight"), 1.0, "{name}");
    }
}

#[test]
fn a_guest_that_polls_without_waiting_finishes() {
    let hob = Serve::new(every_mode(&["kitchen-0-2"])).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/poll-zero?ms=20")).expect(200);
        assert_eq!(answer.text(), "polled\n", "{name}");
    }
}

#[test]
fn a_timer_that_has_expired_is_ready_at_once() {
    let hob = Serve::new(every_mode(&["kitchen-0-2"])).start();
    for name in hob.names() {
        // One of no time at all, one that has passed, and one that has not.
        let answer = hob.get(&format!("/{name}/poll-ready")).expect(200);
        assert_eq!(answer.text(), "true true false\n", "{name}");
    }
}

#[test]
fn work_goes_on_after_the_answer() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-standard", "kitchen-0-3"])).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/late")).expect(200);
        assert_eq!(answer.text(), "answered\n", "{name}");
        let access = hob.wait_for_access(&format!("/{name}/late"));
        let late = hob.wait_for_line(|line| {
            line["kind"] == "guest" && line["handler"] == name && line["line"] == "late work done"
        });
        // Many requests share that instance, and this one has been answered: its name is gone.
        if !name.ends_with(".shared") {
            assert_eq!(late["id"], access["id"], "{late}");
        }
    }
}

#[test]
fn work_after_the_answer_ends_at_the_wall_limit() {
    let short = guest("kitchen").isolation("fresh").limits("wall_ms = 2000");
    let hob = Serve::new([short]).start();
    let tasks = |metrics: &Metrics| metrics.get("hob_loop_tasks{loop=\"0\"}");
    let before = tasks(&hob.metrics());
    // Longer than anything is waited for.
    hob.get("/kitchen/late?ms=3600000").expect(200);
    hob.wait_for_metrics(|m| tasks(m) == before);
    assert!(!hob.lines().iter().any(|line| line["line"] == "late work done"));
}
