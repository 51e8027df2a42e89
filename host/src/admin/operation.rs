//! Owns what an operator may ask of a server that runs, and what the answers say. The forms are those
//! of the API: see `docs/admin-api.md`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event_loop::Pending;

/// What an operator asks for.
pub enum Operation {
    /// What is served, and by which versions: of a tenant, or of all.
    Handlers(Option<String>),
    /// The tenants, their limits, and what they have now.
    Tenants,
    /// Other limits for a tenant, until `hob.toml` says something else than before.
    Limits(String, LimitChanges),
    /// The versions of one handler.
    Versions(HandlerName),
    /// A version that is new.
    Deploy(Deploy),
    /// An earlier version: this one, or the last before the one that is served.
    RollBack(HandlerName, Option<String>),
    /// Every version that was deployed is forgotten.
    Undeploy(HandlerName),
    /// `hob.toml` is read again.
    Reload,
    /// No new connections; what is in flight finishes, and the process ends.
    Drain,
}

/// Limits by the names that they have in `hob.toml`, and `weight`. None: no limit, or the default where there
/// is one.
pub type LimitChanges = BTreeMap<String, Option<u64>>;

/// Which handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerName {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub handler: String,
}

/// A version that is new.
pub struct Deploy {
    /// The handler that it is of.
    pub name: HandlerName,
    /// The component.
    pub component: Bytes,
    /// The path below which it answers, if `hob.toml` has no such handler.
    pub path: Option<String>,
    /// What is to come of it.
    pub intent: Intent,
}

/// What is to come of a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// It is served.
    #[default]
    Serve,
    /// It answers at a host name of its own, and nowhere else.
    Preview,
    /// Nothing: whether it could be deployed is all that is asked for.
    Check,
}

/// An answer, in the form that the API gives it in.
pub type Answer = Result<serde_json::Value, Denial>;

/// Why an operation was not done. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// There is no such thing.
    NotFound(String),
    /// It would not work.
    Refused(String),
    /// Too many changes wait already.
    Busy,
    /// The host cannot do it now.
    Failed(String),
    /// The server is about to stop.
    Stopping,
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Denial::NotFound(why) | Denial::Refused(why) | Denial::Failed(why) => f.write_str(why),
            Denial::Busy => f.write_str("other changes wait already; try again"),
            Denial::Stopping => f.write_str("the server is about to stop"),
        }
    }
}

/// Does what operators ask for.
pub trait Operator {
    /// Begins an operation. Dropping the answer does not take it back.
    fn operate(&self, operation: Operation) -> Pending<Answer>;
}

/// The tenants.
#[derive(Debug, Serialize, Deserialize)]
pub struct TenantsView {
    /// One entry a tenant.
    pub tenants: Vec<TenantView>,
}

/// One tenant.
#[derive(Debug, Serialize, Deserialize)]
pub struct TenantView {
    /// Its name.
    pub tenant: String,
    /// What it may have.
    pub limits: LimitChanges,
    /// Linear memory of its instances.
    pub memory_bytes: u64,
    /// Its instances.
    pub instances: u64,
    /// Requests admitted whose answer is not at its end.
    pub requests_in_flight: u64,
    /// Requests that wait for a place.
    pub requests_queued: u64,
    /// Bytes of what it keeps on the disk, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<u64>,
}

/// What is served.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandlersView {
    /// One entry a handler.
    pub handlers: Vec<HandlerView>,
}

/// One handler.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandlerView {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub handler: String,
    /// The path below which it answers; empty where it has none of its own.
    pub path: String,
    /// Where it answers, for a version with a host name of its own.
    pub preview_url: Option<String>,
    /// The generation of WASI that it is made for, if it is served.
    pub generation: Option<String>,
    /// How its instances are used, if it is served.
    pub isolation: Option<String>,
    /// The version that is served, if one is.
    pub version: Option<String>,
    /// Where that is from: `deployed`, `file`, or `preview`; `waiting` when none is served yet, `set-aside`
    /// when the one that was deployed cannot be.
    pub source: String,
    /// Why that cannot be served, and what to do.
    pub set_aside: Option<String>,
}

/// The versions of one handler.
#[derive(Debug, Serialize, Deserialize)]
pub struct VersionsView {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub handler: String,
    /// In the order of their deployment.
    pub versions: Vec<VersionView>,
    /// The version of the component of `hob.toml`, when that is served.
    pub file: Option<String>,
}

/// One version.
#[derive(Debug, Serialize, Deserialize)]
pub struct VersionView {
    /// Names it.
    pub id: String,
    /// The SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// The length of its component.
    pub bytes: u64,
    /// When it was deployed, in seconds since 1970.
    pub deployed: u64,
    /// Whether it is served.
    pub current: bool,
    /// Why it was taken back.
    pub failed: Option<String>,
    /// Why it is to be served and cannot be, and what to do.
    pub set_aside: Option<String>,
}

/// What came of a deployment.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeployView {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub handler: String,
    /// The path below which it answers.
    pub path: String,
    /// The version.
    pub version: String,
    /// The version that was served before.
    pub before: Option<String>,
    /// `deployed`, `unchanged` when it was served already, `previewed`, or `could-be-deployed`.
    pub outcome: String,
    /// The host name at which this version answers, and no other does.
    pub preview: Option<String>,
    /// The address by that name.
    pub preview_url: Option<String>,
    /// What it imports that the version before did not.
    pub new_imports: Vec<String>,
    /// What it does not import any more.
    pub dropped_imports: Vec<String>,
}

/// What is served instead of something else.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeView {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub handler: String,
    /// The version that is served; none where none is.
    pub version: Option<String>,
}

/// What came of reading `hob.toml` again.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadView {
    /// How many handlers are served.
    pub handlers: usize,
    /// Those that are new, or not as they were, as `tenant/handler`.
    pub changed: Vec<String>,
    /// Keys that have another value now, which is seen after a restart.
    pub needs_restart: Vec<String>,
    /// What is wrong with files of a watched folder that are not served, or not as they are now.
    pub left_out: Vec<String>,
    /// What is wrong with versions that are to be served and cannot be yet.
    #[serde(default)]
    pub set_aside: Vec<String>,
}
