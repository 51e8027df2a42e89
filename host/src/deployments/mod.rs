//! Owns the versions of handlers that were deployed while a server ran: their components, and which of
//! them is served. Both survive the end of the process at any moment.
//!
//! # On the disk
//! `components/DIGEST.wasm` for each content, and `ledger.json`. Either comes into being by a rename of
//! a file that is complete and synced, and is never written to again; the rename is synced too. So a
//! reader finds a file whole or not at all, and the ledger of before or after a change. What a process
//! that died has left half done is removed at the next start.

mod ledger;
mod store;

pub use ledger::{ID_LENGTH, Ledger, NameTaken, NoSuchVersion, Record, State, Version};
pub use store::{Store, StoreFault};
