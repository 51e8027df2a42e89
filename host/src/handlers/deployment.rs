//! Owns a component as it is deployed: compiled, linked, with its isolation and its limits.
//! The loops share it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Engine;

use super::lane::{Lane, Linked};
use crate::capabilities::{Audience, Compiler, Grants, JoinError};
use crate::engine::{ComponentFile, ContentDigest, Generation};
use crate::limits;
use crate::observe::HandlerMetrics;

/// How many requests an instance serves, and whether at once. What a trap or a secret left in
/// memory can reach is what shares the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// An instance serves one request.
    Fresh,
    /// An instance serves one request after another.
    Reuse,
    /// An instance serves many requests at once, as a Node process does. WASI 0.3 only.
    Shared,
}

impl std::str::FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fresh" => Ok(Isolation::Fresh),
            "reuse" => Ok(Isolation::Reuse),
            "shared" => Ok(Isolation::Shared),
            other => Err(format!("`{other}` is none of `fresh`, `reuse`, `shared`")),
        }
    }
}

impl std::fmt::Display for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Isolation::Fresh => "fresh",
            Isolation::Reuse => "reuse",
            Isolation::Shared => "shared",
        })
    }
}

/// What one request, or one instance, may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestLimits {
    /// Linear memory of an instance, in bytes.
    pub memory_bytes: usize,
    /// Time on the loop, per request.
    pub cpu: Duration,
    /// Time to the response's head, and from then on between two pieces of its body.
    pub wall: Duration,
}

impl Default for GuestLimits {
    fn default() -> Self {
        GuestLimits {
            memory_bytes: limits::MEMORY_BYTES,
            cpu: limits::CPU_PER_REQUEST,
            wall: limits::WALL_PER_REQUEST,
        }
    }
}

/// What is asked for a component.
#[derive(Clone)]
pub struct Plan {
    /// The handler's name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// The path below which it answers, if it has one of its own.
    pub path: Option<String>,
    /// How its instances are used; none: as its generation suggests.
    pub isolation: Option<Isolation>,
    /// What it may use.
    pub limits: GuestLimits,
    /// What it is granted.
    pub grants: Grants,
    /// Whether its answers are compressed for clients that take it.
    pub compress: bool,
    /// Whether it is a plug-in, which calls what is behind it.
    pub is_plugin: bool,
    /// What has been counted of the version before it, and goes on to be.
    pub metrics: Option<Arc<HandlerMetrics>>,
}

/// A component ready to serve.
pub struct Deployment {
    /// The handler's name.
    pub name: String,
    /// The path below which it answers, if it has one of its own.
    pub path: Option<String>,
    /// The content of its component.
    pub digest: ContentDigest,
    /// The export it is called through.
    pub lane: Lane,
    /// What it imports, by name.
    pub imports: Vec<String>,
    /// How its instances are used.
    pub isolation: Isolation,
    /// What it may use.
    pub limits: GuestLimits,
    /// Whether its answers are compressed for clients that take it.
    pub compress: bool,
    /// What is counted of it.
    pub metrics: Arc<HandlerMetrics>,
    /// Whether it is another deployment's code, with other limits.
    pub is_variant: bool,
    pub(super) engine: Engine,
    pub(super) linked: Arc<Linked>,
    /// For what is said of it.
    file: PathBuf,
}

/// What is other in a variant of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variation {
    /// How its instances are used; none: as those of the deployment.
    pub isolation: Option<Isolation>,
    /// What it may use.
    pub limits: GuestLimits,
    /// Whether its answers are compressed for clients that take it.
    pub compress: bool,
}

/// Why a component cannot be deployed. The message names it and says what to do.
#[derive(Debug)]
pub enum DeployError {
    /// It exports nothing that answers a request.
    NoHandler {
        /// The file.
        path: PathBuf,
        /// What it does export.
        exports: Vec<String>,
    },
    /// It cannot be joined to the host.
    Join(JoinError),
    /// It is a plug-in and would be served as a handler, with nothing behind it.
    NothingBehind {
        /// The file.
        path: PathBuf,
        /// Its name in `hob.toml`.
        name: String,
    },
    /// It is to be a plug-in and is none.
    NoPlugin {
        /// The file.
        path: PathBuf,
        /// Its name in `hob.toml`.
        name: String,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The isolation mode does not go with its generation.
    Isolation {
        /// The file.
        path: PathBuf,
    },
    /// Its calls are not requests, and `shared` is for those.
    SharedWorld {
        /// The file.
        path: PathBuf,
    },
}

impl std::fmt::Display for DeployError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeployError::NoHandler { path, exports } => {
                let exports =
                    if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
                write!(
                    f,
                    "{} exports no request handler; it exports {exports}. Hob serves \
                     wasi:http/incoming-handler@0.2, wasi:http/handler@0.3, and \
                     hob:host/handler@0.2 or 0.3",
                    path.display()
                )
            }
            DeployError::NothingBehind { path, name } => write!(
                f,
                "{} is a plug-in (it imports wasi:http/handler), and nothing is behind the handler \
                 `{name}`; make its table a [[plugin]] in hob.toml, and write `plugins = \
                 [\"{name}\"]` into the [[handler]] that it is to be before",
                path.display()
            ),
            DeployError::NoPlugin { path, name, lacks } => write!(
                f,
                "{} {lacks}, so it is no plug-in; build `{name}` for the world \
                 wasi:http/middleware@0.3, or make its table a [[handler]] in hob.toml",
                path.display()
            ),
            DeployError::Join(error) => error.fmt(f),
            DeployError::Isolation { path } => write!(
                f,
                "{} is a WASI 0.2 component, which serves one request at a time: `shared` needs \
                 WASI 0.3. Use `fresh` or `reuse`",
                path.display()
            ),
            DeployError::SharedWorld { path } => write!(
                f,
                "{} exports no request handler, and only requests can share an instance. Use \
                 `fresh` or `reuse`",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DeployError {}

impl Deployment {
    /// Compiles and links a component.
    ///
    /// # Errors
    /// When the component cannot be served.
    pub fn new(
        plan: Plan,
        component: &ComponentFile,
        compiler: &mut Compiler<'_>,
    ) -> Result<Arc<Self>, DeployError> {
        let file = || component.path.clone();
        let lane = if plan.is_plugin {
            plugin_lane(component, &plan.name)?
        } else {
            Lane::of(component).ok_or_else(|| DeployError::NoHandler {
                path: file(),
                exports: component.exports.clone(),
            })?
        };
        if !plan.is_plugin && imports_handler(component) {
            return Err(DeployError::NothingBehind { path: file(), name: plan.name });
        }
        Self::in_lane(lane, plan, component, compiler)
    }

    /// Compiles and links a component that a product calls itself; it may answer requests besides.
    ///
    /// # Errors
    /// When the component cannot be called.
    pub fn of_plugin(
        plan: Plan,
        component: &ComponentFile,
        compiler: &mut Compiler<'_>,
    ) -> Result<Arc<Self>, DeployError> {
        let lane = Lane::of(component).unwrap_or_else(|| Lane::World(component.generation()));
        Self::in_lane(lane, plan, component, compiler)
    }

    fn in_lane(
        lane: Lane,
        plan: Plan,
        component: &ComponentFile,
        compiler: &mut Compiler<'_>,
    ) -> Result<Arc<Self>, DeployError> {
        let audience = if plan.is_plugin { Audience::Plugin } else { Audience::Handler };
        let generation = lane.generation();
        let isolation = plan.isolation.unwrap_or(match lane {
            Lane::Fast03 | Lane::Http03 => Isolation::Shared,
            Lane::Fast02 | Lane::Http02 | Lane::World(_) => Isolation::Fresh,
        });
        check_isolation(isolation, lane, &component.path)?;
        let joined = compiler
            .join(component, generation, audience, (&plan.name, &plan.grants))
            .map_err(DeployError::Join)?;
        let linked = Linked::new(lane, joined.pre)
            .map_err(|error| DeployError::Join(JoinError::import(component, &error)))?;
        Ok(Arc::new(Deployment {
            metrics: plan.metrics.unwrap_or_else(|| HandlerMetrics::new(&plan.name, &plan.tenant)),
            digest: component.digest,
            imports: component.imports.clone(),
            name: plan.name,
            path: plan.path,
            lane,
            isolation,
            limits: plan.limits,
            compress: plan.compress,
            is_variant: false,
            engine: joined.engine,
            linked: Arc::new(linked),
            file: component.path.clone(),
        }))
    }

    /// The same code with other limits. What is counted of it is counted with the rest.
    ///
    /// # Errors
    /// When the isolation mode does not go with its generation.
    pub fn variant(&self, variation: Variation) -> Result<Arc<Self>, DeployError> {
        let Variation { isolation, limits, compress } = variation;
        let isolation = isolation.unwrap_or(self.isolation);
        check_isolation(isolation, self.lane, &self.file)?;
        Ok(Arc::new(Deployment {
            name: self.name.clone(),
            path: None,
            lane: self.lane,
            isolation,
            limits,
            compress,
            metrics: self.metrics.clone(),
            digest: self.digest,
            imports: self.imports.clone(),
            is_variant: true,
            engine: self.engine.clone(),
            linked: self.linked.clone(),
            file: self.file.clone(),
        }))
    }
}

/// The interface of a handler that a plug-in exports, and imports to call what is behind it.
const STANDARD: &str = "wasi:http/handler@0.3.";

fn imports_handler(component: &ComponentFile) -> bool {
    component.imports.iter().any(|import| import.starts_with(STANDARD))
}

/// The one lane of plug-ins, for a component of the world `wasi:http/middleware`.
fn plugin_lane(component: &ComponentFile, name: &str) -> Result<Lane, DeployError> {
    let lacks = match component.exports.iter().any(|export| export.starts_with(STANDARD)) {
        true if imports_handler(component) => return Ok(Lane::Http03),
        true => "does not import wasi:http/handler@0.3, by which a plug-in calls what is behind it",
        false => "does not export wasi:http/handler@0.3",
    };
    Err(DeployError::NoPlugin { path: component.path.clone(), name: name.to_owned(), lacks })
}

fn check_isolation(isolation: Isolation, lane: Lane, file: &Path) -> Result<(), DeployError> {
    let path = || file.to_owned();
    match (isolation, lane) {
        (Isolation::Shared, Lane::World(_)) => Err(DeployError::SharedWorld { path: path() }),
        (Isolation::Shared, lane) if lane.generation() == Generation::Wasi02 => {
            Err(DeployError::Isolation { path: path() })
        }
        _ => Ok(()),
    }
}
