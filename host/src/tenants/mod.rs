//! Owns who serves a request, and what its tenant may have.

mod admission;
mod pattern;
mod routes;
mod storage;
mod tenant;

pub use admission::{Admission, OverLimit, Place, Wait, seconds_to_wait};
pub use pattern::{Host, Pattern, host_of};
pub use routes::{Found, Routes};
pub use storage::{Storage, StorageFull, Turn, Walk, Walked};
pub use tenant::{Limit, Tenant, TenantLimits, Tenants};
