//! `hob deploy`.

#![expect(clippy::disallowed_methods, reason = "runs without a loop")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::Args;

use super::operator::{Operator, Which};
use super::output::say;
use super::target;
use crate::admin::DeployView;
use crate::capabilities::Grants;
use crate::config::{check_name, check_path};
use crate::limits;

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
        if let Some(path) = &self.path {
            check_path(path).map_err(Error::msg)?;
        }
        if !self.target.is_dir() {
            return self.deploy(&self.target);
        }
        if self.handler.is_some() || self.path.is_some() {
            bail!("--handler and --path are for one component; in a folder each has its own name");
        }
        let mut components = target::components_in(&self.target)?;
        components.sort();
        if components.is_empty() {
            bail!("there is no .wasm file in {}", self.target.display());
        }
        let mut failed = 0;
        for component in &components {
            if let Err(error) = self.deploy(component) {
                eprintln!("hob: {error:#}");
                failed += 1;
            }
        }
        if failed > 0 {
            bail!("{failed} of {} components are not deployed", components.len());
        }
        Ok(())
    }

    fn deploy(&self, component: &Path) -> Result<()> {
        self.send(component).with_context(|| match self.check {
            true => format!("{} could not be deployed", component.display()),
            false => format!("{} is not deployed", component.display()),
        })
    }

    fn send(&self, component: &Path) -> Result<()> {
        let handler = match &self.handler {
            Some(name) => name.clone(),
            None => {
                let stem = target::stem(component)?;
                let checked = check_name("handler", stem);
                checked.map_err(|why| anyhow!("{why}; give it such a name with --handler"))?;
                stem.to_owned()
            }
        };
        let path = Which { tenant: self.tenant.clone(), handler }.path()?;
        let bytes = read(component)?;
        let mut query =
            vec![("check", self.check.to_string()), ("preview", self.preview.to_string())];
        query.extend(self.path.clone().map(|path| ("path", path)));
        print(&self.operator.post(&format!("{path}/versions"), &query, &bytes)?);
        Ok(())
    }
}

/// A component, unless it is longer than the server takes.
fn read(component: &Path) -> Result<Vec<u8>> {
    const MIB: u64 = 1024 * 1024;
    let cannot = || format!("cannot read {}", component.display());
    let length = std::fs::metadata(component).with_context(cannot)?.len();
    if length > limits::COMPONENT_BYTES_MAX {
        bail!(
            "it has {} MiB, and a component that is deployed may have {}; build it in release mode, and \
             without debug information",
            length.div_ceil(MIB),
            limits::COMPONENT_BYTES_MAX / MIB
        );
    }
    std::fs::read(component).with_context(cannot)
}

fn print(deployed: &DeployView) {
    let DeployView { tenant, handler, path, version, before, outcome, .. } = deployed;
    let what = match outcome.as_str() {
        "unchanged" => "serves this already as",
        "could-be-deployed" => "could serve",
        "previewed" => "keeps",
        _ => "serves",
    };
    let place = match outcome.as_str() {
        "previewed" => String::new(),
        _ if path.is_empty() => " without a path of its own".to_owned(),
        _ => format!(" below {path}"),
    };
    let instead = before.as_ref().filter(|before| *before != version);
    let instead = instead.map_or(String::new(), |before| format!(" (before: {before})"));
    say!("{tenant}/{handler} {what} version {version}{place}{instead}");
    if let Some(url) = &deployed.preview_url {
        say!("  this version alone: {url}");
    }
    // Of a first version all is new: what it was granted is what matters.
    if before.is_none() {
        let granted = Grants::default().missing(&deployed.new_imports);
        granted.iter().for_each(|one| say!("  uses its grant of {}", one.import));
        return;
    }
    for import in &deployed.new_imports {
        say!("  new import: {import}");
    }
    for import in &deployed.dropped_imports {
        say!("  no longer imported: {import}");
    }
}
