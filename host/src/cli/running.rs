//! Owns the life of a server that was started from the command line.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::server_options::ServerOptions;
use super::watch::{Watch, Watched};
use crate::capabilities::Additions;
use crate::config::Config;
use crate::observe::Log;
use crate::server::{self, Code, ReadConfig, Running, Server};

/// What is served, and from where it is known.
pub(super) struct Service {
    /// As it is written now.
    pub(super) read: Box<dyn Fn() -> Result<Config> + Send>,
    /// How the server is run.
    pub(super) options: ServerOptions,
    /// Changes that it acts on by itself.
    pub(super) watched: Option<Watched>,
    /// For a developer: a server that has nothing to serve yet runs too, and says why.
    pub(super) is_for_developers: bool,
}

impl Service {
    /// Serves until SIGTERM or SIGINT.
    pub(super) fn run(mut self) -> Result<()> {
        server::raise_descriptor_limit();
        if !self.is_for_developers {
            take_small_pages();
        }
        let cache = self.options.cache()?;
        // First: what changes while the rest is read and compiled is not missed.
        let watch = self.watched.take().map(Watch::begin);
        let build = |config: &mut Config| {
            Code::build(config, cache.clone(), Additions::default(), |component| {
                eprintln!("hob: compiling {}", component.path.display());
            })
        };
        let first = self.config().and_then(|mut config| Ok((build(&mut config)?, config)));
        let mut is_unfit = false;
        let (code, config) = match first {
            Ok(first) => first,
            Err(error) if self.is_for_developers => {
                is_unfit = true;
                eprintln!("hob: {error:#}");
                let mut config = self.complete(Config::default())?;
                (build(&mut config)?, config)
            }
            Err(error) => return Err(error),
        };
        let log = Log::new(std::io::stdout()).context("cannot start the log's thread")?;
        let signals =
            Signals::new([SIGTERM, SIGINT, SIGHUP]).context("cannot watch for signals")?;
        let Service { read, options, is_for_developers, .. } = self;
        let again = move || complete(&options, is_for_developers, read()?);
        let read_config: ReadConfig =
            Box::new(move || again().map_err(|error| format!("{error:#}")));
        let is_secure = config.admin_certificate.is_some();
        let server = Server::bind(config, read_config, code, log)?;
        for notice in &server.notices {
            eprintln!("hob: warning: {notice}");
        }
        let addresses = (server.address, server.admin_address);
        server.run(move |running| {
            announce(addresses, is_secure);
            if is_unfit {
                running.control.reload();
            }
            let control = running.control.clone();
            let acts = watch.map(|watch| watch?.act(move || control.reload()));
            if let Some(Err(error)) = acts {
                eprintln!("hob: warning: changes are not noticed: {error:#}");
            }
            attend_signals(signals, running);
        })?;
        Ok(())
    }

    fn config(&self) -> Result<Config> {
        self.complete((self.read)()?)
    }

    fn complete(&self, config: Config) -> Result<Config> {
        complete(&self.options, self.is_for_developers, config)
    }
}

/// Has what memory the process takes from now on in pages of the usual size. With huge ones, which the allocator asks
/// for, a burst of requests waits until the kernel has cleared what no request touches. Those who use the library
/// decide for themselves; and as a process passes it on to those that it starts, `hob dev`, which starts one
/// compiler after the other, does without.
fn take_small_pages() {
    // A kernel that refuses does as it likes, and all is well but slower.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// What is written, and what the flags say.
fn complete(options: &ServerOptions, for_developers: bool, mut config: Config) -> Result<Config> {
    options.apply(&mut config);
    config.tells_failures = for_developers;
    check_listeners(&config)?;
    Ok(config)
}

/// # Errors
/// When no server could listen on both of its addresses.
pub(super) fn check_listeners(config: &Config) -> Result<()> {
    match config.listeners_that_collide() {
        Some((listen, admin)) => bail!(
            "cannot listen on {listen}: hob's own second listener, for health and metrics, is \
             to listen on {admin}; choose another address for that with --admin, or --admin off"
        ),
        None => Ok(()),
    }
}

/// The folders of the files that a configuration names, beside these.
pub(super) fn folders_of(
    config: Option<Config>,
    mut folders: BTreeSet<PathBuf>,
) -> BTreeSet<PathBuf> {
    let config = config.unwrap_or_default();
    let components = config.handlers.into_iter().filter_map(|handler| handler.component);
    let files = components.chain(config.modules.into_iter().map(|module| module.file));
    for file in files {
        let folder = file.parent().filter(|folder| folder.is_dir());
        folders.extend(folder.map(PathBuf::from));
    }
    folders
}

/// On standard error, for standard output is the log. A reader that has gone is no fault.
fn announce((address, admin): (SocketAddr, Option<SocketAddr>), is_secure: bool) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "hob: listening on http://{address}");
    if let Some(admin) = admin {
        let scheme = if is_secure { "https" } else { "http" };
        let _ = writeln!(out, "hob: health and metrics on {scheme}://{admin}");
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
