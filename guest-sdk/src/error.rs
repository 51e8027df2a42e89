//! What a handler fails with.

use core::fmt;
use std::any::Any;
use std::error::Error as StdError;

use crate::{BodyError, IntoStatus, Response, offload};

/// What a handler returns, and most of what it calls.
///
/// ```
/// fn number(text: &str) -> hob_sdk::Result<u32> {
///     Ok(text.parse()?)
/// }
/// assert!(number("seven").is_err());
/// ```
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a request could not be answered.
///
/// Any error of the standard kind becomes one with `?`. The host then logs its text and its
/// causes beside the request's id, and the client sees 500 without them. An error made with
/// [`Error::status`] is meant for the client: it is answered as it says, and nothing is logged.
///
/// ```
/// # use hob_sdk::{Error, Result};
/// fn find(id: u32) -> Result<&'static str> {
///     match id {
///         1 => Ok("the note"),
///         _ => Err(Error::status(404, "no such note")),
///     }
/// }
/// assert_eq!(find(2).unwrap_err().status_code(), Some(404));
/// ```
pub struct Error(Kind);

enum Kind {
    /// For the log.
    Failed(Box<dyn StdError>),
    /// For the client.
    Status { status: u16, message: String },
}

impl Error {
    /// An error for the log: the client sees 500 without the text.
    ///
    /// ```
    /// let error = hob_sdk::Error::new("the cache is empty");
    /// assert_eq!(error.to_string(), "the cache is empty");
    /// assert_eq!(error.status_code(), None);
    /// ```
    pub fn new(text: impl Into<String>) -> Error {
        Error(Kind::Failed(text.into().into()))
    }

    /// An error for the client: it sees this status and this message, as plain text.
    ///
    /// ```
    /// let error = hob_sdk::Error::status(404, "no such note");
    /// assert_eq!(error.status_code(), Some(404));
    /// assert_eq!(error.to_string(), "no such note");
    /// ```
    pub fn status(status: impl IntoStatus, message: impl Into<String>) -> Error {
        Error(Kind::Status { status: status.into_status(), message: message.into() })
    }

    /// The status that the client sees, if this is an error for the client.
    ///
    /// ```
    /// assert_eq!(hob_sdk::Error::status(403, "not yours").status_code(), Some(403));
    /// ```
    pub fn status_code(&self) -> Option<u16> {
        match self.0 {
            Kind::Failed(_) => None,
            Kind::Status { status, .. } => Some(status),
        }
    }

    /// The error that this one was made from, if it is for the log and of this type.
    ///
    /// ```
    /// let error = hob_sdk::Error::from("x".parse::<u32>().unwrap_err());
    /// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
    /// ```
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match &self.0 {
            Kind::Failed(error) => error.downcast_ref(),
            Kind::Status { .. } => None,
        }
    }

    /// What to send to the client; or the text for the host's log.
    pub(crate) fn into_response(self) -> Result<Response, String> {
        match self.0 {
            Kind::Failed(_) => Err(format!("{self:?}")),
            Kind::Status { status, mut message } => {
                message.push('\n');
                Ok(Response::text(message).with_status(status))
            }
        }
    }
}

impl<E: StdError + 'static> From<E> for Error {
    /// An error for the log, except of a body that the client has sent wrongly, and of a job that is
    /// too much for the server, or for now: those are for the client.
    fn from(error: E) -> Error {
        match status_code(&error) {
            Some(status) => Error::status(status, error.to_string()),
            None => Error(Kind::Failed(Box::new(error))),
        }
    }
}

/// The status of an error that the client can do something about.
fn status_code(error: &dyn Any) -> Option<u16> {
    if let Some(error) = error.downcast_ref::<BodyError>() {
        return error.status_code();
    }
    error.downcast_ref::<offload::Error>()?.status_code()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed(error) => error.fmt(f),
            Kind::Status { message, .. } => f.write_str(message),
        }
    }
}

impl fmt::Debug for Error {
    /// The text with its causes, as the host logs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Kind::Status { status, message } => write!(f, "{status}: {message}"),
        }
    }
}
