//! Owns the measure of a guest's memory: the sum over all memories of its instance, for a limit
//! on each alone would let two of them take twice as much; and the sum over all instances that share
//! a budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use wasmtime::ResourceLimiter;

use crate::limits;

/// What instances have together: linear memory, and their number. Cheap to clone.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    memory: Arc<AtomicU64>,
    memory_max: AtomicU64,
    instances: Arc<AtomicU64>,
    instances_max: AtomicU64,
    /// Who may have instances at rest.
    reserves: Mutex<Vec<Weak<dyn Reserve>>>,
}

/// Holds instances at rest, which give way to those at work.
pub trait Reserve: Send + Sync {
    /// Drops them.
    fn give_up(&self);
}

/// What a budget has no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// Linear memory.
    Memory,
    /// Instances.
    Instances,
}

impl Budget {
    /// A budget without limits, that keeps its counts here.
    pub fn new(memory: Arc<AtomicU64>, instances: Arc<AtomicU64>) -> Self {
        Budget(Arc::new(Shared {
            memory,
            memory_max: AtomicU64::new(u64::MAX),
            instances,
            instances_max: AtomicU64::new(u64::MAX),
            reserves: Mutex::default(),
        }))
    }

    /// Sets the limits: bytes of memory, and instances. What is there already stays.
    pub fn set(&self, memory: u64, instances: u64) {
        self.0.memory_max.store(memory, Ordering::Relaxed);
        self.0.instances_max.store(instances, Ordering::Relaxed);
    }

    /// Asks this reserve too before anyone is refused, as long as it lives.
    pub fn add_reserve(&self, reserve: Weak<dyn Reserve>) {
        let mut reserves = self.0.reserves.lock().expect("reserves");
        reserves.retain(|reserve| reserve.strong_count() > 0);
        reserves.push(reserve);
    }

    /// Has what rests dropped. The lock is not held then, for an instance that goes comes back here.
    fn give_up_reserves(&self) {
        let reserves: Vec<_> = self.0.reserves.lock().expect("reserves").clone();
        reserves.iter().filter_map(Weak::upgrade).for_each(|reserve| reserve.give_up());
    }

    fn take_memory(&self, bytes: u64) -> bool {
        let max = self.0.memory_max.load(Ordering::Relaxed);
        take(&self.0.memory, bytes, max) || {
            self.give_up_reserves();
            take(&self.0.memory, bytes, max)
        }
    }

    fn take_instance(&self) -> bool {
        let max = self.0.instances_max.load(Ordering::Relaxed);
        take(&self.0.instances, 1, max) || {
            self.give_up_reserves();
            take(&self.0.instances, 1, max)
        }
    }
}

fn take(count: &AtomicU64, more: u64, max: u64) -> bool {
    let within = |count: u64| count.checked_add(more).filter(|count| *count <= max);
    count.try_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
}

/// Counts the linear memory of one store, within a budget, and bounds its tables.
pub struct MemoryMeter {
    budget: Budget,
    limit: usize,
    used: usize,
    refused: bool,
    exhausted: bool,
}

impl MemoryMeter {
    /// A meter at zero, for an instance that may have `limit` bytes. It is one of the budget's
    /// instances as long as the meter lives.
    ///
    /// # Errors
    /// When the budget has no more instances.
    pub fn new(limit: usize, budget: &Budget) -> Result<Self, Exhausted> {
        if !budget.take_instance() {
            return Err(Exhausted::Instances);
        }
        Ok(MemoryMeter { budget: budget.clone(), limit, used: 0, refused: false, exhausted: false })
    }

    /// Bytes of linear memory the guest has.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Forgets that the guest was refused memory: the next request is not to blame for it.
    pub fn forget_refusal(&mut self) {
        self.refused = false;
        self.exhausted = false;
    }

    /// Whether the guest has asked for more than it may have. Guests answer that with a trap,
    /// which is then not the trap of a bug.
    pub fn was_refused(&self) -> bool {
        self.refused
    }

    /// Whether it was refused memory because its budget has no more, and not for a limit of its own.
    pub fn was_exhausted(&self) -> bool {
        self.exhausted
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.budget.0.memory.fetch_sub(self.used as u64, Ordering::Relaxed);
        self.budget.0.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // It would fail, and must not be counted: allocators ask to find out.
            return Ok(false);
        }
        let used = self.used + (desired - current);
        if used > self.limit {
            self.refused = true;
            return Ok(false);
        }
        if !self.budget.take_memory((desired - current) as u64) {
            self.refused = true;
            self.exhausted = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= limits::TABLE_ELEMENTS_MAX)
    }
}
