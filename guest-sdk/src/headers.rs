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

/// What the sender says that the body's length is.
pub(crate) fn content_length(fields: &[Field]) -> Option<usize> {
    str::from_utf8(first(fields, "content-length")?).ok()?.parse().ok()
}
