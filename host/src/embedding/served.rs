//! Owns a server in a program of its own: what `hob serve` does, with the product's imports.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::builder::HostBuilder;
use super::errors::BuildError;
use crate::config::{Config, ConfigError};
use crate::observe::Log;
use crate::server::{Code, Running, Server, StartError};

/// A server that runs.
pub struct ServedHost {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its second listener listens.
    pub admin_address: Option<SocketAddr>,
    running: Running,
}

impl ServedHost {
    /// No new connections; requests in flight finish within the time that `hob.toml` gives them.
    pub fn stop(&self) {
        self.running.stop.stop();
    }
}

/// Why a server of a product's own does not run.
#[derive(Debug)]
pub enum ServeError {
    /// What `hob.toml` says.
    Config(ConfigError),
    /// What the builder was given.
    Build(BuildError),
    /// What is to be served, or where.
    Start(StartError),
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServeError::Config(error) => error.fmt(f),
            ServeError::Build(error) => error.fmt(f),
            ServeError::Start(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeError {}

impl HostBuilder {
    /// Serves what a `hob.toml` says, as `hob serve` does, and the handlers may import the product's
    /// extension besides. Of the builder only the cache, the log and the extension are used: the rest is
    /// in `hob.toml`. The first loop turns on this thread, until the server is stopped and drained;
    /// `started` is called when it can take requests.
    ///
    /// # Errors
    /// When there is something in `hob.toml` that cannot be served.
    pub fn serve(
        self,
        hob_toml: &Path,
        started: impl FnOnce(ServedHost),
    ) -> Result<(), ServeError> {
        let cache = self.open_cache().map_err(ServeError::Build)?;
        let mut config = Config::read(hob_toml).map_err(ServeError::Config)?;
        let code =
            Code::build(&mut config, cache, self.additions, |_| ()).map_err(ServeError::Start)?;
        let sink = self.log.unwrap_or_else(|| Box::new(io::sink()));
        let log = Log::new(sink)
            .map_err(|error| BuildError::System("start the log's thread", error))
            .map_err(ServeError::Build)?;
        let path = hob_toml.to_owned();
        let again = move || Config::read(&path).map_err(|error| error.to_string());
        let server = Server::bind(config, Box::new(again), code, log).map_err(ServeError::Start)?;
        let (address, admin_address) = (server.address, server.admin_address);
        server
            .run(|running| started(ServedHost { address, admin_address, running }))
            .map_err(ServeError::Start)
    }
}
