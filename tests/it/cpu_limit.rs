//! Guests that hold the loop or wait too long: the limits end them, and until then the loop
//! serves the others.

use crate::failures::{expect_failure, failure_line};
use crate::harness::{Metrics, Serve, every_mode, get, guest};

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];

#[test]
fn a_guest_that_spins_is_ended_at_its_limit() {
    let guests = every_mode(&KITCHENS).into_iter().chain(every_mode(&["fast-0-2"]));
    let hob = Serve::new(guests.map(|guest| guest.limits("cpu_ms = 300"))).start();
    for name in hob.names() {
        let mut client = hob.client();
        let id = expect_failure(client.exchange(get(&format!("/{name}/spin"))), 503, "cpu-limit");
        failure_line(&hob, &id);
        client.exchange(get(&format!("/{name}/hello"))).expect(200);
        let access = hob.wait_for_line(|line| line["kind"] == "access" && line["id"] == *id);
        // It cannot have been ended before it had used what it may use.
        assert!(access["on_loop_us"].as_u64() >= Some(300_000), "{access}");
        assert!(hob.metrics().of(name, "hob_handler_cpu_seconds_total") >= 0.3, "{name}");
    }
}

#[test]
fn others_are_answered_while_guests_spin() {
    let mut guests = every_mode(&KITCHENS);
    guests.iter_mut().for_each(|guest| *guest = guest.clone().limits("cpu_ms = 3600000"));
    guests.push(guest("kitchen").named("other"));
    let hob = Serve::new(guests).start();
    let mut spinners = Vec::new();
    for name in hob.names().filter(|name| *name != "other") {
        let mut spinner = hob.client();
        spinner.send(get(&format!("/{name}/spin")));
        spinners.push(spinner);
        hob.wait_for_in_flight(name, 1);
        for _ in 0..5 {
            hob.expect_hello("other");
        }
        // A handler is not held up by its own either, where the instance is another one.
        if !name.ends_with(".shared") {
            hob.expect_hello(name);
        }
    }
    assert_eq!(hob.ask_admin("/healthz").expect(200).text(), "ok\n");
    assert!(hob.metrics().get("hob_loop_heavy_slices_total{loop=\"0\"}") > 0.0);
    // Once their clients leave, those that have an instance of their own are dropped.
    drop(spinners);
    for name in hob.names().filter(|name| *name != "other") {
        hob.wait_for_access(&format!("/{name}/spin"));
        hob.wait_for_in_flight(name, 0);
    }
    hob.expect_hello("other");
}

/// Each run of it is shorter than a slice, and one follows upon the other.
#[test]
fn a_guest_that_computes_and_writes_again_and_again_holds_up_no_one() {
    let kitchens = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];
    let mut guests = every_mode(&kitchens);
    guests.retain(|guest| !guest.name().ends_with(".shared"));
    guests.iter_mut().for_each(|guest| *guest = guest.clone().limits("cpu_ms = 3600000"));
    guests.push(guest("kitchen").named("other"));
    let hob = Serve::new(guests).start();
    for name in hob.names().filter(|name| *name != "other") {
        let mut dripper = hob.client();
        dripper.send(get(&format!("/{name}/drip")));
        dripper.head().expect(200);
        let slices = |metrics: &Metrics| metrics.get("hob_loop_heavy_slices_total{loop=\"0\"}");
        let before = slices(&hob.metrics());
        for _ in 0..20 {
            hob.expect_hello("other");
        }
        hob.expect_hello(name);
        // It is still at it, and its runs count together: two of them fill a slice.
        assert_eq!(hob.metrics().of(name, "hob_requests_in_flight"), 1.0, "{name}");
        const PIECES: usize = 400;
        dripper.up_to(PIECES * "1\r\nx\r\n".len());
        let given = slices(&hob.metrics()) - before;
        assert!(given >= PIECES as f64 / 4.0, "{name}: {given} slices for {PIECES} pieces");
        drop(dripper);
        hob.wait_for_in_flight(name, 0);
    }
}

#[test]
fn several_spinners_take_turns_and_all_finish() {
    let guests = every_mode(&["kitchen", "kitchen-0-2"]).into_iter();
    let hob = Serve::new(guests.map(|guest| guest.limits("cpu_ms = 60000"))).start();
    let mut clients = Vec::new();
    for name in hob.names().filter(|name| !name.ends_with(".shared")) {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/spin?ms=50")));
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "spun\n");
    }
}

#[test]
fn a_guest_that_answers_and_then_writes_without_end_is_cut_at_its_limit() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("cpu_ms = 500"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/endless")));
        client.head().expect(200);
        let (read, end) = client.discard(50_000_000_000);
        assert!(read < 50_000_000_000, "{name} was let write without end");
        assert!(!end.ends_with(b"0\r\n\r\n"), "{name}: the end of a whole body");
        let access = hob.wait_for_access(&format!("/{name}/endless"));
        assert_eq!(access["ended"], "cut", "{access}");
        // Where several could share an instance, the limit counts what is sampled and the line what the polls took.
        let least = if name.ends_with(".shared") { 400_000 } else { 500_000 };
        assert!(access["on_loop_us"].as_u64() >= Some(least), "{access}");
        let broken =
            hob.wait_for_line(|line| line["event"] == "body-broken" && line["id"] == access["id"]);
        assert_eq!(broken["detail"], "CpuLimit", "{broken}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_guest_that_waits_too_long_is_answered_for_with_504() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("wall_ms = 1000"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let mut client = hob.client();
        let answer = client.exchange(get(&format!("/{name}/sleep?ms=60000")));
        expect_failure(answer, 504, "wall-limit");
        client.exchange(get(&format!("/{name}/hello"))).expect(200);
    }
}

#[test]
fn a_guest_that_computes_until_its_time_is_over_holds_up_no_one() {
    let limits = "cpu_ms = 3600000, wall_ms = 300";
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits(limits));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        // The time is over in the middle of a turn, which is a slice of the guest.
        expect_failure(hob.get(&format!("/{name}/spin")), 504, "wall-limit");
        hob.expect_hello(name);
    }
}

#[test]
fn a_stream_that_pauses_too_long_is_cut() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("wall_ms = 1000"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/stream?chunks=2&size=10&pause_ms=60000"));
        assert_eq!((answer.status, answer.complete), (200, false), "{name}: {answer:?}");
        assert_eq!(answer.body, b"aaaaaaaaaa", "{name}");
        hob.expect_hello(name);
    }
}

#[test]
fn the_limits_of_the_file_hold_for_a_handler_that_has_none_of_its_own() {
    // `[limits]` may stand anywhere in the file, here after `[connections]`.
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2").limits("wall_ms = 60000")])
        .connections("[limits]\nwall_ms = 200")
        .start();
    expect_failure(hob.get("/kitchen/sleep?ms=60000"), 504, "wall-limit");
    hob.get("/kitchen-0-2/sleep?ms=500").expect(200);
}
