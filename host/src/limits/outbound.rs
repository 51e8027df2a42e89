//! Owns the bounds of outbound requests and of the lookup of names.

use std::time::Duration;

/// Connections to other servers of one loop, idle ones included.
pub const OUTBOUND_CONNECTIONS_MAX: usize = 1024;

/// Connections of one tenant among them.
pub const OUTBOUND_CONNECTIONS_PER_TENANT_MAX: usize = 256;

/// Idle connections that are kept for the next request to their origin.
pub const OUTBOUND_IDLE_MAX: usize = 256;

/// How long an idle connection is kept: less than the minute for which most servers keep theirs, so
/// that a request seldom crosses a close.
pub const OUTBOUND_IDLE_KEPT: Duration = Duration::from_secs(30);

/// Requests that wait for the loop to take them up, which it does in its next turn.
pub const OUTBOUND_ORDERS_MAX: usize = 4096;

/// Addresses of one name that are tried.
pub const OUTBOUND_ADDRESSES_TRIED: usize = 4;

/// Time to look up a name, to connect and to agree on TLS.
pub const OUTBOUND_CONNECT: Duration = Duration::from_secs(10);

/// Time to the first byte of the response.
pub const OUTBOUND_FIRST_BYTE: Duration = Duration::from_secs(30);

/// Time without any progress of the response's body.
pub const OUTBOUND_BETWEEN_BYTES: Duration = Duration::from_secs(30);

/// Bytes of a piece of a response that a guest reads.
pub const OUTBOUND_PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Names that are remembered with their addresses, of one tenant.
pub const DNS_NAMES_MAX: usize = 1024;

/// Bytes of a name: RFC 1035 has 255 with the lengths in it.
pub const DNS_NAME_BYTES_MAX: usize = 253;

/// Addresses of one name that are kept.
pub const DNS_ADDRESSES_MAX: usize = 16;

/// How long the addresses of a name are kept. The resolver tells no time to live; half a minute is
/// what services that move by DNS set.
pub const DNS_KEPT: Duration = Duration::from_secs(30);

/// How long it is kept that a name has none, so that a misspelt one does not hold the host threads.
pub const DNS_FAILURE_KEPT: Duration = Duration::from_secs(5);

/// Bytes read at once from another server. They are on the stack and zeroed first, so few.
pub const OUTBOUND_READ_BYTES: usize = 8 * 1024;
