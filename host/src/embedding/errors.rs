//! Owns the reasons why a host is not built, a plug-in not loaded, and a call not answered.

use std::io;
use std::path::PathBuf;

use crate::capabilities::{JoinError, StoreError};
use crate::engine::FileError;
use crate::handlers::{DeployError, Failure};
use crate::limits;
use crate::tenants::{OverLimit, seconds_to_wait};
use crate::wire::TlsError;

/// Why a host cannot be built.
#[derive(Debug)]
pub enum BuildError {
    /// The folder for compiled code.
    Cache(PathBuf, io::Error),
    /// The machine refuses a thread or a descriptor.
    System(&'static str, io::Error),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::Cache(path, error) => {
                write!(f, "cannot keep compiled code in {}: {error}", path.display())
            }
            BuildError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Why a plug-in is not loaded. What was loaded under its name before goes on.
#[derive(Debug)]
pub enum LoadError {
    /// The name of it, or of its tenant, can be none.
    Name(String),
    /// It is not a component.
    File(FileError),
    /// It cannot be compiled, wants an import that is not there or not granted, or cannot have this
    /// isolation.
    Deploy(DeployError),
    /// It is granted what is kept in files, and its host has no folder for that.
    NoDataFolder,
    /// It is granted to offload, and a host has no modules.
    NoModules,
    /// What its tenant keeps cannot be opened.
    Store(StoreError),
    /// What outbound requests trust cannot be read.
    Trust(TlsError),
    /// Its first instance came down.
    Start(Failure),
    /// Another one was loaded under its name meanwhile, by a call that came later.
    Superseded,
    /// The host has too much to do: try again.
    Busy,
    /// The host has stopped.
    Stopped,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Name(name) => write!(
                f,
                "{name:?} cannot be a name: use letters, digits, -, _ and ., and no . in front"
            ),
            LoadError::File(error) => error.fmt(f),
            // It is not by a line of hob.toml that a product would grant it.
            LoadError::Deploy(DeployError::Join(JoinError::NotGranted {
                path, missing, ..
            })) => {
                write!(f, "{} imports what it is not granted:", path.display())?;
                missing.iter().try_for_each(|missing| write!(f, " {}", missing.import))
            }
            LoadError::Deploy(error) => error.fmt(f),
            LoadError::NoDataFolder => {
                f.write_str("files, sql and kv need a folder: name one with `HostBuilder::data`")
            }
            LoadError::NoModules => {
                f.write_str("a plug-in cannot offload: modules are there for `hob serve` only")
            }
            LoadError::Store(error) => error.fmt(f),
            LoadError::Trust(error) => error.fmt(f),
            LoadError::Start(failure) => write!(f, "no instance of it can be made: {failure}"),
            LoadError::Superseded => {
                f.write_str("another plug-in was loaded under its name meanwhile")
            }
            LoadError::Busy => f.write_str("the host has too much to do; try again"),
            LoadError::Stopped => f.write_str("the host has stopped"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Why a call has no answer. Each is another action for the caller.
#[derive(Debug)]
pub enum CallError {
    /// No plug-in of this name is loaded any more.
    NotLoaded,
    /// The plug-in answers no requests.
    NoHandler,
    /// Its tenant is over one of its limits: try again when it says so.
    OverLimit(OverLimit),
    /// The request's body is longer than those of its tenant may be.
    BodyTooLong,
    /// The plug-in came down, or has used up one of its limits.
    Failed(Failure),
    /// The body of the plug-in's response broke off.
    Broken(String),
    /// The body of the plug-in's response is larger than [`limits::PLUGIN_RESPONSE_BYTES_MAX`].
    TooLarge,
    /// The host has too much to do: try again.
    Busy,
    /// The host has stopped, or the caller's own code has panicked in the call.
    Stopped,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::NotLoaded => f.write_str("the plug-in is not loaded"),
            CallError::NoHandler => f.write_str("the plug-in exports no request handler"),
            CallError::OverLimit(over) => write!(
                f,
                "its tenant is over its limit ({}); try again in {} s",
                over.limit.name(),
                seconds_to_wait(over.retry_after)
            ),
            CallError::BodyTooLong => {
                f.write_str("the body of the request is longer than its tenant's may be")
            }
            CallError::Failed(failure) => failure.fmt(f),
            CallError::Broken(why) => write!(f, "the body of the response broke off: {why}"),
            CallError::TooLarge => write!(
                f,
                "the body of the response has more than {} bytes",
                limits::PLUGIN_RESPONSE_BYTES_MAX
            ),
            CallError::Busy => f.write_str("the host has too much to do; try again"),
            CallError::Stopped => f.write_str("the host has stopped, or the call has panicked"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// Why a host has not done what it was asked.
pub(super) enum Unanswered {
    Busy,
    Stopped,
}

impl From<Unanswered> for CallError {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Busy => CallError::Busy,
            Unanswered::Stopped => CallError::Stopped,
        }
    }
}

impl From<Unanswered> for LoadError {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Busy => LoadError::Busy,
            Unanswered::Stopped => LoadError::Stopped,
        }
    }
}
