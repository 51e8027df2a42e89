//! Owns what the deployed versions make of a configuration.

use crate::config::{Config, HandlerConfig, path_of_name};
use crate::deployments::{Ledger, Store};

/// The configuration in which each handler has the version that is to be served, and those handlers are
/// added that `hob.toml` does not have.
pub(in crate::server) fn with_versions(config: &Config, ledger: &Ledger, store: &Store) -> Config {
    let mut config = config.clone();
    for record in &ledger.handlers {
        let Some(version) = record.current() else { continue };
        let component = store.component(&version.digest);
        let known = config
            .handlers
            .iter_mut()
            .find(|one| one.tenant == record.tenant && one.name == record.handler);
        match known {
            Some(handler) => handler.component = component,
            None => config.handlers.push(HandlerConfig {
                tenant: record.tenant.clone(),
                ..HandlerConfig::new(
                    &record.handler,
                    component,
                    path_of(&record.handler, record.path.as_deref()),
                )
            }),
        }
    }
    config.label_handlers();
    config
}

/// The path below which a handler answers that `hob.toml` does not have.
pub(super) fn path_of(handler: &str, path: Option<&str>) -> String {
    let path = path.map_or_else(|| path_of_name(handler), str::to_owned);
    path.trim_end_matches('/').to_owned()
}
