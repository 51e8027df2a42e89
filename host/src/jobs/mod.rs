//! Owns the meeting of a job and a module: which of its exports is called and how, in which instance,
//! within which limits, and what came of it. On which thread and when is the event loop's matter.

mod form;
mod module;
mod outcome;
mod runner;

pub use module::{JobIsolation, Module, ModuleError, ModulePlan};
pub use runner::ModuleRunner;
