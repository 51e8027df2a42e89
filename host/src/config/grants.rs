//! Owns a handler's `grants`.

use serde::Deserialize;
use toml::Spanned;

use super::Checker;
use crate::capabilities::{Access, Egress, EgressRule, Grants};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    files: Option<Spanned<String>>,
    fetch: Option<Vec<Spanned<Destination>>>,
    #[serde(default)]
    dns: bool,
}

/// Where requests may go: `"https://api.example.com"`, or the same with more said of it.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "write \"https://host\" or { to = \"https://host\", private = true }"
)]
enum Destination {
    Public(String),
    #[serde(rename_all = "kebab-case")]
    Table {
        to: String,
        #[serde(default)]
        private: bool,
    },
}

impl Checker<'_> {
    pub(super) fn grants(&mut self, file: File) -> Grants {
        Grants {
            files: file.files.and_then(|text| self.access("grants.files", &text)),
            fetch: file.fetch.map(|destinations| self.egress(destinations)),
            dns: file.dns,
        }
    }

    fn egress(&mut self, destinations: Vec<Spanned<Destination>>) -> Egress {
        let mut rules = Vec::new();
        for destination in destinations {
            let (to, private) = match destination.get_ref() {
                Destination::Public(to) => (to, false),
                Destination::Table { to, private } => (to, *private),
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
