//! Owns the step from the path of a request to that of a file. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::limits;

/// A path in a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AssetPath {
    /// Relative, without `.` and `..`; empty for the folder itself.
    pub(super) path: PathBuf,
    /// Whether it is a folder that is asked for.
    pub(super) is_folder: bool,
}

/// The file for what was sent after the folder's own path, which is nothing or has a slash in front. None
/// for what no file is called: a slash or a null in a name, `.` and `..`, an empty name; and for hidden
/// names, unless they are served.
pub(super) fn below(sent: &str, hidden: bool) -> Option<AssetPath> {
    let mut path = PathBuf::new();
    let Some(below) = sent.strip_prefix('/') else {
        return sent.is_empty().then_some(AssetPath { path, is_folder: false });
    };
    let (names, is_folder) = match below.strip_suffix('/') {
        Some(names) => (names, true),
        None => (below, below.is_empty()),
    };
    if below == "/" {
        return None;
    }
    if names.is_empty() {
        return Some(AssetPath { path, is_folder });
    }
    for (count, segment) in names.split('/').enumerate() {
        let name = decoded(segment)?;
        let is_dotted = name.starts_with(b".");
        let is_special = name == b"." || name == b"..";
        let is_plain = !name.is_empty() && !name.contains(&b'/') && !name.contains(&0);
        if !is_plain || is_special || (is_dotted && !hidden) || count >= limits::ASSET_SEGMENTS_MAX
        {
            return None;
        }
        path.push(OsString::from_vec(name));
    }
    Some(AssetPath { path, is_folder })
}

/// The bytes that a segment stands for; none where a `%` has no two digits after it.
fn decoded(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}
