//! `hob check`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::output::say;
use super::running::check_listeners;
use super::target::Build;
use super::{server_options, target};
use crate::capabilities::Additions;
use crate::config::{Config, ModuleConfig, RouteConfig, TargetConfig, VariantConfig};
use crate::engine::{Cache, ComponentFile, Engines};
use crate::server::{Builder, Deployed, Files, StartError};

/// Validate what `hob serve` would serve, and say what it imports and exports
#[derive(Args)]
#[command(after_help = "\
Nothing is started. The exit code is 0 when `hob serve` would serve every handler.

Examples:
  hob check hello.wasm
  hob check hob.toml")]
pub(super) struct Check {
    /// A .wasm component, a folder of them, or a hob.toml
    target: PathBuf,

    /// Where compiled code is kept, or `off`
    #[arg(long, value_name = "DIR|off")]
    cache: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let config = target::resolve(&self.target, Build::Not, false)?;
        check_listeners(&config)?;
        let cache = server_options::cache(self.cache)?;
        let code = Code { engines: Engines::new(no_loops), cache };
        let places = 0..config.handlers.len();
        let faults = places.filter(|place| !code.report(&config, *place)).count();
        let unfit = config.modules.iter().filter(|module| !code.report_module(module)).count();
        report_routes(&config);
        if let Some(files) = &config.admin_certificate {
            files.read().map_err(StartError::Certificate)?;
            say!("second listener\n  speaks HTTPS as {}", files.certificate.display());
        }
        let (handlers, modules) = (config.handlers.len(), config.modules.len());
        match (faults, unfit) {
            (0, 0) => Ok(()),
            (_, 0) => bail!("{faults} of {handlers} handlers cannot be served"),
            (0, _) => bail!("{unfit} of {modules} modules cannot be offloaded to"),
            (..) => bail!(
                "{faults} of {handlers} handlers cannot be served, and {unfit} of {modules} modules \
                 cannot be offloaded to"
            ),
        }
    }
}

/// What makes code of files, for each by itself.
struct Code {
    engines: Engines,
    cache: Cache,
}

impl Code {
    /// Prints what is known of a handler; false when it cannot be served.
    fn report(&self, config: &Config, place: usize) -> bool {
        let handler = &config.handlers[place];
        let Some(file) = &handler.component else {
            say!("{} waits for its first deployment", handler.label);
            return true;
        };
        say!("{} ({})", handler.label, file.display());
        if let Ok(component) = ComponentFile::read(file) {
            list("exports", &component.exports);
            list("imports", &component.imports);
        }
        let of_routes = config.variants.iter().filter(|variant| variant.handler == place);
        let one = Config {
            handlers: vec![handler.clone()],
            variants: of_routes
                .map(|variant| VariantConfig { handler: 0, ..variant.clone() })
                .collect(),
            ..Config::default()
        };
        match self.deploy(&one) {
            Ok(deployed) => {
                for deployment in deployed.deployments() {
                    if let Some(prefix) = deployment.lane.export_prefix() {
                        say!("  served through {prefix}x");
                    }
                    say!("  isolation {}", deployment.isolation);
                }
                true
            }
            Err(error) => {
                eprintln!("hob: {error}");
                false
            }
        }
    }

    /// The same of a module.
    fn report_module(&self, module: &ModuleConfig) -> bool {
        say!("module {} ({})", module.name, module.file.display());
        if let Ok(component) = ComponentFile::read_program(&module.file) {
            list("exports", &component.exports);
            list("imports", &component.imports);
        }
        let one = Config { modules: vec![module.clone()], ..Config::default() };
        match self.deploy(&one) {
            Ok(deployed) => {
                for module in deployed.modules() {
                    say!("  run through {}", module.export);
                    say!("  isolation {}", module.isolation);
                }
                true
            }
            Err(error) => {
                eprintln!("hob: {error}");
                false
            }
        }
    }

    fn deploy(&self, config: &Config) -> Result<Deployed, StartError> {
        let mut builder = Builder {
            engines: &self.engines,
            cache: &self.cache,
            additions: &Additions::default(),
            compiling: &mut |_| (),
            read: None,
        };
        builder.deploy(config, &Deployed::default(), Files::MayHaveChanged)
    }
}

/// Prints which requests go where.
fn report_routes(config: &Config) {
    say!("routes");
    for RouteConfig { pattern, target, cors, plugins, .. } in config.every_route() {
        let target = match target {
            TargetConfig::Handler(place) => config.handlers[place].label.clone(),
            TargetConfig::Variant(place) => {
                let handler = &config.handlers[config.variants[place].handler];
                format!("{}, as the route wants it", handler.label)
            }
            TargetConfig::Folder(folder) => format!("the folder {}", folder.folder.display()),
            TargetConfig::Redirect(redirect) => {
                format!("{} {}", redirect.status.as_u16(), redirect.address())
            }
        };
        let cors = if cors.is_some() { ", with cors" } else { "" };
        let through: String = plugins.iter().map(|name| format!("{name} -> ")).collect();
        say!("  {pattern} -> {through}{target}{cors}");
    }
}

/// What threads do that there are no loops beside.
fn no_loops() {}

fn list(what: &str, names: &[String]) {
    say!("  {what}{}", if names.is_empty() { " nothing" } else { "" });
    for name in names {
        say!("    {name}");
    }
}
