//! `hob deployments`.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;

use super::operator::{Operator, Which};
use crate::admin::{HandlersView, VersionsView};

/// List what a server serves, or the versions of a handler
#[derive(Args)]
#[command(after_help = "\
Examples:
  hob deployments
  hob deployments --handler shop")]
pub(super) struct Deployments {
    /// Whose handler it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,

    /// The handler whose versions are to be listed
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,

    #[command(flatten)]
    operator: Operator,
}

impl Deployments {
    pub(super) fn run(self) -> Result<()> {
        match self.handler {
            None => handlers(&self.operator.get("/v1/handlers")?),
            Some(handler) => {
                let path = Which { tenant: self.tenant, handler }.path();
                versions(&self.operator.get(&format!("{path}/versions"))?);
            }
        }
        Ok(())
    }
}

fn handlers(view: &HandlersView) {
    for one in &view.handlers {
        println!(
            "{}/{}  version {} ({})  below {}  {}, {}",
            one.tenant,
            one.handler,
            one.version,
            one.source,
            one.path,
            one.generation,
            one.isolation
        );
    }
}

fn versions(view: &VersionsView) {
    if view.versions.is_empty() {
        println!("{}/{} has no deployed version", view.tenant, view.handler);
    }
    for one in view.versions.iter().rev() {
        let when = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(one.deployed));
        let state = match (&one.failed, one.current) {
            (_, true) => "served".to_owned(),
            (Some(why), _) => format!("taken back: {why}"),
            (None, false) => "kept".to_owned(),
        };
        println!("{}  {when}  {} bytes  {state}", one.id, one.bytes);
    }
}
