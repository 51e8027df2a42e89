//! `hob:host/timers`, of both generations and in every isolation mode. A machine that is busy makes a
//! wait longer, never shorter: what is compared are times with the ticks that were counted in them.

use std::time::Instant;

use crate::harness::{Hob, Serve, every_mode, get, guest};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

fn serve() -> Hob {
    Serve::new(every_mode(&GUESTS).into_iter().map(|guest| guest.grants(""))).start()
}

fn numbers(hob: &Hob, name: &str, operation: &str) -> Vec<u64> {
    let answer = hob.get(&format!("/{name}/timers.{operation}")).expect(200);
    answer.text().split(' ').map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn a_sleep_is_not_shorter_than_it_was_to_be() {
    let hob = serve();
    for name in hob.names() {
        let start = Instant::now();
        assert!(numbers(&hob, name, "sleep?length=30")[0] >= 30);
        assert!(start.elapsed().as_millis() >= 30);
        numbers(&hob, name, "sleep?length=0");
    }
}

#[test]
fn an_interval_gives_each_tick_once_or_counts_it_as_missed() {
    let hob = serve();
    for name in hob.names() {
        let [took, ticks] = numbers(&hob, name, "ticks?length=5&pieces=20")[..] else { panic!() };
        assert!(ticks >= 20 && took >= 5 * ticks, "{name}: {ticks} ticks in {took} ms");
        // A period of nothing is one of a millisecond.
        let [took, ticks] = numbers(&hob, name, "ticks?length=0&pieces=10")[..] else { panic!() };
        assert!(ticks >= 10 && took >= ticks, "{name}: {ticks} ticks in {took} ms");
    }
}

#[test]
fn who_is_late_for_a_tick_is_told_how_many_were_missed_and_the_pace_stays() {
    let hob = serve();
    for name in hob.names() {
        let [took, ticks, missed] = numbers(&hob, name, "late?length=40&pieces=4")[..] else {
            panic!()
        };
        // Four periods and a half had passed: one tick was given, three or more were missed.
        assert!(missed >= 3, "{name}: {missed}");
        assert!(took >= 40 * ticks, "{name}: {ticks} ticks in {took} ms");
    }
}

#[test]
fn ten_thousand_wait_at_once_in_one_instance() {
    let guest = guest("capabilities").grants("").limits("cpu_ms = 60000, wall_ms = 60000");
    let hob = Serve::new([guest]).start();
    let mut clients: Vec<_> = (0..10).map(|_| hob.client()).collect();
    for client in &mut clients {
        client.send(get("/capabilities/timers.many?length=500&pieces=1000"));
    }
    hob.wait_for_in_flight("capabilities", 10);
    // Others are served meanwhile.
    hob.expect_hello("capabilities");
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "1000");
    }
    assert_eq!(hob.metrics().of("capabilities", "hob_instances_made_total"), 1.0);
}
