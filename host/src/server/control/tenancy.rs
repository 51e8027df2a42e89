//! Owns the change of a tenant's limits while the server runs, by the names that they have in `hob.toml`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Desk;
use super::views::{no_such_tenant, shown};
use crate::admin::{Answer, Denial, LimitChanges, TenantView, TenantsView};
use crate::limits::{self, TENANT_UNLIMITED};
use crate::observe::Line;
use crate::tenants::{Tenant, TenantLimits};

const MIB: u64 = 1024 * 1024;

/// What can be changed, with its least and its largest value.
const KEYS: [(&str, u64, u64); 15] = [
    ("weight", 1, limits::TENANT_WEIGHT_MAX as u64),
    ("memory_mib", 1, TENANT_UNLIMITED / MIB),
    ("instances", 1, TENANT_UNLIMITED),
    ("requests_in_flight", 1, TENANT_UNLIMITED),
    ("queue", 0, limits::TENANT_QUEUE_MAX),
    ("queue_ms", 1, limits::DEADLINE_MAX.as_millis() as u64),
    ("requests_per_second", 1, limits::TENANT_RATE_MAX),
    ("burst", 1, limits::TENANT_RATE_MAX),
    ("cpu_ms_per_second", 1, limits::TENANT_CPU_MS_MAX),
    ("body_mib", 1, TENANT_UNLIMITED / MIB),
    ("connections_out", 1, limits::OUTBOUND_CONNECTIONS_MAX as u64),
    ("host_jobs", 1, limits::HOST_JOBS_MAX as u64),
    ("wall_ms", 1, limits::DEADLINE_MAX.as_millis() as u64),
    ("cpu_ms", 1, limits::DEADLINE_MAX.as_millis() as u64),
    ("storage_mib", 1, limits::TENANT_STORAGE_MIB_MAX),
];

impl Desk {
    pub(super) fn tenants_view(&self) -> serde_json::Value {
        let tenants = self.assembly.households.tenants().all();
        shown(TenantsView { tenants: tenants.iter().map(view).collect() })
    }

    /// All of the changes, or none.
    pub(super) fn change_limits(&self, name: &str, changes: &LimitChanges) -> Answer {
        let households = &self.assembly.households;
        let tenants = households.tenants().all();
        let tenant = match tenants.into_iter().find(|tenant| tenant.name() == name) {
            Some(tenant) => tenant,
            None if self.config.tenants().any(|named| named == name) => {
                households.configure_one(&self.config, name)
            }
            None => return Err(Denial::NotFound(no_such_tenant(name))),
        };
        let mut limits = tenant.limits();
        let mut weight = tenant.weight();
        for (key, value) in changes {
            let value = checked(key, *value).map_err(Denial::Refused)?;
            match key.as_str() {
                "weight" => weight = value as u32,
                key => set(&mut limits, key, value),
            }
        }
        tenant.set_weight(weight);
        tenant.set_limits(limits);
        // So that it is known what there is before anyone asks for more.
        tenant.storage().measure();
        self.site
            .log
            .write(Line::new("server").text("event", "limits-changed").text("tenant", name));
        Ok(shown(view(&tenant)))
    }
}

/// A value that the key can have. None: no limit, or that of a tenant of which nothing is said.
fn checked(key: &str, value: Option<u64>) -> Result<u64, String> {
    let Some((_, least, most)) = KEYS.iter().find(|(known, ..)| *known == key) else {
        let known: Vec<_> = KEYS.iter().map(|(known, ..)| *known).collect();
        return Err(format!("`{key}` is no limit of a tenant; there are {}", known.join(", ")));
    };
    match value {
        None => Ok(default(key)),
        Some(value) if (*least..=*most).contains(&value) => Ok(value),
        Some(value) => Err(format!("`{key}` is {value}; it must be from {least} to {most}")),
    }
}

/// What holds for a key of which nothing is said.
fn default(key: &str) -> u64 {
    let defaults = TenantLimits::default();
    match key {
        "weight" => limits::TENANT_WEIGHT.into(),
        "queue" => defaults.queue,
        "queue_ms" => defaults.queue_time.as_millis() as u64,
        "connections_out" => defaults.connections_out,
        "host_jobs" => defaults.host_jobs,
        _ => TENANT_UNLIMITED,
    }
}

fn set(limits: &mut TenantLimits, key: &str, value: u64) {
    match key {
        "memory_mib" => limits.memory_bytes = value.saturating_mul(MIB),
        "instances" => limits.instances = value,
        "requests_in_flight" => limits.requests_in_flight = value,
        "queue" => limits.queue = value,
        "queue_ms" => limits.queue_time = Duration::from_millis(value),
        "requests_per_second" => limits.requests_per_second = value,
        "burst" => limits.burst = value,
        "cpu_ms_per_second" => limits.cpu_ms_per_second = value,
        "body_mib" => limits.body_bytes = value.saturating_mul(MIB),
        "connections_out" => limits.connections_out = value,
        "host_jobs" => limits.host_jobs = value,
        "wall_ms" => limits.wall_ms = value,
        "cpu_ms" => limits.cpu_ms = value,
        "storage_mib" => limits.storage_bytes = value.saturating_mul(MIB),
        other => unreachable!("`{other}` is in no list"),
    }
}

fn view(tenant: &Arc<Tenant>) -> TenantView {
    let some = |value: u64| (value != TENANT_UNLIMITED).then_some(value);
    let limits = tenant.limits();
    let metrics = tenant.metrics();
    TenantView {
        tenant: tenant.name().to_owned(),
        limits: [
            ("weight", Some(tenant.weight().into())),
            ("memory_mib", some(limits.memory_bytes).map(|bytes| bytes / MIB)),
            ("instances", some(limits.instances)),
            ("requests_in_flight", some(limits.requests_in_flight)),
            ("queue", Some(limits.queue)),
            ("queue_ms", Some(limits.queue_time.as_millis() as u64)),
            ("requests_per_second", some(limits.requests_per_second)),
            ("burst", some(limits.burst)),
            ("cpu_ms_per_second", some(limits.cpu_ms_per_second)),
            ("body_mib", some(limits.body_bytes).map(|bytes| bytes / MIB)),
            ("connections_out", Some(limits.connections_out)),
            ("host_jobs", Some(limits.host_jobs)),
            ("wall_ms", some(limits.wall_ms)),
            ("cpu_ms", some(limits.cpu_ms)),
            ("storage_mib", some(limits.storage_bytes).map(|bytes| bytes / MIB)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
        memory_bytes: metrics.memory.load(Ordering::Relaxed),
        instances: metrics.instances.load(Ordering::Relaxed),
        requests_in_flight: metrics.in_flight.load(Ordering::Relaxed),
        requests_queued: metrics.queued.load(Ordering::Relaxed),
        storage_bytes: tenant
            .storage()
            .is_limited()
            .then(|| metrics.storage.load(Ordering::Relaxed)),
    }
}
