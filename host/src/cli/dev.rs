//! `hob dev`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::running::Service;
use super::server_options::ServerOptions;
use super::target::{self, Build};
use super::watch::{Watched, is_source, source_folders};

/// Build and serve a folder of Rust handlers, and again whenever a source changes
#[derive(Args)]
#[command(after_help = "\
What is built is swapped in at once. While the sources do not compile, every request is answered with
the compiler's messages, in a browser as a page.

Examples:
  hob dev hello
  hob dev examples --listen 127.0.0.1:3000")]
pub(super) struct Dev {
    /// A folder with a Cargo.toml in it, and perhaps a hob.toml
    dir: PathBuf,

    #[command(flatten)]
    options: ServerOptions,
}

impl Dev {
    pub(super) fn run(self) -> Result<()> {
        let Dev { dir, options } = self;
        if !dir.join("Cargo.toml").is_file() {
            bail!("there is no Cargo.toml in {}: name a folder with Rust handlers", dir.display());
        }
        let of_sources = dir.clone();
        let folders = Box::new(move || {
            let mut folders = BTreeSet::new();
            source_folders(&of_sources, &mut folders);
            folders
        });
        let watched = Some(Watched { folders, matters: is_source });
        let read = Box::new(move || target::resolve(&dir, Build::WithMessages, false));
        Service { read, options, watched, is_for_developers: true }.run()
    }
}
