//! Owns which versions are set aside: each was deployed, is to be served, and does not fit what is configured
//! now. Nothing is served of its handler, and everything of the others.

use super::unfit::Unfit;
use crate::admin::HandlerName;

/// The versions that are set aside, one a handler at most.
#[derive(Clone, Default)]
pub(super) struct SetAside(Vec<Aside>);

/// A version that is set aside.
#[derive(Clone)]
pub(super) struct Aside {
    pub(super) tenant: String,
    pub(super) handler: String,
    pub(super) version: String,
    /// Why it cannot be served, and what to do.
    pub(super) why: String,
}

impl SetAside {
    /// Those that do not fit.
    pub(super) fn of(unfit: &[Unfit]) -> Self {
        let aside = |unfit: &Unfit| Aside {
            tenant: unfit.tenant.clone(),
            handler: unfit.handler.clone(),
            version: unfit.version.clone(),
            why: unfit.to_string(),
        };
        SetAside(unfit.iter().map(aside).collect())
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Aside> {
        self.0.iter()
    }

    /// That of a handler.
    pub(super) fn find(&self, tenant: &str, handler: &str) -> Option<&Aside> {
        self.0.iter().find(|one| one.tenant == tenant && one.handler == handler)
    }

    /// Whether it is this version of the handler.
    pub(super) fn has(&self, tenant: &str, handler: &str, version: &str) -> bool {
        self.find(tenant, handler).is_some_and(|one| one.version == version)
    }

    /// Adds one; false when its handler has one here already.
    pub(super) fn add(&mut self, aside: Aside) -> bool {
        let is_new = self.find(&aside.tenant, &aside.handler).is_none();
        if is_new {
            self.0.push(aside);
        }
        is_new
    }

    /// The same without that of this handler, of which another version is to be served, or the same again.
    pub(super) fn without(&self, name: &HandlerName) -> Self {
        let others = self.0.iter();
        let others = others.filter(|one| one.tenant != name.tenant || one.handler != name.handler);
        SetAside(others.cloned().collect())
    }
}
