//! Owns the `grants` of a handler or a module.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::spanned::Spanned;
use super::{Checker, Config};
use crate::capabilities::{Access, Egress, EgressRule, Grants, SqlGrant};
use crate::limits;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Grants")]
pub(super) struct File {
    files: Option<Spanned<String>>,
    fetch: Option<Vec<Spanned<Destination>>>,
    #[serde(default)]
    dns: bool,
    #[serde(default)]
    sql: BTreeMap<String, Spanned<Sql>>,
    kv: Option<Spanned<String>>,
    /// Checked where the tenant and its modules are known.
    #[serde(default)]
    pub(super) offload: Vec<Spanned<String>>,
}

/// Where requests may go: `"https://api.example.com"`, or the same with more said of it.
#[derive(Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "write \"https://host\" or { to = \"https://host\", private = true }"
)]
enum Destination {
    Public(String),
    Table(DestinationTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DestinationTable {
    to: String,
    #[serde(default)]
    private: bool,
}

/// A database, as `"write"` or as a table.
#[derive(Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "write \"read\", \"write\", or a table with `access`, and `migrations` and `max_mib` if wanted"
)]
enum Sql {
    Access(String),
    Table(SqlTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SqlTable {
    access: String,
    migrations: Option<PathBuf>,
    max_mib: Option<u64>,
}

impl Config {
    /// What anyone is granted, with whose it is.
    pub fn grants(&self) -> impl Iterator<Item = (&str, &Grants)> {
        let of_handlers = self.handlers.iter().map(|one| (one.tenant.as_str(), &one.grants));
        let of_modules = self.modules.iter().map(|one| (one.tenant.as_str(), &one.grants));
        of_handlers.chain(of_modules)
    }
}

impl Checker<'_> {
    pub(super) fn grants(&mut self, file: File) -> Grants {
        Grants {
            files: file.files.and_then(|text| self.access("grants.files", &text)),
            fetch: file.fetch.map(|destinations| self.egress(destinations)),
            dns: file.dns,
            sql: self.sql(file.sql),
            kv: file.kv.and_then(|text| self.access("grants.kv", &text)),
            offload: file.offload.into_iter().map(Spanned::into_inner).collect(),
        }
    }

    fn egress(&mut self, destinations: Vec<Spanned<Destination>>) -> Egress {
        let mut rules = Vec::new();
        for destination in destinations {
            let (to, private) = match destination.get_ref() {
                Destination::Public(to) => (to, false),
                Destination::Table(DestinationTable { to, private }) => (to, *private),
            };
            match to.parse::<EgressRule>() {
                Ok(rule) => rules.push(rule.with_private(private)),
                Err(why) => {
                    let what = format!("`grants.fetch` has `{to}`: {why}");
                    self.fault(destination.span().start, &what);
                }
            }
        }
        Egress { rules }
    }

    fn sql(&mut self, databases: BTreeMap<String, Spanned<Sql>>) -> BTreeMap<String, SqlGrant> {
        let mut granted = BTreeMap::new();
        for (name, database) in databases {
            let span = database.span();
            let key = format!("grants.sql.{name}");
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
            if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
                let what =
                    format!("`{key}`: a database's name has up to 64 letters, digits, `-` and `_`");
                self.fault(span.start, &what);
            }
            let (access, migrations, max_mib) = match database.into_inner() {
                Sql::Access(access) => (access, None, None),
                Sql::Table(SqlTable { access, migrations, max_mib }) => {
                    (access, migrations, max_mib)
                }
            };
            let most = 1..=limits::SQL_DATABASE_MIB_MAX;
            let max_mib = max_mib.map(|given| {
                self.number(
                    &format!("{key}.max_mib"),
                    Some(Spanned::new(span.clone(), given)),
                    most,
                    given,
                )
            });
            let Some(access) = self.access(&key, &Spanned::new(span, access)) else { continue };
            let migrations = migrations.map(|folder| self.folder().join(folder));
            let bytes_max = max_mib.map(|mib| mib.saturating_mul(1024 * 1024));
            granted.insert(name, SqlGrant { access, migrations, bytes_max });
        }
        granted
    }

    fn access(&mut self, key: &str, text: &Spanned<String>) -> Option<Access> {
        match text.get_ref().as_str() {
            "read" => Some(Access::Read),
            "write" => Some(Access::Write),
            other => {
                let what = format!("`{key}` is `{other}`; write \"read\" or \"write\"");
                self.fault(text.span().start, &what);
                None
            }
        }
    }
}
