//! `hob deployments`.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Error, Result};
use clap::Args;

use super::operator::{Operator, Which};
use super::output::say;
use crate::admin::{HandlerView, HandlersView, VersionsView};
use crate::config::check_name;

/// List what a server serves, or the versions of a handler
#[derive(Args)]
#[command(after_help = "\
Examples:
  hob deployments
  hob deployments --tenant acme
  hob deployments --handler shop")]
pub(super) struct Deployments {
    /// Whose handlers are to be listed [default: everyone's; with --handler: default]
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,

    /// The handler whose versions are to be listed
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,

    #[command(flatten)]
    operator: Operator,
}

impl Deployments {
    pub(super) fn run(self) -> Result<()> {
        match (self.tenant, self.handler) {
            (None, None) => handlers(&self.operator.get("/v1/handlers")?),
            (Some(tenant), None) => {
                check_name("tenant", &tenant).map_err(Error::msg)?;
                handlers(&self.operator.get(&format!("/v1/handlers?tenant={tenant}"))?);
            }
            (tenant, Some(handler)) => {
                let tenant = tenant.unwrap_or_else(|| "default".to_owned());
                let path = Which { tenant, handler }.path()?;
                versions(&self.operator.get(&format!("{path}/versions"))?);
            }
        }
        Ok(())
    }
}

fn handlers(view: &HandlersView) {
    for one in &view.handlers {
        let HandlerView { tenant, handler, path, source, .. } = one;
        let place = match &one.preview_url {
            Some(url) => format!("at {url}"),
            None if path.is_empty() => "without a path of its own".to_owned(),
            None => format!("below {path}"),
        };
        let (Some(version), Some(generation), Some(isolation)) =
            (&one.version, &one.generation, &one.isolation)
        else {
            match &one.set_aside {
                Some(why) => say!("{tenant}/{handler}  is set aside  {place}: {why}"),
                None => say!("{tenant}/{handler}  waits for its first deployment  {place}"),
            }
            continue;
        };
        say!(
            "{tenant}/{handler}  version {version} ({source})  {place}  {generation}, {isolation}"
        );
    }
}

fn versions(view: &VersionsView) {
    if view.versions.is_empty() {
        say!("{}/{} has no deployed version", view.tenant, view.handler);
    }
    if let Some(version) = &view.file {
        say!("{version}  the component of hob.toml  served");
    }
    for one in view.versions.iter().rev() {
        let when = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(one.deployed));
        let state = match (&one.set_aside, &one.failed) {
            _ if one.current => "served".to_owned(),
            (Some(why), _) => format!("set aside: {why}"),
            (None, Some(why)) => format!("taken back: {why}"),
            (None, None) => "kept".to_owned(),
        };
        say!("{}  {when}  {} bytes  {state}", one.id, one.bytes);
    }
}
