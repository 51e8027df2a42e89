//! Owns the grammar of a head, line by line and byte by byte (RFC 9110, RFC 9112): what a target, a
//! field, a host, a length and a chunk's size may look like. Pure.

use memchr::memchr;

use super::framing::Fault;
use crate::limits;

pub(super) const BAD_REQUEST_LINE: Fault = Fault::Malformed("bad-request-line");
const BAD_TARGET: Fault = Fault::Malformed("bad-target");
const BAD_FIELD: Fault = Fault::Malformed("bad-field");
pub(super) const BAD_CHUNK: Fault = Fault::Malformed("bad-chunk");

/// The digits of a chunk's size, and the extension after them.
pub(super) fn split_chunk_size(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at(digits);
    // Sixteen digits could overflow; fifteen are more than any bound allows.
    let has_size = matches!(digits.len(), 1..=15);
    let is_extension = extension.is_empty() || extension[0] == b';';
    if has_size && is_extension && extension.iter().all(|byte| is_field_content(*byte)) {
        Ok((digits, extension))
    } else {
        Err(BAD_CHUNK)
    }
}

/// Whether a method is, or begins, a token that is not longer than any that is in use.
pub(super) fn is_method(method: &[u8]) -> bool {
    method.len() <= limits::METHOD_BYTES_MAX && method.iter().all(|byte| is_token(*byte))
}

/// Whether a request line may begin so; `ends` when its CR has come.
pub(super) fn may_begin_request(line: &[u8], ends: bool) -> Result<(), Fault> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let method = method.unwrap_or_default();
    if !is_method(method) || method.is_empty() && target.is_some() {
        return Err(BAD_REQUEST_LINE);
    }
    if !is_made_of_target_characters(target.unwrap_or_default()) {
        return Err(BAD_TARGET);
    }
    if target.is_some_and(<[u8]>::is_empty) && version.is_some() {
        return Err(BAD_REQUEST_LINE);
    }
    let Some(version) = version else {
        return if ends && !line.is_empty() { Err(BAD_REQUEST_LINE) } else { Ok(()) };
    };
    let missing = b"HTTP/0.0".get(version.len()..).unwrap_or_default();
    if ends && !missing.is_empty() {
        return Err(BAD_REQUEST_LINE);
    }
    if b"HTTP/1.1".starts_with(version) || b"HTTP/1.0".starts_with(version) {
        return Ok(());
    }
    let is_version = is_version(&[version, missing].concat());
    Err(if is_version { Fault::UnknownVersion } else { BAD_REQUEST_LINE })
}

/// The same for a field.
pub(super) fn may_begin_field(line: &[u8], ends: bool) -> Result<(), Fault> {
    let is_name = line.iter().all(|byte| is_token(*byte));
    if is_name && (line.is_empty() || !ends) { Ok(()) } else { split_field(line).map(|_| ()) }
}

/// Name and value, without the white space around the value. A line that begins with white space
/// continues the one before (obs-fold), and white space before the colon hides a field from some
/// readers: both are refused, for a space is not part of a name.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let colon = memchr(b':', line).ok_or(BAD_FIELD)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(BAD_FIELD);
    }
    if !value.iter().all(|byte| is_field_content(*byte)) {
        return Err(BAD_FIELD);
    }
    let value = value.trim_ascii();
    Ok((name, value))
}

/// RFC 9112, section 3.2: origin form, absolute form, or `*` for OPTIONS. CONNECT has a form of
/// its own, and is refused with its status later.
pub(super) fn check_target(method: &[u8], target: &[u8]) -> Result<(), Fault> {
    let has_form = match target {
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ if method == b"CONNECT" => http::uri::Authority::try_from(target).is_ok(),
        _ => starts_with_scheme(target) && http::Uri::try_from(target).is_ok(),
    };
    if has_form && is_made_of_target_characters(target) { Ok(()) } else { Err(BAD_TARGET) }
}

/// The characters that the `http` crate takes in a path and in a query: hyper would refuse others
/// in its own words, without a request id.
fn is_made_of_target_characters(target: &[u8]) -> bool {
    let query_at = memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(query_at);
    path.iter().all(|byte| matches!(byte, 0x21..=0x7e) && !b"#<>`".contains(byte))
        && query.iter().all(|byte| matches!(byte, 0x21..=0x7e) && !b"#<>\"".contains(byte))
}

fn starts_with_scheme(target: &[u8]) -> bool {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    schemes.iter().any(|scheme| {
        target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme)
    })
}

pub(super) fn is_version(version: &[u8]) -> bool {
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// RFC 9110, section 7.2, loosely: the characters of a name or address and a port.
pub(super) fn check_host(value: &[u8]) -> Result<(), Fault> {
    let of_a_host =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    if value.iter().all(of_a_host) { Ok(()) } else { Err(Fault::Malformed("bad-host")) }
}

pub(super) fn parse_length(value: &[u8]) -> Result<u64, Fault> {
    let bad = Fault::Malformed("bad-content-length");
    // Nineteen digits always fit in 64 bits.
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad);
    }
    Ok(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let character = byte as u8;
            table[byte] = character.is_ascii_alphanumeric()
                || matches!(
                    character,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// RFC 9110, section 5.5: visible characters, spaces, tabs, and bytes beyond ASCII.
fn is_field_content(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || byte == b'\t'
}
