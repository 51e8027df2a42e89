//! Owns what a handler or a module may be granted, and which import needs which grant. `crypto`,
//! `compression` and `timers` need none: they reach nothing. Nor does `wasi:config`, which gives what
//! was written for the handler.

use super::egress::Egress;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How far a grant goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// To see.
    Read,
    /// To see and to change.
    Write,
}

/// What a handler is granted. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The tenant's folder.
    pub files: Option<Access>,
    /// Where its requests may go.
    pub fetch: Option<Egress>,
    /// The lookup of names.
    pub dns: bool,
    /// The tenant's databases, by name.
    pub sql: BTreeMap<String, SqlGrant>,
    /// The tenant's keys and values.
    pub kv: Option<Access>,
    /// The modules that it may offload to, by name.
    pub offload: BTreeSet<String>,
}

/// A database that a handler may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlGrant {
    /// Whether it may change it.
    pub access: Access,
    /// The folder of the statements that bring it to its schema.
    pub migrations: Option<PathBuf>,
    /// Bytes it may have at the most; none: as the others.
    pub bytes_max: Option<u64>,
}

/// An import that wants a grant which the handler does not have.
#[derive(Clone, Debug)]
pub struct Missing {
    /// The import.
    pub import: String,
    /// The line of `hob.toml` that would grant it, in the handler's table.
    pub line: &'static str,
}

impl Grants {
    /// The imports among these that are not granted.
    pub fn missing(&self, imports: &[String]) -> Vec<Missing> {
        let missing = |import: &String| {
            let line = self.line_for(import)?;
            Some(Missing { import: import.clone(), line })
        };
        imports.iter().filter_map(missing).collect()
    }

    /// The databases that are opened for these grants.
    pub fn databases(&self) -> impl Iterator<Item = String> {
        let kv = self.kv.map(|_| "kv".to_owned());
        self.sql.keys().map(|name| format!("sql/{name}")).chain(kv)
    }

    /// The line that an import wants and that is not there. What can reach nothing wants none.
    fn line_for(&self, import: &str) -> Option<&'static str> {
        let interface = import.split('@').next().unwrap_or(import);
        let (granted, line) = match interface {
            "hob:host/files" => (self.files.is_some(), "grants.files = \"read\" # or \"write\""),
            "hob:host/fetch" => (
                self.fetch.is_some(),
                "grants.fetch = [\"https://api.example.com\"] # where its requests may go",
            ),
            "hob:host/dns" => (self.dns, "grants.dns = true"),
            "hob:host/sql" => {
                (!self.sql.is_empty(), "grants.sql = { main = \"write\" } # or \"read\"")
            }
            "hob:host/kv"
            | "wasi:keyvalue/store"
            | "wasi:keyvalue/atomics"
            | "wasi:keyvalue/batch" => (self.kv.is_some(), "grants.kv = \"write\" # or \"read\""),
            "hob:host/offload" => (
                !self.offload.is_empty(),
                "grants.offload = [\"NAME\"] # of a [[module]] of the same tenant",
            ),
            _ => return None,
        };
        (!granted).then_some(line)
    }
}
