//! `hob drain`.

use anyhow::Result;
use clap::Args;

use super::operator::Operator;

/// Have a server finish what is in flight and end
#[derive(Args)]
pub(super) struct Drain {
    #[command(flatten)]
    operator: Operator,
}

impl Drain {
    pub(super) fn run(self) -> Result<()> {
        let _: serde_json::Value = self.operator.post("/v1/drain", &[], &[])?;
        println!("the server takes no new connections, and ends when the last request is answered");
        Ok(())
    }
}
