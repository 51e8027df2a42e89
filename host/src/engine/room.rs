//! Owns the answer to whether an instance was not made for want of room.

use rustix::io::Errno;

/// Whether there was no room for an instance: in the pool, or in the system's memory. The system's
/// refusal wasmtime reports in one way for the instance, and in another for its stack.
pub fn lacks_room(error: &wasmtime::Error) -> bool {
    let of_instance = error.downcast_ref::<Errno>().copied();
    let of_stack = || error.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error);
    error.is::<wasmtime::PoolConcurrencyLimitError>()
        || of_instance.or_else(of_stack) == Some(Errno::NOMEM)
}
