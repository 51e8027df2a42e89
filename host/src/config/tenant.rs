//! Owns the tables `[tenant_limits]` and `[[tenant]]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::spanned::Spanned;
use super::{Checker, Config};
use crate::limits::{self, TENANT_UNLIMITED};
use crate::tenants::TenantLimits;

/// One tenant.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its name.
    pub name: String,
    /// Its share of what tenants take turns at.
    pub weight: u32,
    /// What it may have.
    pub limits: TenantLimits,
}

/// A tenant: its share of what tenants take turns at, and what it may have.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tenant")]
pub(super) struct File {
    /// A tenant's name, as handlers and modules give it.
    name: Spanned<String>,
    /// Its share of the loop's time beside the others', 1 to 1000.
    weight: Option<Spanned<u32>>,
    /// What it may have; what is not said holds as for every tenant.
    #[serde(default)]
    limits: LimitsFile,
}

/// What a tenant may have in all.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TenantLimits")]
pub(super) struct LimitsFile {
    /// Linear memory of all its instances together, in MiB.
    memory_mib: Option<Spanned<u64>>,
    /// Its instances, those of its jobs and those at rest among them.
    instances: Option<Spanned<u64>>,
    /// Requests from their admission to the end of their answer.
    requests_in_flight: Option<Spanned<u64>>,
    /// Requests that wait for a place in flight; 0: none may.
    queue: Option<Spanned<u64>>,
    /// How long each may wait, in milliseconds.
    queue_ms: Option<Spanned<u64>>,
    /// Requests a second.
    requests_per_second: Option<Spanned<u64>>,
    /// Requests at once after a rest, within the rate.
    burst: Option<Spanned<u64>>,
    /// Milliseconds on the loops in a second; 1000 is all of one loop.
    cpu_ms_per_second: Option<Spanned<u64>>,
    /// A request's body, in MiB, within what [connections] takes.
    body_mib: Option<Spanned<u64>>,
    /// Connections by which it sends requests, of each loop.
    connections_out: Option<Spanned<u64>>,
    /// Jobs that wait for a host thread.
    host_jobs: Option<Spanned<u64>>,
    /// Milliseconds that a request may take, whatever the limits of its handler.
    wall_ms: Option<Spanned<u64>>,
    /// Milliseconds that a request may hold a loop, the same.
    cpu_ms: Option<Spanned<u64>>,
    /// What it keeps on the disk, in MiB: its files, databases and keys together.
    storage_mib: Option<Spanned<u64>>,
}

impl Config {
    /// What is said of a tenant, or holds for those of which nothing is.
    pub fn tenant(&self, name: &str) -> TenantConfig {
        let said = self.tenants.iter().find(|tenant| tenant.name == name).cloned();
        said.unwrap_or_else(|| TenantConfig {
            name: name.to_owned(),
            weight: limits::TENANT_WEIGHT,
            limits: self.tenant_limits,
        })
    }
}

impl Checker<'_> {
    pub(super) fn tenants(
        &mut self,
        files: Vec<Spanned<File>>,
        general: TenantLimits,
    ) -> Vec<TenantConfig> {
        let mut tenants: Vec<TenantConfig> = Vec::new();
        for file in files {
            let at = file.span().start;
            let File { name, weight, limits } = file.into_inner();
            let name = self.name("name", &name);
            if tenants.iter().any(|other| other.name == name) {
                self.fault(at, &format!("a second tenant has the name `{name}`"));
            }
            let weight = self.number(
                "tenant.weight",
                weight,
                1..=limits::TENANT_WEIGHT_MAX,
                limits::TENANT_WEIGHT,
            );
            let limits = self.tenant_limits(general, &limits, "tenant.limits");
            tenants.push(TenantConfig { name, weight, limits });
        }
        tenants
    }

    /// What holds for every tenant.
    pub(super) fn limits_of_tenants(&mut self, file: &LimitsFile) -> TenantLimits {
        self.tenant_limits(TenantLimits::default(), file, "tenant_limits")
    }

    fn tenant_limits(
        &mut self,
        defaults: TenantLimits,
        file: &LimitsFile,
        table: &str,
    ) -> TenantLimits {
        const MIB: u64 = 1024 * 1024;
        let mut number = |key: &str, given: &Option<Spanned<u64>>, range, default| {
            self.number(&format!("{table}.{key}"), given.clone(), range, default)
        };
        let some = 1..=TENANT_UNLIMITED / MIB;
        let rate = 1..=limits::TENANT_RATE_MAX;
        let queue_ms = defaults.queue_time.as_millis() as u64;
        let longest_ms = limits::DEADLINE_MAX.as_millis() as u64;
        let memory_mib = file.memory_mib.as_ref().map(|_| {
            number("memory_mib", &file.memory_mib, some.clone(), TENANT_UNLIMITED / MIB) * MIB
        });
        let body_mib = file.body_mib.as_ref().map(|_| {
            number("body_mib", &file.body_mib, some.clone(), TENANT_UNLIMITED / MIB) * MIB
        });
        let storage_mib = file.storage_mib.as_ref().map(|_| {
            let most = limits::TENANT_STORAGE_MIB_MAX;
            number("storage_mib", &file.storage_mib, 1..=most, most) * MIB
        });
        TenantLimits {
            storage_bytes: storage_mib.unwrap_or(defaults.storage_bytes),
            body_bytes: body_mib.unwrap_or(defaults.body_bytes),
            connections_out: number(
                "connections_out",
                &file.connections_out,
                1..=limits::OUTBOUND_CONNECTIONS_MAX as u64,
                defaults.connections_out,
            ),
            host_jobs: number(
                "host_jobs",
                &file.host_jobs,
                1..=limits::HOST_JOBS_MAX as u64,
                defaults.host_jobs,
            ),
            wall_ms: number("wall_ms", &file.wall_ms, 1..=longest_ms, defaults.wall_ms),
            cpu_ms: number("cpu_ms", &file.cpu_ms, 1..=longest_ms, defaults.cpu_ms),
            memory_bytes: memory_mib.unwrap_or(defaults.memory_bytes),
            instances: number("instances", &file.instances, some.clone(), defaults.instances),
            requests_in_flight: number(
                "requests_in_flight",
                &file.requests_in_flight,
                some,
                defaults.requests_in_flight,
            ),
            queue: number("queue", &file.queue, 0..=limits::TENANT_QUEUE_MAX, defaults.queue),
            queue_time: Duration::from_millis(number(
                "queue_ms",
                &file.queue_ms,
                1..=longest_ms,
                queue_ms,
            )),
            requests_per_second: number(
                "requests_per_second",
                &file.requests_per_second,
                rate.clone(),
                defaults.requests_per_second,
            ),
            burst: number("burst", &file.burst, rate, defaults.burst),
            cpu_ms_per_second: number(
                "cpu_ms_per_second",
                &file.cpu_ms_per_second,
                1..=limits::TENANT_CPU_MS_MAX,
                defaults.cpu_ms_per_second,
            ),
        }
    }
}
