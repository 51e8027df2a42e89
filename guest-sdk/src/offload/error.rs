//! What a job fails with.

use core::fmt;

use super::treaty;

/// What a job fails with, by what can be done about it. Whatever it is, the job is over and the
/// handler's other work is untouched.
///
/// With `?` those that are a matter of the moment or of the input become answers to the client, with
/// the status given here; the others are for the log.
///
/// ```
/// use hob_sdk::{Error, offload};
///
/// assert_eq!(Error::from(offload::Error::Busy).status_code(), Some(503));
/// assert_eq!(Error::from(offload::Error::MemoryLimit).status_code(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The handler is granted no module of this name.
    UnknownModule,
    /// The input, or a message, is longer than the module takes: 413.
    TooLarge,
    /// Too many of the tenant's jobs wait already: 503.
    Busy,
    /// No thread was free for it in the time it may wait: 503.
    Expired,
    /// The options are not for such a module.
    Invalid(String),
    /// The job reports that it could not do it.
    Rejected(String),
    /// The program ended with an exit code other than 0.
    Exited {
        /// 1 to 255.
        code: u8,
        /// The end of what it wrote to its standard error, up to 4 KiB.
        message: String,
    },
    /// The module has a fault: it trapped.
    Trapped(String),
    /// It wanted more memory than it may have.
    MemoryLimit,
    /// It computed for longer than it may.
    CpuLimit,
    /// It took longer than it may, waiting included: 504.
    TimedOut,
    /// Its output is longer than it may be.
    OutputLimit,
    /// It was cancelled.
    Cancelled,
    /// The job is over, and takes and gives no more.
    Ended,
    /// The host cannot run it.
    Failed(String),
}

impl Error {
    /// The status that the client deserves, if it can do something about it: send less, or come again.
    pub(crate) fn status_code(&self) -> Option<u16> {
        match self {
            Error::TooLarge => Some(413),
            Error::Busy | Error::Expired => Some(503),
            Error::TimedOut => Some(504),
            _ => None,
        }
    }
}

impl From<treaty::Error> for Error {
    fn from(error: treaty::Error) -> Error {
        match error {
            treaty::Error::UnknownModule => Error::UnknownModule,
            treaty::Error::TooLarge => Error::TooLarge,
            treaty::Error::Busy => Error::Busy,
            treaty::Error::Expired => Error::Expired,
            treaty::Error::Invalid(why) => Error::Invalid(why),
            treaty::Error::Rejected(why) => Error::Rejected(why),
            treaty::Error::Exited(treaty::Exit { code, message }) => {
                Error::Exited { code, message }
            }
            treaty::Error::Trapped(why) => Error::Trapped(why),
            treaty::Error::MemoryLimit => Error::MemoryLimit,
            treaty::Error::CpuLimit => Error::CpuLimit,
            treaty::Error::TimedOut => Error::TimedOut,
            treaty::Error::OutputLimit => Error::OutputLimit,
            treaty::Error::Cancelled => Error::Cancelled,
            treaty::Error::Ended => Error::Ended,
            treaty::Error::Failed(why) => Error::Failed(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownModule => f.write_str("no module of this name is granted"),
            Error::TooLarge => f.write_str("the input of the job is too large"),
            Error::Busy => f.write_str("too many jobs wait already"),
            Error::Expired => f.write_str("no thread was free for the job in time"),
            Error::Invalid(why) => write!(f, "the options are not for this module: {why}"),
            Error::Rejected(why) => write!(f, "the job could not do it: {why}"),
            Error::Exited { code, message } => {
                write!(f, "the program ended with exit code {code}: {}", message.trim_end())
            }
            Error::Trapped(why) => write!(f, "the job trapped: {why}"),
            Error::MemoryLimit => f.write_str("the job wanted more memory than it may have"),
            Error::CpuLimit => f.write_str("the job computed for longer than it may"),
            Error::TimedOut => f.write_str("the job took longer than it may"),
            Error::OutputLimit => f.write_str("the output of the job is too large"),
            Error::Cancelled => f.write_str("the job was cancelled"),
            Error::Ended => f.write_str("the job is over"),
            Error::Failed(why) => write!(f, "the job cannot be run: {why}"),
        }
    }
}

impl std::error::Error for Error {}
