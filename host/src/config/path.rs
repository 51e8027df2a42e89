//! Owns what the path of a handler may look like. It is compared with the path of a request as the
//! client has sent it, which is percent-encoded (RFC 3986, section 3.3); a path that is not would
//! never be found.

/// The path below which a handler of this name answers.
pub fn path_of_name(name: &str) -> String {
    let mut path = "/".to_owned();
    for byte in name.bytes() {
        push(&mut path, byte, is_of_segment(byte));
    }
    path
}

/// Whether a handler can answer below this path.
///
/// # Errors
/// What is wrong, and what to write.
pub fn check_path(given: &str) -> Result<(), String> {
    let requested = as_requested(given);
    if !given.starts_with('/') || given.contains(['?', '#', '*', '{']) {
        return Err(format!("`path` is `{given}`; it must begin with / and be a plain path"));
    }
    if given != requested {
        return Err(format!(
            "`path` is `{given}`, which no client sends as it is; write `{requested}`"
        ));
    }
    Ok(())
}

/// The path as a request has it. What is encoded already stays as it is.
fn as_requested(path: &str) -> String {
    let mut requested = String::with_capacity(path.len());
    for (at, byte) in path.bytes().enumerate() {
        let digits = path.as_bytes().get(at + 1..at + 3);
        let is_encoded = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let stays = byte == b'/' || is_of_segment(byte) || (byte == b'%' && is_encoded);
        push(&mut requested, byte, stays);
    }
    requested
}

/// The same of a path in which parameters stand in braces.
pub(super) fn as_requested_with_params(path: &str) -> String {
    as_requested(path).replace("%7B", "{").replace("%7D", "}")
}

/// The same of an address, or a part of one: it may have a query and a fragment too.
pub(super) fn as_address(text: &str) -> String {
    text.split_inclusive(['?', '#', '[', ']'])
        .map(|part| match part.strip_suffix(['?', '#', '[', ']']) {
            Some(before) => as_requested(before) + &part[before.len()..],
            None => as_requested(part),
        })
        .collect()
}

fn push(path: &mut String, byte: u8, stays: bool) {
    if stays {
        path.push(char::from(byte));
    } else {
        path.push_str(&format!("%{byte:02X}"));
    }
}

/// Whether clients send this byte as it is.
fn is_of_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}
