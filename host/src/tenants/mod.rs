//! Owns who serves a request.

mod routes;

pub use routes::Routes;
