//! The bounds of chains of plug-ins.

/// Plug-ins before a handler: each is an instance at work for the request, and a task. Authentication, rates,
/// rewriting and counting are four.
pub const PLUGINS_MAX: usize = 8;

/// Calls of what is behind them that all plug-ins of a request may make together: one for each of the
/// longest chain, and some to try again. Without it a chain could multiply a request.
pub const CALLS_BEHIND_MAX: u32 = 32;

const _: () = assert!(CALLS_BEHIND_MAX as usize > PLUGINS_MAX);
