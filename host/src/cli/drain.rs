//! `hob drain`.

use anyhow::Result;
use clap::Args;

use super::operator::Operator;
use super::output::say;

/// Have a server finish what is in flight and end
#[derive(Args)]
pub(super) struct Drain {
    #[command(flatten)]
    operator: Operator,
}

impl Drain {
    pub(super) fn run(self) -> Result<()> {
        let _: serde_json::Value = self.operator.post("/v1/drain", &[], &[])?;
        say!("the server takes no new connections, and ends when the last request is answered");
        Ok(())
    }
}
