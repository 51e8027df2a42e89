//! Owns the numbers and their text form (Prometheus exposition format 0.0.4).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::host_threads::HostThreadMetrics;
use super::offload::{self, ModuleMetrics};
use super::tenants::{self, TenantMetrics};
use super::timeline::Timeline;

/// A number that only grows.
pub type Counter = AtomicU64;
/// A number that goes up and down.
pub type Gauge = AtomicU64;

/// Upper bounds of the buckets, in microseconds: a request that waits for nothing takes some
/// 10 us, one that waits for the network up to seconds.
const BUCKETS_US: [u64; 16] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000,
    1_000_000, 5_000_000,
];

/// How long something took, counted by size.
#[derive(Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts one more.
    pub fn observe(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn render(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (count, bound) in self.buckets.iter().zip(BUCKETS_US) {
            total += count.load(Ordering::Relaxed);
            let bound = bound as f64 / 1e6;
            line(out, format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}"));
        }
        total += self.buckets[BUCKETS_US.len()].load(Ordering::Relaxed);
        line(out, format_args!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}"));
        let sum = self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        line(out, format_args!("{name}_sum{braced} {sum}"));
        line(out, format_args!("{name}_count{braced} {total}"));
    }
}

/// One loop.
#[derive(Default)]
pub struct LoopMetrics {
    /// From the end of a poll to the start of the next.
    pub turn: Histogram,
    /// How late timers fire.
    pub lag: Histogram,
    /// Slices given to guests that used up one before.
    pub heavy_slices: Counter,
    /// Tasks that ended by a panic.
    pub panics: Counter,
    /// Tasks alive.
    pub tasks: Gauge,
    /// Tasks woken and not polled yet, at the end of a turn.
    pub ready_queue: Gauge,
    /// Guests that wait for another slice, at the end of a turn.
    pub heavy_queue: Gauge,
    /// Connections open.
    pub connections: Gauge,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections refused because there are too many.
    pub connections_refused: Counter,
    /// Requests refused for their form, by the host and without a handler.
    pub malformed: Counter,
    /// Times the listener rested because the process had no descriptor left.
    pub accept_backoffs: Counter,
}

/// One handler.
pub struct HandlerMetrics {
    /// The handler's name.
    pub name: String,
    /// Whose it is: the names of one tenant's handlers are told apart.
    pub tenant: String,
    /// Requests answered, by status from 100 to 599; a client that left counts as 499.
    by_status: [Counter; 500],
    /// From the end of a request's head to the end of its response.
    pub latency: Histogram,
    /// Requests being served.
    pub in_flight: Gauge,
    /// Instances made.
    pub instances_made: Counter,
    /// Requests served by an instance that had served one before.
    pub instances_reused: Counter,
    /// Time the handler held a loop.
    pub on_loop_ns: Counter,
}

impl HandlerMetrics {
    /// All zero.
    pub fn new(name: &str, tenant: &str) -> Arc<Self> {
        Arc::new(HandlerMetrics {
            name: name.to_owned(),
            tenant: tenant.to_owned(),
            by_status: [const { AtomicU64::new(0) }; 500],
            latency: Histogram::default(),
            in_flight: AtomicU64::new(0),
            instances_made: AtomicU64::new(0),
            instances_reused: AtomicU64::new(0),
            on_loop_ns: AtomicU64::new(0),
        })
    }

    fn labels(&self) -> String {
        format!("tenant=\"{}\",handler=\"{}\"", label(&self.tenant), label(&self.name))
    }

    /// Counts a request that has ended.
    pub fn finished(&self, status: u16, took: Duration) {
        let index = usize::from(status).saturating_sub(100).min(self.by_status.len() - 1);
        self.by_status[index].fetch_add(1, Ordering::Relaxed);
        self.latency.observe(took);
    }
}

/// The process as a whole.
#[derive(Default)]
pub struct ServerMetrics {
    /// One entry a loop.
    pub loops: Vec<Arc<LoopMetrics>>,
    /// One entry a handler that is served.
    pub handlers: Mutex<Vec<Arc<HandlerMetrics>>>,
    /// One entry a tenant of those.
    pub tenants: Mutex<Vec<Arc<TenantMetrics>>>,
    /// The threads that do blocking work.
    pub host_threads: Arc<HostThreadMetrics>,
    /// One entry a module that is offloaded to.
    pub modules: Mutex<Vec<Arc<ModuleMetrics>>>,
    /// What the last requests did: of each loop, of the host threads, and of the offload threads.
    pub timelines: Vec<Timeline>,
    /// Log lines dropped because the reader of the log is too slow.
    pub log_lines_dropped: Arc<Counter>,
}

/// The metrics as text.
pub fn render(server: &ServerMetrics) -> String {
    let mut out = String::with_capacity(16 * 1024);
    render_loops(&mut out, &server.loops);
    render_handlers(&mut out, &server.handlers.lock().expect("metrics"));
    tenants::render(&mut out, &server.tenants.lock().expect("metrics"));
    server.host_threads.render(&mut out);
    offload::render(&mut out, &server.modules.lock().expect("metrics"));
    let dropped = server.log_lines_dropped.load(Ordering::Relaxed);
    head(&mut out, "hob_log_lines_dropped_total", "counter", "Log lines dropped, reader too slow.");
    line(&mut out, format_args!("hob_log_lines_dropped_total {dropped}"));
    out
}

/// Name, type, meaning, and where the value is.
type LoopValue = (&'static str, &'static str, &'static str, fn(&LoopMetrics) -> &AtomicU64);

const LOOP_VALUES: [LoopValue; 10] = [
    ("hob_loop_tasks", "gauge", "Tasks alive on the loop.", |l| &l.tasks),
    ("hob_loop_ready_queue", "gauge", "Woken tasks left at the end of a turn.", |l| &l.ready_queue),
    ("hob_loop_heavy_queue", "gauge", "Guests waiting for another slice.", |l| &l.heavy_queue),
    ("hob_loop_heavy_slices_total", "counter", "Slices given from the heavy queue.", |l| {
        &l.heavy_slices
    }),
    ("hob_loop_task_panics_total", "counter", "Tasks ended by a panic.", |l| &l.panics),
    ("hob_connections", "gauge", "Connections open.", |l| &l.connections),
    ("hob_connections_accepted_total", "counter", "Connections accepted.", |l| &l.accepted),
    ("hob_connections_refused_total", "counter", "Connections refused, too many.", |l| {
        &l.connections_refused
    }),
    ("hob_requests_malformed_total", "counter", "Requests refused for their form.", |l| {
        &l.malformed
    }),
    ("hob_accept_backoffs_total", "counter", "Rests of the listener, out of descriptors.", |l| {
        &l.accept_backoffs
    }),
];

fn render_loops(out: &mut String, loops: &[Arc<LoopMetrics>]) {
    for (name, kind, help, value) in LOOP_VALUES {
        head(out, name, kind, help);
        for (index, metrics) in loops.iter().enumerate() {
            let value = value(metrics).load(Ordering::Relaxed);
            line(out, format_args!("{name}{{loop=\"{index}\"}} {value}"));
        }
    }
    head(out, "hob_loop_turn_seconds", "histogram", "Work of one turn, sleep not included.");
    for (index, metrics) in loops.iter().enumerate() {
        metrics.turn.render(out, "hob_loop_turn_seconds", &format!("loop=\"{index}\""));
    }
    head(out, "hob_loop_lag_seconds", "histogram", "How late timers fire.");
    for (index, metrics) in loops.iter().enumerate() {
        metrics.lag.render(out, "hob_loop_lag_seconds", &format!("loop=\"{index}\""));
    }
}

fn render_handlers(out: &mut String, handlers: &[Arc<HandlerMetrics>]) {
    head(out, "hob_requests_total", "counter", "Requests answered, by handler and status.");
    for handler in handlers {
        let labels = handler.labels();
        for (index, count) in handler.by_status.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let status = index + 100;
                line(
                    out,
                    format_args!("hob_requests_total{{{labels},status=\"{status}\"}} {count}"),
                );
            }
        }
    }
    type Value = (&'static str, &'static str, &'static str, fn(&HandlerMetrics) -> &AtomicU64);
    let values: [Value; 3] = [
        ("hob_requests_in_flight", "gauge", "Requests being served.", |h| &h.in_flight),
        ("hob_instances_made_total", "counter", "Instances made.", |h| &h.instances_made),
        ("hob_instances_reused_total", "counter", "Requests served by a used instance.", |h| {
            &h.instances_reused
        }),
    ];
    for (name, kind, help, value) in values {
        head(out, name, kind, help);
        for handler in handlers {
            let value = value(handler).load(Ordering::Relaxed);
            line(out, format_args!("{name}{{{}}} {value}", handler.labels()));
        }
    }
    let name = "hob_handler_cpu_seconds_total";
    head(out, name, "counter", "Time the handler held a loop.");
    for handler in handlers {
        let seconds = handler.on_loop_ns.load(Ordering::Relaxed) as f64 / 1e9;
        line(out, format_args!("{name}{{{}}} {seconds}", handler.labels()));
    }
    let name = "hob_request_seconds";
    head(out, name, "histogram", "From a request's head to the end of its response.");
    for handler in handlers {
        handler.latency.render(out, name, &handler.labels());
    }
}

pub(super) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string");
    out.push('\n');
}

/// A label's value, escaped as the format wants it.
pub(super) fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
