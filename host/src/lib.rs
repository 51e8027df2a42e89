//! Hob: one event loop serves WebAssembly components.
//!
//! What is named here at the root is for programs that have Hob in them: see [`Host`]. The modules are the
//! rooms of the host; they may change with any version.
pub mod admin;
pub mod assets;
pub mod capabilities;
pub mod cli;
pub mod config;
pub mod deployments;
pub mod embedding;
pub mod engine;
pub mod event_loop;
pub mod handlers;
pub mod jobs;
pub mod limits;
pub mod observe;
pub mod server;
pub mod tenants;
pub mod wire;

pub use capabilities::{
    Access, Egress, EgressRule, Extension, Grants, GuestName, GuestState, NewGuest, SqlGrant,
    Waiting,
};
pub use embedding::{
    BuildError, CallError, Host, HostBuilder, HostHandle, LoadError, Plugin, PluginPlan,
    RunningHost, ServeError, ServedHost,
};
pub use handlers::{Failure, GuestLimits, Isolation};
pub use tenants::{Limit, OverLimit, TenantLimits};
/// The engine, in the version that bindings of a product's world are to be made with.
pub use wasmtime;
/// The types of [`Plugin::request`].
pub use {bytes, http};
