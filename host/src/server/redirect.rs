//! Owns the answer that names another address.

use http::header::LOCATION;
use http::{HeaderValue, Response, Uri};

use super::answer::AnswerBody;
use super::routing::{Route, Target};
use crate::config::AddressPart;
use crate::tenants::Pattern;

/// The answer at a route that redirects.
pub(super) fn answer(route: &Route, uri: &Uri) -> Option<Response<AnswerBody>> {
    let Target::Redirect(redirect) = &route.target else { return None };
    let address = address(&redirect.to, &route.pattern, uri);
    let mut response = Response::new(AnswerBody::of(""));
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(&address).ok()?);
    Some(response)
}

/// The parameters are put in as they were sent, and the query is kept unless the address has one.
fn address(parts: &[AddressPart], pattern: &Pattern, uri: &Uri) -> String {
    let params = pattern.params(uri.path());
    let mut address = String::new();
    for part in parts {
        match part {
            AddressPart::Text(text) => address.push_str(text),
            AddressPart::Param(wanted) => {
                let found = params.iter().find(|(name, _)| name == wanted);
                // Browsers take a backslash for a slash.
                let value = found.map_or("", |(_, value)| value).replace('\\', "%5C");
                address.push_str(&value);
            }
        }
    }
    // Two slashes in front would name a host, and it would be the client who has named it.
    if address.starts_with("//") {
        let path = address.trim_start_matches('/').to_owned();
        address = format!("/{path}");
    }
    let (path, fragment) = address.split_at(address.find('#').unwrap_or(address.len()));
    match uri.query() {
        Some(query) if !path.contains('?') => format!("{path}?{query}{fragment}"),
        _ => address,
    }
}
