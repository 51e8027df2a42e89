//! Owns the bounds of routes, and of what is answered without a handler.

use std::time::Duration;

/// Routes of a server, those that handlers have by their `path` among them: ten times what is measured.
pub const ROUTES_MAX: usize = 100_000;

/// Segments of a route's path: a look-up calls itself once for each.
pub const ROUTE_SEGMENTS_MAX: usize = 64;

/// Parameters of a route: each is a header field of the request, and there are a hundred at the most.
pub const ROUTE_PARAMS_MAX: usize = 16;

/// Bytes of a parameter's name.
pub const ROUTE_PARAM_NAME_BYTES_MAX: usize = 64;

/// Bytes of a host's name: what DNS allows. A longer one would be cut into labels for nothing.
pub const HOST_BYTES_MAX: usize = 253;

/// The longest time for which a browser may be told to remember a preflight: no browser does for longer.
pub const CORS_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// A file that is not longer is read in one visit to a host thread and sent in one write.
pub const ASSET_WHOLE_BYTES_MAX: u64 = super::BODY_PIECE_BYTES_MAX as u64;

/// Files of static folders that one loop may have open to send them in pieces: each is a descriptor, and
/// a piece in memory.
pub const ASSETS_OPEN_MAX: usize = 1024;

/// Segments of a path in a static folder: each costs a host thread a few calls of the system.
pub const ASSET_SEGMENTS_MAX: usize = 64;

const _: () = assert!(ROUTE_PARAMS_MAX < super::HEADER_COUNT_MAX);
