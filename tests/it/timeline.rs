//! What the timeline tells of requests: who ran on the loop, who was suspended on what, and which host
//! thread worked for whom, at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::examples::example;
use crate::harness::{Guest, Hob, PATIENCE, Scratch, Serve, Upstream, answer, get};

/// Far enough that the other clients come before the end, and not as far as a statement may take.
const SLOW_QUERY: &str = "/three-clients/query?to=2000000";

fn three_clients(isolation: &str) -> Guest {
    example("three-clients")
        .isolation(isolation)
        .set("grants = { files = \"write\", sql = { numbers = \"write\" } }")
}

fn serve(guest: Guest) -> (Hob, Scratch) {
    let data = Scratch::new();
    let data_key = format!("data = {:?}", data.path());
    let hob = Serve::new([guest]).server(&data_key).server("loops = 1").start();
    (hob, data)
}

/// A part of the timeline, by its begin and its end, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    begun: f64,
    ended: f64,
}

impl Stretch {
    fn of(value: &Value) -> Stretch {
        let number = |key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key}: {value}"));
        let (begun, ended) = (number("begun_us"), number("ended_us"));
        assert!(begun <= ended, "{value}");
        Stretch { begun, ended }
    }

    fn is_within(self, other: Stretch) -> bool {
        other.begun <= self.begun && self.ended <= other.ended
    }

    fn time(self) -> f64 {
        self.ended - self.begun
    }
}

/// The spans of a request that are of this kind, on this operation if one is named.
fn spans(request: &Value, what: &str, operation: Option<&str>) -> Vec<Stretch> {
    let spans = request["spans"].as_array().expect("a list").iter();
    let is_meant = |span: &&Value| {
        span["what"] == what && operation.is_none_or(|operation| span["operation"] == operation)
    };
    spans.filter(is_meant).map(Stretch::of).collect()
}

fn only_span(request: &Value, what: &str, operation: &str) -> Stretch {
    let found = spans(request, what, Some(operation));
    assert_eq!(found.len(), 1, "{what} {operation}: {request:#}");
    found[0]
}

fn timeline(hob: &Hob, query: &str) -> Value {
    let answer = hob.ask_admin(&format!("/debug/timeline{query}")).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_str(answer.text()).expect("JSON")
}

fn requests(timeline: &Value) -> &[Value] {
    timeline["requests"].as_array().expect("a list")
}

/// The request in the timeline whose path ends so. It is there when its last byte has been handed to
/// the kernel, and the client may be quicker.
fn request(hob: &Hob, path: &str) -> Value {
    let id = hob.wait_for_access(path)["id"].clone();
    let until = Instant::now() + PATIENCE;
    loop {
        let timeline = timeline(hob, "");
        if let Some(found) = requests(&timeline).iter().find(|request| request["id"] == id) {
            return found.clone();
        }
        assert!(Instant::now() < until, "{path} does not come into the timeline");
        thread::yield_now();
    }
}

/// Three clients come, the slowest first: the last is answered first, and all are answered.
fn three_come(hob: &Hob) {
    let [mut query, mut file, mut at_once] = [hob.client(), hob.client(), hob.client()];
    query.send(get(SLOW_QUERY));
    hob.wait_for_in_flight("three-clients", 1);
    // Its guest has its turn before each of these is answered, so that it is at its query by now, also
    // if it ran for longer than one slice.
    (0..20).for_each(|_| drop(file.exchange(get("/three-clients/nothing")).expect(404)));
    file.send(get("/three-clients/file"));
    at_once.send(get("/three-clients/at-once"));
    assert_eq!(at_once.response().expect(200).text(), "at once\n");
    assert!(!query.hears_within(Duration::from_millis(1)), "the query was not slow");
    assert_eq!(file.response().expect(200).text(), "hello from a file\n");
    assert_eq!(query.response().expect(200).text(), "counted to 2000000\n");
}

fn three_clients_at_once(isolation: &str) {
    let (hob, _data) = serve(three_clients(isolation));
    three_come(&hob);
    // The log has paths without queries.
    let [query, file, at_once] = ["/query", "/file", "/at-once"].map(|path| request(&hob, path));

    // The query ran on the loop, waited while a host thread worked for it, and ran again.
    let wait = only_span(&query, "suspended", "sql.query");
    let work = only_span(&query, "host-thread", "sql.query");
    assert!(work.is_within(wait), "{query:#}");
    let runs = spans(&query, "on-loop", None);
    assert!(runs.len() >= 2, "{query:#}");
    let (first, last) = (runs[0], runs[runs.len() - 1]);
    assert!(first.begun <= wait.begun && wait.ended <= last.ended, "{query:#}");
    assert!(runs.iter().all(|run| !work.is_within(*run)), "it held the loop: {query:#}");

    // The third client came and was answered within that wait.
    let whole = Stretch::of(&at_once);
    assert!(whole.is_within(wait), "{query:#}\n{at_once:#}");
    assert!(spans(&at_once, "suspended", None).is_empty(), "{at_once:#}");
    assert!(!spans(&at_once, "on-loop", None).is_empty(), "{at_once:#}");

    // Also the file: a host thread worked within each of its waits. One may be so quick that its work
    // is done before the guest has to wait.
    assert!(!spans(&file, "host-thread", Some("files.read")).is_empty(), "{file:#}");
    for span in file["spans"].as_array().expect("a list") {
        if span["what"] == "host-thread" {
            let operation = span["operation"].as_str().expect("a name");
            let waits = spans(&file, "suspended", Some(operation));
            let runs = spans(&file, "on-loop", None);
            let work = Stretch::of(span);
            assert!(waits.iter().chain(&runs).any(|other| work.is_within(*other)), "{file:#}");
        }
    }

    // Together they took less time than one after the other.
    let all = [&query, &file, &at_once].map(Stretch::of);
    let begun = all.iter().map(|one| one.begun).fold(f64::INFINITY, f64::min);
    let ended = all.iter().map(|one| one.ended).fold(0.0, f64::max);
    assert!(ended - begun < all.iter().map(|one| one.time()).sum(), "{all:?}");
    for request in [&query, &file, &at_once] {
        assert_eq!((&request["loop"], &request["status"]), (&0.into(), &200.into()));
        let whole = Stretch::of(request);
        let spans = request["spans"].as_array().expect("a list").iter();
        assert!(spans.map(Stretch::of).all(|span| span.is_within(whole)), "{request:#}");
    }
}

#[test]
fn three_clients_at_once_are_served_by_one_loop_in_fresh_instances() {
    three_clients_at_once("fresh");
}

#[test]
fn three_clients_at_once_are_served_by_one_loop_in_a_shared_instance() {
    three_clients_at_once("shared");
}

/// A span as the timeline and the trace both must have it: of which request, its name, and its begin
/// and its length in nanoseconds.
type Event = (String, String, i64, i64);

fn event(request: &Value, name: &str, begun: f64, time: f64) -> Event {
    let nanoseconds = |us: f64| (us * 1e3).round() as i64;
    let request = request.as_str().expect("an id").to_owned();
    (request, name.to_owned(), nanoseconds(begun), nanoseconds(time))
}

fn expected_events(timeline: &Value) -> Vec<Event> {
    let mut events = Vec::new();
    for request in requests(timeline) {
        for span in request["spans"].as_array().expect("a list") {
            let Stretch { begun, ended } = Stretch::of(span);
            let name = span["operation"].as_str().unwrap_or("on-loop");
            events.push(event(&request["id"], name, begun, ended - begun));
        }
    }
    events.sort();
    events
}

/// Checks that a trace is one, and gives its spans. What a loop does is in it twice, by request and by
/// thread, and here once.
fn events_of(trace: &Value) -> Vec<Event> {
    let mut events = Vec::new();
    let mut named = BTreeSet::new();
    let mut rows: BTreeMap<(u64, u64), Vec<Stretch>> = BTreeMap::new();
    for line in trace["traceEvents"].as_array().expect("a list") {
        let number = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("{key}: {line}"));
        let row = (number("pid"), number("tid"));
        let name = line["name"].as_str().expect("a name");
        let arguments = &line["args"];
        if line["ph"] == "M" {
            assert!(arguments["name"].is_string(), "{line}");
            assert!(named.insert((row, name.to_owned())), "named twice: {line}");
            continue;
        }
        assert_eq!(line["ph"], "X", "{line}");
        let time = |key: &str| line[key].as_f64().filter(|time| *time >= 0.0).expect("a time");
        let (begun, time) = (time("ts"), time("dur"));
        rows.entry(row).or_default().push(Stretch { begun, ended: begun + time });
        let is_of_loop = name == arguments["handler"];
        if !is_of_loop {
            events.push(event(&arguments["request"], name, begun, time));
        }
    }
    for (row, spans) in &mut rows {
        assert!(named.contains(&(*row, "thread_name".to_owned())), "{row:?} has no name");
        assert!(named.contains(&((row.0, 0), "process_name".to_owned())), "{row:?} has no process");
        expect_no_overlap(spans);
    }
    events.sort();
    events
}

/// Panics if one span of a row begins within another and ends after it: viewers leave such ones out.
fn expect_no_overlap(spans: &mut [Stretch]) {
    // The sums of a trace are rounded.
    const ROUNDING: f64 = 0.01;
    spans.sort_by(|one, other| one.begun.total_cmp(&other.begun));
    for pair in spans.windows(2) {
        let is_after = pair[0].ended <= pair[1].begun + ROUNDING;
        let is_inside = pair[1].ended <= pair[0].ended + ROUNDING;
        let is_around = pair[1].begun <= pair[0].begun + ROUNDING;
        assert!(is_after || is_inside || is_around, "{pair:?}");
    }
}

#[test]
fn the_trace_has_the_same_spans_in_the_format_that_viewers_read() {
    for isolation in ["fresh", "shared"] {
        let (hob, _data) = serve(three_clients(isolation));
        three_come(&hob);
        for path in ["/query", "/file", "/at-once"] {
            request(&hob, path);
        }
        let events = events_of(&timeline(&hob, "?format=trace"));
        assert_eq!(events, expected_events(&timeline(&hob, "")));
        for name in ["on-loop", "sql.query", "files.read"] {
            assert!(events.iter().any(|event| event.1 == name), "no {name} in {events:?}");
        }
    }
}

#[test]
fn waits_that_go_on_at_once_are_in_rows_of_their_own() {
    // None is answered before all have come.
    let all = Barrier::new(3);
    let service = Upstream::start(move |_| {
        all.wait();
        answer("a service")
    });
    let here = format!("http://{}", service.address);
    let handler = example("aggregate")
        .set(&format!("grants.fetch = [\"{here}\"]"))
        .set(&format!("environment.UPSTREAMS = \"{here}/a {here}/b {here}/c\""));
    let hob = Serve::new([handler]).start();
    hob.get("/aggregate").expect(200);
    let waits = spans(&request(&hob, "/aggregate"), "suspended", Some("fetch.send"));
    let overlap =
        |one: &Stretch, other: &Stretch| one.begun < other.ended && other.begun < one.ended;
    let is_beside_all = |wait: &Stretch| waits.iter().all(|other| overlap(wait, other));
    assert!(waits.len() == 3 && waits.iter().all(is_beside_all), "{waits:?}");
    // That they do not overlap in a row is checked there.
    let events = events_of(&timeline(&hob, "?format=trace"));
    assert_eq!(events, expected_events(&timeline(&hob, "")));
}

#[test]
fn another_query_than_that_of_the_trace_is_refused() {
    let (hob, _data) = serve(three_clients("fresh"));
    for query in ["?format=json", "?format=", "?x", "?format=trace&x=1", "?"] {
        hob.ask_admin(&format!("/debug/timeline{query}")).expect(400);
    }
    assert_eq!(timeline(&hob, "").to_string(), r#"{"requests":[]}"#);
}

/// A loop remembers 16,384 events, and a request is at least two.
#[test]
fn the_oldest_requests_are_forgotten_and_the_newest_is_there() {
    const REQUESTS: usize = 9_000;
    const BATCH: usize = 100;
    let (hob, _data) = serve(three_clients("shared"));
    hob.get("/three-clients/at-once?oldest").expect(200);
    let oldest = request(&hob, "/at-once")["id"].clone();
    let mut client = hob.client();
    for _ in 0..REQUESTS / BATCH {
        client.send(get("/three-clients/at-once").repeat(BATCH));
        (0..BATCH).for_each(|_| drop(client.response().expect(200)));
    }
    hob.get("/three-clients/file").expect(200);
    let newest = request(&hob, "/file")["id"].clone();
    let timeline = timeline(&hob, "");
    let requests = requests(&timeline);
    assert!((1..=16_384 / 2).contains(&requests.len()), "{} requests", requests.len());
    assert!(requests.iter().all(|request| request["id"] != oldest), "it remembers them all");
    assert_eq!(requests.last().expect("some")["id"], newest);
}
