//! Write request handlers for Hob, and for any host of WASI 0.3.
//!
//! A handler is one async function from a [`Request`] to a [`Response`]:
//!
//! ```
//! use hob_sdk::{Request, Response, Result};
//!
//! #[hob_sdk::handler]
//! async fn handle(request: Request) -> Result<Response> {
//!     let name = request.query().first("name").unwrap_or("world".into()).into_owned();
//!     Ok(Response::text(format!("hello {name}\n")))
//! }
//! # fn main() {}
//! ```
//!
//! Put it into a library crate of type `cdylib` and build it with
//! `cargo build --release --target wasm32-wasip2`. The file exports Hob's own interface,
//! `hob:host/handler`, which is a few times cheaper to call, and the standard one,
//! `wasi:http/handler`, so that it runs under any other host of WASI 0.3 as well. Of Hob's own
//! interfaces it imports those that it uses.
//!
//! | what | where |
//! |---|---|
//! | method, path, query, headers of a request | [`Request`], [`Query`] |
//! | its body, whole or in pieces | [`Body`], [`BodyError`] |
//! | an answer, whole or written while the client reads | [`Response`], [`BodyWriter`] |
//! | failure | [`Error`], [`Result`] |
//! | waiting | [`time`] |
//! | the tenant's folder | [`files`] |
//! | outbound HTTP | [`fetch`] |
//! | the lookup of names | [`dns`] |
//! | what `hob.toml` tells, and secrets | [`config`] |
//! | gzip, deflate, brotli, zstd | [`compression`] |
//! | hashes, passwords, ciphers, signatures | [`crypto`] |
//! | the tenant's databases | [`sql`] |
//! | the tenant's keys and values | [`kv`] |
//! | work beside, or after, the answer | [`spawn`] |
//! | work that computes, on other threads | [`offload`] |
//! | such work itself, and whom it is for | [`job`], [`streaming_job`], [`caller`] |
#![deny(missing_docs, unsafe_code)]

mod answer;
#[doc(hidden)]
pub mod bindings;
mod body;
pub mod caller;
pub mod compression;
pub mod config;
pub mod crypto;
pub mod dns;
mod error;
pub mod fetch;
pub mod files;
mod headers;
mod hob_lane;
pub mod kv;
pub mod offload;
mod query;
mod request;
mod response;
pub mod sql;
mod standard_lane;
mod task;
pub mod time;
mod writer;

pub use answer::Answer;
pub use body::{Body, BodyError};
pub use error::{Error, Result};
pub use hob_sdk_macros::{handler, job, streaming_job};
pub use http;
pub use query::Query;
pub use request::Request;
pub use response::{IntoStatus, Response};
pub use task::spawn;
pub use writer::BodyWriter;

#[doc(hidden)]
pub use answer::{Handler, report};
