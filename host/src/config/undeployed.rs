//! Owns leaving out what is configured and has no component yet.

use std::collections::BTreeSet;

use super::{Config, TargetConfig, VariantConfig};

impl Config {
    /// The same without the handlers and plug-ins that wait for their first deployment, and without the
    /// routes to them: no request goes past a plug-in that is not there.
    pub fn without_undeployed(mut self) -> Self {
        if self.handlers.iter().all(|handler| handler.component.is_some()) {
            return self;
        }
        let handlers = places(self.handlers.iter().map(|handler| handler.component.is_some()));
        let plugins: BTreeSet<_> = self
            .handlers
            .iter()
            .filter(|one| one.is_plugin && one.component.is_some())
            .map(|one| (one.tenant.clone(), one.name.clone()))
            .collect();
        let are_there = |tenant: &str, chain: &[String]| {
            chain.iter().all(|name| plugins.contains(&(tenant.to_owned(), name.clone())))
        };
        let is_left = |variant: &VariantConfig| handlers[variant.handler].is_some();
        let variants = places(self.variants.iter().map(is_left));
        self.handlers.retain(|handler| handler.component.is_some());
        for handler in &mut self.handlers {
            if !are_there(&handler.tenant, &handler.plugins) {
                handler.path = None;
            }
        }
        self.variants.retain_mut(|variant| match handlers[variant.handler] {
            Some(place) => {
                variant.handler = place;
                true
            }
            None => false,
        });
        self.routes.retain_mut(|route| {
            if !are_there(&route.tenant, &route.plugins) {
                return false;
            }
            let place = match &mut route.target {
                TargetConfig::Handler(place) => (handlers[*place], place),
                TargetConfig::Variant(place) => (variants[*place], place),
                TargetConfig::Folder(_) | TargetConfig::Redirect(_) => return true,
            };
            if let (Some(new), old) = place {
                *old = new;
                return true;
            }
            false
        });
        self
    }
}

/// The place of each that is left, among those that are left.
fn places(left: impl Iterator<Item = bool>) -> Vec<Option<usize>> {
    let mut next = 0..;
    left.map(|is_left| if is_left { next.next() } else { None }).collect()
}
