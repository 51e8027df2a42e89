//! Installs the program that the handler offloads, as one installs any program of crates.io, but for
//! the target of components: into `target/programs`, where `hob.toml` looks for it.

use std::env;
use std::process::Command;

const PROGRAM: &str = "comrak@=0.59.0";

fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/programs");
    let installed = Command::new(env::var_os("CARGO").expect("cargo runs this"))
        .args(["install", "--locked", PROGRAM, "--no-default-features", "--features", "cli"])
        .args(["--target", "wasm32-wasip2", "--root", folder])
        // Not where cargo builds this crate: it would wait there for itself.
        .args(["--target-dir", &format!("{folder}/target")])
        // They are about the crate that this script belongs to.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .expect("cargo can be run");
    assert!(installed.success(), "cargo cannot install {PROGRAM}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={folder}/bin/comrak.wasm");
}
