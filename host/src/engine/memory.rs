//! Owns the measure of a guest's memory: the sum over all memories of its instance, for a limit
//! on each alone would let two of them take twice as much.

use wasmtime::ResourceLimiter;

use crate::limits;

/// Counts the linear memory of one store, and bounds its tables.
pub struct MemoryMeter {
    limit: usize,
    used: usize,
    refused: bool,
}

impl MemoryMeter {
    /// A meter at zero, for a guest that may have `limit` bytes.
    pub fn new(limit: usize) -> Self {
        MemoryMeter { limit, used: 0, refused: false }
    }

    /// Bytes of linear memory the guest has.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Forgets that the guest was refused memory: the next request is not to blame for it.
    pub fn forget_refusal(&mut self) {
        self.refused = false;
    }

    /// Whether the guest has asked for more than it may have. Guests answer that with a trap,
    /// which is then not the trap of a bug.
    pub fn was_refused(&self) -> bool {
        self.refused
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
