//! Hob: one event loop serves WebAssembly components.
pub mod admin;
pub mod assets;
pub mod capabilities;
pub mod cli;
pub mod config;
pub mod deployments;
pub mod engine;
pub mod event_loop;
pub mod handlers;
pub mod jobs;
pub mod limits;
pub mod observe;
pub mod server;
pub mod tenants;
pub mod wire;
