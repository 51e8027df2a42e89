//! Owns where a value is that `hob.toml` does not have in itself: a file, or a variable of the environment.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use toml::Value;

use crate::limits;

/// Where a value is. By hand, for the parser's own fault would show what was written instead.
pub(super) enum Source {
    File(PathBuf),
    Variable(String),
}

/// What a person may write for it.
#[derive(JsonSchema)]
#[schemars(rename = "Source", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum Written {
    /// A file, relative to the folder of hob.toml.
    File(String),
    /// A variable of the environment in which hob is started.
    Env(String),
}

impl Source {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let mut entries = value.as_table()?.iter();
        let (key, text) = entries.next()?;
        let text = text.as_str().filter(|text| !text.is_empty())?;
        match (key.as_str(), entries.next()) {
            ("file", None) => Some(Source::File(text.into())),
            ("env", None) => Some(Source::Variable(text.to_owned())),
            _ => None,
        }
    }

    /// What is there, or what is wrong and what to do. It is read at each call. `what` is the word for it.
    pub(super) fn read(&self, folder: &Path, what: &str) -> Result<String, String> {
        let text = match self {
            Source::File(path) => {
                let path = folder.join(path);
                let shown = path.display();
                let unread = |why: &dyn std::fmt::Display| {
                    format!(
                        "cannot read {shown}: {why}; put the {what} into that file, and let hob read it"
                    )
                };
                let bytes = bytes_of(&path).map_err(|error| unread(&error))?;
                if bytes.len() > limits::VALUE_BYTES_MAX {
                    return Err(too_large(what));
                }
                let text = String::from_utf8(bytes).map_err(|_| unread(&"it is not UTF-8"))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                line.strip_suffix('\r').unwrap_or(line).to_owned()
            }
            Source::Variable(name) => std::env::var(name).map_err(|error| {
                let why = match error {
                    std::env::VarError::NotPresent => "is not set",
                    std::env::VarError::NotUnicode(_) => "is not UTF-8",
                };
                format!("the environment variable `{name}` {why}; set it where hob is started")
            })?,
        };
        if text.len() > limits::VALUE_BYTES_MAX { Err(too_large(what)) } else { Ok(text) }
    }
}

fn too_large(what: &str) -> String {
    format!("the {what} has more than {} bytes", limits::VALUE_BYTES_MAX)
}

#[expect(clippy::disallowed_methods, reason = "runs before the loop does")]
fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A device could go on for ever.
    let most = limits::VALUE_BYTES_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
