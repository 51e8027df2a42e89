//! The limits of a tenant: which was reached is in the answer, the log and the metrics, and the
//! neighbours are served as before.

use crate::failures::expect_failure;
use crate::harness::{
    Client, Guest, Hob, Response, Serve, chunked, every_mode, get, guest, plugin, post,
};
use crate::plugins::ask;

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];

/// A guest of the tenant that is limited, one after the other, beside one of a tenant that is not.
fn for_each_guest(names: &[&str], limits: &str, try_it: impl Fn(&Hob, &str)) {
    for name in names {
        let limited = guest(name).named("limited").tenant("limited");
        let hob = serve(limited, limits);
        try_it(&hob, name);
        hob.expect_hello("other");
    }
}

fn serve(limited: Guest, limits: &str) -> Hob {
    let other = guest("kitchen").named("other").tenant("other");
    Serve::new([limited, other]).tenant("limited", limits).start()
}

/// The answer is a refusal for this limit, and so is the line of the log; the metrics count it.
#[track_caller]
fn expect_over_limit(hob: &Hob, answer: Response, limit: &str, times: f64) {
    let wait = answer.header("retry-after").expect("a retry-after").to_owned();
    assert!(wait.parse::<u64>().expect("seconds") >= 1, "{answer:?}");
    let code = format!("tenant-{limit}");
    let id = expect_failure(answer, 429, &code);
    let access = hob.wait_for_line(|line| line["kind"] == "access" && line["id"] == *id);
    assert_eq!((&access["code"], &access["tenant"]), (&code.into(), &"limited".into()), "{access}");
    assert_eq!(access["handler"], "limited", "{access}");
    let metrics = hob.metrics();
    assert_eq!(metrics.refused("limited", limit), times);
    assert_eq!(metrics.beginning("hob_tenant_refused_total{tenant=\"other\"").count(), 0);
}

#[test]
fn requests_beyond_the_rate_are_refused_and_those_within_are_not() {
    for_each_guest(&KITCHENS, "requests_per_second = 1, burst = 3", |hob, _| {
        (0..3).for_each(|_| hob.expect_hello("limited"));
        let mut refused = 0;
        // A second may pass between two of them, and then one is let in.
        while refused == 0 {
            let answer = hob.get("/limited/hello");
            if answer.status != 200 {
                refused += 1;
                expect_over_limit(hob, answer, "rate", 1.0);
            }
        }
    });
}

#[test]
fn a_tenant_that_has_used_up_its_share_of_the_loop_is_refused_until_it_has_made_up_for_it() {
    for_each_guest(&KITCHENS, "cpu_ms_per_second = 1", |hob, _| {
        // A hundred seconds' worth.
        hob.get("/limited/spin?ms=100").expect(200);
        hob.wait_for_access("/limited/spin");
        let answer = hob.get("/limited/hello");
        let wait = answer.header("retry-after").expect("a retry-after").to_owned();
        assert!(wait.parse::<u64>().expect("seconds") > 1, "{wait}");
        expect_over_limit(hob, answer, "cpu", 1.0);
        assert!(hob.metrics().of_tenant("limited", "hob_tenant_cpu_seconds_total") > 0.0);
    });
}

#[test]
fn a_request_beyond_those_in_flight_is_refused_at_once_where_none_may_wait() {
    for_each_guest(&KITCHENS, "requests_in_flight = 2, queue = 0", |hob, _| {
        let mut held: Vec<_> = (0..2).map(|_| hob.client()).collect();
        held.iter_mut().for_each(|client| client.send(get("/limited/sleep?ms=3600000")));
        hob.wait_for_in_flight("limited", 2);
        expect_over_limit(hob, hob.get("/limited/hello"), "requests", 1.0);
        let in_flight = "hob_tenant_requests_in_flight";
        assert_eq!(hob.metrics().of_tenant("limited", in_flight), 2.0);
        drop(held);
        hob.wait_for_metrics(|metrics| metrics.of_tenant("limited", in_flight) == 0.0);
        hob.expect_hello("limited");
    });
}

#[test]
fn a_request_waits_for_a_place_and_has_it_in_the_order_it_came() {
    for_each_guest(&KITCHENS, "requests_in_flight = 1, queue_ms = 3600000", |hob, _| {
        let mut holding = hob.client();
        holding.send(get("/limited/sleep?ms=3600000"));
        hob.wait_for_in_flight("limited", 1);
        let mut waiting: Vec<_> = (0..3).map(|_| hob.client()).collect();
        let queued = |count| {
            hob.wait_for_metrics(|m| m.of_tenant("limited", "hob_tenant_requests_queued") == count);
        };
        for (index, client) in waiting.iter_mut().enumerate() {
            client.send(get(&format!("/limited/hello?{index}")));
            queued(index as f64 + 1.0);
        }
        // One that leaves gives up its place in the queue.
        drop(waiting.remove(1));
        queued(2.0);
        drop(holding);
        for client in &mut waiting {
            assert_eq!(client.response().expect(200).text(), "hello world\n");
        }
        let metrics = hob.metrics();
        assert_eq!(metrics.beginning("hob_tenant_refused_total{").count(), 0);
    });
}

/// Connections of which each loop has some; the kernel spreads them.
fn on_both_loops(hob: &Hob) -> Vec<Client> {
    let mut clients = Vec::new();
    loop {
        clients.push(hob.client());
        clients.last_mut().expect("a client").exchange(get("/other/hello")).expect(200);
        let metrics = hob.metrics();
        let open = |index| metrics.get(&format!("hob_connections{{loop=\"{index}\"}}"));
        if open(0) >= 3.0 && open(1) >= 3.0 {
            return clients;
        }
        assert!(clients.len() < 200, "the kernel does not spread them");
    }
}

#[test]
fn a_limit_holds_for_all_loops_together_and_a_place_goes_from_one_to_another() {
    for name in KITCHENS {
        let limited = guest(name).named("limited").tenant("limited");
        let other = guest("kitchen").named("other").tenant("other");
        let hob = Serve::new([limited, other])
            .server("loops = 2")
            .tenant("limited", "requests_in_flight = 2, queue = 200, queue_ms = 3600000")
            .start();
        let mut clients = on_both_loops(&hob);
        let of_limited = |name: &str, count: f64| {
            let name = format!("hob_tenant_requests_{name}");
            hob.wait_for_metrics(|m| m.of_tenant("limited", &name) == count);
        };
        let mut holding: Vec<_> = (0..2).map(|_| hob.client()).collect();
        holding.iter_mut().for_each(|client| client.send(get("/limited/sleep?ms=3600000")));
        of_limited("in_flight", 2.0);
        clients.iter_mut().for_each(|client| client.send(get("/limited/hello")));
        of_limited("queued", clients.len() as f64);
        of_limited("in_flight", 2.0);
        // One place is enough for all of them, whichever loop they are on.
        drop(holding.pop());
        for client in &mut clients {
            assert_eq!(client.response().expect(200).text(), "hello world\n");
        }
        of_limited("queued", 0.0);
        of_limited("in_flight", 1.0);
        drop(holding);
        of_limited("in_flight", 0.0);
        assert_eq!(hob.metrics().beginning("hob_tenant_refused_total{").count(), 0);
    }
}

#[test]
fn a_request_for_which_there_is_no_room_in_the_queue_is_refused() {
    let limits = "requests_in_flight = 1, queue = 1, queue_ms = 3600000";
    for_each_guest(&KITCHENS, limits, |hob, _| {
        let mut holding = hob.client();
        holding.send(get("/limited/sleep?ms=3600000"));
        hob.wait_for_in_flight("limited", 1);
        let mut waiting = hob.client();
        waiting.send(get("/limited/hello"));
        hob.wait_for_metrics(|m| m.of_tenant("limited", "hob_tenant_requests_queued") == 1.0);
        expect_over_limit(hob, hob.get("/limited/hello"), "queue", 1.0);
        drop(holding);
        waiting.response().expect(200);
    });
}

#[test]
fn a_request_that_has_waited_too_long_is_refused() {
    for_each_guest(&KITCHENS, "requests_in_flight = 1, queue_ms = 50", |hob, _| {
        let mut holding = hob.client();
        holding.send(get("/limited/sleep?ms=3600000"));
        hob.wait_for_in_flight("limited", 1);
        expect_over_limit(hob, hob.get("/limited/hello"), "queue", 1.0);
        let queued = hob.metrics().of_tenant("limited", "hob_tenant_requests_queued");
        assert_eq!(queued, 0.0);
    });
}

#[test]
fn a_guest_that_wants_memory_its_tenant_has_not_is_refused_as_its_tenant() {
    for_each_guest(&KITCHENS, "memory_mib = 48", |hob, _| {
        // It may have 256 MiB itself.
        expect_over_limit(hob, hob.get("/limited/grow"), "memory", 1.0);
        hob.expect_hello("limited");
        let memory = hob.metrics().of_tenant("limited", "hob_tenant_memory_bytes");
        assert!(memory <= 48.0 * 1024.0 * 1024.0, "{memory}");
    });
}

#[test]
fn memory_comes_back_when_instances_go() {
    let limited = guest("kitchen-0-2").named("limited").tenant("limited");
    let hob = serve(limited, "memory_mib = 48");
    (0..5).for_each(|round| {
        expect_over_limit(&hob, hob.get("/limited/grow"), "memory", f64::from(round + 1));
    });
    (0..5).for_each(|_| hob.expect_hello("limited"));
    hob.wait_for_metrics(|metrics| {
        metrics.of_tenant("limited", "hob_tenant_memory_bytes") == 0.0
            && metrics.of_tenant("limited", "hob_tenant_instances") == 0.0
    });
}

#[test]
fn instances_beyond_the_limit_are_refused_and_come_back() {
    let limited = guest("kitchen-0-2").named("limited").tenant("limited");
    let hob = serve(limited, "instances = 2");
    let mut held: Vec<_> = (0..2).map(|_| hob.client()).collect();
    held.iter_mut().for_each(|client| client.send(get("/limited/sleep?ms=3600000")));
    hob.wait_for_metrics(|m| m.of_tenant("limited", "hob_tenant_instances") == 2.0);
    expect_over_limit(&hob, hob.get("/limited/hello"), "instances", 1.0);
    hob.expect_hello("other");
    drop(held);
    hob.wait_for_metrics(|m| m.of_tenant("limited", "hob_tenant_instances") == 0.0);
    hob.expect_hello("limited");
}

#[test]
fn instances_at_rest_give_way_to_those_at_work_of_the_same_tenant() {
    let resting = guest("kitchen-0-2").named("resting").tenant("limited").isolation("reuse");
    let working = guest("kitchen-0-2").named("working").tenant("limited");
    let other = guest("kitchen-0-2").named("other").tenant("other").isolation("reuse");
    let hob = Serve::new([resting, working, other]).tenant("limited", "instances = 1").start();
    hob.expect_hello("other");
    hob.expect_hello("resting");
    hob.wait_for_access("/resting/hello");
    assert_eq!(hob.metrics().of_tenant("limited", "hob_tenant_instances"), 1.0);
    hob.expect_hello("working");
    hob.expect_hello("resting");
    hob.expect_hello("other");
    let metrics = hob.metrics();
    assert_eq!(metrics.of("resting", "hob_instances_made_total"), 2.0);
    assert_eq!(metrics.of("other", "hob_instances_made_total"), 1.0);
    assert_eq!(metrics.beginning("hob_tenant_refused_total{").count(), 0);
}

/// Whatever the limits of the handler, of a route and of a plug-in are.
#[test]
fn no_request_of_a_tenant_takes_longer_than_its_tenant_allows() {
    let generous = "cpu_ms = 3600000, wall_ms = 3600000";
    let mut guests = every_mode(&KITCHENS);
    guests.iter_mut().for_each(|one| *one = one.clone().tenant("limited").limits(generous));
    guests.push(plugin("a").tenant("limited").limits(generous));
    guests.push(guest("kitchen").named("behind").tenant("limited").behind(&["a"]));
    guests.push(guest("kitchen").named("of-a-route").tenant("limited"));
    guests.push(guest("kitchen").named("other").tenant("other").limits(generous));
    let route = "prefix = \"/routed\"\nhandler = \"of-a-route\"\ntenant = \"limited\"";
    let hob = Serve::new(guests)
        .route(&format!("{route}\nlimits = {{ {generous} }}"))
        .tenant("limited", "cpu_ms = 300, wall_ms = 1000")
        .start();
    let names: Vec<_> = hob
        .names()
        .filter(|name| !["other", "of-a-route"].contains(name))
        .map(str::to_owned)
        .collect();
    for name in names.iter().map(String::as_str).chain(["routed"]) {
        let spun = expect_failure(hob.get(&format!("/{name}/spin")), 503, "cpu-limit");
        let access = hob.wait_for_line(|line| line["kind"] == "access" && line["id"] == *spun);
        assert!(access["on_loop_us"].as_u64() >= Some(300_000), "{access}");
        expect_failure(hob.get(&format!("/{name}/sleep?ms=3600000")), 504, "wall-limit");
        hob.expect_hello(name);
    }
    for (deed, status, code) in [("a=spin", 503, "cpu-limit"), ("a=sleep", 504, "wall-limit")] {
        expect_failure(ask(&hob, "/behind/hello", deed), status, code);
    }
    hob.get("/other/spin?ms=400").expect(200);
}

/// The smaller of the two counts.
#[test]
fn what_a_tenant_allows_is_no_more_than_its_handlers_have() {
    let limited = guest("kitchen").named("limited").tenant("limited").limits("wall_ms = 200");
    let hob = serve(limited, "wall_ms = 3600000, cpu_ms = 3600000");
    expect_failure(hob.get("/limited/sleep?ms=3600000"), 504, "wall-limit");
}

#[test]
fn the_limits_for_all_tenants_hold_for_one_that_says_nothing_else() {
    let guests = ["said", "unsaid"].map(|name| guest("kitchen").named(name).tenant(name));
    let hob = Serve::new(guests)
        .connections("[tenant_limits]\nrequests_in_flight = 1\nqueue = 0")
        .tenant("said", "queue = 1, queue_ms = 3600000")
        .start();
    for name in ["said", "unsaid"] {
        let mut holding = hob.client();
        holding.send(get(&format!("/{name}/sleep?ms=3600000")));
        hob.wait_for_in_flight(name, 1);
        let mut second = hob.client();
        second.send(get(&format!("/{name}/hello")));
        if name == "said" {
            hob.wait_for_metrics(|m| m.of_tenant(name, "hob_tenant_requests_queued") == 1.0);
        } else {
            expect_failure(second.response(), 429, "tenant-requests");
        }
    }
}

#[test]
fn jobs_beyond_those_that_may_wait_for_a_host_thread_are_refused() {
    let limited = guest("capabilities").named("limited").tenant("limited").grants("");
    let other = guest("kitchen").named("other").tenant("other");
    let hob = Serve::new([limited, other])
        .server("host_threads = 1")
        .tenant("limited", "host_jobs = 1")
        .start();
    let mut busy = 0;
    while busy == 0 {
        let mut clients: Vec<_> = (0..8).map(|_| hob.client()).collect();
        let hash = || post("/limited/crypto.hash-password?what=argon2id:65536:3:1", "736563726574");
        clients.iter_mut().for_each(|client| client.send(hash()));
        let answers = clients.iter_mut().map(|client| client.response());
        busy = answers.filter(|answer| answer.text() == "Busy").count();
    }
    let line = hob.wait_for_line(|line| line["event"] == "tenant-busy");
    assert_eq!((&line["tenant"], &line["code"]), (&"limited".into(), &"tenant-jobs".into()));
    assert_eq!(hob.metrics().refused("limited", "jobs"), busy as f64);
    hob.expect_hello("other");
}

#[test]
fn a_body_beyond_what_the_tenant_takes_is_refused_however_it_is_framed() {
    for_each_guest(&["kitchen", "kitchen-0-2", "fast-0-2"], "body_mib = 1", |hob, name| {
        let deed = if name == "fast-0-2" { "hello" } else { "echo" };
        let target = format!("/limited/{deed}");
        let most = vec![b'x'; 1024 * 1024];
        hob.exchange(post(&target, &most)).expect(200);
        let mut client = hob.client();
        let sending = client.send_beside(post(&target, [&most[..], b"y"].concat()));
        expect_failure(client.response(), 413, "tenant-body");
        // The server has closed, or has taken all of it.
        let _ = sending.join().expect("the sender");
        hob.wait_for_metrics(|m| m.refused("limited", "body") == 1.0);
        // Of a length that no one says: it is read until it is too long, whatever the guest makes of that.
        if deed == "echo" {
            let pieces: Vec<&[u8]> = most.chunks(64 * 1024).chain([&b"y"[..]]).collect();
            let mut client = hob.client();
            let sending = client.send_beside(chunked(&target, pieces));
            expect_failure(client.response(), 413, "tenant-body");
            let _ = sending.join().expect("the sender");
        }
    });
}
