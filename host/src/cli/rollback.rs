//! `hob rollback`.

use anyhow::Result;
use clap::Args;

use super::operator::{Operator, Which};
use super::output::say;
use crate::admin::ChangeView;

/// Go back to an earlier version of a handler
#[derive(Args)]
#[command(after_help = "\
Without --to it is the version that was served before and has not failed; when there is none, that of
hob.toml. `hob deployments` lists the versions.

Example:
  hob rollback --handler shop --to 3f1d0c2a9b44")]
pub(super) struct Rollback {
    #[command(flatten)]
    which: Which,

    /// The version to go to
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,

    #[command(flatten)]
    operator: Operator,
}

impl Rollback {
    pub(super) fn run(self) -> Result<()> {
        let query: Vec<_> = self.to.map(|version| ("to", version)).into_iter().collect();
        let path = format!("{}/rollback", self.which.path()?);
        let changed: ChangeView = self.operator.post(&path, &query, &[])?;
        let version = changed.version.as_deref().unwrap_or("none");
        say!("{}/{} serves version {version}", changed.tenant, changed.handler);
        Ok(())
    }
}
