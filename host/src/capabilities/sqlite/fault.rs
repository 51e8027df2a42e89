//! Owns what a guest is told of a fault of a database. No path and no word of the host's is in it.

use rusqlite::ErrorCode;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::event_loop::Refused;

/// `error` of `hob:host/sql`.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
pub(in crate::capabilities) enum Error {
    #[component(name = "denied")]
    Denied,
    #[component(name = "constraint")]
    Constraint(String),
    #[component(name = "mismatch")]
    Mismatch(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "full")]
    Full,
    #[component(name = "busy")]
    Busy,
    #[component(name = "timed-out")]
    TimedOut,
    #[component(name = "aborted")]
    Aborted,
    #[component(name = "failed")]
    Failed(String),
}

impl Error {
    pub(in crate::capabilities) fn invalid(why: &str) -> Self {
        Error::Invalid(why.to_owned())
    }

    fn failed(why: &str) -> Self {
        Error::Failed(why.to_owned())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Error::Busy,
            Refused::Panicked => Error::failed("a fault of the host"),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as Given;
        match error {
            Given::SqliteFailure(failure, message) => told(failure, message.unwrap_or_default()),
            Given::SqlInputError { error, msg, .. } => told(error, msg),
            Given::MultipleStatement => Error::invalid("more than one statement"),
            Given::Empty => Error::invalid("no statement"),
            Given::NulError(_) => Error::invalid("a zero byte in the statement"),
            _ => Error::failed("the engine's answer makes no sense"),
        }
    }
}

fn told(failure: rusqlite::ffi::Error, message: String) -> Error {
    match failure.code {
        ErrorCode::ConstraintViolation
            if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE =>
        {
            Error::Mismatch(message)
        }
        ErrorCode::ConstraintViolation => Error::Constraint(message),
        ErrorCode::TypeMismatch => Error::Mismatch(message),
        ErrorCode::AuthorizationForStatementDenied
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied => Error::Denied,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
        ErrorCode::OperationInterrupted => Error::TimedOut,
        ErrorCode::TooBig => Error::TooLarge,
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::Unknown
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::SchemaChanged
        | ErrorCode::OperationAborted => Error::Invalid(message),
        ErrorCode::OutOfMemory => Error::failed("the engine is out of memory"),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Error::failed("the database is damaged")
        }
        ErrorCode::CannotOpen => Error::failed("the database cannot be opened"),
        ErrorCode::SystemIoFailure => Error::failed("the disk failed"),
        _ => Error::failed("a fault of the engine"),
    }
}
