//! Header fields as the treaty has them, and as the `http` crate has them.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Name and value, as they cross the border.
pub(crate) type Field = (String, Vec<u8>);

/// The value of the first field called `name`, in any letter case.
pub(crate) fn first<'a>(fields: &'a [Field], name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| &*field.1)
}

/// A map of the fields. One that the `http` crate finds malformed is left out: the host has let
/// none through.
pub(crate) fn map(fields: &[Field]) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// Appends a field; its name is put into lower case, as the treaty wants it.
pub(crate) fn push(fields: &mut Vec<Field>, name: &str, value: &[u8]) {
    let mut name = name.to_owned();
    name.make_ascii_lowercase();
    fields.push((name, value.to_vec()));
}

/// The text for the host's log if a field is none that HTTP allows. Checked here, and not by the
/// host, so that it is the handler's own error and the same in every lane.
pub(crate) fn check(fields: &[Field]) -> Result<(), String> {
    for (name, value) in fields {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("the response has a header {name:?}: that is not a header's name"));
        }
        if let Some(byte) = value.iter().find(|byte| !may_be_in_a_value(**byte)) {
            return Err(format!(
                "the response's header {name} has the byte {byte:#04x} in its value, which no \
                 header may have: encode or refuse what comes from a client"
            ));
        }
    }
    Ok(())
}

/// Everything but control characters; a tab is white space.
fn may_be_in_a_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// What the sender says that the body's length is.
pub(crate) fn content_length(fields: &[Field]) -> Option<usize> {
    str::from_utf8(first(fields, "content-length")?).ok()?.parse().ok()
}
