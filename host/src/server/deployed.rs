//! Owns the step from a configuration to code that is ready: every file read, compiled and linked, but
//! for what is served already.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StartError;
use super::unfit::{ComponentFault, Unfit};
use crate::assets::Folder;
use crate::capabilities::{Additions, Compiler};
use crate::config::{
    Config, FolderConfig, HandlerConfig, ModuleConfig, TargetConfig, VariantConfig,
};
use crate::engine::{Cache, ComponentFile, Engines};
use crate::handlers::{DeployError, Deployment, Plan, Variation};
use crate::jobs::{Module, ModulePlan};

/// Handlers and modules compiled and linked, ready to be served.
#[derive(Default)]
pub struct Deployed {
    pub(super) handlers: Vec<(HandlerConfig, Arc<Deployment>)>,
    pub(super) variants: Vec<Variant>,
    pub(super) folders: Vec<(FolderConfig, Arc<Folder>)>,
    pub(super) modules: Vec<(ModuleConfig, Arc<Module>)>,
}

/// A handler as a route wants it.
pub(super) struct Variant {
    pub(super) variation: Variation,
    /// The handler's own configuration and code.
    pub(super) config: HandlerConfig,
    pub(super) of: Arc<Deployment>,
    pub(super) code: Arc<Deployment>,
}

/// What makes code of files, and what it knows already.
pub struct Builder<'a> {
    /// The engines of the process.
    pub engines: &'a Engines,
    /// Where compiled code is kept.
    pub cache: &'a Cache,
    /// What the program around adds for handlers.
    pub additions: &'a Additions,
    /// Told of each file whose compiled code is not in the cache.
    pub compiling: &'a mut dyn FnMut(&ComponentFile),
    /// A component that has been read already, with the path at which it lies.
    pub read: Option<&'a ComponentFile>,
}

/// What is deployed already, by tenant and name.
struct Known<'a> {
    handlers: BTreeMap<(&'a str, &'a str), &'a (HandlerConfig, Arc<Deployment>)>,
    modules: BTreeMap<(&'a str, &'a str), &'a (ModuleConfig, Arc<Module>)>,
}

/// Whether the files that are deployed already may have another content by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// They are read again, and what is in them is compared.
    MayHaveChanged,
    /// The same; where what is in one now cannot be served, what was in it before goes on.
    MayBeBroken,
    /// They are left alone.
    AreTheSame,
}

impl Builder<'_> {
    /// Reads, compiles and links every file of a configuration, in which no handler waits for its first
    /// deployment. What `before` has of it is taken from
    /// there, when it would come out the same.
    ///
    /// # Errors
    /// For the first that cannot be served.
    pub fn deploy(
        &mut self,
        config: &Config,
        before: &Deployed,
        files: Files,
    ) -> Result<Deployed, StartError> {
        let mut deployed = Deployed::default();
        self.fill(&mut deployed, config, before, files)?;
        Ok(deployed)
    }

    /// The same into what is empty yet: after an error it has what could be made before that.
    ///
    /// # Errors
    /// For the first that cannot be served.
    pub(super) fn fill(
        &mut self,
        deployed: &mut Deployed,
        config: &Config,
        before: &Deployed,
        files: Files,
    ) -> Result<(), StartError> {
        let known = before.known();
        for handler in &config.handlers {
            let key = (handler.tenant.as_str(), handler.name.as_str());
            let code = self.handler(handler, known.handlers.get(&key).copied(), files)?;
            deployed.handlers.push((handler.clone(), code));
        }
        for VariantConfig { handler, variation } in &config.variants {
            let (config, of) = deployed.handlers[*handler].clone();
            let code = variant(*variation, &of, &before.variants);
            let code = code.map_err(|error| fault_of(&config, ComponentFault::Deploy(error)))?;
            deployed.variants.push(Variant { variation: *variation, config, of, code });
        }
        for route in &config.routes {
            if let TargetConfig::Folder(config) = &route.target {
                let folder = folder(config, &before.folders, files)?;
                deployed.folders.push((config.clone(), folder));
            }
        }
        for module in &config.modules {
            let key = (module.tenant.as_str(), module.name.as_str());
            let code = self.module(module, known.modules.get(&key).copied(), files)?;
            deployed.modules.push((module.clone(), code));
        }
        Ok(())
    }

    /// Takes out of a configuration each handler whose file cannot be served, if nothing was served of it
    /// before, and says what is wrong with which. The others are given with it, made.
    pub(super) fn leave_out(
        &mut self,
        config: &mut Config,
        before: &Deployed,
    ) -> (Vec<StartError>, Deployed) {
        let known = before.known();
        let (mut faults, mut deployed) = (Vec::new(), Deployed::default());
        config.handlers.retain(|handler| {
            let key = (handler.tenant.as_str(), handler.name.as_str());
            let known = known.handlers.get(&key).copied();
            match self.handler(handler, known, Files::MayHaveChanged) {
                Ok(code) => {
                    deployed.handlers.push((handler.clone(), code));
                    true
                }
                Err(fault) => {
                    faults.push(fault);
                    known.is_some_and(|(config, _)| config.is_same(handler))
                }
            }
        });
        (faults, deployed)
    }

    fn handler(
        &mut self,
        handler: &HandlerConfig,
        known: Option<&(HandlerConfig, Arc<Deployment>)>,
        files: Files,
    ) -> Result<Arc<Deployment>, StartError> {
        match self.new_handler(handler, known, files) {
            Err(fault) if files == Files::MayBeBroken => {
                let same = known.filter(|(config, _)| config.is_same(handler));
                same.map(|(_, code)| code.clone()).ok_or(fault)
            }
            made => made,
        }
    }

    fn new_handler(
        &mut self,
        handler: &HandlerConfig,
        known: Option<&(HandlerConfig, Arc<Deployment>)>,
        files: Files,
    ) -> Result<Arc<Deployment>, StartError> {
        let same = known.filter(|(config, _)| config.is_same(handler)).map(|(_, code)| code);
        // What was deployed lies under its digest, and never has another content.
        let is_unchanged = files == Files::AreTheSame || handler.version.is_some();
        if let Some(code) = same.filter(|_| is_unchanged) {
            return Ok(code.clone());
        }
        let file = handler.component.as_deref().expect("what waits for a deployment is left out");
        let component = match self.read.filter(|read| read.path == file) {
            Some(read) => Ok(read.clone()),
            None => ComponentFile::read(file),
        };
        let mut component =
            component.map_err(|error| fault_of(handler, ComponentFault::File(error)))?;
        if let Some(code) = same.filter(|code| code.digest == component.digest) {
            return Ok(code.clone());
        }
        if let Some(version) = &handler.version {
            // What was deployed is known by its version, not by where it is kept.
            component.path = format!("version {} of `{}`", version.id, handler.name).into();
        }
        let path = handler.path.as_ref().map(|path| if path.is_empty() { "/" } else { path });
        let plan = Plan {
            name: handler.label.clone(),
            tenant: handler.tenant.clone(),
            path: path.map(str::to_owned),
            isolation: handler.isolation,
            limits: handler.limits,
            grants: handler.grants.clone(),
            compress: handler.compress,
            is_plugin: handler.is_plugin,
            metrics: known.map(|(_, code)| code.metrics.clone()),
        };
        let made = Deployment::new(plan, &component, &mut self.compiler());
        made.map_err(|error| fault_of(handler, ComponentFault::Deploy(error)))
    }

    fn module(
        &mut self,
        module: &ModuleConfig,
        known: Option<&(ModuleConfig, Arc<Module>)>,
        files: Files,
    ) -> Result<Arc<Module>, StartError> {
        let same = known.filter(|(config, _)| config == module).map(|(_, code)| code);
        if let (Some(code), Files::AreTheSame) = (same, files) {
            return Ok(code.clone());
        }
        let component = ComponentFile::read_program(&module.file).map_err(StartError::File)?;
        if let Some(code) = same.filter(|code| code.digest == component.digest) {
            return Ok(code.clone());
        }
        let plan = ModulePlan {
            name: module.name.clone(),
            tenant: module.tenant.clone(),
            isolation: module.isolation,
            limits: module.limits,
            grants: module.grants.clone(),
            metrics: known.map(|(_, code)| code.metrics.clone()),
        };
        Module::new(plan, &component, &mut self.compiler()).map_err(StartError::Module)
    }

    fn compiler(&mut self) -> Compiler<'_> {
        let Builder { engines, cache, additions, compiling, .. } = self;
        Compiler { engines, cache, additions, compiling: *compiling }
    }
}

/// What is wrong with the component of a handler.
fn fault_of(handler: &HandlerConfig, fault: ComponentFault) -> StartError {
    match (&handler.version, fault) {
        (Some(version), fault) if !fault.is_of_machine() => {
            StartError::Version(Box::new(Unfit::new(handler, version, fault)))
        }
        (_, ComponentFault::File(error)) => StartError::File(error),
        (_, ComponentFault::Deploy(error)) => StartError::Deploy(error),
    }
}

/// The code of a handler with the limits of a route.
fn variant(
    variation: Variation,
    of: &Arc<Deployment>,
    known: &[Variant],
) -> Result<Arc<Deployment>, DeployError> {
    let same = |one: &&Variant| one.variation == variation && Arc::ptr_eq(&one.of, of);
    match known.iter().find(same) {
        Some(same) => Ok(same.code.clone()),
        None => of.variant(variation),
    }
}

/// A folder that is open already may be another by now.
fn folder(
    config: &FolderConfig,
    known: &[(FolderConfig, Arc<Folder>)],
    files: Files,
) -> Result<Arc<Folder>, StartError> {
    let same = known.iter().find(|(known, _)| known == config);
    if let (Some((_, folder)), Files::AreTheSame) = (same, files) {
        return Ok(folder.clone());
    }
    let FolderConfig { folder, options } = config;
    Folder::open(folder, options.clone()).map_err(|error| StartError::Folder(folder.clone(), error))
}

impl Deployed {
    /// The handlers that are deployed, without their variants.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.handlers.iter().map(|(_, deployment)| deployment)
    }

    /// The modules that are deployed.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.modules.iter().map(|(_, module)| module)
    }

    fn known(&self) -> Known<'_> {
        let handlers = self.handlers.iter().map(|one| ((&*one.0.tenant, &*one.0.name), one));
        let modules = self.modules.iter().map(|one| ((&*one.0.tenant, &*one.0.name), one));
        Known { handlers: handlers.collect(), modules: modules.collect() }
    }
}
