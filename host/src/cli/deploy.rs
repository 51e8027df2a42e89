//! `hob deploy`.

#![expect(clippy::disallowed_methods, reason = "runs without a loop")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::operator::{Operator, Which};
use super::target;
use crate::admin::DeployView;

/// Deploy a component, or a folder of them, to a server that runs
#[derive(Args)]
#[command(after_help = "\
The server compiles the component, tries it, and serves it from then on; requests in flight finish on
the version before. It may import what the handler is granted in the server's hob.toml, and no more.
When it fails too many of its first requests, the server goes back to the version before.

Examples:
  hob deploy target/wasm32-wasip2/release/shop.wasm
  hob deploy shop.wasm --tenant acme --handler shop --check
  hob deploy components --admin https://hob.example.com:8081 --token-file token")]
pub(super) struct Deploy {
    /// A .wasm component, or a folder of them
    target: PathBuf,

    /// Whose handler it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,

    /// The handler's name [default: that of the file]
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,

    /// The path below which it answers, for a handler that hob.toml does not have [default: /HANDLER]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// Say whether it could be deployed, and change nothing
    #[arg(long)]
    check: bool,

    /// Serve it at a host name of its own only, as `preview_host` of hob.toml says
    #[arg(long, conflicts_with = "check")]
    preview: bool,

    #[command(flatten)]
    operator: Operator,
}

impl Deploy {
    pub(super) fn run(self) -> Result<()> {
        if !self.target.is_dir() {
            let handler = match &self.handler {
                Some(name) => name.clone(),
                None => target::stem(&self.target)?.to_owned(),
            };
            return self.deploy(&self.target, handler);
        }
        if self.handler.is_some() || self.path.is_some() {
            bail!("--handler and --path are for one component; in a folder each has its own name");
        }
        let mut components = target::components_in(&self.target)?;
        components.sort();
        if components.is_empty() {
            bail!("there is no .wasm file in {}", self.target.display());
        }
        for component in &components {
            self.deploy(component, target::stem(component)?.to_owned())
                .with_context(|| format!("{} is not deployed", component.display()))?;
        }
        Ok(())
    }

    fn deploy(&self, component: &Path, handler: String) -> Result<()> {
        let bytes = std::fs::read(component)
            .with_context(|| format!("cannot read {}", component.display()))?;
        let mut query =
            vec![("check", self.check.to_string()), ("preview", self.preview.to_string())];
        query.extend(self.path.clone().map(|path| ("path", path)));
        let which = Which { tenant: self.tenant.clone(), handler };
        let path = format!("{}/versions", which.path());
        print(&self.operator.post(&path, &query, &bytes)?);
        Ok(())
    }
}

fn print(deployed: &DeployView) {
    let DeployView { tenant, handler, path, version, before, outcome, .. } = deployed;
    let what = match outcome.as_str() {
        "unchanged" => "serves this already as",
        "could-be-deployed" => "could serve",
        "previewed" => "keeps",
        _ => "serves",
    };
    let instead = before.as_ref().filter(|before| *before != version);
    let instead = instead.map_or(String::new(), |before| format!(" (before: {before})"));
    println!("{tenant}/{handler} {what} version {version} below {path}{instead}");
    if let Some(host) = &deployed.preview {
        println!("  this version alone: http://{host}");
    }
    for import in &deployed.new_imports {
        println!("  new import: {import}");
    }
    for import in &deployed.dropped_imports {
        println!("  no longer imported: {import}");
    }
}
