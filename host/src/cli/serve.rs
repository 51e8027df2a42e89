//! `hob serve`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::running::{Service, folders_of};
use super::server_options::ServerOptions;
use super::target::{self, Build};
use super::watch::{Watched, is_served};

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
With --watch, a component that is put into the folder is served at once, and one that has changed is
swapped in. SIGHUP has the configuration read again.
SIGTERM and SIGINT drain: no new connections, requests in flight finish; a second one ends at once.

Examples:
  hob serve hello.wasm
  hob serve --build examples
  hob serve --watch components
  hob serve --listen 0.0.0.0:80 --admin off --loops 4 hob.toml")]
pub(super) struct Serve {
    /// A .wasm component, a folder of them (or with a hob.toml in it), or a hob.toml
    target: PathBuf,

    /// Build what the folder TARGET holds first, as `hob build` does
    #[arg(long)]
    build: bool,

    /// Serve what changes in TARGET, and in the folders of the components that it names
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    options: ServerOptions,
}

impl Serve {
    pub(super) fn run(self) -> Result<()> {
        let Serve { target, build, watch, options } = self;
        if build && watch {
            bail!("--watch does not build; `hob dev` builds, serves and builds again");
        }
        let build = if build { Build::Quietly } else { Build::Not };
        let watched = watch.then(|| Watched { folders: folders(&target), matters: is_served });
        let read = Box::new(move || target::resolve(&target, build, watch));
        Service { read, options, watched, is_for_developers: false }.run()
    }
}

/// Where files may change that are served.
fn folders(target: &Path) -> Box<dyn Fn() -> BTreeSet<PathBuf> + Send> {
    let target = target.to_owned();
    Box::new(move || {
        let own = if target.is_dir() { target.as_path() } else { parent(&target) };
        let config = target::resolve(&target, Build::Not, true).ok();
        folders_of(config, BTreeSet::from([own.to_owned()]))
    })
}

/// The folder in which a file lies; of one without a folder in its path, the current one.
fn parent(file: &Path) -> &Path {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
