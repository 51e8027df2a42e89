//! What an operation on a database fails with.

use core::fmt;

use super::treaty;

/// What an operation on a database fails with, by what can be done about it.
///
/// ```
/// use hob_sdk::sql::Error;
///
/// fn status(error: &Error) -> u16 {
///     match error {
///         Error::Constraint(_) => 409,
///         Error::Busy | Error::TimedOut => 503,
///         _ => 500,
///     }
/// }
/// assert_eq!(status(&Error::Busy), 503);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The database is not granted, or not to write; or the statement reaches for what no handler
    /// may.
    Denied,
    /// A rule of the schema forbids it: not unique, a missing row that is referred to, a null.
    Constraint(String),
    /// A value is not of the type that is wanted, in the database or by
    /// [`Row::get`](super::Row::get).
    Mismatch(String),
    /// The statement cannot be understood, names what is not there, or has other parameters.
    Invalid(String),
    /// More than is handed over in one call.
    TooLarge,
    /// No room is left on the disk, or in what the database may have.
    Full,
    /// Others use the database, or too much of the tenant's work waits already: try later.
    Busy,
    /// The statement took too long, and has changed nothing.
    TimedOut,
    /// The transaction is over, and has changed nothing: begin again.
    Aborted,
    /// The database failed.
    Failed(String),
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::Denied => Error::Denied,
            treaty::Error::Constraint(why) => Error::Constraint(why),
            treaty::Error::Mismatch(why) => Error::Mismatch(why),
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Full => Error::Full,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::TimedOut => Error::TimedOut,
            treaty::Error::Aborted => Error::Aborted,
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied => f.write_str("the database may not be used so"),
            Error::Constraint(why) => write!(f, "a rule of the schema forbids it: {why}"),
            Error::Mismatch(why) => write!(f, "a value has another type: {why}"),
            Error::Invalid(why) => write!(f, "the statement is wrong: {why}"),
            Error::TooLarge => f.write_str("it is too large for one call"),
            Error::Full => f.write_str("the database is full"),
            Error::Busy => f.write_str("the database is busy"),
            Error::TimedOut => f.write_str("the statement took too long"),
            Error::Aborted => f.write_str("the transaction is over"),
            Error::Failed(why) => write!(f, "the database failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}
