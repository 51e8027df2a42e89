//! `hob limit`.

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::operator::{Operator, path_of_tenant};
use super::tenants::print;
use crate::admin::LimitChanges;

/// Change limits of a tenant of a server that runs
#[derive(Args)]
#[command(after_help = "\
The change holds until hob.toml says something else than before, or the server ends.

Example:
  hob limit acme memory_mib=64 requests_per_second=none weight=2")]
pub(super) struct Limit {
    /// The tenant
    tenant: String,

    /// Limits by the names that they have in hob.toml, or weight; `none` is no limit, or the
    /// default where there is one
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = parse_change)]
    changes: Vec<(String, Option<u64>)>,

    #[command(flatten)]
    operator: Operator,
}

fn parse_change(text: &str) -> Result<(String, Option<u64>), String> {
    let wrong = || format!("`{text}` is no change; write KEY=NUMBER, or KEY=none");
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = match value {
        "none" => None,
        number => Some(number.parse().map_err(|_| wrong())?),
    };
    Ok((key.to_owned(), value))
}

impl Limit {
    pub(super) fn run(self) -> Result<()> {
        let path = path_of_tenant(&self.tenant)?;
        let mut changes = LimitChanges::default();
        for (key, value) in self.changes {
            ensure!(!changes.contains_key(&key), "`{key}` comes twice; say it once");
            changes.insert(key, value);
        }
        let body = serde_json::to_vec(&changes).context("changes are JSON")?;
        print(&self.operator.patch(&path, &body)?);
        Ok(())
    }
}
