//! Owns who serves a request.

mod pattern;
mod routes;

pub use pattern::{Host, Pattern, host_of};
pub use routes::{Found, Routes};
