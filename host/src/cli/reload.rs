//! `hob reload`.

use anyhow::Result;
use clap::Args;

use super::operator::Operator;
use super::output::say;
use crate::admin::ReloadView;

/// Have a server read its hob.toml again
#[derive(Args)]
#[command(after_help = "\
SIGHUP does the same. A file that is wrong changes nothing, and what is wrong with it is said.")]
pub(super) struct Reload {
    #[command(flatten)]
    operator: Operator,
}

impl Reload {
    pub(super) fn run(self) -> Result<()> {
        let reloaded: ReloadView = self.operator.post("/v1/reload", &[], &[])?;
        say!("{} handlers are served", reloaded.handlers);
        for changed in &reloaded.changed {
            say!("  changed: {changed}");
        }
        for key in &reloaded.needs_restart {
            say!("  `{key}` has another value now, which needs a restart");
        }
        for fault in &reloaded.left_out {
            say!("  left out: {fault}");
        }
        for notice in &reloaded.set_aside {
            say!("  {notice}");
        }
        Ok(())
    }
}
