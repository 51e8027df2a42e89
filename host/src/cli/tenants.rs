//! `hob tenants`.

use anyhow::Result;
use clap::Args;

use super::operator::Operator;
use super::output::say;
use crate::admin::{TenantView, TenantsView};

/// List the tenants of a server, their limits and what they have now
#[derive(Args)]
pub(super) struct Tenants {
    #[command(flatten)]
    operator: Operator,
}

impl Tenants {
    pub(super) fn run(self) -> Result<()> {
        let TenantsView { tenants } = self.operator.get("/v1/tenants")?;
        tenants.iter().for_each(print);
        Ok(())
    }
}

/// What a tenant has, and those of its limits that there are.
pub(super) fn print(view: &TenantView) {
    say!(
        "{}  {} KiB in {} instances, {} requests in flight, {} waiting",
        view.tenant,
        view.memory_bytes / 1024,
        view.instances,
        view.requests_in_flight,
        view.requests_queued
    );
    if let Some(bytes) = view.storage_bytes {
        say!("  {} KiB on the disk", bytes.div_ceil(1024));
    }
    for (key, value) in &view.limits {
        if let Some(value) = value {
            say!("  {key} = {value}");
        }
    }
}
