//! Owns what a product says of a plug-in that is to be loaded.

use std::path::PathBuf;
use std::sync::Arc;

use super::names::{DEFAULT_TENANT, PluginName};
use crate::capabilities::{Grants, Secret, Settings};
use crate::handlers::{GuestLimits, Isolation};

/// A plug-in to be loaded, with what it may do. Without more it is granted nothing, has the limits of
/// its host, and belongs to the tenant `default`.
#[derive(Clone)]
pub struct PluginPlan {
    pub(super) name: PluginName,
    pub(super) source: Source,
    pub(super) grants: Grants,
    pub(super) limits: Option<GuestLimits>,
    pub(super) isolation: Option<Isolation>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) settings: Settings,
}

/// Where the component is.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl PluginPlan {
    /// The component in a file.
    pub fn file(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::of(name.into(), Source::File(path.into()))
    }

    /// A component that is in memory.
    pub fn bytes(name: impl Into<String>, component: impl Into<Arc<[u8]>>) -> Self {
        Self::of(name.into(), Source::Bytes(component.into()))
    }

    fn of(name: String, source: Source) -> Self {
        PluginPlan {
            name: PluginName { tenant: DEFAULT_TENANT.to_owned(), name },
            source,
            grants: Grants::default(),
            limits: None,
            isolation: None,
            environment: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// Whose it is. Tenants have their files, databases and keys apart, and take turns on the host
    /// threads.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.name.tenant = tenant.into();
        self
    }

    /// What it may ask the host for. What the product's own extension has needs no grant.
    #[must_use]
    pub fn grants(self, grants: Grants) -> Self {
        PluginPlan { grants, ..self }
    }

    /// What one call of it may use, instead of what its host has for all.
    #[must_use]
    pub fn limits(self, limits: GuestLimits) -> Self {
        PluginPlan { limits: Some(limits), ..self }
    }

    /// How its instances are used. By default each call has its own, but for requests of WASI 0.3
    /// handlers, which share one.
    #[must_use]
    pub fn isolation(self, isolation: Isolation) -> Self {
        PluginPlan { isolation: Some(isolation), ..self }
    }

    /// A variable of the environment it sees.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A value that it reads by `wasi:config`.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.values.insert(key.into(), value.into());
        self
    }

    /// A secret that it reads by `wasi:config`, if it knows the key.
    #[must_use]
    pub fn secret(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.secrets.insert(key.into(), Secret::new(value.into()));
        self
    }
}
