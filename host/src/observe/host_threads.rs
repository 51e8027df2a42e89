//! Owns the numbers of the host threads: for each kind of work how long it waited and how long it
//! ran.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::metrics::{Gauge, Histogram, head, line};

/// The host threads' numbers.
#[derive(Default)]
pub struct HostThreadMetrics {
    /// Jobs that wait for a thread.
    pub waiting: Gauge,
    /// By the name of the operation: those that Hob has, so the map is bounded.
    operations: Mutex<BTreeMap<&'static str, OperationMetrics>>,
}

#[derive(Default)]
struct OperationMetrics {
    queued: Histogram,
    ran: Histogram,
    refused: u64,
    spared: u64,
}

impl HostThreadMetrics {
    /// Counts a job that has been done.
    pub fn ran(&self, operation: &'static str, queued: Duration, ran: Duration) {
        let mut operations = self.operations.lock().expect("operations");
        let metrics = operations.entry(operation).or_default();
        metrics.queued.observe(queued);
        metrics.ran.observe(ran);
    }

    /// Counts a job that found its queue full.
    pub fn refused(&self, operation: &'static str) {
        self.operations.lock().expect("operations").entry(operation).or_default().refused += 1;
    }

    /// Counts a job that a loop has done itself.
    pub fn spared(&self, operation: &'static str) {
        self.operations.lock().expect("operations").entry(operation).or_default().spared += 1;
    }

    pub(super) fn render(&self, out: &mut String) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        head(out, "hob_host_jobs_waiting", "gauge", "Jobs that wait for a host thread.");
        line(out, format_args!("hob_host_jobs_waiting {waiting}"));
        let operations = self.operations.lock().expect("operations");
        let labels = |operation: &str| format!("operation=\"{operation}\"");
        let name = "hob_host_job_queue_seconds";
        head(out, name, "histogram", "How long jobs waited for a host thread.");
        for (operation, metrics) in &*operations {
            metrics.queued.render(out, name, &labels(operation));
        }
        let name = "hob_host_job_run_seconds";
        head(out, name, "histogram", "How long jobs ran on a host thread.");
        for (operation, metrics) in &*operations {
            metrics.ran.render(out, name, &labels(operation));
        }
        type Count = fn(&OperationMetrics) -> u64;
        let counters: [(&str, &str, Count); 2] = [
            ("hob_host_jobs_refused_total", "Jobs refused because a queue was full.", |of| {
                of.refused
            }),
            ("hob_host_jobs_spared_total", "Jobs that a loop did itself.", |of| of.spared),
        ];
        for (name, help, count) in counters {
            head(out, name, "counter", help);
            for (operation, metrics) in &*operations {
                line(out, format_args!("{name}{{{}}} {}", labels(operation), count(metrics)));
            }
        }
    }
}
