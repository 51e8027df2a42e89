//! Owns the reasons why there is no response from a guest.

use crate::engine::{self, CpuLimitReached, MemoryMeter};

/// Why there is no response from the guest. Each becomes a status of its own.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The guest trapped.
    Trap(String),
    /// It held the loop for too long.
    CpuLimit,
    /// It wanted more memory than it may have, and trapped.
    MemoryLimit,
    /// Its tenant's instances have all the memory they may have together.
    TenantMemory,
    /// Its tenant has as many instances as it may.
    TenantInstances,
    /// It took too long, waiting included.
    WallLimit,
    /// It returned without a response.
    NoResponse,
    /// Its response can be none.
    InvalidResponse(String),
    /// It reported an error of its own.
    Handler(String),
    /// There is no room for another instance.
    NoInstance,
    /// Another request in the same instance has brought it down.
    InstanceLost,
}

impl Failure {
    /// What an error of the engine means. The guest's `memory` tells the trap of one that was
    /// refused memory from that of a bug.
    pub(super) fn of(error: &wasmtime::Error, memory: &MemoryMeter) -> Failure {
        if error.is::<CpuLimitReached>() {
            return Failure::CpuLimit;
        }
        if engine::lacks_room(error) {
            return Failure::NoInstance;
        }
        if memory.was_exhausted() {
            return Failure::TenantMemory;
        }
        if memory.was_refused() {
            return Failure::MemoryLimit;
        }
        Failure::Trap(format!("{error:#}"))
    }
}
