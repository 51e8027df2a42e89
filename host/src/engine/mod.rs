//! Owns compiled code, and the bounds within which it runs: the engines, the cache of compiled
//! code, the epoch that interrupts guests, and the meters of time and memory.
//! Knows nothing of sockets, routes, files or WASI.

mod artifact;
mod compile_threads;
mod component_file;
mod core_module;
mod epoch;
mod memory;
mod meter;
mod room;

use std::sync::OnceLock;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

pub use artifact::{Cache, CompileError};
pub use compile_threads::CompileThreads;
pub use component_file::{ComponentFile, ContentDigest, FileError};
pub use epoch::{Ticker, TickerHandle};
pub use memory::{Budget, Exhausted, MemoryMeter, Reserve};
pub use meter::{CpuLimitReached, Meter, Ran, Slice};
pub use room::lacks_room;

use crate::limits;

/// The generation of WASI a component is made for. The two do not mix in one store, and calls
/// cost half as much where an engine need not be ready for concurrent ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// 0.2: sync exports; a guest that waits is suspended with its stack.
    Wasi02,
    /// 0.3: async exports; a guest that waits holds no stack.
    Wasi03,
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Generation::Wasi02 => "WASI 0.2",
            Generation::Wasi03 => "WASI 0.3",
        })
    }
}

/// What an engine's instances are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Requests, on a loop.
    Requests,
    /// Jobs, on offload threads. Their instances have a pool of their own, so that neither can take
    /// the other's.
    Jobs,
}

impl Purpose {
    /// Sizes of the pool, the one to be tried first in front.
    fn pool_sizes(self) -> impl Iterator<Item = u32> {
        let wanted = match self {
            Purpose::Requests => limits::INSTANCES,
            Purpose::Jobs => limits::OFFLOAD_INSTANCES,
        };
        let smaller = limits::INSTANCES_FALLBACK.into_iter().filter(move |size| *size < wanted);
        [wanted].into_iter().chain(smaller)
    }
}

/// The engines of the process, one for each purpose and generation, each made when it is first asked
/// for; and the threads that compile for all of them.
pub struct Engines {
    slots: [OnceLock<PooledEngine>; 4],
    compile_threads: CompileThreads,
}

/// An engine, and how many instances it may hold at once.
pub struct PooledEngine {
    /// The engine.
    pub engine: Engine,
    /// Live instances its pool is made for; none when it has no pool, because the address space
    /// is too small for one.
    pub instances: Option<u32>,
}

impl Engines {
    /// Engines whose threads do this first, once they are made: give way to others that matter more.
    pub fn new(at_start: fn()) -> Self {
        Engines { slots: Default::default(), compile_threads: CompileThreads::new(at_start) }
    }

    /// The threads that compile.
    pub fn compile_threads(&self) -> &CompileThreads {
        &self.compile_threads
    }

    /// The engine for a purpose and a generation.
    ///
    /// # Errors
    /// When not even an engine without a pool can be made.
    pub fn get(&self, purpose: Purpose, generation: Generation) -> wasmtime::Result<&PooledEngine> {
        let slot = &self.slots[match (purpose, generation) {
            (Purpose::Requests, Generation::Wasi02) => 0,
            (Purpose::Requests, Generation::Wasi03) => 1,
            (Purpose::Jobs, Generation::Wasi02) => 2,
            (Purpose::Jobs, Generation::Wasi03) => 3,
        }];
        if slot.get().is_none() {
            // A second thread that got here too drops the engine it made.
            let _ = slot.set(make(purpose, generation)?);
        }
        Ok(slot.get().expect("the slot was filled a line above"))
    }

    /// The engines made so far.
    pub fn made(&self) -> impl Iterator<Item = &Engine> {
        self.slots.iter().filter_map(|slot| Some(&slot.get()?.engine))
    }
}

/// Pools of 4 GiB slots need more address space than small machines and tight limits
/// (`ulimit -v`) have. The kernel is asked, with smaller and smaller pools.
fn make(purpose: Purpose, generation: Generation) -> wasmtime::Result<PooledEngine> {
    for instances in purpose.pool_sizes() {
        if let Ok(engine) = Engine::new(&config(generation, Some(instances))) {
            return Ok(PooledEngine { engine, instances: Some(instances) });
        }
    }
    let engine = Engine::new(&config(generation, None))?;
    Ok(PooledEngine { engine, instances: None })
}

/// The one place where wasmtime is configured.
fn config(generation: Generation, instances: Option<u32>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(generation == Generation::Wasi03)
        .concurrency_support(generation == Generation::Wasi03)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .max_wasm_stack(limits::WASM_STACK_BYTES)
        .async_stack_size(limits::STACK_BYTES)
        // A trap's backtrace names functions; file and line would cost a read of DWARF.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Registered unwind tables make the drop of a module slow, and only native debuggers
        // and profilers want them.
        .native_unwind_info(false);
    match instances {
        // Linear memories stay where they are, so access needs no bounds check.
        Some(instances) => config
            .memory_reservation(4 << 30)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances))),
        // Where there is no room for that, they take what they need and move when they grow.
        None => config
            .memory_reservation(0)
            .memory_guard_size(0)
            .memory_reservation_for_growth(limits::MEMORY_GROWTH_RESERVED_BYTES)
            .allocation_strategy(InstanceAllocationStrategy::OnDemand),
    };
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        // A component is its module and two or three small adapters around it.
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(3))
        .total_stacks(instances)
        .total_gc_heaps(instances.min(1000))
        .max_core_instances_per_component(limits::CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(limits::MEMORIES_PER_COMPONENT)
        .max_tables_per_component(limits::TABLES_PER_COMPONENT)
        .max_memories_per_module(limits::MEMORIES_PER_COMPONENT)
        .max_tables_per_module(limits::TABLES_PER_COMPONENT)
        .max_component_instance_size(limits::INSTANCE_BYTES_MAX)
        .max_core_instance_size(limits::INSTANCE_BYTES_MAX)
        .max_memory_size(limits::MEMORY_BYTES_MAX)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(limits::TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(limits::STACK_KEEP_RESIDENT_BYTES)
        .pagemap_scan(if is_swap_on() { Enabled::No } else { Enabled::Auto });
    pool
}

/// The scan for dirty pages misses those that are swapped out, and what it misses the next
/// instance in the slot could read. When in doubt, there is swap.
#[expect(clippy::disallowed_methods, reason = "runs once, before the loop does")]
fn is_swap_on() -> bool {
    match std::fs::read_to_string("/proc/swaps") {
        Ok(swaps) => swaps.lines().count() > 1,
        Err(_) => true,
    }
}
