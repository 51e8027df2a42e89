//! Owns who may change what is served: whoever shows the token.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use crate::event_loop::{HostQueue, Remote, Work};
use crate::limits;

/// The token that operators must show.
pub struct Token {
    /// What `hob.toml` says.
    pub configured: Option<String>,
    /// Where it is otherwise: a file that only the user hob runs as can read or write. It is read
    /// each time, for it may be made while the server runs.
    pub file: PathBuf,
}

/// Why someone is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLetIn {
    /// No token was shown, or another one.
    WrongToken,
    /// There is none to compare with.
    NoToken,
    /// The host threads are busy.
    Busy,
}

const READ_TOKEN: Work = Work::quick("admin.token");

impl Token {
    /// Lets in who shows the token.
    pub(super) async fn check(
        self: &Arc<Self>,
        headers: &HeaderMap,
        remote: &Remote,
        queue: &HostQueue,
    ) -> Result<(), NotLetIn> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(of_bearer).ok_or(NotLetIn::WrongToken)?;
        let token = match &self.configured {
            Some(token) => token.clone(),
            None => {
                let token = self.clone();
                let read = remote.host_thread(queue, READ_TOKEN, move || read(&token.file));
                let read = read.await.map_err(|_| NotLetIn::Busy)?;
                read.map_err(|_| NotLetIn::NoToken)?
            }
        };
        if bool::from(token.as_bytes().ct_eq(shown.as_bytes())) {
            Ok(())
        } else {
            Err(NotLetIn::WrongToken)
        }
    }
}

/// What a field of the scheme `Bearer` shows. A scheme's name has no case (RFC 9110, section 11.1).
fn of_bearer(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token in a file that is this user's own.
///
/// # Errors
/// When it is not there, could be another's, or is too short.
#[expect(clippy::disallowed_methods, reason = "runs on a host thread, or in a command")]
pub fn read(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !is_own || metadata.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it must belong to the user hob runs as, and no one else may read it (chmod 600)",
        ));
    }
    let mut token = String::new();
    file.take(limits::TOKEN_BYTES_MAX as u64).read_to_string(&mut token)?;
    let token = token.trim_end();
    if token.len() < limits::TOKEN_BYTES_MIN {
        let why = format!("it has less than {} bytes", limits::TOKEN_BYTES_MIN);
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(token.to_owned())
}
