//! The bounds of plug-ins in a program that has Hob in it.

/// Calls of plug-ins, and loads of them, that one host has under way or waiting at once. A host that is
/// this far behind is not helped by more; whoever comes later is told so at once.
pub const PLUGIN_CALLS_MAX: usize = 16_384;

/// Bytes of a plug-in's response: the program gets it whole, so it must fit into memory. As a request's
/// body.
pub const PLUGIN_RESPONSE_BYTES_MAX: usize = 128 * 1024 * 1024;
