//! `hob build`: from a folder of Rust handlers to components.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use super::output::say;
use crate::limits;

/// The target whose output is a component.
const WASM_TARGET: &str = "wasm32-wasip2";

/// Build the Rust handlers in a folder as WebAssembly components
#[derive(Args)]
#[command(after_help = "\
DIR holds a Cargo package or workspace whose libraries have crate-type \"cdylib\". The target
wasm32-wasip2 is added with rustup when it is missing. The components' paths are printed.

Example:
  hob build examples")]
pub(super) struct Build {
    /// A folder with a Cargo.toml in it
    dir: PathBuf,
}

impl Build {
    pub(super) fn run(self) -> Result<()> {
        for built in build(&self.dir, false)? {
            say!("{}", built.component.display());
        }
        Ok(())
    }
}

/// A component that cargo has made.
pub(super) struct Built {
    /// The name its author knows it by: in the file's, cargo has put `_` for `-`.
    pub(super) name: String,
    /// Where it is.
    pub(super) component: PathBuf,
}

/// Builds a folder, and gives the components in it. What cargo says goes to standard error; when it
/// fails, and `repeats` says so, it is said again in the error.
pub(super) fn build(dir: &Path, repeats: bool) -> Result<Vec<Built>> {
    if !dir.join("Cargo.toml").is_file() {
        bail!("there is no Cargo.toml in {}: name a folder with Rust handlers", dir.display());
    }
    ensure_target(dir)?;
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(dir)
        .args(["build", "--release", "--target", WASM_TARGET])
        .arg("--message-format=json-render-diagnostics")
        // Meant for the machine this runs on, not for Wasm.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        // A hob.toml says where its components are, whatever the shell says of other builds.
        .env_remove("CARGO_TARGET_DIR")
        .stdout(Stdio::piped());
    if repeats {
        cargo.stderr(Stdio::piped());
    }
    let mut child =
        cargo.spawn().context("cannot run cargo: install Rust from https://rustup.rs")?;
    let said = child.stderr.take().map(|stderr| std::thread::spawn(|| show(stderr)));
    let output = child.wait_with_output().context("cannot wait for cargo")?;
    let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
    if !output.status.success() && repeats {
        bail!("cargo could not build {}:\n\n{said}", dir.display());
    }
    if !output.status.success() {
        bail!("cargo could not build {}: its messages are above", dir.display());
    }
    let components = components(&output.stdout);
    if components.is_empty() {
        bail!(
            "{} has no handler: a handler is a library with crate-type = [\"cdylib\"]",
            dir.display()
        );
    }
    Ok(components)
}

/// Passes on what cargo says, and keeps its end.
fn show(stderr: ChildStderr) -> String {
    let mut said = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        eprintln!("{line}");
        said.push_str(&line);
        said.push('\n');
        if said.len() > 2 * limits::BUILD_MESSAGES_BYTES_MAX {
            let surplus = said.ceil_char_boundary(said.len() - limits::BUILD_MESSAGES_BYTES_MAX);
            said.drain(..surplus);
        }
    }
    said
}

/// One of cargo's messages; of the many kinds only artifacts are of interest.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// What of a package was built.
#[derive(Default, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

fn components(messages: &[u8]) -> Vec<Built> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| {
            let name = message.name();
            let component = message.filenames.into_iter().find(|file| is_component(file))?;
            Some(Built { name, component })
        })
        .collect()
}

fn is_component(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "wasm")
        // What cargo keeps for itself is there once more under the name that is meant for others.
        && !file.parent().is_some_and(|folder| folder.ends_with("deps"))
}

impl Message {
    /// A library has its package's name; a package may hold several programs, so each has its own.
    fn name(&self) -> String {
        if self.target.kind.iter().any(|kind| kind == "bin") {
            return self.target.name.clone();
        }
        package_name(&self.package_id).unwrap_or(&self.target.name).to_owned()
    }
}

/// The name in a package's id, which ends in `/name#version` or in `#name@version`.
fn package_name(id: &str) -> Option<&str> {
    let (place, fragment) = id.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => place.rsplit('/').next(),
    }
}

/// Adds the target with rustup, if it is not there.
fn ensure_target(dir: &Path) -> Result<()> {
    if has_target(dir) {
        return Ok(());
    }
    eprintln!("hob: adding the Rust target {WASM_TARGET}");
    let added = Command::new("rustup")
        .current_dir(dir)
        .args(["target", "add", WASM_TARGET])
        .stdout(Stdio::null())
        .status();
    match added {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!(
            "rustup could not add the target {WASM_TARGET}: its message is above. Without network, \
             install the target's rust-std for this toolchain by hand, then run this again"
        ),
        Err(_) => bail!(
            "the Rust target {WASM_TARGET} is missing and rustup is not there to add it: install \
             rustup from https://rustup.rs, or the rust-std of {WASM_TARGET} with the tool that \
             installed Rust"
        ),
    }
}

/// Whether the standard library of the target lies in the toolchain that builds `dir`.
fn has_target(dir: &Path) -> bool {
    let output = Command::new("rustc")
        .current_dir(dir)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .stderr(Stdio::null())
        .output();
    output.is_ok_and(|output| {
        let libdir = String::from_utf8_lossy(&output.stdout);
        output.status.success() && Path::new(libdir.trim()).is_dir()
    })
}
