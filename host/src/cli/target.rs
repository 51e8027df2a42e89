//! Owns what TARGET means: a component, a folder of components, or a `hob.toml`.

#![expect(clippy::disallowed_methods, reason = "runs before the loop does")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::build::{self, Built};
use crate::config::{Config, HandlerConfig, path_of_name};

/// What is done with a folder before it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    /// Nothing.
    Not,
    /// Its handlers are built.
    Quietly,
    /// The same; when that fails, the error says what the compiler said.
    WithMessages,
}

/// The configuration that TARGET stands for. A folder may be without a component, and have some that cannot be
/// served, when more are to come: `waits`.
pub(super) fn resolve(target: &Path, build: Build, waits: bool) -> Result<Config> {
    let metadata = std::fs::metadata(target).with_context(|| {
        format!(
            "cannot read {}: name a .wasm component, a folder of them, or a hob.toml",
            target.display()
        )
    })?;
    if build != Build::Not && !metadata.is_dir() {
        bail!(
            "--build wants a folder with a Cargo.toml in it, and {} is a file; leave --build out, \
             or name the folder",
            target.display()
        );
    }
    let built = match build {
        Build::Not => Vec::new(),
        Build::Quietly => build::build(target, false)?,
        Build::WithMessages => build::build(target, true)?,
    };
    if metadata.is_dir() {
        let file = target.join("hob.toml");
        return if file.is_file() {
            Ok(Config::read(&file)?)
        } else if build == Build::Not {
            folder(target, waits)
        } else {
            packages(built)
        };
    }
    if target.extension().is_some_and(|extension| extension == "toml") {
        return Ok(Config::read(target)?);
    }
    Ok(with_handlers(vec![handler(stem(target)?, target, String::new())]))
}

/// Each component answers below the name of its file.
fn folder(target: &Path, waits: bool) -> Result<Config> {
    let mut components = components_in(target)?;
    components.sort();
    if components.is_empty() && !waits {
        let hint = if target.join("Cargo.toml").is_file() {
            "add --build to build what it holds"
        } else {
            "put components into it, or name another folder"
        };
        bail!("there is no .wasm file in {}: {hint}", target.display());
    }
    let (mut handlers, mut left_out) = (Vec::new(), Vec::new());
    for component in &components {
        match stem(component) {
            Ok(name) => handlers.push(handler(name, component, path_of_name(name))),
            Err(error) if waits => left_out.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(Config { leaves_out: waits, left_out, ..with_handlers(handlers) })
}

/// Each component answers below the name of its package.
fn packages(mut built: Vec<Built>) -> Result<Config> {
    built.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some([one, other]) = built.array_windows().find(|[one, other]| one.name == other.name) {
        bail!(
            "{} and {} are both called {}: give one of them another name in its Cargo.toml",
            one.component.display(),
            other.component.display(),
            one.name
        );
    }
    let handlers = built
        .iter()
        .map(|built| handler(&built.name, &built.component, path_of_name(&built.name)))
        .collect();
    Ok(with_handlers(handlers))
}

pub(super) fn components_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut components = Vec::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            components.push(path);
        }
    }
    Ok(components)
}

pub(super) fn stem(component: &Path) -> Result<&str> {
    component.file_stem().and_then(|stem| stem.to_str()).with_context(|| {
        format!("the name of {} is not UTF-8: rename the file", component.display())
    })
}

fn handler(name: &str, component: &Path, path: String) -> HandlerConfig {
    HandlerConfig::new(name, Some(component.to_owned()), path)
}

fn with_handlers(handlers: Vec<HandlerConfig>) -> Config {
    Config { handlers, ..Config::default() }
}
