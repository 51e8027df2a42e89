//! Owns the step from a configuration to code that is ready: every file read, compiled and linked.

use std::sync::Arc;

use super::StartError;
use crate::capabilities::Compiler;
use crate::config::{Config, HandlerConfig, ModuleConfig};
use crate::engine::{Cache, ComponentFile, Engines};
use crate::handlers::{Deployment, Plan};
use crate::jobs::{Module, ModulePlan};

/// Handlers and modules compiled and linked, ready for a server.
pub struct Deployed {
    pub(super) engines: Engines,
    pub(super) handlers: Vec<(HandlerConfig, Arc<Deployment>)>,
    pub(super) modules: Vec<(ModuleConfig, Arc<Module>)>,
}

/// Reads, compiles and links every file of a configuration. `compiling` is told of each whose compiled
/// code is not in the cache.
///
/// # Errors
/// For the first that cannot be served.
pub fn deploy(
    config: &Config,
    cache: &Cache,
    mut compiling: impl FnMut(&ComponentFile),
) -> Result<Deployed, StartError> {
    let engines = Engines::default();
    let mut compiler = Compiler { engines: &engines, cache, compiling: &mut compiling };
    let mut handlers = Vec::new();
    for handler in &config.handlers {
        handlers.push((handler.clone(), deploy_handler(handler, &mut compiler)?));
    }
    let mut modules = Vec::new();
    for module in &config.modules {
        modules.push((module.clone(), deploy_module(module, &mut compiler)?));
    }
    Ok(Deployed { engines, handlers, modules })
}

fn deploy_handler(
    handler: &HandlerConfig,
    compiler: &mut Compiler<'_>,
) -> Result<Arc<Deployment>, StartError> {
    let component = ComponentFile::read(&handler.component).map_err(StartError::File)?;
    let path = if handler.path.is_empty() { "/" } else { &handler.path };
    let plan = Plan {
        name: handler.name.clone(),
        path: path.to_owned(),
        isolation: handler.isolation,
        limits: handler.limits,
        grants: handler.grants.clone(),
        compress: handler.compress,
    };
    Deployment::new(plan, &component, compiler).map_err(StartError::Deploy)
}

fn deploy_module(
    module: &ModuleConfig,
    compiler: &mut Compiler<'_>,
) -> Result<Arc<Module>, StartError> {
    let component = ComponentFile::read_program(&module.file).map_err(StartError::File)?;
    let plan = ModulePlan {
        name: module.name.clone(),
        tenant: module.tenant.clone(),
        isolation: module.isolation,
        limits: module.limits,
        grants: module.grants.clone(),
    };
    Module::new(plan, &component, compiler).map_err(StartError::Module)
}

impl Deployed {
    /// The handlers that are deployed.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.handlers.iter().map(|(_, deployment)| deployment)
    }

    /// The modules that are deployed.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.modules.iter().map(|(_, module)| module)
    }
}
