//! The components of the tests, built by `hob build` as a user would, and compiled once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{hob, run};

/// The folder of the tests.
pub(crate) const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

/// The component of a guest in `tests/guests`, by the name of its folder.
pub(crate) fn component(name: &str) -> &'static Path {
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
        // Tests run at once: without this each would compile what it is the first to serve.
        for component in &components {
            run(hob().arg("check").arg(component).args(["--cache", compile_cache()]));
        }
        components
    })
}

/// Where compiled code is kept, for all tests and until the next run.
pub(crate) fn compile_cache() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled")
}
