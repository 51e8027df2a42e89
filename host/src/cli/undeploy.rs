//! `hob undeploy`.

use anyhow::Result;
use clap::Args;

use super::operator::{Operator, Which};
use super::output::say;
use crate::admin::ChangeView;

/// Forget all deployed versions of a handler
#[derive(Args)]
#[command(after_help = "\
A handler of hob.toml goes back to the component that is named there; any other is served no more.

Example:
  hob undeploy --handler shop")]
pub(super) struct Undeploy {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    operator: Operator,
}

impl Undeploy {
    pub(super) fn run(self) -> Result<()> {
        let changed: ChangeView = self.operator.delete(&self.which.path()?)?;
        match &changed.version {
            Some(version) => say!(
                "{}/{} serves version {version}, that of hob.toml",
                changed.tenant,
                changed.handler
            ),
            None => say!("{}/{} is served no more", changed.tenant, changed.handler),
        }
        Ok(())
    }
}
