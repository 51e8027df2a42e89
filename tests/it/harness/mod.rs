//! What every test needs: a server, a client that sends raw bytes, components, and a folder.

mod certificate;
mod client;
mod components;
mod lines;
mod metrics;
mod operator;
mod place;
mod process;
mod scratch;
mod serve;
mod upstream;

use std::time::Duration;

pub(crate) use certificate::{CERTIFICATE_LINES, Certificate};
pub(crate) use client::{Client, END_OF_BODY, Response, chunked, get, post, unfinished};
pub(crate) use components::{TESTS, compile_cache, component, guests};
pub(crate) use metrics::Metrics;
pub(crate) use operator::{TOKEN, TOKEN_TABLE, expect_denied, greeter, view};
pub(crate) use place::Place;
pub(crate) use process::{Hob, Outcome, hob, run};
pub(crate) use scratch::Scratch;
pub(crate) use serve::{Guest, Serve, every_mode, guest, module, plugin};
pub(crate) use upstream::{Deed, Upstream, answer};

/// How long anything is waited for before the test fails. It is only there so that a hang ends:
/// whatever works takes a fraction of it, also on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
