//! Owns why a version that was deployed while a server ran cannot be served: what to do about it is other than
//! for a component of `hob.toml`.

use crate::capabilities::{JoinError, Missing};
use crate::config::{DeployedVersion, HandlerConfig};
use crate::engine::FileError;
use crate::handlers::DeployError;

/// A version that cannot be served.
#[derive(Debug)]
pub struct Unfit {
    pub(super) tenant: String,
    pub(super) handler: String,
    /// Names the version.
    pub(super) version: String,
    /// Whether `hob.toml` has the handler.
    is_of_file: bool,
    fault: ComponentFault,
}

/// What is wrong with a component.
#[derive(Debug)]
pub(super) enum ComponentFault {
    /// With its file.
    File(FileError),
    /// With what it wants, or offers.
    Deploy(DeployError),
}

impl ComponentFault {
    /// Whether the machine, or the program around, cannot do what is asked, and the component may be good.
    pub(super) fn is_of_machine(&self) -> bool {
        matches!(
            self,
            ComponentFault::File(FileError::Unreadable(..))
                | ComponentFault::Deploy(DeployError::Join(
                    JoinError::Engine(_) | JoinError::Extension(_)
                ))
        )
    }
}

impl Unfit {
    /// A version of a handler, with what is wrong with its component.
    pub(super) fn new(
        handler: &HandlerConfig,
        version: &DeployedVersion,
        fault: ComponentFault,
    ) -> Self {
        Unfit {
            tenant: handler.tenant.clone(),
            handler: handler.name.clone(),
            version: version.id.clone(),
            is_of_file: version.is_of_file,
            fault,
        }
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unfit { tenant, handler, is_of_file, fault, .. } = self;
        let error = match fault {
            ComponentFault::File(error) => return error.fmt(f),
            ComponentFault::Deploy(error) => error,
        };
        match error {
            DeployError::Join(JoinError::NotGranted { path, missing, .. }) if !is_of_file => {
                write!(
                    f,
                    "{} wants what it is not granted, for hob.toml has no handler `{handler}`. To grant it, \
                     write there, have that read again (`hob reload`), and deploy again:\n  [[handler]]\n  \
                     name = \"{handler}\"\n  tenant = \"{tenant}\"",
                    path.display()
                )?;
                for Missing { import, line } in missing {
                    write!(f, "\n  {line}\n    for its import {import}")?;
                }
                Ok(())
            }
            DeployError::NothingBehind { path, .. } => write!(
                f,
                "{} is a plug-in (it imports wasi:http/handler), and nothing is behind the handler \
                 `{handler}`; deploy it to a [[plugin]] of hob.toml, whose table needs a `name` and no \
                 `component`, and write that name into `plugins` of the [[handler]] that it is to be before",
                path.display()
            ),
            other => other.fmt(f),
        }
    }
}
