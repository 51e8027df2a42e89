//! Owns the tables `[[module]]`.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::handler::DEFAULT_TENANT;
use super::spanned::Spanned;
use super::values::Values;
use super::{Checker, grants, nearest, secrets};
use crate::capabilities::{Grants, JobLimits, Settings};
use crate::jobs::JobIsolation;
use crate::limits;

/// One module to which handlers of its tenant may offload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleConfig {
    /// Its name for the handlers, in the log and the metrics.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// Its file: a component, or a program.
    pub file: PathBuf,
    /// How its instances are used.
    pub isolation: JobIsolation,
    /// What a job may use.
    pub limits: JobLimits,
    /// The environment it sees.
    pub environment: Vec<(String, String)>,
    /// What it is told, its secrets among it.
    pub settings: Arc<Settings>,
    /// What it may ask for.
    pub grants: Grants,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Module")]
pub(super) struct File {
    name: Spanned<String>,
    tenant: Option<Spanned<String>>,
    file: Spanned<PathBuf>,
    isolation: Option<Spanned<String>>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    grants: grants::File,
    #[serde(default)]
    environment: Values,
    #[serde(default)]
    config: Values,
    #[serde(default)]
    secrets: Option<Spanned<secrets::Sources>>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ModuleLimits")]
struct Limits {
    memory_mib: Option<Spanned<usize>>,
    cpu_ms: Option<Spanned<u64>>,
    wall_ms: Option<Spanned<u64>>,
    wait_ms: Option<Spanned<u64>>,
    input_mib: Option<Spanned<usize>>,
    output_mib: Option<Spanned<usize>>,
}

impl Checker<'_> {
    pub(super) fn modules(&mut self, files: Vec<Spanned<File>>) -> Vec<ModuleConfig> {
        let mut modules: Vec<ModuleConfig> = Vec::new();
        for file in files {
            let at = file.span().start;
            let module = self.module(at, file.into_inner());
            let is_same =
                |other: &ModuleConfig| other.name == module.name && other.tenant == module.tenant;
            if modules.iter().any(is_same) {
                let (name, tenant) = (&module.name, &module.tenant);
                self.fault(at, &format!("a second module of `{tenant}` has the name `{name}`"));
            }
            modules.push(module);
        }
        modules
    }

    fn module(&mut self, at: usize, file: File) -> ModuleConfig {
        let name = self.name("name", &file.name);
        let tenant = file.tenant.map(|tenant| self.name("tenant", &tenant));
        let isolation = file.isolation.and_then(|text| self.isolation(&text));
        let grants = self.grants(file.grants);
        if !grants.offload.is_empty() {
            self.fault(at, "`grants.offload`: a module cannot offload; grant it to a handler");
        }
        ModuleConfig {
            name,
            tenant: tenant.unwrap_or_else(|| DEFAULT_TENANT.to_owned()),
            file: self.folder().join(file.file.get_ref()),
            isolation: isolation.unwrap_or_default(),
            limits: self.job_limits(file.limits),
            environment: self.values("environment", file.environment).into_iter().collect(),
            settings: Arc::new(self.settings(file.config, file.secrets)),
            grants,
        }
    }

    fn job_limits(&mut self, file: Limits) -> JobLimits {
        const MIB: usize = 1024 * 1024;
        let defaults = JobLimits::default();
        let mut mib = |key, given, most, default: usize| {
            self.number(key, given, 1..=most, default / MIB).saturating_mul(MIB)
        };
        let memory_bytes = mib(
            "limits.memory_mib",
            file.memory_mib,
            limits::MEMORY_BYTES_MAX / MIB,
            defaults.memory_bytes,
        );
        let most = limits::OFFLOAD_MIB_MAX;
        let input_bytes = mib("limits.input_mib", file.input_mib, most, defaults.input_bytes);
        let output_bytes = mib("limits.output_mib", file.output_mib, most, defaults.output_bytes);
        JobLimits {
            memory_bytes,
            cpu: self.time("limits.cpu_ms", file.cpu_ms, defaults.cpu),
            wall: self.time("limits.wall_ms", file.wall_ms, defaults.wall),
            wait: self.time("limits.wait_ms", file.wait_ms, defaults.wait),
            input_bytes,
            output_bytes,
        }
    }

    /// Faults the modules that a handler may offload to and that its tenant does not have.
    pub(super) fn check_offload(
        &mut self,
        wanted: &[Spanned<String>],
        tenant: &str,
        modules: &[ModuleConfig],
    ) {
        let own: Vec<&str> = modules
            .iter()
            .filter(|module| module.tenant == tenant)
            .map(|module| module.name.as_str())
            .collect();
        for name in wanted {
            let wrong = name.get_ref();
            if own.contains(&wrong.as_str()) {
                continue;
            }
            let advice = match nearest(wrong, own.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("add a [[module]] with `name = \"{wrong}\"` and `file`"),
            };
            let what = format!(
                "`grants.offload` has `{wrong}`, and the tenant `{tenant}` has no such module; {advice}"
            );
            self.fault(name.span().start, &what);
        }
    }
}
