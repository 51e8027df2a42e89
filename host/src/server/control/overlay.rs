//! Owns what the deployed versions make of a configuration.

use crate::config::{
    Config, DeployedVersion, HandlerConfig, RouteConfig, TargetConfig, path_of_name,
};
use crate::deployments::{Ledger, Record, State, Store, Version};
use crate::server::set_aside::{Aside, SetAside};
use crate::tenants::{Host, Pattern, Routes};

/// Whether versions have host names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Previews {
    /// As `hob.toml` says.
    With,
    /// Not now: one of them cannot be served as things are, and must not keep the rest from it.
    Without,
}

/// The configuration in which each handler has the version that is to be served, and to which the
/// handlers are added that `hob.toml` does not have, and the versions that have a host name of their own.
/// Nothing is served of a handler whose version is set aside: the component of `hob.toml` may be much older.
pub(in crate::server) fn with_versions(
    config: &Config,
    ledger: &Ledger,
    store: &Store,
    previews: Previews,
    set_aside: &SetAside,
) -> Config {
    let mut config = config.clone();
    for record in &ledger.handlers {
        let known = config
            .handlers
            .iter_mut()
            .find(|one| one.tenant == record.tenant && one.name == record.handler);
        let Some(current) = record.current() else { continue };
        let is_aside = set_aside.has(&record.tenant, &record.handler, &current.id);
        let component = (!is_aside).then(|| store.component(&current.digest));
        match known {
            Some(handler) => {
                handler.component = component;
                handler.version = version(current, true);
            }
            // What was to guard it is not there any more.
            None if record.of_file => {}
            None => {
                let version = version(current, false);
                config.handlers.push(HandlerConfig { component, version, ..plain(record) });
            }
        }
    }
    if let Some(host) = config.deploy.preview_host.clone().filter(|_| previews == Previews::With) {
        for record in &ledger.handlers {
            add_previews(&mut config, record, &host, store, set_aside);
        }
    }
    let mut config = config.without_undeployed();
    config.label_handlers();
    config
}

/// Those that are to be served and of which `hob.toml`, by what it says now, leaves no place.
pub(in crate::server) fn without_place<'a>(
    config: &'a Config,
    ledger: &'a Ledger,
) -> impl Iterator<Item = Aside> + 'a {
    ledger.handlers.iter().filter_map(|record| {
        let current = record.current()?;
        let (tenant, handler) = (record.tenant.clone(), record.handler.clone());
        let mut handlers = config.handlers.iter();
        let is_there = handlers.any(|one| one.tenant == tenant && one.name == handler);
        let why = if is_there { None } else { why_without_place(config, record) }?;
        Some(Aside { tenant, handler, version: current.id.clone(), why })
    })
}

fn why_without_place(config: &Config, record: &Record) -> Option<String> {
    let Record { handler, .. } = record;
    if record.of_file {
        return Some(format!(
            "hob.toml has no handler `{handler}` any more, which said where its versions answer and what is \
             before them; put it back, deploy it again to have it answer at a path of its own, or `hob \
             undeploy {handler}`"
        ));
    }
    let path = path_of(handler, record.path.as_deref());
    let mut handlers = config.handlers.iter();
    if let Some(other) = handlers.find(|one| one.path.as_ref() == Some(&path)) {
        return Some(format!(
            "the handler `{}` of hob.toml has the path {path}, which `{handler}` was deployed to; change it \
             there, or deploy `{handler}` with another --path",
            other.name
        ));
    }
    let route = taken(config, &Pattern::below(&path))?;
    Some(format!(
        "the route `{route}` of hob.toml is for the same requests as the path {path}, which `{handler}` was \
         deployed to; change it there, or deploy `{handler}` with another --path"
    ))
}

/// The route of `hob.toml` that is for the same requests.
pub(super) fn taken(config: &Config, pattern: &Pattern) -> Option<Pattern> {
    let mut routes = Routes::default();
    for route in &config.routes {
        let _ = routes.add(&route.pattern);
    }
    let place = routes.add(pattern).err()?;
    Some(config.routes[place].pattern.clone())
}

fn version(version: &Version, is_of_file: bool) -> Option<DeployedVersion> {
    Some(DeployedVersion { id: version.id.clone(), is_of_file })
}

/// A handler of which `hob.toml` says nothing.
pub(super) fn plain(record: &Record) -> HandlerConfig {
    let path = path_of(&record.handler, record.path.as_deref());
    HandlerConfig {
        tenant: record.tenant.clone(),
        ..HandlerConfig::new(&record.handler, None, path)
    }
}

/// Each version that may be served answers at a host name of its own, with what the handler is granted.
fn add_previews(
    config: &mut Config,
    record: &Record,
    host: &str,
    store: &Store,
    set_aside: &SetAside,
) {
    let mut handlers = config.handlers.iter();
    let known =
        handlers.find(|one| one.tenant == record.tenant && one.name == record.handler).cloned();
    if known.is_none() && record.of_file {
        return;
    }
    let is_of_file = known
        .as_ref()
        .is_some_and(|known| known.version.as_ref().is_none_or(|version| version.is_of_file));
    let of_handler = known.unwrap_or_else(|| plain(record));
    if of_handler.is_plugin {
        // By itself it could answer nothing.
        return;
    }
    let may_be_served = |version: &&Version| {
        version.state == State::Ready
            && !set_aside.has(&record.tenant, &record.handler, &version.id)
    };
    for one in record.versions.iter().filter(may_be_served) {
        let name_of_host = preview_host(&record.tenant, &record.handler, &one.id, host);
        let host = Host::Exact(name_of_host);
        // Names with dots in them can come to the same: whose that is, is then no one's to say.
        if config.routes.iter().any(|route| *route.pattern.host() == host) {
            continue;
        }
        let name = preview_name(&record.handler, &one.id);
        let component = Some(store.component(&one.digest));
        let place = config.handlers.len();
        config.handlers.push(HandlerConfig {
            label: name.clone(),
            name,
            component,
            version: version(one, is_of_file),
            path: None,
            ..of_handler.clone()
        });
        config.routes.push(RouteConfig {
            pattern: Pattern::below("/").at(host),
            tenant: record.tenant.clone(),
            target: TargetConfig::Handler(place),
            cors: None,
            plugins: of_handler.plugins.clone(),
        });
    }
}

/// No handler of `hob.toml` can be called so.
fn preview_name(handler: &str, id: &str) -> String {
    format!("{handler}@{id}")
}

/// The handler and the version of a name that [`preview_name`] has made.
pub(super) fn of_preview(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('@')
}

/// The host name of a version.
pub(super) fn preview_host(tenant: &str, handler: &str, id: &str, host: &str) -> String {
    format!("{id}.{handler}.{tenant}.{host}").to_ascii_lowercase()
}

/// The path below which a handler answers that `hob.toml` does not have.
pub(super) fn path_of(handler: &str, path: Option<&str>) -> String {
    let path = path.map_or_else(|| path_of_name(handler), str::to_owned);
    path.trim_end_matches('/').to_owned()
}
