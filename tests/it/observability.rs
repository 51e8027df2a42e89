//! What an operator sees: the lines of the log, health, readiness, and the metrics.

use serde_json::Value;

use crate::harness::{Serve, every_mode, get, guest};

const KITCHENS: [&str; 3] = ["kitchen", "kitchen-0-2", "kitchen-0-3"];

fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {line}"))
}

#[test]
fn a_request_is_one_line_with_its_times() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("cpu_ms = 60000"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        hob.get(&format!("/{name}/sleep?ms=50")).expect(200);
        let line = hob.wait_for_access(&format!("/{name}/sleep"));
        assert_eq!(line["handler"], name, "{line}");
        assert_eq!(line["method"], "GET", "{line}");
        assert_eq!(line["status"], 200, "{line}");
        assert!(line["time"].as_f64() > Some(1.7e9), "{line}");
        assert_eq!(line["id"].as_str().map(str::len), Some(16), "{line}");
        assert!(line["ended"].is_null(), "{line}");
        let total = number(&line, "total_us");
        assert!(total >= 50_000, "{line}");
        let split = number(&line, "on_loop_us") + number(&line, "suspended_us");
        assert!(total.abs_diff(split) <= 1, "{line}");
        // That a guest which computes has held the loop all the while, `cpu_limit` shows.
        assert!(number(&line, "suspended_us") > 0, "{line}");
    }
    let accesses = hob.lines().into_iter().filter(|line| line["kind"] == "access");
    let mut ids: Vec<_> = accesses.map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    let count = ids.len();
    assert_eq!(count, hob.names().count(), "one line a request");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no id twice");
}

#[test]
fn the_bytes_of_a_body_are_counted() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        hob.get(&format!("/{name}/stream?chunks=10&size=50000")).expect(200);
        assert_eq!(number(&hob.wait_for_access(&format!("/{name}/stream")), "bytes"), 500_000);
        hob.get(&format!("/{name}/hello")).expect(200);
        assert_eq!(number(&hob.wait_for_access(&format!("/{name}/hello")), "bytes"), 12);
    }
}

#[test]
fn the_log_can_be_switched_off() {
    let hob = Serve::new([guest("kitchen")]).server("access_log = false").start();
    hob.get("/kitchen/hello").expect(200);
    hob.exchange("no request\r\n\r\n").expect(400);
    hob.get("/kitchen/print?line=last").expect(200);
    hob.wait_for_line(|line| line["line"] == "last");
    assert!(hob.lines().iter().all(|line| line["kind"] != "access"), "{:#?}", hob.lines());
}

#[test]
fn a_path_cannot_break_a_line() {
    let hob = Serve::new([guest("kitchen")]).start();
    hob.get("/kitchen/\"\\%0a{}/hello?secret=1").expect(200);
    let line = hob.wait_for_access("/hello");
    assert_eq!(line["path"], "/kitchen/\"\\%0a{}/hello");
    let long = format!("/kitchen/{}/hello", "x".repeat(5000));
    hob.get(&long).expect(200);
    let line = hob.wait_for_access("xxx");
    assert!(line["path"].as_str().is_some_and(|path| path.len() <= 512), "{line}");
}

#[test]
fn health_and_readiness_are_answered_beside_the_requests() {
    let hob = Serve::new([guest("kitchen")]).start();
    assert_eq!(hob.ask_admin("/healthz").expect(200).text(), "ok\n");
    assert_eq!(hob.ask_admin("/readyz").expect(200).text(), "ready\n");
    hob.ask_admin("/nothing").expect(404);
    // None of it is to be had where the handlers are.
    for target in ["/healthz", "/readyz", "/metrics"] {
        hob.get(target).expect(404);
    }
}

#[test]
fn the_second_listener_is_as_strict_as_the_first() {
    let hob = Serve::new([guest("kitchen")]).start();
    let mut client = crate::harness::Client::connect(hob.admin);
    client.send("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    client.response().expect(400);
    client.expect_closed();
    let mut client = crate::harness::Client::connect(hob.admin);
    client.send("POST /healthz HTTP/1.1\r\nhost: hob\r\ncontent-length: 0\r\n\r\n");
    client.response().expect(405);
    client.exchange(get("/healthz")).expect(200);
}

#[test]
fn every_family_of_metrics_is_there_from_the_start() {
    let hob = Serve::new([guest("kitchen")]).start();
    let answer = hob.ask_admin("/metrics").expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    let metrics = hob.metrics();
    for (family, kind) in [
        ("hob_requests_total", "counter"),
        ("hob_request_seconds", "histogram"),
        ("hob_requests_in_flight", "gauge"),
        ("hob_instances_made_total", "counter"),
        ("hob_instances_reused_total", "counter"),
        ("hob_handler_cpu_seconds_total", "counter"),
        ("hob_tenant_memory_bytes", "gauge"),
        ("hob_tenant_cpu_seconds_total", "counter"),
        ("hob_tenant_refused_total", "counter"),
        ("hob_loop_lag_seconds", "histogram"),
        ("hob_loop_turn_seconds", "histogram"),
        ("hob_loop_ready_queue", "gauge"),
        ("hob_connections", "gauge"),
        ("hob_log_lines_dropped_total", "counter"),
    ] {
        assert_eq!(metrics.kind(family), Some(kind), "{family}");
    }
}

#[test]
fn requests_are_counted_by_handler_and_status() {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2")]).start();
    for name in hob.names() {
        (0..3).for_each(|_| hob.expect_hello(name));
        hob.get(&format!("/{name}/status?code=418")).expect(418);
        hob.get(&format!("/{name}/trap")).expect(500);
        hob.wait_for_access(&format!("/{name}/trap"));
        let metrics = hob.metrics();
        let of = |status| metrics.answered(name, status);
        assert_eq!([of(200), of(418), of(500), of(503)], [3.0, 1.0, 1.0, 0.0], "{name}");
        assert_eq!(metrics.of(name, "hob_request_seconds_count"), 5.0, "{name}");
        assert!(metrics.of(name, "hob_request_seconds_sum") > 0.0, "{name}");
        assert!(metrics.of(name, "hob_handler_cpu_seconds_total") > 0.0, "{name}");
        assert_eq!(metrics.of(name, "hob_requests_in_flight"), 0.0, "{name}");
    }
}

#[test]
fn requests_that_no_handler_is_there_for_are_counted() {
    let hob = Serve::new([guest("kitchen")]).start();
    for index in 0..3 {
        hob.get(&format!("/nowhere/{index}")).expect(404);
        hob.wait_for_access(&format!("/nowhere/{index}"));
    }
    let metrics = hob.metrics();
    assert_eq!(metrics.answered("-", 404), 3.0);
    assert_eq!(metrics.answered("kitchen", 404), 0.0);
}

#[test]
fn a_histogram_is_cumulative_and_ends_with_its_count() {
    let hob = Serve::new([guest("kitchen")]).start();
    (0..20).for_each(|_| hob.expect_hello("kitchen"));
    hob.get("/kitchen/sleep?ms=30").expect(200);
    hob.wait_for_access("/kitchen/sleep");
    let metrics = hob.metrics();
    for (family, labels) in [
        ("hob_request_seconds", "tenant=\"default\",handler=\"kitchen\""),
        ("hob_loop_turn_seconds", "loop=\"0\""),
        ("hob_loop_lag_seconds", "loop=\"0\""),
    ] {
        let start = format!("{family}_bucket{{{labels},le=\"");
        let mut buckets: Vec<(f64, f64)> = metrics
            .beginning(&start)
            .map(|(series, count)| {
                let bound = series[start.len()..].trim_end_matches("\"}");
                (bound.parse().expect("a bound"), count)
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.len() > 5, "{family}: {buckets:?}");
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{family}: {buckets:?}");
        let (bound, total) = buckets[buckets.len() - 1];
        assert_eq!(bound, f64::INFINITY, "{family}");
        assert_eq!(metrics.get(&format!("{family}_count{{{labels}}}")), total, "{family}");
        assert!(total > 0.0, "{family}");
    }
}
