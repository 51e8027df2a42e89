//! Owns the tables `[[handler]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::module::ModuleConfig;
use super::{Checker, Limits, grants, path, secrets};
use crate::capabilities::{Grants, Settings};
use crate::handlers::{GuestLimits, Isolation};

/// One handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerConfig {
    /// Its name in the log and the metrics.
    pub name: String,
    /// Whose it is: handlers of one tenant share what it keeps.
    pub tenant: String,
    /// Its component's file.
    pub component: PathBuf,
    /// The path below which it answers.
    pub path: String,
    /// How its instances are used; by default as its generation of WASI suggests.
    pub isolation: Option<Isolation>,
    /// What it may use.
    pub limits: GuestLimits,
    /// The environment it sees.
    pub environment: Vec<(String, String)>,
    /// What it is told, its secrets among it.
    pub settings: Arc<Settings>,
    /// What it may ask for.
    pub grants: Grants,
    /// Whether its answers are compressed for clients that take it.
    pub compress: bool,
}

impl HandlerConfig {
    /// A handler with nothing but defaults.
    pub fn new(name: &str, component: PathBuf, path: String) -> Self {
        HandlerConfig {
            name: name.to_owned(),
            tenant: DEFAULT_TENANT.to_owned(),
            component,
            path,
            isolation: None,
            limits: GuestLimits::default(),
            environment: Vec::new(),
            settings: Arc::default(),
            grants: Grants::default(),
            compress: false,
        }
    }
}

/// Whose a handler is that names no tenant.
pub(super) const DEFAULT_TENANT: &str = "default";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    name: Spanned<String>,
    tenant: Option<Spanned<String>>,
    component: Spanned<PathBuf>,
    path: Option<Spanned<String>>,
    isolation: Option<Spanned<String>>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    grants: grants::File,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    secrets: Option<Spanned<secrets::Sources>>,
    #[serde(default)]
    compress: bool,
}

impl Checker<'_> {
    pub(super) fn handlers(
        &mut self,
        files: Vec<Spanned<File>>,
        general: GuestLimits,
        modules: &[ModuleConfig],
    ) -> Vec<HandlerConfig> {
        if files.is_empty() {
            self.fault(0, "there is no [[handler]]: add one with `name` and `component`");
        }
        let mut handlers: Vec<HandlerConfig> = Vec::new();
        for file in files {
            let at = file.span().start;
            let handler = self.handler(file.into_inner(), general, modules);
            if handlers.iter().any(|other| other.name == handler.name) {
                self.fault(at, &format!("a second handler has the name `{}`", handler.name));
            }
            if handlers.iter().any(|other| other.path == handler.path) {
                self.fault(at, &format!("a second handler has the path `{}`", handler.path));
            }
            handlers.push(handler);
        }
        handlers
    }

    fn handler(
        &mut self,
        file: File,
        general: GuestLimits,
        modules: &[ModuleConfig],
    ) -> HandlerConfig {
        let name = self.name("name", &file.name);
        let tenant = file.tenant.map(|tenant| self.name("tenant", &tenant));
        let tenant = tenant.unwrap_or_else(|| DEFAULT_TENANT.to_owned());
        self.check_offload(&file.grants.offload, &tenant, modules);
        let path = match &file.path {
            None => format!("/{name}"),
            Some(path) => {
                let given = path.get_ref();
                if let Err(why) = path::check_path(given) {
                    self.fault(path.span().start, &why);
                }
                given.trim_end_matches('/').to_owned()
            }
        };
        let isolation = file.isolation.and_then(|text| {
            text.get_ref()
                .parse()
                .map_err(|why: String| {
                    self.fault(text.span().start, &format!("`isolation`: {why}"));
                })
                .ok()
        });
        let component = self.folder().join(file.component.get_ref());
        HandlerConfig {
            tenant,
            isolation,
            limits: self.limits(general, &file.limits, "handler.limits"),
            environment: file.environment.into_iter().collect(),
            settings: Arc::new(self.settings(file.config, file.secrets)),
            grants: self.grants(file.grants),
            compress: file.compress,
            ..HandlerConfig::new(&name, component, path)
        }
    }
}
