//! Owns the flags that say how a server is run, whatever it serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::config::Config;
use crate::engine::Cache;
use crate::handlers::Isolation;
use crate::limits;
use crate::wire::CertificateFiles;

/// How a server is run. A flag wins over `hob.toml`.
#[derive(Args)]
pub(super) struct ServerOptions {
    /// Where to listen; port 0 takes a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// How instances are used, for every handler that hob.toml says nothing else of
    #[arg(long, value_name = "fresh|reuse|shared")]
    isolation: Option<Isolation>,

    /// Where the second listener listens, or `off` [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR|off", value_parser = parse_admin)]
    admin: Option<Admin>,

    /// A file with the second listener's certificate (PEM), for HTTPS
    #[arg(long, value_name = "FILE", requires = "admin_key")]
    admin_certificate: Option<PathBuf>,

    /// A file with the key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "admin_certificate")]
    admin_key: Option<PathBuf>,

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

    /// A path at which this server finds the one whose place it takes, and is found by the next
    #[arg(long, value_name = "PATH")]
    handover: Option<PathBuf>,

    /// Where compiled code is kept, or `off` [default: hob below the user's cache directory]
    #[arg(long, value_name = "DIR|off")]
    cache: Option<PathBuf>,
}

impl ServerOptions {
    /// Puts what the flags say into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.listen = self.listen.unwrap_or(config.listen);
        match self.admin {
            Some(Admin::Off) => config.admin = None,
            Some(Admin::At(address)) => config.admin = Some(address),
            None => {}
        }
        if let (Some(certificate), Some(key)) = (&self.admin_certificate, &self.admin_key) {
            let (certificate, key) = (certificate.clone(), key.clone());
            config.admin_certificate = Some(CertificateFiles { certificate, key });
        }
        config.host_threads = self.host_threads.unwrap_or(config.host_threads);
        config.offload_threads = self.offload_threads.unwrap_or(config.offload_threads);
        config.loops = self.loops.unwrap_or(config.loops);
        config.access_log = self.access_log.unwrap_or(config.access_log);
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        if let Some(handover) = &self.handover {
            config.handover = Some(handover.clone());
        }
        for handler in &mut config.handlers {
            handler.isolation = handler.isolation.or(self.isolation);
        }
    }

    /// The cache for compiled code.
    pub(super) fn cache(&self) -> Result<Cache> {
        cache(self.cache.clone())
    }
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
