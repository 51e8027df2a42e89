//! Owns what can be seen afterwards: the log and the metrics.
//! Imports nothing of ours but the limits.

mod log;
mod metrics;

pub use log::{Line, Log};
pub use metrics::{Counter, Gauge, HandlerMetrics, Histogram, LoopMetrics, ServerMetrics, render};
