//! Owns the numbers of the offload threads: for each module how long its jobs waited and ran, what
//! they computed, and how they ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::metrics::{Counter, Gauge, Histogram, head, label, line};

/// One module of a tenant's.
#[derive(Default)]
pub struct ModuleMetrics {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// Jobs that wait for their first turn.
    pub waiting: Gauge,
    /// Jobs that have begun and not ended.
    pub running: Gauge,
    /// From the order to the first turn.
    pub queued: Histogram,
    /// From the first turn to the end, waits and others' turns included.
    pub ran: Histogram,
    /// Processor time of the threads.
    pub cpu_ns: Counter,
    /// Instances made.
    pub instances_made: Counter,
    /// Jobs run by an instance that had run one before.
    pub instances_reused: Counter,
    /// By the name of the outcome: those that Hob has, so the map is bounded.
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

impl ModuleMetrics {
    /// All zero.
    pub fn new(name: &str, tenant: &str) -> Arc<Self> {
        Arc::new(ModuleMetrics {
            name: name.to_owned(),
            tenant: tenant.to_owned(),
            ..ModuleMetrics::default()
        })
    }

    /// Counts a job that has come to this end, or was refused so.
    pub fn ended(&self, outcome: &'static str) {
        *self.outcomes.lock().expect("outcomes").entry(outcome).or_default() += 1;
    }

    fn labels(&self) -> String {
        format!("tenant=\"{}\",module=\"{}\"", label(&self.tenant), label(&self.name))
    }
}

type Value = (&'static str, &'static str, &'static str, fn(&ModuleMetrics) -> &AtomicU64);

const VALUES: [Value; 4] = [
    ("hob_offload_jobs_waiting", "gauge", "Jobs that wait for a thread.", |m| &m.waiting),
    ("hob_offload_jobs_running", "gauge", "Jobs begun and not ended.", |m| &m.running),
    ("hob_offload_instances_made_total", "counter", "Instances made for jobs.", |m| {
        &m.instances_made
    }),
    ("hob_offload_instances_reused_total", "counter", "Jobs run by a used instance.", |m| {
        &m.instances_reused
    }),
];

/// The modules as text. Without a module there is nothing to say.
pub(super) fn render(out: &mut String, modules: &[Arc<ModuleMetrics>]) {
    if modules.is_empty() {
        return;
    }
    for (name, kind, help, value) in VALUES {
        head(out, name, kind, help);
        for module in modules {
            let value = value(module).load(Ordering::Relaxed);
            line(out, format_args!("{name}{{{}}} {value}", module.labels()));
        }
    }
    let name = "hob_offload_cpu_seconds_total";
    head(out, name, "counter", "Processor time of offload threads.");
    for module in modules {
        let seconds = module.cpu_ns.load(Ordering::Relaxed) as f64 / 1e9;
        line(out, format_args!("{name}{{{}}} {seconds}", module.labels()));
    }
    let name = "hob_offload_jobs_total";
    head(out, name, "counter", "Jobs by how they ended; `ok` gave their output.");
    for module in modules {
        for (outcome, count) in &*module.outcomes.lock().expect("outcomes") {
            let labels = module.labels();
            line(out, format_args!("{name}{{{labels},outcome=\"{outcome}\"}} {count}"));
        }
    }
    let name = "hob_offload_queue_seconds";
    head(out, name, "histogram", "How long jobs waited for their first turn.");
    modules.iter().for_each(|module| module.queued.render(out, name, &module.labels()));
    let name = "hob_offload_run_seconds";
    head(out, name, "histogram", "From a job's first turn to its end.");
    modules.iter().for_each(|module| module.ran.render(out, name, &module.labels()));
}
