//! Modules that cannot be offloaded to, and what `hob.toml` may say of them: refused at the start, with
//! what is wrong, where, and what to do.

use std::fs;
use std::path::Path;

use crate::harness::{Guest, Scratch, Serve, compile_cache, component, guest, hob, module, run};

/// Checks, which must fail with all of these on standard error.
#[track_caller]
fn expect_fault(toml: &str, wanted: &[&str]) {
    let scratch = Scratch::new();
    let file = scratch.file("hob.toml", toml);
    let checked = run(hob().arg("check").arg(file).args(["--cache", compile_cache()]));
    assert!(!checked.success, "{checked:?}");
    for part in wanted {
        assert!(checked.stderr.contains(part), "no {part:?} in {}", checked.stderr);
    }
}

/// The same of a module of this file, beside a handler that may offload to it.
#[track_caller]
fn expect_unfit(module: Guest, file: &Path, wanted: &[&str]) {
    let module = module.file(file);
    let handler = guest("offloading-0-3").offloads_to(std::slice::from_ref(&module));
    expect_fault(&Serve::new([handler, module]).toml(), wanted);
}

#[test]
fn a_file_that_is_no_module() {
    let scratch = Scratch::new();
    let file = scratch.file("notes.wasm", "these are no bytes of Wasm");
    expect_unfit(module("job-0-3"), &file, &["notes.wasm", "is not a WebAssembly component"]);
    let handler = component("kitchen-0-3");
    let wanted = ["kitchen_0_3.wasm", "exports nothing that can be offloaded", "hob:host/job"];
    expect_unfit(module("job-0-3"), handler, &wanted);
    let missing = scratch.path().join("missing.wasm");
    expect_unfit(module("job-0-3"), &missing, &["missing.wasm", "cannot read"]);
    let whole = fs::read(component("job-0-3")).expect("a component");
    let cut = scratch.file("cut.wasm", &whole[..whole.len() / 2]);
    expect_unfit(module("job-0-3"), &cut, &["cut.wasm", "is damaged"]);
}

#[test]
fn a_core_module_that_is_no_program() {
    let scratch = Scratch::new();
    let empty = scratch.file("empty.wasm", b"\0asm\x01\0\0\0");
    let wanted = ["empty.wasm", "is no program for WASI preview 1", "wasm32-wasip1"];
    expect_unfit(module("job-0-3"), &empty, &wanted);
    let foreign = wat::parse_str(
        "(module (import \"env\" \"secret\" (func)) (memory (export \"memory\") 1)
           (func (export \"_start\")))",
    );
    let foreign = scratch.file("foreign.wasm", foreign.expect("a module"));
    expect_unfit(module("job-0-3"), &foreign, &["foreign.wasm", "env"]);
}

#[test]
fn a_program_cannot_be_used_again() {
    let program = module("command").isolation("reuse");
    let wanted = ["command.wasm", "an instance runs once", "Use `fresh`"];
    expect_unfit(program, component("command"), &wanted);
}

#[test]
fn a_module_cannot_offload_and_a_handler_has_no_caller() {
    let wanted = ["offloading_0_3.wasm", "exports nothing that can be offloaded"];
    expect_unfit(module("job-0-3"), component("offloading-0-3"), &wanted);
    // The linker has it for modules alone.
    let toml = Serve::new([guest("job-0-3")]).toml();
    expect_fault(&toml, &["job_0_3.wasm", "exports no request handler"]);
    let module = module("job-0-3").set("grants.offload = [\"job-0-3\"]");
    expect_unfit(module, component("job-0-3"), &["a module cannot offload"]);
}

#[test]
fn a_handler_that_is_not_granted_offload() {
    let toml = Serve::new([guest("offloading-0-3"), module("job-0-3")]).toml();
    let wanted = ["offloading-0-3", "grants.offload = [\"NAME\"]", "hob:host/offload@0.3.0"];
    expect_fault(&toml, &wanted);
}

#[test]
fn a_name_that_no_module_of_the_tenant_has() {
    let (known, foreign) = (module("job-0-3").named("thumbnail"), module("job-0-3").tenant("b"));
    let handler = guest("offloading-0-3").offloads_to(&[module("job-0-3").named("thumbnial")]);
    let toml = Serve::new([handler, known.clone()]).toml();
    expect_fault(&toml, &["hob.toml:", "has `thumbnial`", "did you mean `thumbnail`?"]);
    let handler = guest("offloading-0-3").offloads_to(std::slice::from_ref(&foreign));
    let toml = Serve::new([handler, foreign]).toml();
    expect_fault(&toml, &["the tenant `default` has no such module", "add a [[module]]"]);
}

#[test]
fn keys_and_values_of_a_module_that_are_wrong() {
    let handler = guest("offloading-0-3").offloads_to(&[module("job-0-3")]);
    let with = |line: &str| Serve::new([handler.clone(), module("job-0-3").set(line)]).toml();
    expect_fault(&with("isolation = \"shared\""), &["`isolation`", "none of `fresh`, `reuse`"]);
    expect_fault(&with("limits = { input_mib = 17 }"), &["limits.input_mib", "from 1 to 16"]);
    expect_fault(&with("limits = { wait_ms = 0 }"), &["limits.wait_ms", "from 1"]);
    expect_fault(&with("limits = { memory = 1 }"), &["unknown field `memory`"]);
    expect_fault(&with("path = \"/x\""), &["unknown field `path`"]);
    let twice = Serve::new([handler.clone(), module("job-0-3"), module("job-0-3")]).toml();
    expect_fault(&twice, &["a second module of `default` has the name `job-0-3`"]);
    let threads = Serve::new([handler.clone(), module("job-0-3")]).server("offload_threads = 0");
    expect_fault(&threads.toml(), &["server.offload_threads", "from 1"]);
}

#[test]
fn check_says_how_a_module_is_run() {
    let handler = guest("offloading-0-3").offloads_to(&[module("job-0-3"), module("command")]);
    let scratch = Scratch::new();
    let toml = Serve::new([handler, module("job-0-3"), module("command")]).toml();
    let file = scratch.file("hob.toml", toml);
    let checked = run(hob().arg("check").arg(file).args(["--cache", compile_cache()]));
    assert!(checked.success, "{checked:?}");
    for part in ["module job-0-3", "run through hob:host/job@0.3.0", "run through wasi:cli/run@0.2"]
    {
        assert!(checked.stdout.contains(part), "no {part:?} in {}", checked.stdout);
    }
}
