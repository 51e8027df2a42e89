//! Owns how the parameters of a route reach a handler: as fields of its request, whatever the lane. What a
//! client sends under such a name never reaches one.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::tenants::Pattern;

const PREFIX: &str = "hob-param-";

/// The names of the fields for a route's parameters, in their order.
pub(super) fn names(pattern: &Pattern) -> Vec<HeaderName> {
    let name = |name: &str| HeaderName::from_bytes(format!("{PREFIX}{name}").as_bytes());
    pattern.names().map(|one| name(one).expect("letters, digits, `-` and `_`")).collect()
}

/// Takes away what the client has sent under such names, and puts the values of a path there.
pub(super) fn put(headers: &mut HeaderMap, names: &[HeaderName], pattern: &Pattern, path: &str) {
    if headers.keys().any(is_param) {
        let sent: Vec<HeaderName> = headers.keys().filter(|name| is_param(name)).cloned().collect();
        sent.iter().for_each(|name| drop(headers.remove(name)));
    }
    if names.is_empty() {
        return;
    }
    for (name, (_, value)) in names.iter().zip(pattern.params(path)) {
        // A path is made of visible characters.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

/// Gateways of some languages know no difference between `-` and `_` in a field's name.
fn is_param(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= PREFIX.len()
        && name
            .iter()
            .zip(PREFIX.bytes())
            .all(|(byte, wanted)| *byte == wanted || (*byte == b'_' && wanted == b'-'))
}
