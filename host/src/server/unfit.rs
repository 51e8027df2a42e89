//! Owns why a version that was deployed while a server ran cannot be served: what to do about it is other than
//! for a component of `hob.toml`.

use crate::capabilities::{JoinError, Missing};
use crate::handlers::DeployError;

/// A version that cannot be served.
#[derive(Debug)]
pub struct Unfit {
    pub(super) tenant: String,
    pub(super) handler: String,
    /// Whether `hob.toml` has the handler.
    pub(super) is_of_file: bool,
    /// What is wrong, by the name of the version.
    pub(super) error: DeployError,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unfit { tenant, handler, is_of_file, error } = self;
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
