//! Owns the division of the process's descriptors.

use std::collections::BTreeSet;

use crate::config::{Config, RouteConfig, TargetConfig};
use crate::limits;

/// Descriptors the process may have.
fn descriptors() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    allowed.map_or(usize::MAX, |allowed| allowed as usize)
}

/// Descriptors that the outbound connections of one loop may take. Where there are few, half of them
/// stay for those who ask; where no one may send requests, all.
pub(super) fn outbound_allowed(config: &Config, loops: usize) -> usize {
    let sends = config.grants().any(|(_, grants)| grants.fetch.is_some());
    let half = descriptors() / 2 / loops;
    if sends { limits::OUTBOUND_CONNECTIONS_MAX.min(half.max(1)) } else { 0 }
}

/// Descriptors that the files of folders may take which one loop sends in pieces.
pub(super) fn files_allowed(loops: usize) -> usize {
    limits::ASSETS_OPEN_MAX.min((descriptors() / 4 / loops).max(1))
}

/// Descriptors that the connections of one loop may take, of those the process may have, beside those
/// that it may send requests by.
pub(super) fn connections_allowed(config: &Config, outbound: usize) -> usize {
    let loops = config.loops;
    let databases: BTreeSet<_> = config
        .grants()
        .flat_map(|(tenant, grants)| grants.databases().map(move |name| (tenant, name)))
        .collect();
    let serves = |route: &RouteConfig| matches!(route.target, TargetConfig::Folder(_));
    let files = if config.routes.iter().any(serves) { files_allowed(loops) } else { 0 };
    let reserved = limits::DESCRIPTORS_RESERVED
        + loops * (limits::DESCRIPTORS_PER_LOOP + outbound + files)
        + databases.len() * limits::DESCRIPTORS_PER_DATABASE;
    (descriptors().saturating_sub(reserved) / loops).max(1)
}

/// Raises the soft limit of open descriptors to the hard one: every connection is a descriptor.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What cannot be raised stays; connections beyond it are refused.
    let _ = setrlimit(Resource::Nofile, limit);
}
