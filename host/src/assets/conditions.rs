//! Owns what a client has already (RFC 9110, section 13): the tag and the date of a file, and whether a
//! request knows them. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE};

use crate::wire::Coding;

/// What names the bytes of a file.
pub(super) struct Tags {
    /// Strong, of the length and the time of the last change, to what the file system counts; and of the
    /// coding, for other bytes have another tag.
    pub(super) entity: String,
    /// The time of the last change, in seconds.
    pub(super) date: Option<String>,
    modified: Option<SystemTime>,
}

impl Tags {
    pub(super) fn new(length: u64, modified: Option<SystemTime>, coding: Option<Coding>) -> Self {
        // What is from before 1970 or lies ahead has no date that a client could send back.
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let nanos = since.map_or(0, |since| since.as_nanos());
        let suffix = coding.map(|coding| format!("-{}", coding.name())).unwrap_or_default();
        let seconds = since.map(|since| UNIX_EPOCH + Duration::from_secs(since.as_secs()));
        let modified = seconds.filter(|time| *time <= SystemTime::now());
        Tags {
            entity: format!("\"{length:x}-{nanos:x}{suffix}\""),
            date: modified.map(httpdate::fmt_http_date),
            modified,
        }
    }

    /// Whether the client has these bytes. A tag says more than a date.
    pub(super) fn are_known(&self, request: &HeaderMap) -> bool {
        if request.contains_key(IF_NONE_MATCH) {
            let values = request.get_all(IF_NONE_MATCH).iter();
            let tags = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
            return tags.map(<[u8]>::trim_ascii).any(|tag| {
                let weak = tag.strip_prefix(b"W/").unwrap_or(tag);
                tag == b"*" || weak == self.entity.as_bytes()
            });
        }
        let known =
            text(request, IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
        known.zip(self.modified).is_some_and(|(known, modified)| modified <= known)
    }

    /// Whether a part of these bytes fits to the part that the client has, if it has one. `is_dated`: the
    /// date names these bytes and no others that the client may have.
    pub(super) fn allow_range(&self, request: &HeaderMap, is_dated: bool) -> bool {
        if !request.contains_key(IF_RANGE) {
            return true;
        }
        let named = text(request, IF_RANGE);
        let date = self.date.as_deref().filter(|_| is_dated);
        named.is_some_and(|named| named == self.entity || Some(named) == date)
    }
}

fn text(request: &HeaderMap, name: HeaderName) -> Option<&str> {
    request.get(name)?.to_str().ok().map(str::trim)
}
