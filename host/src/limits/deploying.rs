//! The bounds of deployments while a server runs.

use std::time::Duration;

/// A component's file on the disk. Some times the largest that interpreters of other languages are; a device that
/// never ends is not read for ever.
pub const COMPONENT_FILE_BYTES_MAX: u64 = 512 << 20;

/// Versions of one handler that are kept to go back to.
pub const VERSIONS_KEPT: usize = 10;

/// Bytes of a component that is deployed: Python's have some 40 MB.
pub const COMPONENT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Bytes of a change of a tenant's limits: some dozen keys.
pub const LIMIT_CHANGES_BYTES_MAX: u64 = 4 * 1024;

/// Changes of what is served that may wait: they are made one after the other, and each may compile
/// for seconds. Whoever comes later is better told so at once.
pub const CHANGES_WAITING_MAX: usize = 8;

/// Uploads of components at once: each is in memory whole.
pub const UPLOADS_MAX: usize = 2;

/// Requests by which a new version is judged, unless `hob.toml` says otherwise.
pub const TRIAL_REQUESTS: u32 = 100;

/// Requests that a new version has at the least before it is judged: one that fails by chance is no
/// reason.
pub const TRIAL_REQUESTS_LEAST: u32 = 10;

/// Of a hundred of these requests, those that may fail.
pub const TRIAL_FAILURES_PERCENT: u32 = 50;

/// Requests by which a version may be judged at the most.
pub const TRIAL_REQUESTS_MAX: u32 = 1_000_000;

/// Bytes of an operator's token: 128 bits in hexadecimal.
pub const TOKEN_BYTES_MIN: usize = 32;

/// Bytes of the file with the operator's token.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Bytes of a compiler's messages that are shown in a browser.
pub const BUILD_MESSAGES_BYTES_MAX: usize = 64 * 1024;

/// How long a server that ends waits for a change of what is served that is under way.
pub const CHANGE_END: Duration = Duration::from_secs(2);

/// How long a command waits for a server: a component of Python's takes a minute to compile.
pub const OPERATOR_PATIENCE_SECONDS: u64 = 600;
