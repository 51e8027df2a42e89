//! The components of the tests, built by `hob build` as a user would, and compiled once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Scratch, hob, run};

/// The folder of the tests.
pub(crate) const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

/// The component of a guest in `tests/guests`, by the name of its folder; or `kitchen-standard`.
pub(crate) fn component(name: &str) -> &'static Path {
    if name == "kitchen-standard" {
        return kitchen_standard();
    }
    let file = format!("{}.wasm", name.replace('-', "_"));
    let all = guests();
    let found = all.iter().find(|path| path.ends_with(&file));
    found.unwrap_or_else(|| panic!("`hob build` made no {file} but {all:?}"))
}

/// All components of `tests/guests`, built when a test first asks for one.
pub(crate) fn guests() -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = format!("{TESTS}/guests");
        let built = run(hob().args(["build", &folder]));
        assert!(built.success, "`hob build {folder}` failed:\n{}", built.stderr);
        let components: Vec<_> = built.stdout.lines().map(PathBuf::from).collect();
        components.iter().for_each(|component| compile(component));
        compile_modules(&components);
        components
    })
}

/// The guest `kitchen` as a host sees it that does not know Hob's own interface. What the SDK makes
/// of a handler exports that beside the standard one, and Hob prefers it: here its name is another,
/// of the same length, and every other byte is as it was built.
fn kitchen_standard() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let (known, unknown) = (b"hob:host/handler@0.3.0", b"any:host/handler@0.3.0");
        let mut bytes = fs::read(component("kitchen")).expect("a component");
        let places = bytes.windows(known.len()).enumerate();
        let places: Vec<_> = places.filter(|(_, at)| at == known).map(|(at, _)| at).collect();
        assert!(!places.is_empty(), "kitchen does not export Hob's interface");
        for at in places {
            bytes[at..at + unknown.len()].copy_from_slice(unknown);
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kitchen_standard.wasm");
        fs::write(&path, bytes).expect("a file in the target folder");
        compile(&path);
        path
    })
}

/// Tests run at once: without this each would compile what it is the first to serve.
fn compile(component: &Path) {
    run(hob().arg("check").arg(component).args(["--cache", compile_cache()]));
}

/// The same of those that are no handlers but plug-ins and modules.
fn compile_modules(components: &[PathBuf]) {
    let scratch = Scratch::new();
    let mut text = String::new();
    for component in components {
        let name = component.file_stem().expect("a name").to_string_lossy();
        let table = if name == "kitchen_0_3" {
            format!("[[handler]]\nname = \"{name}\"\ncomponent = {component:?}\n")
        } else if ["gate", "relay"].contains(&&*name) {
            format!("[[plugin]]\nname = \"{name}\"\ncomponent = {component:?}\n")
        } else if ["job", "streaming", "command"].iter().any(|start| name.starts_with(start)) {
            let needed = "grants.files = \"read\"";
            format!("[[module]]\nname = \"{name}\"\nfile = {component:?}\n{needed}\n")
        } else {
            continue;
        };
        text.push_str(&table);
    }
    let file = scratch.file("hob.toml", text);
    let checked = run(hob().arg("check").arg(file).args(["--cache", compile_cache()]));
    assert!(checked.success, "{}", checked.stderr);
}

/// Where compiled code is kept, for all tests and until the next run.
pub(crate) fn compile_cache() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled")
}
