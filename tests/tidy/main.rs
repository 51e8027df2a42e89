//! The rules of ARCHITECTURE.md that a machine can check: who imports whom, which crate is named
//! where, no state in statics, files one can read in a sitting, the treaty's copies, the schema, and what
//! `cargo run` runs.

#![expect(clippy::disallowed_methods, reason = "there is no loop to block")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("host/ has a parent").to_owned()
}

fn files_below(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of the repository").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != "node_modules" {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn sources(dirs: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    dirs.iter().for_each(|dir| files_below(&root().join(dir), "rs", &mut files));
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source is UTF-8");
            (path.strip_prefix(root()).expect("below the root").to_owned(), text)
        })
        .collect()
}

/// The room a file of the host belongs to.
fn room(path: &Path) -> String {
    let below = path.strip_prefix("host/src").expect("a file of the host");
    let first = below.components().next().expect("a file has a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The lines of code that are not comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("limits", &[][..]),
        ("observe", &["limits"]),
        ("event_loop", &["limits", "observe"]),
        ("wire", &["event_loop", "limits", "observe"]),
        ("engine", &["limits"]),
        ("capabilities", &["engine", "event_loop", "tenants", "wire", "limits", "observe"]),
        (
            "handlers",
            &["capabilities", "engine", "event_loop", "tenants", "wire", "limits", "observe"],
        ),
        ("jobs", &["capabilities", "engine", "event_loop", "tenants", "wire", "limits", "observe"]),
        ("tenants", &["engine", "event_loop", "limits", "observe"]),
        ("assets", &["event_loop", "wire", "limits"]),
        ("config", &["assets", "capabilities", "handlers", "jobs", "tenants", "wire", "limits"]),
        ("deployments", &["limits"]),
        ("admin", &["event_loop", "wire", "observe", "limits"]),
        (
            "server",
            &[
                "admin",
                "assets",
                "capabilities",
                "config",
                "deployments",
                "engine",
                "event_loop",
                "handlers",
                "jobs",
                "limits",
                "observe",
                "tenants",
                "wire",
            ],
        ),
        (
            "embedding",
            &[
                "capabilities",
                "config",
                "engine",
                "event_loop",
                "handlers",
                "limits",
                "observe",
                "server",
                "tenants",
                "wire",
            ],
        ),
        (
            "cli",
            &[
                "admin",
                "capabilities",
                "config",
                "engine",
                "handlers",
                "limits",
                "observe",
                "server",
                "wire",
            ],
        ),
    ]);
    let mut faults = Vec::new();
    for (path, text) in sources(&["host/src"]) {
        let room = room(&path);
        let Some(may) = allowed.get(room.as_str()) else {
            assert!(["lib", "main"].contains(&room.as_str()), "{room} is in no table");
            continue;
        };
        for (line, other) in imports(&text) {
            if other != room && !may.contains(&other.as_str()) {
                faults.push(format!("{}:{line}: {room} imports {other}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The rooms that a file names, each with its line: `crate::room`, or `crate::{room, other::thing}`
/// over as many lines as it takes.
fn imports(text: &str) -> Vec<(usize, String)> {
    let whole: String = code(text).map(|(_, line)| format!("{line}\n")).collect();
    let lines: Vec<usize> = code(text).map(|(line, _)| line).collect();
    let mut found = Vec::new();
    for (at, root) in whole.match_indices("crate::") {
        let start = at + root.len();
        for (offset, name) in first_names(&whole[start..]) {
            let line = lines[whole[..start + offset].matches('\n').count()];
            found.push((line, name));
        }
    }
    found
}

/// The name that a path begins with, or of a group in braces those of its members, each with its
/// place. What is not in lower case is no room.
fn first_names(path: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut is_first = true;
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => is_first = true,
            c if c.is_whitespace() => {}
            _ if is_first => {
                let name = |c: &char| c.is_ascii_lowercase() || *c == '_';
                let name: String = path[at..].chars().take_while(name).collect();
                if !name.is_empty() {
                    names.push((at, name));
                }
                is_first = false;
            }
            _ => {}
        }
        if depth == 0 && !is_first {
            break;
        }
    }
    names
}

#[test]
fn imports_are_seen_in_every_form() {
    let text = "use crate::wire;\n// use crate::comment;\nuse crate::{\n    engine::{Cache, one},\n    \
                limits,\n};\nlet x = crate::config::Config::new(crate::observe::log());\n";
    let seen = imports(text);
    let seen: Vec<_> = seen.iter().map(|(line, name)| (*line, name.as_str())).collect();
    let wanted = [(1, "wire"), (4, "engine"), (5, "limits"), (7, "config"), (7, "observe")];
    assert_eq!(seen, wanted);
}

#[test]
fn a_big_dependency_is_named_in_its_room_only() {
    let homes: [(&str, &[&str]); 19] = [
        ("mio", &["host/src/event_loop/"]),
        ("tokio::runtime", &["host/src/event_loop/host_threads.rs"]),
        ("hyper::", &["host/src/wire/"]),
        ("wasmtime_wasi::", &["host/src/capabilities/"]),
        ("wasmtime_wasi_http::", &["host/src/capabilities/", "host/src/handlers/"]),
        ("wasmparser::", &["host/src/engine/"]),
        ("rayon::", &["host/src/engine/"]),
        ("wit_component::", &["host/src/engine/"]),
        ("wasm_encoder::", &["host/src/engine/"]),
        ("wit_parser::", &["host/src/engine/"]),
        ("ureq::", &["host/src/cli/"]),
        ("rusqlite::", &["host/src/capabilities/"]),
        ("clap::", &["host/src/cli/"]),
        ("anyhow::", &["host/src/cli/"]),
        ("rustls::", &["host/src/wire/"]),
        ("cap_std::", &["host/src/assets/", "host/src/capabilities/"]),
        ("mime_guess::", &["host/src/assets/"]),
        ("toml::", &["host/src/config"]),
        ("schemars::", &["host/src/config"]),
    ];
    let mut faults = Vec::new();
    for (path, text) in sources(&["host/src"]) {
        let shown = path.display().to_string();
        for (krate, home) in homes {
            let name = krate.trim_end_matches("::");
            if home.iter().any(|home| shown.starts_with(home)) {
                continue;
            }
            for (line, code) in code(&text) {
                let names_it = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                if names_it {
                    faults.push(format!("{shown}:{line}: names {name}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn there_is_no_state_in_statics() {
    // The allocator and embedded text are no state.
    let harmless = ["static ALLOCATOR", "static SDK"];
    let mut faults = Vec::new();
    for (path, text) in sources(&["host/src"]) {
        // The engine calls it back without saying for whom.
        if path.ends_with("capabilities/sqlite/reads.rs") {
            continue;
        }
        for (line, code) in code(&text) {
            let code = code.trim_start().trim_start_matches("pub ");
            let is_static = code.starts_with("static ")
                || ["thread_local!", "LazyLock", "lazy_static"].iter().any(|s| code.contains(s));
            if is_static && !harmless.iter().any(|allowed| code.starts_with(allowed)) {
                faults.push(format!("{}:{line}: {code}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_is_where_the_code_of_others_is_trusted_or_called_back_and_where_a_thread_is_scheduled() {
    for (path, text) in sources(&["host/src", "guest-sdk"]) {
        let allowed =
            ["engine/artifact.rs", "event_loop/priority.rs", "capabilities/sqlite/reads.rs"];
        let allowed = allowed.iter().any(|file| path.ends_with(file));
        for (line, code) in code(&text) {
            let is_unsafe = code.contains("unsafe {") || code.contains("unsafe fn");
            assert!(!is_unsafe || allowed, "{}:{line}: {code}", path.display());
        }
    }
}

#[test]
fn files_open_with_what_they_own_and_fit_a_sitting() {
    const LINES_MAX: usize = 500;
    let dirs = [
        "host/src",
        "guest-sdk/src",
        "guest-sdk/macros/src",
        "tests/it",
        "tests/sim",
        "embedding/shop",
    ];
    let mut faults = Vec::new();
    for (path, text) in sources(&dirs) {
        if !text.starts_with("//!") && !path.ends_with("cli/new/handler.rs") {
            faults.push(format!("{}: does not open with //!", path.display()));
        }
        if text.lines().count() > LINES_MAX {
            faults.push(format!("{}: has more than {LINES_MAX} lines", path.display()));
        }
        if let Some(line) = text.lines().find(|line| !line.is_ascii()) {
            faults.push(format!("{}: is not ASCII: {line}", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_and_modules_are_named_after_what_they_own() {
    let banned = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
    for (path, _) in sources(&["host/src", "guest-sdk", "tests", "examples", "bench"]) {
        let stem = path.file_stem().expect("a source has a name").to_string_lossy().into_owned();
        assert!(!banned.contains(&stem.as_str()), "{} says nothing", path.display());
    }
}

#[test]
fn the_sdk_has_the_treaty_as_it_is() {
    for (name, original) in treaty() {
        expect_derived(&format!("guest-sdk/wit/deps/hob-host/{name}"), &original);
    }
}

/// The files of the treaty as they are written: those of 0.3.
fn treaty() -> Vec<(String, String)> {
    let mut files = Vec::new();
    files_below(&root().join("wit/0.3"), "wit", &mut files);
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("the treaty is UTF-8"))
        })
        .collect()
}

/// Compares a file that is derived from another with what it must be, or writes it.
fn expect_derived(path: &str, wanted: &str) {
    let file = root().join(path);
    if std::env::var_os("HOB_DERIVE").is_some() {
        fs::write(&file, wanted).expect("a file of the repository");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == wanted,
        "{path} is out of date: HOB_DERIVE=1 cargo test --test tidy writes it"
    );
}

#[test]
fn the_sync_generation_of_the_treaty_is_derived_from_the_async_one() {
    // Of the handler's interface the bodies differ: streams here, resources there.
    for (name, text) in treaty().iter().filter(|(name, _)| name != "handler.wit") {
        let sync = text.replace("hob:host@0.3.0", "hob:host@0.2.0").replace("async func", "func");
        expect_derived(&format!("wit/0.2/{name}"), &sync);
    }
}

#[test]
fn the_two_generations_of_the_handler_interface_say_the_same() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("the treaty");
    let (async_text, sync_text) = (read("wit/0.3/handler.wit"), read("wit/0.2/handler.wit"));
    for shared in ["variant method {", "enum body-error {"] {
        assert_eq!(block(&async_text, shared), block(&sync_text, shared), "{shared}");
    }
    let signature = "func(request: request) -> result<response, string>;";
    assert!(async_text.contains(&format!("handle: async {signature}")));
    assert!(sync_text.contains(&format!("handle: {signature}")));
    for field in ["method: method,", "target: string,", "headers: list<field>,", "status: u16,"] {
        assert!(async_text.contains(field) && sync_text.contains(field), "{field}");
    }
}

#[test]
fn the_schema_of_hob_toml_is_that_of_the_code() {
    expect_derived("docs/hob.schema.json", &hob::config::Config::schema());
}

/// The text from `start` to the closing brace, without the indentation.
fn block(text: &str, start: &str) -> Vec<String> {
    let at = text.find(start).unwrap_or_else(|| panic!("there is no {start}"));
    text[at..].lines().map(|line| line.trim().to_owned()).take_while(|line| line != "}").collect()
}

#[test]
fn every_example_has_a_readme() {
    for entry in fs::read_dir(root().join("examples")).expect("the examples").flatten() {
        if entry.path().join("Cargo.toml").is_file() && entry.file_name() != "target" {
            assert!(entry.path().join("README.md").is_file(), "{:?}", entry.file_name());
        }
    }
}

#[test]
fn cargo_run_of_the_readme_is_hob_whatever_other_programs_the_workspace_has() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut asked = Command::new(cargo);
    asked.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]);
    let answer = asked.current_dir(root()).output().expect("cargo runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let members: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    let packages = members["packages"].as_array().expect("packages");
    let run: Vec<_> = packages.iter().filter_map(|one| one["default_run"].as_str()).collect();
    assert_eq!(run, ["hob"]);
}
