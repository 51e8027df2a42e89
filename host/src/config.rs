//! Owns `hob.toml`: from the text to values that are checked. A fault names file, line and key,
//! and what to write instead.

mod cors;
mod deploy;
mod fault;
mod grants;
mod handler;
mod listeners;
mod module;
mod path;
mod plugin;
mod redirect;
mod restart;
mod route;
mod schema;
mod secrets;
mod source;
mod spanned;
mod tenant;
mod undeployed;
mod values;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use cors::CorsConfig;
pub use deploy::{DeployConfig, TrialTerms};
pub use fault::ConfigError;
use fault::nearest;
pub use handler::{DeployedVersion, HandlerConfig};
pub use module::ModuleConfig;
pub use path::{check_path, path_of_name};
pub use redirect::{AddressPart, RedirectConfig};
pub use route::{FolderConfig, RouteConfig, TargetConfig, VariantConfig};
pub use tenant::TenantConfig;

use crate::handlers::GuestLimits;
use crate::limits;
use crate::tenants::TenantLimits;
use crate::wire::{CertificateFiles, WireLimits};
use spanned::Spanned;

/// What a server is told to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where its second listener listens, if it has one.
    pub admin: Option<SocketAddr>,
    /// The files of its certificate, if it speaks TLS.
    pub admin_certificate: Option<CertificateFiles>,
    /// Threads for blocking work.
    pub host_threads: usize,
    /// Threads for offloaded jobs; there when there are modules.
    pub offload_threads: usize,
    /// Event loops.
    pub loops: usize,
    /// Whether each request is a line of the log.
    pub access_log: bool,
    /// The bounds of connections.
    pub wire: WireLimits,
    /// Requests at once, of one loop.
    pub requests_in_flight: usize,
    /// How long requests in flight get to finish once the server stops.
    pub drain: Duration,
    /// The folder in which each tenant has one for what it keeps.
    pub data: PathBuf,
    /// Where this process finds the one whose place it takes, and is found by the next.
    pub handover: Option<PathBuf>,
    /// A file of certificates that outbound requests trust beside the system's.
    pub trust: Option<PathBuf>,
    /// Whether clients are told why nothing new can be served: for developers.
    pub tells_failures: bool,
    /// Whether a handler that cannot be served is left out, and keeps nothing else from being served: for a
    /// folder into which files are put one by one.
    pub leaves_out: bool,
    /// What is wrong with files in it that are no handlers.
    pub left_out: Vec<String>,
    /// What is asked of those who deploy.
    pub deploy: DeployConfig,
    /// The handlers.
    pub handlers: Vec<HandlerConfig>,
    /// What routes want to be other of a handler.
    pub variants: Vec<VariantConfig>,
    /// The routes, beside the handlers' own paths.
    pub routes: Vec<RouteConfig>,
    /// The modules they may offload to.
    pub modules: Vec<ModuleConfig>,
    /// The tenants of which more is said than their name.
    pub tenants: Vec<TenantConfig>,
    /// What a tenant may have of which nothing else is said.
    pub tenant_limits: TenantLimits,
}

/// Where tenants keep things, unless `hob.toml` says otherwise.
const DEFAULT_DATA: &str = "data";

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 8081))),
            admin_certificate: None,
            host_threads: limits::HOST_THREADS,
            offload_threads: offload_threads(),
            loops: 1,
            access_log: true,
            wire: WireLimits::default(),
            requests_in_flight: limits::REQUESTS_IN_FLIGHT_MAX,
            drain: limits::DRAIN,
            data: PathBuf::from(DEFAULT_DATA),
            handover: None,
            trust: None,
            tells_failures: false,
            leaves_out: false,
            left_out: Vec::new(),
            deploy: DeployConfig::default(),
            handlers: Vec::new(),
            variants: Vec::new(),
            routes: Vec::new(),
            modules: Vec::new(),
            tenants: Vec::new(),
            tenant_limits: TenantLimits::default(),
        }
    }
}

/// A core is left to the loop, if there is more than one.
fn offload_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (cores - 1).clamp(1, limits::OFFLOAD_THREADS_MAX)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hob.toml")]
struct File {
    #[serde(default)]
    server: Server,
    #[serde(default)]
    connections: Connections,
    #[serde(default)]
    deploy: deploy::File,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    tenant_limits: tenant::LimitsFile,
    #[serde(default, rename = "tenant")]
    tenants: Vec<Spanned<tenant::File>>,
    #[serde(default, rename = "handler")]
    handlers: Vec<Spanned<handler::File>>,
    #[serde(default, rename = "plugin")]
    plugins: Vec<Spanned<plugin::File>>,
    #[serde(default, rename = "route")]
    routes: Vec<Spanned<route::File>>,
    #[serde(default, rename = "module")]
    modules: Vec<Spanned<module::File>>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Server {
    listen: Option<Spanned<String>>,
    admin: Option<Spanned<String>>,
    /// The certificate of the second listener, which then speaks HTTPS: a file in PEM.
    admin_certificate: Option<Spanned<PathBuf>>,
    /// The key of that certificate: a file in PEM.
    admin_key: Option<Spanned<PathBuf>>,
    host_threads: Option<Spanned<usize>>,
    offload_threads: Option<Spanned<usize>>,
    loops: Option<Spanned<usize>>,
    access_log: Option<bool>,
    requests_in_flight: Option<Spanned<usize>>,
    drain_ms: Option<Spanned<u64>>,
    data: Option<PathBuf>,
    handover: Option<PathBuf>,
    trust: Option<PathBuf>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Connections {
    max: Option<Spanned<usize>>,
    body_bytes: Option<Spanned<u64>>,
    head_ms: Option<Spanned<u64>>,
    body_idle_ms: Option<Spanned<u64>>,
    write_idle_ms: Option<Spanned<u64>>,
    keep_alive_ms: Option<Spanned<u64>>,
}

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    memory_mib: Option<Spanned<usize>>,
    cpu_ms: Option<Spanned<u64>>,
    wall_ms: Option<Spanned<u64>>,
}

impl Config {
    /// Reads and checks a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// All faults that could be found at once.
    #[expect(clippy::disallowed_methods, reason = "runs before the loop does")]
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            faults: vec![format!("cannot read {}: {error}", path.display())],
        })?;
        Self::parse(path, &text)
    }

    /// The tenants that are named anywhere, some of them more than once.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        let of_handlers = self.handlers.iter().map(|one| one.tenant.as_str());
        let of_modules = self.modules.iter().map(|one| one.tenant.as_str());
        let of_routes = self.routes.iter().map(|one| one.tenant.as_str());
        let of_tables = self.tenants.iter().map(|one| one.name.as_str());
        let named = of_handlers.chain(of_modules).chain(of_routes).chain(of_tables);
        named.chain([handler::DEFAULT_TENANT])
    }

    /// The folder for what is deployed while the server runs. No tenant's name begins with a dot.
    pub fn deployments_folder(&self) -> PathBuf {
        self.data.join(".hob")
    }

    /// The file with the operator's token, where `hob.toml` has none.
    pub fn token_file(&self) -> PathBuf {
        self.deployments_folder().join("token")
    }

    /// Checks the text of a file at this path.
    ///
    /// # Errors
    /// All faults that could be found at once.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut checker = Checker { path, text, faults: Vec::new() };
        let mut config = match toml::from_str::<File>(text) {
            Ok(file) => checker.config(file),
            Err(error) => {
                let span = error.span().unwrap_or_default();
                let what = fault::explain(error.message(), text, span.clone());
                checker.fault(span.start, &what);
                Config::default()
            }
        };
        config.label_handlers();
        if checker.faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { faults: checker.faults })
        }
    }
}

/// Whether this may stand in a path and in the log.
///
/// # Errors
/// What is wrong, and what to write.
pub fn check_name(key: &str, name: &str) -> Result<(), String> {
    if name.len() > limits::NAME_BYTES_MAX {
        let (has, most) = (name.len(), limits::NAME_BYTES_MAX);
        return Err(format!("`{key}` has {has} bytes; a name has {most} at the most"));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || !name.bytes().all(is_plain) || name.starts_with('.') {
        return Err(format!(
            "`{key}` is `{name}`; use letters, digits, `-`, `_` and `.`, and no `.` in front"
        ));
    }
    Ok(())
}

struct Checker<'a> {
    path: &'a Path,
    text: &'a str,
    faults: Vec<String>,
}

impl Checker<'_> {
    fn fault(&mut self, at: usize, what: &str) {
        let line = self.line(at);
        self.faults.push(format!("{}:{line}: {what}", self.path.display()));
    }

    fn line(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|b| **b == b'\n').count() + 1
    }

    fn config(&mut self, file: File) -> Config {
        let defaults = Config::default();
        let Server {
            listen,
            admin,
            admin_certificate,
            admin_key,
            host_threads,
            offload_threads,
            loops,
            access_log,
            requests_in_flight,
            drain_ms,
            data,
            handover,
            trust,
        } = file.server;
        let admin = match admin {
            None => defaults.admin,
            Some(off) if off.get_ref() == "off" => None,
            Some(address) => self.address("server.admin", &address),
        };
        let listen = listen.and_then(|address| self.address("server.listen", &address));
        let modules = self.modules(file.modules);
        let tenant_limits = self.limits_of_tenants(&file.tenant_limits);
        let general = self.limits(GuestLimits::default(), &file.limits, "limits");
        if file.handlers.is_empty() && file.routes.is_empty() {
            self.fault(0, "there is no [[handler]]: add one with `name` and `component`");
        }
        let named = route::named(&file.routes);
        let plugins = plugin::Plugins::named(&file.plugins);
        let files = (file.handlers, file.plugins);
        let (handlers, places) = self.handlers(files, &named, &plugins, general, &modules);
        let routed = self.routes(file.routes, &handlers, &plugins);
        self.conflicts(&handlers, &places, &routed);
        Config {
            listen: listen.unwrap_or(defaults.listen),
            admin,
            admin_certificate: self.admin_certificate(admin_certificate, admin_key),
            host_threads: self.number(
                "server.host_threads",
                host_threads,
                1..=limits::HOST_THREADS_MAX,
                defaults.host_threads,
            ),
            offload_threads: self.number(
                "server.offload_threads",
                offload_threads,
                1..=limits::OFFLOAD_THREADS_MAX,
                defaults.offload_threads,
            ),
            loops: self.number("server.loops", loops, 1..=limits::LOOPS_MAX, 1),
            access_log: access_log.unwrap_or(defaults.access_log),
            wire: self.wire(file.connections),
            requests_in_flight: self.number(
                "server.requests_in_flight",
                requests_in_flight,
                1..=limits::REQUESTS_IN_FLIGHT_MAX,
                defaults.requests_in_flight,
            ),
            drain: self.time("server.drain_ms", drain_ms, defaults.drain),
            data: self.folder().join(data.as_deref().unwrap_or(Path::new(DEFAULT_DATA))),
            handover: handover.map(|handover| self.folder().join(handover)),
            trust: trust.map(|trust| self.folder().join(trust)),
            tells_failures: defaults.tells_failures,
            leaves_out: defaults.leaves_out,
            left_out: defaults.left_out,
            deploy: self.deploy(file.deploy),
            handlers,
            variants: routed.variants,
            routes: routed.routes,
            modules,
            tenants: self.tenants(file.tenants, tenant_limits),
            tenant_limits,
        }
    }

    fn wire(&mut self, file: Connections) -> WireLimits {
        let defaults = WireLimits::default();
        WireLimits {
            connections: self.number(
                "connections.max",
                file.max,
                1..=limits::CONNECTIONS_MAX,
                defaults.connections,
            ),
            body_bytes: self.number(
                "connections.body_bytes",
                file.body_bytes,
                0..=u64::MAX / 2,
                defaults.body_bytes,
            ),
            head_deadline: self.time("connections.head_ms", file.head_ms, defaults.head_deadline),
            body_idle_deadline: self.time(
                "connections.body_idle_ms",
                file.body_idle_ms,
                defaults.body_idle_deadline,
            ),
            write_idle_deadline: self.time(
                "connections.write_idle_ms",
                file.write_idle_ms,
                defaults.write_idle_deadline,
            ),
            keep_alive: self.time(
                "connections.keep_alive_ms",
                file.keep_alive_ms,
                defaults.keep_alive,
            ),
            ..defaults
        }
    }

    fn limits(&mut self, defaults: GuestLimits, file: &Limits, table: &str) -> GuestLimits {
        const MIB: usize = 1024 * 1024;
        let memory_mib = self.number(
            &format!("{table}.memory_mib"),
            file.memory_mib.clone(),
            1..=limits::MEMORY_BYTES_MAX / MIB,
            defaults.memory_bytes / MIB,
        );
        GuestLimits {
            memory_bytes: memory_mib.saturating_mul(MIB),
            cpu: self.time(&format!("{table}.cpu_ms"), file.cpu_ms.clone(), defaults.cpu),
            wall: self.time(&format!("{table}.wall_ms"), file.wall_ms.clone(), defaults.wall),
        }
    }

    /// The folder of the file: paths in it are relative to that.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// A name that may stand in a path and in the log.
    fn name(&mut self, key: &str, text: &Spanned<String>) -> String {
        if let Err(why) = check_name(key, text.get_ref()) {
            self.fault(text.span().start, &why);
        }
        text.get_ref().clone()
    }

    fn address(&mut self, key: &str, text: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = text.get_ref().parse();
        if parsed.is_err() {
            let text_given = text.get_ref();
            self.fault(
                text.span().start,
                &format!(
                    "`{key}` is `{text_given}`; write an address and a port, as 127.0.0.1:8080"
                ),
            );
        }
        parsed.ok()
    }

    fn number<T: Copy + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        given: Option<Spanned<T>>,
        range: std::ops::RangeInclusive<T>,
        default: T,
    ) -> T {
        let Some(given) = given else { return default };
        let (at, value) = (given.span().start, *given.get_ref());
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            self.fault(at, &format!("`{key}` is {value}; it must be from {low} to {high}"));
        }
        value
    }

    fn time(&mut self, key: &str, given: Option<Spanned<u64>>, default: Duration) -> Duration {
        let default_ms = default.as_millis() as u64;
        let longest_ms = limits::DEADLINE_MAX.as_millis() as u64;
        Duration::from_millis(self.number(key, given, 1..=longest_ms, default_ms))
    }
}
