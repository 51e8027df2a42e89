//! Owns the one mapping from the failure of a guest to a status.

use http::StatusCode;

use crate::handlers::Failure;
use crate::tenants::Limit;

/// The status of a failure.
pub(super) fn status_of(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Trap(_)
        | Failure::NoResponse
        | Failure::InvalidResponse(_)
        | Failure::Handler(_)
        | Failure::InstanceLost => StatusCode::INTERNAL_SERVER_ERROR,
        Failure::CpuLimit | Failure::MemoryLimit | Failure::NoInstance => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Failure::TenantMemory | Failure::TenantInstances => StatusCode::TOO_MANY_REQUESTS,
        Failure::WallLimit => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The limit of its tenant's that a guest has failed by.
pub(super) fn limit_of(failure: &Failure) -> Option<Limit> {
    match failure {
        Failure::TenantMemory => Some(Limit::Memory),
        Failure::TenantInstances => Some(Limit::Instances),
        _ => None,
    }
}
