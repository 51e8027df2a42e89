//! Owns a module as it is deployed: compiled, linked, with its isolation and its limits. The loops
//! share it.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{ComponentExportIndex, InstancePre};

use super::form::Export;
use crate::capabilities::{Audience, Compiler, Form, Grants, GuestState, JobLimits, JoinError};
use crate::engine::{ComponentFile, ContentDigest};
use crate::observe::ModuleMetrics;

/// How many jobs an instance runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobIsolation {
    /// One.
    #[default]
    Fresh,
    /// One after another.
    Reuse,
}

impl std::str::FromStr for JobIsolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fresh" => Ok(JobIsolation::Fresh),
            "reuse" => Ok(JobIsolation::Reuse),
            other => Err(format!("`{other}` is none of `fresh`, `reuse`")),
        }
    }
}

impl std::fmt::Display for JobIsolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            JobIsolation::Fresh => "fresh",
            JobIsolation::Reuse => "reuse",
        })
    }
}

/// What is asked for a module.
#[derive(Clone)]
pub struct ModulePlan {
    /// The module's name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// How its instances are used.
    pub isolation: JobIsolation,
    /// What a job may use.
    pub limits: JobLimits,
    /// What it is granted.
    pub grants: Grants,
    /// What has been counted of the version before it, and goes on to be.
    pub metrics: Option<Arc<ModuleMetrics>>,
}

/// A module ready for jobs.
pub struct Module {
    /// The module's name.
    pub name: String,
    /// The content of its file.
    pub digest: ContentDigest,
    /// How it takes its input and gives its output.
    pub form: Form,
    /// How its instances are used.
    pub isolation: JobIsolation,
    /// What a job may use.
    pub limits: JobLimits,
    /// What is counted of it.
    pub metrics: Arc<ModuleMetrics>,
    /// The name of the export it is called through.
    pub export: String,
    pub(super) called: Export,
    pub(super) engine: Engine,
    pub(super) pre: InstancePre<GuestState>,
    pub(super) function: ComponentExportIndex,
}

/// Why a module cannot be deployed. The message names it and says what to do.
#[derive(Debug)]
pub enum ModuleError {
    /// It exports nothing that does a job.
    NoJob {
        /// The file.
        path: PathBuf,
        /// What it does export.
        exports: Vec<String>,
    },
    /// It cannot be joined to the host.
    Join(JoinError),
    /// It is a program, which cannot be run twice.
    Isolation {
        /// The file.
        path: PathBuf,
    },
}

impl std::fmt::Display for ModuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ModuleError::NoJob { path, exports } => {
                let exports =
                    if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
                write!(
                    f,
                    "{} exports nothing that can be offloaded; it exports {exports}. Hob runs \
                     hob:host/job and hob:host/streaming-job (0.2 or 0.3), and programs: \
                     wasi:cli/run (0.2 or 0.3), or a core module for WASI preview 1",
                    path.display()
                )
            }
            ModuleError::Join(error) => error.fmt(f),
            ModuleError::Isolation { path } => write!(
                f,
                "{} is a program, of which an instance runs once: `reuse` needs a component that \
                 exports hob:host/job. Use `fresh`",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ModuleError {}

impl Module {
    /// Compiles and links a module.
    ///
    /// # Errors
    /// When no job can be run by it.
    pub fn new(
        plan: ModulePlan,
        component: &ComponentFile,
        compiler: &mut Compiler<'_>,
    ) -> Result<Arc<Self>, ModuleError> {
        let path = || component.path.clone();
        let nothing = || ModuleError::NoJob { path: path(), exports: component.exports.clone() };
        let (called, export) = Export::of(component).ok_or_else(nothing)?;
        if called.form == Form::Program && plan.isolation == JobIsolation::Reuse {
            return Err(ModuleError::Isolation { path: path() });
        }
        let joined = compiler
            .join(component, called.generation, Audience::Module, (&plan.name, &plan.grants))
            .map_err(ModuleError::Join)?;
        let function = Export::function(&joined.pre, export).ok_or_else(nothing)?;
        Ok(Arc::new(Module {
            metrics: (plan.metrics).unwrap_or_else(|| ModuleMetrics::new(&plan.name, &plan.tenant)),
            digest: component.digest,
            name: plan.name,
            form: called.form,
            isolation: plan.isolation,
            limits: plan.limits,
            export: export.to_owned(),
            called,
            engine: joined.engine,
            pre: joined.pre,
            function,
        }))
    }
}
