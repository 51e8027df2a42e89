//! Owns what can be seen afterwards: the log, the metrics and the timeline.
//! Imports nothing of ours but the limits.

mod host_threads;
mod log;
mod metrics;
mod offload;
mod tenants;
mod timeline;

pub use host_threads::HostThreadMetrics;
pub use log::{Line, Log};
pub use metrics::{Counter, Gauge, HandlerMetrics, Histogram, LoopMetrics, ServerMetrics, render};
pub use offload::ModuleMetrics;
pub use tenants::TenantMetrics;
pub use timeline::{Happening, Timeline, timeline_json, timeline_trace};
