//! What requests in one `shared` instance do to each other, and what they do not.

use crate::failures::expect_failure;
use crate::harness::{Client, END_OF_BODY, Hob, Serve, get, guest, unfinished};

const GUESTS: [&str; 2] = ["kitchen", "kitchen-0-3"];

fn sleepers(hob: &Hob, name: &str, count: usize) -> Vec<Client> {
    let mut sleepers: Vec<_> = (0..count).map(|_| hob.client()).collect();
    for sleeper in &mut sleepers {
        sleeper.send(get(&format!("/{name}/sleep?ms=60000")));
    }
    hob.wait_for_in_flight(name, count);
    sleepers
}

fn serve(limits: &str) -> Hob {
    let guests = GUESTS.map(|name| guest(name).isolation("shared").limits(limits));
    Serve::new(guests).start()
}

#[test]
fn requests_at_once_are_in_one_instance() {
    let hob = serve("");
    for name in GUESTS {
        let _sleepers = sleepers(&hob, name, 50);
        assert_eq!(hob.get(&format!("/{name}/count")).expect(200).text(), "1\n");
        assert_eq!(hob.get(&format!("/{name}/count")).expect(200).text(), "2\n");
        assert_eq!(hob.metrics().of(name, "hob_instances_made_total"), 1.0, "{name}");
    }
}

#[test]
fn a_trap_ends_its_neighbours_and_the_next_request_works() {
    let hob = serve("");
    for name in GUESTS {
        let neighbours = sleepers(&hob, name, 5);
        expect_failure(hob.get(&format!("/{name}/trap")), 500, "trap");
        for mut neighbour in neighbours {
            let answer = neighbour.response();
            assert!((500..=599).contains(&answer.status), "{name}: {answer:?}");
            assert!(answer.header("x-request-id").is_some(), "{name}: {answer:?}");
            // Its connection is as good as before.
            neighbour.exchange(get(&format!("/{name}/hello"))).expect(200);
        }
        assert_eq!(hob.metrics().of(name, "hob_instances_made_total"), 2.0, "{name}");
    }
}

#[test]
fn a_trap_cuts_the_streams_of_its_neighbours() {
    let hob = serve("");
    for name in GUESTS {
        let mut neighbour = hob.client();
        neighbour.send(get(&format!("/{name}/stream?chunks=2&size=5&pause_ms=60000")));
        let head = neighbour.head().expect(200);
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{name}");
        expect_failure(hob.get(&format!("/{name}/trap")), 500, "trap");
        // The first piece, and not the end that every whole chunked body has.
        assert_eq!(neighbour.rest(), b"5\r\naaaaa\r\n", "{name}");
        hob.expect_hello(name);
    }
}

#[test]
fn the_cpu_limit_names_the_one_who_reached_it() {
    let hob = serve("cpu_ms = 300");
    for name in GUESTS {
        let neighbours = sleepers(&hob, name, 5);
        expect_failure(hob.get(&format!("/{name}/spin")), 503, "cpu-limit");
        for mut neighbour in neighbours {
            expect_failure(neighbour.response(), 500, "instance-lost");
            neighbour.exchange(get(&format!("/{name}/hello"))).expect(200);
        }
    }
}

/// Has one request fail while others wait in the same instance.
fn fails_alone(name: &str, behaviour: &str) {
    let hob = Serve::new([guest(name).isolation("shared")]).start();
    let mut neighbours: Vec<_> = (0..5).map(|_| hob.client()).collect();
    for neighbour in &mut neighbours {
        neighbour.send(unfinished(&format!("/{name}/echo")));
    }
    hob.wait_for_in_flight(name, 5);
    for _ in 0..3 {
        let answer = hob.get(&format!("/{name}/{behaviour}"));
        expect_failure(answer, 500, "invalid-response");
    }
    for mut neighbour in neighbours {
        neighbour.send(END_OF_BODY);
        assert_eq!(neighbour.response().expect(200).text(), "hello", "{name}/{behaviour}");
    }
    hob.expect_hello(name);
    assert_eq!(hob.metrics().of(name, "hob_instances_made_total"), 1.0, "{name}/{behaviour}");
}

#[test]
fn a_response_that_is_none_is_its_own_request_s_failure_alone() {
    for behaviour in ["bad-status", "bad-value", "bad-name"] {
        fails_alone("fast-0-3", behaviour);
    }
    fails_alone("kitchen-0-3", "status?code=100");
}

/// Never for as long as a slice, so that only samples of it are seen.
#[test]
fn a_guest_that_computes_again_and_again_reaches_its_cpu_limit() {
    let hob = serve("cpu_ms = 500");
    for name in GUESTS {
        expect_failure(hob.get(&format!("/{name}/nag")), 503, "cpu-limit");
        hob.expect_hello(name);
    }
}

#[test]
fn a_guest_that_computes_again_and_again_after_its_answer_reaches_its_cpu_limit() {
    let hob = serve("cpu_ms = 500");
    for name in GUESTS {
        hob.get(&format!("/{name}/nag-after")).expect(200);
        // Who is in its instance when it is ended sees it, whenever that is.
        let mut neighbour = hob.client();
        neighbour.send(get(&format!("/{name}/sleep?ms=3600000")));
        let answer = neighbour.response();
        expect_failure(answer, 500, "instance-lost");
        hob.expect_hello(name);
    }
}

#[test]
fn a_long_stream_is_not_ended_for_the_time_of_its_neighbours() {
    let hob = serve("cpu_ms = 2000");
    for name in GUESTS {
        let mut stream = hob.client();
        stream.send(get(&format!("/{name}/stream?chunks=100000&size=5&pause_ms=5")));
        stream.head().expect(200);
        // More than twice the limit in all, and each of them is far from it.
        for _ in 0..30 {
            hob.get(&format!("/{name}/spin?ms=150")).expect(200);
        }
        let before = stream.up_to(5_000).len();
        assert_eq!(before, 5_000, "{name}: the stream was cut");
        assert_eq!(hob.metrics().of(name, "hob_instances_made_total"), 1.0, "{name}");
    }
}

#[test]
fn memory_of_an_instance_is_bounded_for_all_requests_in_it() {
    let hob = serve("memory_mib = 16");
    for name in GUESTS {
        let neighbours = sleepers(&hob, name, 3);
        expect_failure(hob.get(&format!("/{name}/grow")), 503, "memory-limit");
        for mut neighbour in neighbours {
            let answer = neighbour.response();
            assert!((500..=599).contains(&answer.status), "{name}: {answer:?}");
            neighbour.exchange(get(&format!("/{name}/hello"))).expect(200);
        }
    }
}

#[test]
fn a_wall_limit_is_its_own_request_s_alone() {
    let hob = serve("wall_ms = 1500");
    for name in GUESTS {
        let mut slow = hob.client();
        slow.send(get(&format!("/{name}/sleep?ms=60000")));
        hob.wait_for_in_flight(name, 1);
        // Longer than the limit in all, but never between two pieces.
        let mut stream = hob.client();
        stream.send(get(&format!("/{name}/stream?chunks=9&size=5&pause_ms=250")));
        stream.head().expect(200);
        expect_failure(slow.response(), 504, "wall-limit");
        // What comes later is served elsewhere, and what is there may finish.
        assert_eq!(hob.get(&format!("/{name}/count")).expect(200).text(), "1\n", "{name}");
        let rest = stream.up_to(9 * 10 + 5);
        assert!(rest.ends_with(b"iiiii\r\n0\r\n\r\n"), "{name}: {rest:?}");
    }
}

#[test]
fn a_client_that_leaves_takes_no_one_along() {
    let hob = serve("");
    for name in GUESTS {
        let mut staying = hob.client();
        staying.send(unfinished(&format!("/{name}/echo")));
        hob.wait_for_in_flight(name, 1);
        let mut leaving: Vec<_> = (0..10).map(|_| hob.client()).collect();
        for client in &mut leaving {
            client.send(get(&format!("/{name}/sleep?ms=60000")));
        }
        hob.wait_for_in_flight(name, 11);
        // It came to the instance behind them, so all of them are in it.
        hob.expect_hello(name);
        drop(leaving);
        hob.wait_for_in_flight(name, 1);
        staying.send(END_OF_BODY);
        assert_eq!(staying.response().expect(200).text(), "hello", "{name}");
        assert_eq!(hob.metrics().of(name, "hob_instances_made_total"), 1.0, "{name}");
    }
}
