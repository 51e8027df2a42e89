//! `hob new`: a handler that builds and serves at once. The SDK comes with it, out of this
//! program, so that the two fit and nothing has to be published first.

#![expect(clippy::disallowed_methods, reason = "runs without a loop")]

use super::output::say;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use include_dir::{Dir, include_dir};

/// Create a new handler in Rust
#[derive(Args)]
#[command(after_help = "\
The folder's name becomes the handler's. It comes with a copy of the SDK in DIR/hob-sdk.

Example:
  hob new hello
  hob serve --build hello
  curl http://127.0.0.1:8080/hello")]
pub(super) struct New {
    /// The folder to make
    dir: PathBuf,
}

/// The SDK's sources, as this program was built with.
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk");

const MANIFEST: &str = include_str!("new/manifest.toml");
const HANDLER: &str = include_str!("new/handler.rs");
const IGNORED: &str = "/target\n/data\n";

impl New {
    pub(super) fn run(self) -> Result<()> {
        let name = name_of(&self.dir)?;
        if self.dir.exists() {
            bail!("{} exists already: choose another folder", self.dir.display());
        }
        write(&self.dir.join("Cargo.toml"), &MANIFEST.replace("HANDLER_NAME", &name))?;
        write(&self.dir.join("src/lib.rs"), HANDLER)?;
        write(&self.dir.join(".gitignore"), IGNORED)?;
        vendor(&SDK, &self.dir.join("hob-sdk"))?;
        say!("made the handler {name}; now run: hob serve --build {}", self.dir.display());
        Ok(())
    }
}

/// Names that a package cannot have, or not in this place: the SDK's own, the crates that every package sees,
/// and words of the language, which cargo refuses.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "hob-sdk", "hob_sdk", "hob-sdk-macros", "hob_sdk_macros", "alloc", "core", "proc_macro", "std",
    "test", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The folder's name, which must do as a crate's name.
fn name_of(dir: &Path) -> Result<String> {
    let Some(name) = dir.file_name().and_then(|name| name.to_str()) else {
        bail!(
            "the handler is called as its folder is: name one that is to be made, as `hob new shop`"
        );
    };
    if TAKEN.contains(&name) {
        bail!(
            "a handler cannot be called `{name}`: a crate or a word of Rust is; choose another name"
        );
    }
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !starts_well || !name.chars().all(allowed) {
        bail!(
            "`{name}` does not do as a handler's name: begin with a lower case letter and use \
             lower case letters, digits, `-` and `_`"
        );
    }
    Ok(name.to_owned())
}

fn vendor(from: &Dir<'_>, to: &Path) -> Result<()> {
    for file in from.files() {
        let name = file.path().file_name().expect("an embedded file has a name");
        let text = file.contents_utf8().expect("the SDK's sources are UTF-8");
        write(&to.join(name), text)?;
    }
    for dir in from.dirs() {
        let name = dir.path().file_name().expect("an embedded folder has a name");
        if name != "target" {
            vendor(dir, &to.join(name))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(parent)
        .with_context(|| format!("cannot make the folder {}", parent.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
