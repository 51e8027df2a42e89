//! What cannot be served: one message that names it and says what to do, and nothing listens.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::harness::{Scratch, compile_cache, component, hob, run};

/// Serves, which must fail with one line on standard error that has all of these in it.
#[track_caller]
fn expect_refusal(target: &Path, arguments: &[&str], wanted: &[&str]) {
    let mut command = hob();
    command.arg("serve").arg(target).args(["--cache", compile_cache()]);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if !arguments.contains(&"--admin") {
        command.args(["--admin", "127.0.0.1:0"]);
    }
    // What is kept by default is kept where it is started.
    let kept = Scratch::new();
    command.arg("--data").arg(kept.path());
    let served = run(command.args(arguments));
    assert!(!served.success, "{served:?}");
    assert_eq!(served.stdout, "", "{served:?}");
    // What it is busy with is no message of this kind.
    let is_progress = |line: &str| line.starts_with("hob: compiling ");
    let lines: Vec<_> = served.stderr.lines().filter(|line| !is_progress(line)).collect();
    let [line] = lines[..] else { panic!("not one line: {lines:#?}") };
    assert!(line.starts_with("hob: "), "{line}");
    for part in wanted {
        assert!(line.contains(part), "no {part:?} in {line:?}");
    }
}

#[test]
fn a_file_that_is_no_wasm() {
    let scratch = Scratch::new();
    let file = scratch.file("notes.wasm", "these are no bytes of Wasm");
    expect_refusal(&file, &[], &["notes.wasm", "is not a WebAssembly component"]);
    let file = scratch.file("empty.wasm", "");
    expect_refusal(&file, &[], &["empty.wasm", "is not a WebAssembly component"]);
}

#[test]
fn a_core_module() {
    let scratch = Scratch::new();
    let file = scratch.file("module.wasm", b"\0asm\x01\0\0\0");
    expect_refusal(&file, &[], &["module.wasm", "core WebAssembly module", "wasm32-wasip2"]);
}

#[test]
fn a_component_that_was_cut_off() {
    let scratch = Scratch::new();
    let whole = fs::read(component("kitchen")).unwrap();
    for length in [10, 100, whole.len() / 2, whole.len() - 1] {
        let file = scratch.file("cut.wasm", &whole[..length]);
        expect_refusal(&file, &[], &["cut.wasm", "is damaged or was not written to its end"]);
    }
}

#[test]
fn a_component_with_changed_bytes() {
    let scratch = Scratch::new();
    let whole = fs::read(component("kitchen")).unwrap();
    for at in [whole.len() / 3, whole.len() / 2, whole.len() / 3 * 2] {
        let mut changed = whole.clone();
        changed[at..at + 64].fill(0xff);
        let file = scratch.file("changed.wasm", changed);
        expect_refusal(&file, &[], &["changed.wasm"]);
    }
}

#[test]
fn a_component_that_exports_no_handler() {
    let scratch = Scratch::new();
    // The smallest component: nothing in, nothing out.
    let file = scratch.file("nothing.wasm", b"\0asm\x0d\0\x01\0");
    let wanted = ["nothing.wasm", "exports no request handler", "wasi:http/incoming-handler@0.2"];
    expect_refusal(&file, &[], &wanted);
}

#[test]
fn a_component_that_imports_what_no_one_has() {
    let path = component("imports-unknown");
    expect_refusal(path, &[], &["imports_unknown.wasm", "acme:nothing", "cannot be linked"]);
    let checked = run(hob().arg("check").arg(path).args(["--cache", compile_cache()]));
    assert!(!checked.success, "{checked:?}");
    assert!(checked.stderr.contains("acme:nothing"), "{checked:?}");
    assert!(checked.stdout.contains("acme:nothing/thing@1.0.0"), "{checked:?}");
}

#[test]
fn a_file_that_is_not_there() {
    let scratch = Scratch::new();
    expect_refusal(&scratch.join("missing.wasm"), &[], &["missing.wasm", "cannot read"]);
    expect_refusal(&scratch.join("missing.toml"), &[], &["missing.toml", "cannot read"]);
    let text = "[[handler]]\nname = \"a\"\ncomponent = \"missing.wasm\"\n";
    let file = scratch.file("hob.toml", text);
    expect_refusal(&file, &[], &["missing.wasm", "cannot read"]);
}

#[test]
fn a_file_that_cannot_be_read() {
    let scratch = Scratch::new();
    // A folder is unreadable as a file also for root.
    fs::create_dir(scratch.join("folder.wasm")).unwrap();
    let text = "[[handler]]\nname = \"a\"\ncomponent = \"folder.wasm\"\n";
    let file = scratch.file("hob.toml", text);
    expect_refusal(&file, &[], &["folder.wasm", "cannot read"]);
}

#[test]
fn a_folder_without_a_component() {
    let scratch = Scratch::new();
    expect_refusal(scratch.path(), &[], &["there is no .wasm file in", "put components into it"]);
    scratch.file("Cargo.toml", "[package]\n");
    expect_refusal(scratch.path(), &[], &["there is no .wasm file in", "--build"]);
}

#[test]
fn a_file_to_be_built() {
    expect_refusal(component("kitchen"), &["--build"], &["kitchen.wasm", "is a file"]);
}

#[test]
fn shared_for_a_component_of_0_2() {
    for name in ["kitchen-0-2", "fast-0-2"] {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let wanted = [&file, "shared", "WASI 0.3", "`fresh` or `reuse`"];
        expect_refusal(component(name), &["--isolation", "shared"], &wanted);
    }
}

#[test]
fn an_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let path = component("kitchen");
    let wanted = [&address, "another program", "--listen"];
    expect_refusal(path, &["--listen", &address], &wanted);
    expect_refusal(path, &["--listen", &address, "--loops", "2"], &wanted);
    expect_refusal(path, &["--admin", &address], &[&address, "another program", "--admin"]);
}

#[test]
fn the_address_of_hob_s_own_second_listener() {
    let path = component("kitchen");
    let wanted = ["hob's own second listener", "127.0.0.1:8081", "--admin"];
    for address in ["127.0.0.1:8081", "0.0.0.0:8081", "[::]:8081"] {
        let arguments = ["--listen", address, "--admin", "127.0.0.1:8081"];
        expect_refusal(path, &arguments, &wanted);
    }
    // Also when neither is said on the command line.
    let scratch = Scratch::new();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:8081\"\n[[handler]]\nname = \"a\"\ncomponent = \"{}\"\n",
        path.display()
    );
    let file = scratch.file("hob.toml", text);
    for verb in ["serve", "check"] {
        let outcome = run(hob().arg(verb).arg(&file));
        assert!(!outcome.success, "{outcome:?}");
        wanted.iter().for_each(|part| assert!(outcome.stderr.contains(part), "{outcome:?}"));
    }
}

#[test]
fn a_port_that_needs_a_privilege() {
    let lowest = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if lowest.is_ok_and(|port| port.trim() == "0") {
        eprintln!("skipped: this system lets everyone listen on every port");
        return;
    }
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg(env!("CARGO_BIN_EXE_hob")).arg("serve").arg(component("fast-0-2"));
    command.args(["--cache", "off", "--admin", "off", "--listen", "127.0.0.1:1"]);
    let served = run(&mut command);
    assert!(!served.success, "{served:?}");
    for part in ["127.0.0.1:1", "CAP_NET_BIND_SERVICE", "a port from 1024 up"] {
        assert!(served.stderr.contains(part), "no {part:?} in {served:?}");
    }
}

#[test]
fn an_address_of_another_machine() {
    // Set aside for documentation: no machine has it.
    let wanted = ["192.0.2.1:0", "choose an address of this machine"];
    expect_refusal(component("kitchen"), &["--listen", "192.0.2.1:0"], &wanted);
}

#[test]
fn a_flag_that_is_not_known_or_has_no_such_value() {
    let path = component("kitchen").to_str().unwrap();
    for (arguments, wanted) in [
        (&["serve", path, "--lisen", "127.0.0.1:0"][..], &["--lisen", "--listen"][..]),
        (&["serve", path, "--listen", "nowhere"], &["--listen", "nowhere"]),
        (&["serve", path, "--admin", "nowhere"], &["--admin", "nowhere", "off"]),
        (&["serve", path, "--isolation", "none"], &["--isolation", "none", "fresh", "shared"]),
        (&["serve", path, "--loops", "0"], &["--loops", "0", "1 to"]),
        (&["serve", path, "--host-threads", "x"], &["--host-threads", "1 to"]),
        (&["serve", path, "--access-log", "maybe"], &["--access-log", "maybe"]),
        (&["serve"], &["<TARGET>"]),
        (&["serv", path], &["serv", "serve"]),
    ] {
        let said = run(hob().args(arguments));
        assert!(!said.success, "{arguments:?}: {said:?}");
        assert_eq!(said.stdout, "", "{arguments:?}");
        for part in wanted {
            assert!(said.stderr.contains(part), "{arguments:?} without {part}: {}", said.stderr);
        }
        assert!(!said.stderr.contains("listening"), "{arguments:?}");
    }
}
