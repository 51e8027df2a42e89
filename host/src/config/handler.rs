//! Owns the tables `[[handler]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::module::ModuleConfig;
use super::plugin::{self, Plugins};
use super::spanned::Spanned;
use super::values::Values;
use super::{Checker, Config, Limits, grants, path, secrets};
use crate::capabilities::{Grants, Settings};
use crate::handlers::{GuestLimits, Isolation};

/// One handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerConfig {
    /// Its name; another tenant may have a handler of the same.
    pub name: String,
    /// What it is called in the log and the metrics: its name, after its tenant's and a slash where
    /// several tenants have a handler of this name.
    pub label: String,
    /// Whose it is: handlers of one tenant share what it keeps.
    pub tenant: String,
    /// Its component's file; none: it waits for its first deployment.
    pub component: Option<PathBuf>,
    /// Which version that is, where it was deployed while a server ran.
    pub version: Option<DeployedVersion>,
    /// The path below which it answers, if it has one beside those of the routes that name it.
    pub path: Option<String>,
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
    /// The plug-ins of its tenant that are before it, by name, the outermost first.
    pub plugins: Vec<String>,
    /// Whether it is a plug-in itself: it answers no request that is not on its way to a handler.
    pub is_plugin: bool,
}

/// A version of a handler that was deployed while a server ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedVersion {
    /// Names it.
    pub id: String,
    /// Whether `hob.toml` has the handler.
    pub is_of_file: bool,
}

impl HandlerConfig {
    /// Whether it is the same but for what it is called in the log, which depends on other tenants.
    pub fn is_same(&self, other: &Self) -> bool {
        let label = self.label.clone();
        *self == HandlerConfig { label, ..other.clone() }
    }

    /// A handler with nothing but defaults.
    pub fn new(name: &str, component: Option<PathBuf>, path: String) -> Self {
        HandlerConfig {
            name: name.to_owned(),
            label: name.to_owned(),
            tenant: DEFAULT_TENANT.to_owned(),
            component,
            version: None,
            path: Some(path),
            isolation: None,
            limits: GuestLimits::default(),
            environment: Vec::new(),
            settings: Arc::default(),
            grants: Grants::default(),
            compress: false,
            plugins: Vec::new(),
            is_plugin: false,
        }
    }
}

impl Config {
    /// Gives each handler the name that it has in the log and the metrics: its tenant's before its own
    /// where several tenants have a handler of that name.
    pub fn label_handlers(&mut self) {
        let mut owners: BTreeMap<String, usize> = BTreeMap::new();
        for handler in &self.handlers {
            *owners.entry(handler.name.clone()).or_default() += 1;
        }
        for handler in &mut self.handlers {
            let is_alone = owners[&handler.name] == 1;
            handler.label = match is_alone {
                true => handler.name.clone(),
                false => format!("{}/{}", handler.tenant, handler.name),
            };
        }
    }
}

/// Whose a handler is that names no tenant.
pub(super) const DEFAULT_TENANT: &str = "default";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Handler")]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    pub(super) tenant: Option<Spanned<String>>,
    pub(super) component: Option<Spanned<PathBuf>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) isolation: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) grants: grants::File,
    #[serde(default)]
    pub(super) environment: Values,
    #[serde(default)]
    pub(super) config: Values,
    #[serde(default)]
    pub(super) secrets: Option<Spanned<secrets::Sources>>,
    #[serde(default)]
    pub(super) compress: bool,
    /// The names of plug-ins of the tenant that are before it, the outermost first.
    pub(super) plugins: Option<Spanned<Vec<Spanned<String>>>>,
}

impl Checker<'_> {
    /// The handlers and then the plug-ins, and where each begins in the text. Those in `routed`, by
    /// tenant and name, have no path that they do not give.
    pub(super) fn handlers(
        &mut self,
        (files, plugin_files): (Vec<Spanned<File>>, Vec<Spanned<plugin::File>>),
        routed: &BTreeSet<(String, String)>,
        plugins: &Plugins,
        general: GuestLimits,
        modules: &[ModuleConfig],
    ) -> (Vec<HandlerConfig>, Vec<usize>) {
        let mut handlers: Vec<HandlerConfig> = Vec::new();
        let (mut keys, mut places) = (BTreeSet::new(), Vec::new());
        let files = files.into_iter().map(|file| (file.span().start, file.into_inner(), false));
        let plugin_files = plugin_files.into_iter();
        let of_plugins =
            plugin_files.map(|file| (file.span().start, file.into_inner().into_handler(), true));
        for (at, file, is_plugin) in files.chain(of_plugins) {
            let has_path = file.path.is_some();
            let mut handler = self.handler(file, plugins, general, modules);
            handler.is_plugin = is_plugin;
            if is_plugin {
                handler.path = None;
            }
            let key = (handler.tenant.clone(), handler.name.clone());
            if !has_path && routed.contains(&key) {
                handler.path = None;
            }
            if !keys.insert(key) {
                let (tenant, name) = (&handler.tenant, &handler.name);
                let what = if is_plugin { "handler or plug-in" } else { "handler" };
                self.fault(at, &format!("a second {what} of `{tenant}` has the name `{name}`"));
            }
            handlers.push(handler);
            places.push(at);
        }
        (handlers, places)
    }

    fn handler(
        &mut self,
        file: File,
        plugins: &Plugins,
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
        let isolation = file.isolation.and_then(|text| self.isolation(&text));
        let chain = file.plugins.map(|names| self.chain(&names, &tenant, plugins));
        let component = file.component.map(|file| self.folder().join(file.get_ref()));
        HandlerConfig {
            tenant,
            isolation,
            limits: self.limits(general, &file.limits, "handler.limits"),
            environment: self.values("environment", file.environment).into_iter().collect(),
            settings: Arc::new(self.settings(file.config, file.secrets)),
            grants: self.grants(file.grants),
            compress: file.compress,
            plugins: chain.unwrap_or_default(),
            ..HandlerConfig::new(&name, component, path)
        }
    }

    pub(super) fn isolation<T: FromStr<Err = String>>(
        &mut self,
        text: &Spanned<String>,
    ) -> Option<T> {
        let parsed = text.get_ref().parse();
        parsed.map_err(|why| self.fault(text.span().start, &format!("`isolation`: {why}"))).ok()
    }
}
