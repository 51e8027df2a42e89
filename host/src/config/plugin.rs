//! Owns the tables `[[plugin]]`, and the chains that name them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::handler::{self, DEFAULT_TENANT};
use super::spanned::Spanned;
use super::values::Values;
use super::{Checker, Limits, grants, nearest, secrets};
use crate::limits;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plugin")]
pub(super) struct File {
    name: Spanned<String>,
    tenant: Option<Spanned<String>>,
    component: Option<Spanned<PathBuf>>,
    isolation: Option<Spanned<String>>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    grants: grants::File,
    #[serde(default)]
    environment: Values,
    #[serde(default)]
    config: Values,
    #[serde(default)]
    secrets: Option<Spanned<secrets::Sources>>,
}

impl File {
    /// The same as the table of a handler that answers nowhere: what a plug-in has of its own is what a
    /// handler has.
    pub(super) fn into_handler(self) -> handler::File {
        let File { name, tenant, component, isolation, limits, grants, .. } = self;
        let File { environment, config, secrets, .. } = self;
        handler::File {
            name,
            tenant,
            component,
            path: None,
            isolation,
            limits,
            grants,
            environment,
            config,
            secrets,
            compress: false,
            plugins: None,
        }
    }
}

/// The plug-ins there are, by tenant and name.
pub(super) struct Plugins(BTreeSet<(String, String)>);

impl Plugins {
    pub(super) fn named(files: &[Spanned<File>]) -> Self {
        let key = |file: &Spanned<File>| {
            let File { name, tenant, .. } = file.get_ref();
            let tenant = tenant.as_ref().map_or(DEFAULT_TENANT, |tenant| tenant.get_ref());
            (tenant.to_owned(), name.get_ref().clone())
        };
        Plugins(files.iter().map(key).collect())
    }

    pub(super) fn has(&self, tenant: &str, name: &str) -> bool {
        self.of(tenant).any(|known| known == name)
    }

    fn of(&self, tenant: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(whose, _)| whose == tenant).map(|(_, name)| name.as_str())
    }
}

impl Checker<'_> {
    /// A chain: each name is that of another plug-in of the tenant.
    pub(super) fn chain(
        &mut self,
        names: &Spanned<Vec<Spanned<String>>>,
        tenant: &str,
        plugins: &Plugins,
    ) -> Vec<String> {
        let most = limits::PLUGINS_MAX;
        if names.get_ref().len() > most {
            let what = format!("`plugins` has more than {most} names; do with fewer plug-ins");
            self.fault(names.span().start, &what);
        }
        let mut chain: Vec<String> = Vec::new();
        for text in names.get_ref() {
            let (at, name) = (text.span().start, text.get_ref());
            if !plugins.has(tenant, name) {
                let advice = match nearest(name, plugins.of(tenant)) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("add a [[plugin]] with `name = \"{name}\"` and `component`"),
                };
                let what = format!(
                    "`plugins` has `{name}`, and the tenant `{tenant}` has no such plug-in; {advice}"
                );
                self.fault(at, &what);
            }
            if chain.contains(name) {
                self.fault(at, &format!("`plugins` has `{name}` twice; name it once"));
            }
            chain.push(name.clone());
        }
        chain
    }
}
