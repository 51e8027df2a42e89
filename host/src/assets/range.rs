//! Owns which part of a file is wanted (RFC 9110, section 14). Pure.

use http::HeaderMap;
use http::header::RANGE;

/// The part of a file that is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it. Also for several parts, which need not be served, and for what is no range.
    All,
    /// From this byte to before that one; it is not empty.
    Part(u64, u64),
    /// A part that the file does not have.
    None,
}

impl Wanted {
    pub(super) fn of(request: &HeaderMap, length: u64) -> Self {
        let mut fields = request.get_all(RANGE).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Wanted::All };
        field.to_str().ok().and_then(|text| Wanted::parse(text, length)).unwrap_or(Wanted::All)
    }

    fn parse(text: &str, length: u64) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        let (first, end) = match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => {
                (first, last.saturating_add(1).min(length))
            }
            (Some(first), None) if last.is_empty() => (first, length),
            (None, Some(0)) if first.is_empty() => return Some(Wanted::None),
            (None, Some(suffix)) if first.is_empty() => (length.saturating_sub(suffix), length),
            _ => return None,
        };
        Some(if first < end { Wanted::Part(first, end) } else { Wanted::None })
    }
}

/// Digits only; what is too large for a file is larger than any.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}
