//! Owns a tenant: its weight, its limits, and what is counted of it. One for each name, shared by all
//! loops, and kept as long as the process whatever is served meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::admission::{Bucket, Gate};
use super::storage::Storage;
use crate::engine::Budget;
use crate::event_loop::{Bound, Weight};
use crate::limits;
use crate::observe::TenantMetrics;

/// What a tenant may have. [`limits::TENANT_UNLIMITED`] is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Bytes of linear memory of all its instances, those of its jobs among them.
    pub memory_bytes: u64,
    /// Its instances, those of its jobs and those that rest among them.
    pub instances: u64,
    /// Requests from their admission to the end of their answer.
    pub requests_in_flight: u64,
    /// Requests that may wait for a place in flight.
    pub queue: u64,
    /// How long each may wait.
    pub queue_time: Duration,
    /// Requests a second.
    pub requests_per_second: u64,
    /// Requests at once, after a rest, within the rate.
    pub burst: u64,
    /// Milliseconds on the loops in a second.
    pub cpu_ms_per_second: u64,
    /// Bytes of a request's body, within what the server takes.
    pub body_bytes: u64,
    /// Connections by which it sends requests, of each loop.
    pub connections_out: u64,
    /// Jobs that wait for a host thread.
    pub host_jobs: u64,
    /// Milliseconds that a request may take, whatever its handler may.
    pub wall_ms: u64,
    /// Milliseconds that a request may hold a loop, whatever its handler may.
    pub cpu_ms: u64,
    /// Bytes of what it keeps on the disk: its files, databases and keys together.
    pub storage_bytes: u64,
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits {
            memory_bytes: limits::TENANT_UNLIMITED,
            instances: limits::TENANT_UNLIMITED,
            requests_in_flight: limits::TENANT_UNLIMITED,
            queue: limits::TENANT_QUEUE,
            queue_time: limits::TENANT_QUEUE_TIME,
            requests_per_second: limits::TENANT_UNLIMITED,
            burst: limits::TENANT_UNLIMITED,
            cpu_ms_per_second: limits::TENANT_UNLIMITED,
            body_bytes: limits::TENANT_UNLIMITED,
            connections_out: limits::OUTBOUND_CONNECTIONS_PER_TENANT_MAX as u64,
            host_jobs: limits::HOST_JOBS_PER_QUEUE_MAX as u64,
            wall_ms: limits::TENANT_UNLIMITED,
            cpu_ms: limits::TENANT_UNLIMITED,
            storage_bytes: limits::TENANT_UNLIMITED,
        }
    }
}

impl TenantLimits {
    /// Requests at once: a second's, unless it was said how many.
    fn burst(&self) -> u64 {
        if self.burst == limits::TENANT_UNLIMITED { self.requests_per_second } else { self.burst }
    }
}

/// Which of its limits a tenant has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Requests a second.
    Rate,
    /// Time on the loops in a second.
    Cpu,
    /// Requests in flight, where none may wait.
    Requests,
    /// Requests that wait, or the time they may.
    Queue,
    /// Memory in all.
    Memory,
    /// Instances.
    Instances,
    /// The length of a request's body.
    Body,
    /// What it keeps on the disk.
    Storage,
    /// Connections by which it sends requests.
    Connections,
    /// Jobs that wait for a host thread.
    Jobs,
}

impl Limit {
    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Rate => "rate",
            Limit::Cpu => "cpu",
            Limit::Requests => "requests",
            Limit::Queue => "queue",
            Limit::Memory => "memory",
            Limit::Instances => "instances",
            Limit::Body => "body",
            Limit::Storage => "storage",
            Limit::Connections => "connections",
            Limit::Jobs => "jobs",
        }
    }

    /// What a refused client is told.
    pub fn code(self) -> &'static str {
        match self {
            Limit::Rate => "tenant-rate",
            Limit::Cpu => "tenant-cpu",
            Limit::Requests => "tenant-requests",
            Limit::Queue => "tenant-queue",
            Limit::Memory => "tenant-memory",
            Limit::Instances => "tenant-instances",
            Limit::Body => "tenant-body",
            Limit::Storage => "tenant-storage",
            Limit::Connections => "tenant-connections",
            Limit::Jobs => "tenant-jobs",
        }
    }
}

/// A tenant.
pub struct Tenant {
    name: String,
    /// Tells it from the others where its name would be too long.
    number: u64,
    weight: Weight,
    host_jobs: Bound,
    limits: Mutex<TenantLimits>,
    /// Of these, what each request asks for.
    wall_ms: AtomicU64,
    cpu_ms: AtomicU64,
    /// Where the rate and the share are measured from.
    base: Instant,
    /// Seconds after `base`, and one, when the log was told last of a guest that was told `busy`; 0: never.
    told: AtomicU64,
    pub(super) rate: Bucket,
    pub(super) cpu: Bucket,
    pub(super) gate: Mutex<Gate>,
    budget: Budget,
    storage: Storage,
    metrics: Arc<TenantMetrics>,
}

impl Tenant {
    fn new(name: &str, number: u64) -> Arc<Self> {
        let without = TenantLimits::default();
        let metrics = TenantMetrics::new(name);
        let budget = Budget::new(metrics.memory.clone(), metrics.instances.clone());
        let tenant = Tenant {
            name: name.to_owned(),
            number,
            weight: Weight::default(),
            host_jobs: Bound::new(limits::HOST_JOBS_PER_QUEUE_MAX),
            limits: Mutex::new(without),
            wall_ms: AtomicU64::default(),
            cpu_ms: AtomicU64::default(),
            base: Instant::now(),
            told: AtomicU64::default(),
            rate: Bucket::default(),
            cpu: Bucket::default(),
            gate: Mutex::default(),
            budget,
            storage: Storage::new(metrics.clone()),
            metrics,
        };
        tenant.set_limits(without);
        Arc::new(tenant)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number among the tenants of the process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its share of what tenants take turns at, beside those of the others.
    pub fn weight(&self) -> u32 {
        self.weight.get()
    }

    /// Its share, for those who let parties take turns.
    pub fn weight_handle(&self) -> Weight {
        self.weight.clone()
    }

    /// How many of its jobs may wait for a host thread, for those who queue them.
    pub fn host_jobs(&self) -> Bound {
        self.host_jobs.clone()
    }

    /// Changes its share, from the next turn on.
    pub fn set_weight(&self, weight: u32) {
        self.weight.set(weight);
    }

    /// What it may have.
    pub fn limits(&self) -> TenantLimits {
        *self.limits.lock().expect("a tenant's limits")
    }

    /// Changes what it may have, from any thread. Who has more than that keeps it, and gets no more.
    pub fn set_limits(&self, limits: TenantLimits) {
        let before =
            std::mem::replace(&mut *self.limits.lock().expect("a tenant's limits"), limits);
        if (before.requests_per_second, before.burst) != (limits.requests_per_second, limits.burst)
        {
            self.rate.forgive();
        }
        if before.cpu_ms_per_second != limits.cpu_ms_per_second {
            self.cpu.forgive();
        }
        self.rate.set(cost_of_one(limits.requests_per_second), {
            let burst = u128::from(cost_of_one(limits.requests_per_second));
            u64::try_from(burst * u128::from(limits.burst().max(1))).unwrap_or(u64::MAX)
        });
        let burst = limits::TENANT_CPU_BURST.as_nanos() as u64;
        self.cpu
            .set(if limits.cpu_ms_per_second == limits::TENANT_UNLIMITED { 0 } else { 1 }, burst);
        self.budget.set(limits.memory_bytes, limits.instances);
        self.host_jobs.set(limits.host_jobs as usize);
        self.storage.set(limits.storage_bytes);
        self.wall_ms.store(limits.wall_ms, Ordering::Relaxed);
        self.cpu_ms.store(limits.cpu_ms, Ordering::Relaxed);
        self.resize(&limits);
    }

    /// The most that a request may take from now on, whatever its handler may.
    pub fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms.load(Ordering::Relaxed))
    }

    /// The most that a request may hold a loop from now on, the same.
    pub fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms.load(Ordering::Relaxed))
    }

    /// What its instances have of memory, and how many they are.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What it keeps on the disk.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// What is counted of it.
    pub fn metrics(&self) -> &Arc<TenantMetrics> {
        &self.metrics
    }

    /// Its guests have held a loop for this long.
    pub fn charge(&self, now: Instant, took: Duration) {
        let took = took.as_nanos() as u64;
        self.metrics.on_loop_ns.fetch_add(took, Ordering::Relaxed);
        if self.cpu.is_limited() {
            let share = self.limits().cpu_ms_per_second.max(1);
            self.cpu.charge(self.nanos(now), took.saturating_mul(1000) / share);
        }
    }

    /// A request of its was refused for this.
    pub fn refused(&self, limit: Limit) {
        self.metrics.refused(limit.name());
    }

    /// Whether the log is to be told of a guest that was told `busy`: once in a second at the most.
    pub fn is_news(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.base).as_secs() + 1;
        self.told.swap(second, Ordering::Relaxed) < second
    }

    /// Nanoseconds since it was made.
    pub(super) fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.base).as_nanos() as u64
    }
}

/// What a request costs of a rate, in nanoseconds; nothing where there is none.
fn cost_of_one(per_second: u64) -> u64 {
    if per_second == limits::TENANT_UNLIMITED { 0 } else { 1_000_000_000 / per_second.max(1) }
}

/// The tenants of a process, by name.
#[derive(Default)]
pub struct Tenants {
    known: Mutex<BTreeMap<String, Known>>,
}

struct Known {
    tenant: Arc<Tenant>,
    /// What it was configured with last: what was changed since is not undone by the same again.
    configured: Option<(u32, TenantLimits)>,
}

impl Tenants {
    /// The tenant of a name, made without limits when it is first asked for.
    pub fn get(&self, name: &str) -> Arc<Tenant> {
        let mut known = self.known.lock().expect("tenants");
        let number = known.len() as u64;
        let made = || Known { tenant: Tenant::new(name, number), configured: None };
        known.entry(name.to_owned()).or_insert_with(made).tenant.clone()
    }

    /// Gives a tenant this weight and these limits, unless it was given the same before.
    pub fn configure(&self, name: &str, weight: u32, limits: TenantLimits) {
        let mut known = self.known.lock().expect("tenants");
        let Some(one) = known.get_mut(name) else { return };
        if one.configured.replace((weight, limits)) != Some((weight, limits)) {
            one.tenant.set_weight(weight);
            one.tenant.set_limits(limits);
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        let known = self.known.lock().expect("tenants");
        known.values().map(|known| known.tenant.clone()).collect()
    }
}
