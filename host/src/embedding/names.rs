//! Owns the names by which plug-ins are told apart.

use super::errors::LoadError;

/// The tenant of plug-ins for which none is named.
pub(super) const DEFAULT_TENANT: &str = "default";

/// A plug-in's place in a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PluginName {
    pub(super) tenant: String,
    pub(super) name: String,
}

impl PluginName {
    /// Both parts are part of paths and of lines of the log.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        [&self.tenant, &self.name].into_iter().try_for_each(|name| check(name))
    }
}

impl std::fmt::Display for PluginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

fn check(name: &str) -> Result<(), LoadError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_plain) {
        return Err(LoadError::Name(name.to_owned()));
    }
    Ok(())
}
