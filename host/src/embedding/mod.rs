//! Owns Hob as a library: a program builds a [`Host`], adds imports of its own, loads plug-ins and calls
//! them, on the loop and within the limits that handlers have.
//!
//! A host is one event loop on one thread. Everything else reaches it through a [`HostHandle`], which is
//! `Send`, and whose futures need no runtime: they may be awaited on the loop itself, by tokio, or by
//! a thread that blocks on them.
//!
//! ```no_run
//! use hob::bytes::Bytes;
//! use hob::http::Request;
//! use hob::{Host, PluginPlan};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().cache("compiled").log(std::io::stderr()).build()?;
//! let answer = host.run(async |host| {
//!     let greeter = host.load(PluginPlan::file("greeter", "greeter.wasm")).await?;
//!     let request = Request::get("/greeter?name=you").body(Bytes::new())?;
//!     Ok::<_, Box<dyn std::error::Error>>(greeter.request(request).await?)
//! })??;
//! println!("{}", answer.status());
//! # Ok(())
//! # }
//! ```
//!
//! [`Extension`](crate::Extension) has an example of a product's own world, and `embedding/shop` in the
//! repository is a product.

mod builder;
mod errors;
mod handle;
mod host;
mod names;
mod plan;
mod residents;
mod served;
mod workshop;

pub use builder::HostBuilder;
pub use errors::{BuildError, CallError, LoadError};
pub use handle::{HostHandle, Plugin};
pub use host::{Host, RunningHost};
pub use plan::PluginPlan;
pub use served::{ServeError, ServedHost};
