//! `hob serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::target;
use crate::config::Config;
use crate::engine::Cache;
use crate::handlers::Isolation;
use crate::limits;
use crate::observe::Log;
use crate::server::{self, Code, ReadConfig, Running, Server};

/// Serve a component, a folder of components, or what a hob.toml names
#[derive(Args)]
#[command(after_help = "\
A single component answers every path. In a folder, NAME.wasm answers /NAME and what is below it,
and / lists the handlers; with --build, so does the package NAME. A request's path reaches its
handler unchanged.

Isolation modes, from the safest to the densest:
  fresh   an instance serves one request (default for WASI 0.2)
  reuse   an instance serves one request after another
  shared  an instance serves many requests at once, as a Node process does
          (WASI 0.3 only, and its default): a trap ends all requests in the instance

The second listener answers /healthz, /readyz, /metrics (Prometheus) and /debug/timeline.
SIGTERM and SIGINT drain: no new connections, requests in flight finish; a second one ends at once.

Examples:
  hob serve hello.wasm
  hob serve --build examples
  hob serve --listen 0.0.0.0:80 --admin off --loops 4 hob.toml")]
pub(super) struct Serve {
    /// A .wasm component, a folder of them (or with a hob.toml in it), or a hob.toml
    target: PathBuf,

    /// Where to listen; port 0 takes a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// Build what the folder TARGET holds first, as `hob build` does
    #[arg(long)]
    build: bool,

    /// How instances are used, for every handler that hob.toml says nothing else of
    #[arg(long, value_name = "fresh|reuse|shared")]
    isolation: Option<Isolation>,

    /// Where the second listener listens, or `off` [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR|off", value_parser = parse_admin)]
    admin: Option<Admin>,

    /// Threads for blocking work: files, DNS [default: 4]
    #[arg(long, value_name = "N", value_parser = in_range(limits::HOST_THREADS_MAX))]
    host_threads: Option<usize>,

    /// Threads for the jobs of modules [default: one less than there are cores]
    #[arg(long, value_name = "N", value_parser = in_range(limits::OFFLOAD_THREADS_MAX))]
    offload_threads: Option<usize>,

    /// Independent event loops, each with a listening socket of its own [default: 1]
    #[arg(long, value_name = "N", value_parser = in_range(limits::LOOPS_MAX))]
    loops: Option<usize>,

    /// Whether each request is a line of the log [default: on]
    #[arg(long, value_name = "on|off", value_parser = parse_switch)]
    access_log: Option<bool>,

    /// The folder in which each tenant has one for what it keeps [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where compiled code is kept, or `off` [default: hob below the user's cache directory]
    #[arg(long, value_name = "DIR|off")]
    cache: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Admin {
    Off,
    At(SocketAddr),
}

fn parse_admin(text: &str) -> Result<Admin, String> {
    match text {
        "off" => Ok(Admin::Off),
        _ => text
            .parse()
            .map(Admin::At)
            .map_err(|_| "write an address and a port, as 127.0.0.1:8081, or `off`".to_owned()),
    }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write `on` or `off`".to_owned()),
    }
}

fn in_range(high: usize) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(number @ 1..) if number <= high => Ok(number),
        _ => Err(format!("write a number from 1 to {high}")),
    }
}

/// The cache that `--cache` asks for. The default one is done without where it cannot be had.
pub(super) fn cache(asked: Option<PathBuf>) -> Result<Cache> {
    match asked {
        Some(off) if off.as_os_str() == "off" => Ok(Cache::none()),
        Some(directory) => Cache::at(&directory).with_context(|| {
            format!("cannot keep compiled code in {} (--cache)", directory.display())
        }),
        None => Ok(default_cache()),
    }
}

fn default_cache() -> Cache {
    let Some(directory) = Cache::default_directory() else { return Cache::none() };
    Cache::at(&directory).unwrap_or_else(|error| {
        eprintln!(
            "hob: warning: compiled code is not kept for the next start: {}: {error}",
            directory.display()
        );
        Cache::none()
    })
}

impl Serve {
    pub(super) fn run(self) -> Result<()> {
        server::raise_descriptor_limit();
        let cache = cache(self.cache.clone())?;
        let config = self.config()?;
        let code = Code::build(&config, cache, |component| {
            eprintln!("hob: compiling {}", component.path.display());
        })?;
        let log = Log::new(std::io::stdout()).context("cannot start the log's thread")?;
        let signals =
            Signals::new([SIGTERM, SIGINT, SIGHUP]).context("cannot watch for signals")?;
        let read_config: ReadConfig =
            Box::new(move || self.config().map_err(|error| format!("{error:#}")));
        let server = Server::bind(config, read_config, code, log)?;
        let addresses = (server.address, server.admin_address);
        server.run(move |running| {
            announce(addresses);
            attend_signals(signals, running);
        })?;
        Ok(())
    }

    /// What is to be served, as it is written now.
    fn config(&self) -> Result<Config> {
        let mut config = target::resolve(&self.target, self.build)?;
        self.apply(&mut config);
        if let Some((listen, admin)) = config.listeners_that_collide() {
            bail!(
                "cannot listen on {listen}: hob's own second listener, for health and metrics, is \
                 to listen on {admin}; choose another address for that with --admin, or --admin off"
            );
        }
        Ok(config)
    }

    fn apply(&self, config: &mut Config) {
        config.listen = self.listen.unwrap_or(config.listen);
        match self.admin {
            Some(Admin::Off) => config.admin = None,
            Some(Admin::At(address)) => config.admin = Some(address),
            None => {}
        }
        config.host_threads = self.host_threads.unwrap_or(config.host_threads);
        config.offload_threads = self.offload_threads.unwrap_or(config.offload_threads);
        config.loops = self.loops.unwrap_or(config.loops);
        config.access_log = self.access_log.unwrap_or(config.access_log);
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        for handler in &mut config.handlers {
            handler.isolation = handler.isolation.or(self.isolation);
        }
    }
}

/// On standard error, for standard output is the log. A reader that has gone is no fault.
fn announce((address, admin): (SocketAddr, Option<SocketAddr>)) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "hob: listening on http://{address}");
    if let Some(admin) = admin {
        let _ = writeln!(out, "hob: health and metrics on http://{admin}");
    }
}

/// SIGHUP has the configuration read again. The first of the others drains; the second ends the
/// process at once.
fn attend_signals(mut signals: Signals, running: Running) {
    let watch = move || {
        let mut is_draining = false;
        for signal in signals.forever() {
            match signal {
                SIGHUP => running.control.reload(),
                _ if is_draining => std::process::exit(130),
                _ => {
                    is_draining = true;
                    running.stop.stop();
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .expect("a thread that waits for signals");
}
