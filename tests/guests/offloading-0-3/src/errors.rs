//! Errors in words: their names as the treaty has them.

use hob_sdk::offload::Error;

/// What a deed gives: bytes, or the words for an error.
pub(crate) type Outcome = Result<Vec<u8>, String>;

pub(crate) fn words(error: Error) -> String {
    match error {
        Error::UnknownModule => "unknown-module".to_owned(),
        Error::TooLarge => "too-large".to_owned(),
        Error::Busy => "busy".to_owned(),
        Error::Expired => "expired".to_owned(),
        Error::Invalid(why) => format!("invalid: {why}"),
        Error::Rejected(why) => format!("rejected: {why}"),
        Error::Exited { code, message } => format!("exited: {code} {message}"),
        Error::Trapped(why) => format!("trapped: {why}"),
        Error::MemoryLimit => "memory-limit".to_owned(),
        Error::CpuLimit => "cpu-limit".to_owned(),
        Error::TimedOut => "timed-out".to_owned(),
        Error::OutputLimit => "output-limit".to_owned(),
        Error::Cancelled => "cancelled".to_owned(),
        Error::Ended => "ended".to_owned(),
        Error::Failed(why) => format!("failed: {why}"),
        error => format!("{error:?}"),
    }
}

/// The bytes, or the words, where either is a line of an answer.
pub(crate) fn shown(outcome: Outcome) -> Vec<u8> {
    outcome.unwrap_or_else(String::into_bytes)
}
