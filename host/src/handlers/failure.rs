//! Owns the reasons why there is no response from a guest.

use crate::engine::{self, CpuLimitReached};

/// Why there is no response from the guest. Each becomes a status of its own.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The guest trapped.
    Trap(String),
    /// It held the loop for too long.
    CpuLimit,
    /// It wanted more memory than it may have, and trapped.
    MemoryLimit,
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
    /// What an error of the engine means. `memory_refused` tells the trap of a guest that was
    /// refused memory from that of a bug.
    pub(super) fn of(error: &wasmtime::Error, memory_refused: bool) -> Failure {
        if error.is::<CpuLimitReached>() {
            return Failure::CpuLimit;
        }
        if engine::lacks_room(error) {
            return Failure::NoInstance;
        }
        if memory_refused {
            return Failure::MemoryLimit;
        }
        Failure::Trap(format!("{error:#}"))
    }
}
