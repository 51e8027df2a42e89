//! Gives the guest's memory a declared maximum of 32 MiB, which most guests do not have.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=--max-memory=33554432");
    println!("cargo::rerun-if-changed=build.rs");
}
