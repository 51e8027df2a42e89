//! Owns what the last requests did: when each ran on the loop, when it was suspended and on what,
//! and on which thread its work ran. As JSON, and as a trace for Perfetto and Chrome.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use super::metrics::HandlerMetrics;
use super::offload::ModuleMetrics;
use crate::limits;

/// What happened between two moments.
#[derive(Clone)]
pub enum Happening {
    /// A request was served, from its head to the end of its response.
    Request {
        /// By which handler.
        handler: Arc<HandlerMetrics>,
        /// With which status.
        status: u16,
        /// On which loop.
        event_loop: usize,
    },
    /// Its guest ran on the loop.
    OnLoop,
    /// It waited for an operation of the host.
    Suspended {
        /// The operation, as `files.read`.
        operation: &'static str,
    },
    /// A host thread worked for it.
    HostThread {
        /// The operation, as `files.read`.
        operation: &'static str,
        /// Which of the threads.
        thread: usize,
    },
    /// An offload thread computed for it, without a pause.
    Offloaded {
        /// The module whose job it was.
        module: Arc<ModuleMetrics>,
        /// Which of the threads.
        thread: usize,
    },
}

/// A bounded record of what happened; the oldest is forgotten first. Cheap to clone.
#[derive(Clone)]
pub struct Timeline {
    origin: Instant,
    entries: Arc<Mutex<VecDeque<Entry>>>,
}

#[derive(Clone)]
struct Entry {
    request: u64,
    begun: Instant,
    ended: Instant,
    what: Happening,
}

impl Timeline {
    /// An empty one that counts time from `origin`. Those that are shown together have the same.
    pub fn new(origin: Instant) -> Self {
        Timeline { origin, entries: Arc::default() }
    }

    /// Adds what happened for a request.
    pub fn add(&self, request: u64, begun: Instant, ended: Instant, what: Happening) {
        let mut entries = self.entries.lock().expect("timeline");
        if entries.len() >= limits::TIMELINE_ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry { request, begun, ended, what });
    }
}

/// A request with all that is known of it, in microseconds from the origin.
#[derive(Default)]
struct Story {
    request: Option<Value>,
    begun: f64,
    spans: Vec<Span>,
}

struct Span {
    begun: f64,
    ended: f64,
    what: Happening,
}

/// The requests that have ended and of which the record is not yet forgotten, oldest first.
fn stories(timelines: &[Timeline]) -> Vec<(String, Story)> {
    let mut stories: BTreeMap<u64, Story> = BTreeMap::new();
    for timeline in timelines {
        let at = |moment: Instant| {
            moment.saturating_duration_since(timeline.origin).as_nanos() as f64 / 1e3
        };
        // Copied, so that the loop whose timeline it is does not wait for what follows.
        let entries = timeline.entries.lock().expect("timeline").clone();
        for entry in &entries {
            let story = stories.entry(entry.request).or_default();
            let (begun, ended) = (at(entry.begun), at(entry.ended));
            if let Happening::Request { handler, status, event_loop } = &entry.what {
                story.begun = begun;
                story.request = Some(json!({
                    "id": format!("{:016x}", entry.request),
                    "handler": handler.name,
                    "loop": event_loop,
                    "status": status,
                    "begun_us": begun,
                    "ended_us": ended,
                }));
            } else {
                story.spans.push(Span { begun, ended, what: entry.what.clone() });
            }
        }
    }
    let mut stories: Vec<_> = stories
        .into_iter()
        .filter(|(_, story)| story.request.is_some())
        .map(|(id, mut story)| {
            story.spans.sort_by(|one, other| one.begun.total_cmp(&other.begun));
            (format!("{id:016x}"), story)
        })
        .collect();
    stories.sort_by(|(_, one), (_, other)| one.begun.total_cmp(&other.begun));
    stories
}

/// The requests as JSON.
pub fn timeline_json(timelines: &[Timeline]) -> String {
    let requests: Vec<Value> = stories(timelines)
        .into_iter()
        .map(|(_, Story { request, spans, .. })| {
            let mut request = request.unwrap_or_default();
            request["spans"] = spans.iter().map(span_json).collect();
            request
        })
        .collect();
    json!({ "requests": requests }).to_string()
}

fn span_json(span: &Span) -> Value {
    let mut value = json!({ "begun_us": span.begun, "ended_us": span.ended });
    match &span.what {
        Happening::OnLoop | Happening::Request { .. } => value["what"] = "on-loop".into(),
        Happening::Suspended { operation } => {
            value["what"] = "suspended".into();
            value["operation"] = (*operation).into();
        }
        Happening::HostThread { operation, thread } => {
            value["what"] = "host-thread".into();
            value["operation"] = (*operation).into();
            value["thread"] = (*thread).into();
        }
        Happening::Offloaded { module, thread } => {
            value["what"] = "offload-thread".into();
            value["module"] = module.name.as_str().into();
            value["thread"] = (*thread).into();
        }
    }
    value
}

/// Process of the trace in which each request has a row for its runs, and one for its waits, or more
/// if several go on at once: viewers leave out what overlaps in a row.
const REQUESTS: u32 = 1;
/// Process of the trace in which each thread has a row.
const THREADS: u32 = 2;
/// The rows of host threads come after those of loops.
const FIRST_HOST_THREAD: usize = 1000;
/// And those of offload threads after all of them.
const FIRST_OFFLOAD_THREAD: usize = 10_000;

/// The requests in the Trace Event Format, which Perfetto and `chrome://tracing` open.
pub fn timeline_trace(timelines: &[Timeline]) -> String {
    let mut events = vec![
        name("process_name", REQUESTS, 0, "requests"),
        name("process_name", THREADS, 0, "threads"),
    ];
    let mut rows = BTreeMap::new();
    let mut next_row = 0;
    for (id, story) in stories(timelines) {
        let row = next_row;
        let mut waits = Waits::default();
        let request = story.request.unwrap_or_default();
        let handler = request["handler"].as_str().unwrap_or_default();
        let event_loop = request["loop"].as_u64().unwrap_or_default() as usize;
        events.push(name("thread_name", REQUESTS, row, &format!("{handler} {id}")));
        for Span { begun, ended, what } in story.spans {
            let mut add = |process: u32, row: usize, name: &str| {
                events.push(json!({
                    "ph": "X", "pid": process, "tid": row, "ts": begun, "dur": ended - begun,
                    "name": name, "args": { "request": id, "handler": handler },
                }));
            };
            match what {
                Happening::OnLoop | Happening::Request { .. } => {
                    add(REQUESTS, row, "on-loop");
                    add(THREADS, event_loop, handler);
                    rows.entry(event_loop).or_insert_with(|| format!("event loop {event_loop}"));
                }
                Happening::Suspended { operation } => {
                    add(REQUESTS, row + 1 + waits.row_of(begun, ended), operation);
                }
                Happening::HostThread { operation, thread } => {
                    let row = FIRST_HOST_THREAD + thread;
                    add(THREADS, row, operation);
                    rows.entry(row).or_insert_with(|| format!("host thread {thread}"));
                }
                Happening::Offloaded { module, thread } => {
                    let row = FIRST_OFFLOAD_THREAD + thread;
                    add(THREADS, row, &module.name);
                    rows.entry(row).or_insert_with(|| format!("offload thread {thread}"));
                }
            }
        }
        next_row = row + 1 + waits.ends.len();
        for row in row + 1..next_row {
            events.push(name("thread_name", REQUESTS, row, &format!("{handler} {id} waits")));
        }
    }
    events.extend(rows.iter().map(|(row, text)| name("thread_name", THREADS, *row, text)));
    json!({ "traceEvents": events, "displayTimeUnit": "ms" }).to_string()
}

/// The rows of a request's waits: when the last one in each ends.
#[derive(Default)]
struct Waits {
    ends: Vec<f64>,
}

impl Waits {
    /// The first row that has room for the next wait, of those that are told in order.
    fn row_of(&mut self, begun: f64, ended: f64) -> usize {
        let row = self.ends.iter().position(|end| *end <= begun).unwrap_or(self.ends.len());
        match self.ends.get_mut(row) {
            Some(end) => *end = ended,
            None => self.ends.push(ended),
        }
        row
    }
}

fn name(what: &str, process: u32, row: usize, text: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": process, "tid": row, "args": { "name": text } })
}
