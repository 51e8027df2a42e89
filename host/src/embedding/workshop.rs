//! Owns the way from a plan to a plug-in that can be instantiated. All of it blocks, so it is done on
//! host threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use super::errors::LoadError;
use super::plan::{PluginPlan, Source};
use crate::capabilities::{Additions, Compiler};
use crate::engine::{Cache, ComponentFile, Engines, TickerHandle};
use crate::handlers::{Deployment, GuestLimits, Plan};
use crate::server::{Household, Households};
use crate::wire::Tls;

/// What plug-ins are made with.
pub(super) struct Workshop {
    pub(super) engines: Engines,
    pub(super) cache: Cache,
    pub(super) additions: Additions,
    pub(super) households: Mutex<Households>,
    /// Whether there is a folder for what tenants keep.
    pub(super) keeps_data: bool,
    /// What a plug-in may use for which nothing else is said.
    pub(super) limits: GuestLimits,
    /// Loaded when a plug-in may send requests.
    pub(super) tls: Arc<OnceLock<Tls>>,
    pub(super) trust: Option<PathBuf>,
    pub(super) ticker: TickerHandle,
}

/// A plug-in with all it needs, but for its place on the loop.
pub(super) struct Made {
    pub(super) plan: PluginPlan,
    pub(super) deployment: Arc<Deployment>,
    pub(super) household: Household,
}

impl Workshop {
    /// Reads, compiles and links a plug-in, and opens what it is granted. Blocks.
    pub(super) fn make(&self, plan: PluginPlan) -> Result<Made, LoadError> {
        let PluginPlan { name, source, grants, limits, isolation, .. } = &plan;
        name.check()?;
        if !grants.offload.is_empty() {
            return Err(LoadError::NoModules);
        }
        if !self.keeps_data && (grants.files.is_some() || grants.databases().next().is_some()) {
            return Err(LoadError::NoDataFolder);
        }
        let component = match source {
            Source::File(path) => ComponentFile::read(path),
            Source::Bytes(bytes) => ComponentFile::parse(Path::new(&name.name), bytes.clone()),
        };
        let component = component.map_err(LoadError::File)?;
        let of_handler = Plan {
            name: name.name.clone(),
            tenant: name.tenant.clone(),
            path: None,
            isolation: *isolation,
            limits: limits.unwrap_or(self.limits),
            grants: grants.clone(),
            compress: false,
            is_plugin: false,
            metrics: None,
        };
        let mut compiler = Compiler {
            engines: &self.engines,
            cache: &self.cache,
            additions: &self.additions,
            compiling: &mut |_| (),
        };
        let deployment = Deployment::of_plugin(of_handler, &component, &mut compiler);
        let deployment = deployment.map_err(LoadError::Deploy)?;
        self.ticker.tick_for(self.engines.made());
        if grants.fetch.is_some() && self.tls.get().is_none() {
            let tls = Tls::new(self.trust.as_deref()).map_err(LoadError::Trust)?;
            // Another thread that got here too has set the same.
            let _ = self.tls.set(tls);
        }
        let mut households = self.households.lock().expect("households");
        let household = households.open(&name.tenant, grants).map_err(LoadError::Store)?;
        drop(households);
        Ok(Made { plan, deployment, household })
    }
}
