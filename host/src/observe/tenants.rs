//! Owns the numbers of the tenants: what each has now, what it used, and what it was refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::metrics::{Counter, Gauge, head, label, line};

/// One tenant.
#[derive(Default)]
pub struct TenantMetrics {
    /// Its name.
    pub name: String,
    /// Bytes of linear memory of its instances.
    pub memory: Arc<Gauge>,
    /// Its instances.
    pub instances: Arc<Gauge>,
    /// Requests admitted whose answer is not at its end.
    pub in_flight: Gauge,
    /// Requests that wait for a place.
    pub queued: Gauge,
    /// Bytes of what it keeps on the disk.
    pub storage: Gauge,
    /// Whether those are counted.
    pub counts_storage: AtomicBool,
    /// Time its guests held loops.
    pub on_loop_ns: Counter,
    /// By the name of the limit: those that Hob has, so the map is bounded.
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl TenantMetrics {
    /// All zero.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(TenantMetrics { name: name.to_owned(), ..TenantMetrics::default() })
    }

    /// A request, or a guest, was refused for this limit.
    pub fn refused(&self, limit: &'static str) {
        *self.refused.lock().expect("refusals").entry(limit).or_default() += 1;
    }
}

type Value = (&'static str, &'static str, fn(&TenantMetrics) -> &AtomicU64);

const GAUGES: [Value; 4] = [
    ("hob_tenant_memory_bytes", "Linear memory of a tenant's instances.", |t| &t.memory),
    ("hob_tenant_instances", "Instances of a tenant.", |t| &t.instances),
    ("hob_tenant_requests_in_flight", "Requests of a tenant being served.", |t| &t.in_flight),
    ("hob_tenant_requests_queued", "Requests that wait for a place.", |t| &t.queued),
];

/// The tenants as text.
pub(super) fn render(out: &mut String, tenants: &[Arc<TenantMetrics>]) {
    for (name, help, value) in GAUGES {
        head(out, name, "gauge", help);
        for tenant in tenants {
            let value = value(tenant).load(Ordering::Relaxed);
            line(out, format_args!("{name}{{tenant=\"{}\"}} {value}", label(&tenant.name)));
        }
    }
    let name = "hob_tenant_storage_bytes";
    head(out, name, "gauge", "What a tenant keeps on the disk, where that is limited.");
    for tenant in tenants.iter().filter(|one| one.counts_storage.load(Ordering::Relaxed)) {
        let bytes = tenant.storage.load(Ordering::Relaxed);
        line(out, format_args!("{name}{{tenant=\"{}\"}} {bytes}", label(&tenant.name)));
    }
    let name = "hob_tenant_cpu_seconds_total";
    head(out, name, "counter", "Time a tenant's guests held a loop.");
    for tenant in tenants {
        let seconds = tenant.on_loop_ns.load(Ordering::Relaxed) as f64 / 1e9;
        line(out, format_args!("{name}{{tenant=\"{}\"}} {seconds}", label(&tenant.name)));
    }
    let name = "hob_tenant_refused_total";
    head(out, name, "counter", "Requests refused because their tenant is over a limit.");
    for tenant in tenants {
        for (limit, count) in &*tenant.refused.lock().expect("refusals") {
            let tenant = label(&tenant.name);
            line(out, format_args!("{name}{{tenant=\"{tenant}\",limit=\"{limit}\"}} {count}"));
        }
    }
}
