//! `hob schema`.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args;

use crate::config::Config;

/// Print the JSON schema of hob.toml
#[derive(Args)]
#[command(after_help = "\
Editors that know TOML complete and check a hob.toml with it.

Example:
  hob schema > hob.schema.json")]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(Config::schema().as_bytes()).context("cannot write the schema")
    }
}
