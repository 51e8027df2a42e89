//! Owns the reasons why there is no response from a guest.

use crate::engine::{self, CpuLimitReached, MemoryMeter};
use crate::tenants::Limit;

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
    /// What a client, and a plug-in, are told of it.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::Trap(_) => "trap",
            Failure::NoResponse => "no-response",
            Failure::InvalidResponse(_) => "invalid-response",
            Failure::Handler(_) => "handler-error",
            Failure::InstanceLost => "instance-lost",
            Failure::CpuLimit => "cpu-limit",
            Failure::MemoryLimit => "memory-limit",
            Failure::TenantMemory => Limit::Memory.code(),
            Failure::TenantInstances => Limit::Instances.code(),
            Failure::NoInstance => "no-instance",
            Failure::WallLimit => "wall-limit",
        }
    }

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

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Trap(why) => write!(f, "the guest trapped: {why}"),
            Failure::CpuLimit => f.write_str("the guest has computed for longer than its limit"),
            Failure::MemoryLimit => f.write_str("the guest wanted more memory than its limit"),
            Failure::TenantMemory => {
                f.write_str("the instances of its tenant have all the memory they may have")
            }
            Failure::TenantInstances => f.write_str("its tenant has as many instances as it may"),
            Failure::WallLimit => {
                f.write_str("the guest took longer than its limit, waiting included")
            }
            Failure::NoResponse => f.write_str("the guest returned without a response"),
            Failure::InvalidResponse(why) => write!(f, "the guest's response can be none: {why}"),
            Failure::Handler(why) => write!(f, "the guest reported an error: {why}"),
            Failure::NoInstance => f.write_str("there is no room for another instance"),
            Failure::InstanceLost => {
                f.write_str("another request in the same instance has brought it down")
            }
        }
    }
}

impl std::error::Error for Failure {}
