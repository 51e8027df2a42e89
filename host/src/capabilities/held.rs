//! Owns the count of the bytes that a tenant's calls under way have handed over: they are in the host's
//! memory until the call ends, and no limit of a guest's own memory sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event_loop::Refused;
use crate::limits;

/// What a tenant's calls have handed over, on all loops. Cheap to clone.
#[derive(Clone, Default)]
pub struct HeldBytes(Arc<AtomicUsize>);

/// The bytes of one call, as long as this lives.
pub(super) struct Held {
    all: HeldBytes,
    bytes: usize,
}

impl HeldBytes {
    /// Counts the bytes of a call.
    ///
    /// # Errors
    /// When the tenant's calls hold too many already.
    pub(super) fn hold(&self, bytes: usize) -> Result<Held, Refused> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let held = Held { all: self.clone(), bytes };
        if before + bytes > limits::HELD_BYTES_PER_TENANT_MAX {
            return Err(Refused::Busy);
        }
        Ok(held)
    }
}

impl Held {
    /// Counts these with the bytes of another call of the same tenant.
    pub(super) fn join(&mut self, mut other: Held) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
