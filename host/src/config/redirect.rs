//! Owns the key `redirect` of a route.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::spanned::Spanned;
use super::{Checker, nearest, path};
use crate::tenants::Pattern;

/// Another address, and how it is told.
#[derive(Clone, Debug)]
pub struct RedirectConfig {
    /// 301, 302, 307 or 308.
    pub status: StatusCode,
    /// The address.
    pub to: Vec<AddressPart>,
}

/// A part of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressPart {
    /// As it stands.
    Text(String),
    /// The parameter of this name.
    Param(String),
}

impl RedirectConfig {
    /// The address as it is written in `hob.toml`.
    pub fn address(&self) -> String {
        let part = |part: &AddressPart| match part {
            AddressPart::Text(text) => text.clone(),
            AddressPart::Param(name) => format!("{{{name}}}"),
        };
        self.to.iter().map(part).collect()
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Redirect")]
pub(super) struct File {
    /// A path, or an address with http:// or https://. {name} stands for that parameter of the route.
    to: Spanned<String>,
    /// 301, 302, 307 or 308, the default.
    status: Option<Spanned<u16>>,
}

impl Checker<'_> {
    pub(super) fn redirect(
        &mut self,
        file: Spanned<File>,
        pattern: Option<&Pattern>,
    ) -> Option<RedirectConfig> {
        let File { to, status } = file.into_inner();
        let status = status.map_or(Some(StatusCode::PERMANENT_REDIRECT), |given| {
            let number = *given.get_ref();
            let is_redirect = [301, 302, 307, 308].contains(&number);
            if !is_redirect {
                let what = format!("`redirect.status` is {number}; write 301, 302, 307 or 308");
                self.fault(given.span().start, &what);
            }
            StatusCode::from_u16(number).ok().filter(|_| is_redirect)
        });
        let names: Option<Vec<&str>> = pattern.map(|pattern| pattern.names().collect());
        match address(to.get_ref(), names.as_deref()) {
            Ok(to) => Some(RedirectConfig { status: status?, to }),
            Err(why) => {
                let given = to.get_ref();
                let what = format!("`redirect.to` is `{given}`: {why}");
                self.fault(to.span().start, &what);
                None
            }
        }
    }
}

/// Reads an address; `names` are the parameters there are, if that is known.
fn address(text: &str, names: Option<&[&str]>) -> Result<Vec<AddressPart>, String> {
    let after_scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = after_scheme.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let is_path = text.starts_with('/') && !text.starts_with("//");
    match host {
        _ if is_path => {}
        Some("") => return Err("it has no host".to_owned()),
        // Who sends a request would choose where the client goes.
        Some(host) if host.contains('{') => {
            return Err("its host must be fixed; a parameter may stand after it".to_owned());
        }
        Some(_) => {}
        None => return Err("write a path, or an address with http:// or https://".to_owned()),
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((before, after)) = rest.split_once('{') else {
            parts.push(AddressPart::Text(rest.to_owned()));
            break;
        };
        let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
        if names.is_some_and(|names| !names.contains(&name)) {
            let known = names.unwrap_or_default().iter().copied();
            let advice = nearest(name, known)
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            return Err(format!("the route has no parameter `{name}`{advice}"));
        }
        parts.push(AddressPart::Text(before.to_owned()));
        parts.push(AddressPart::Param(name.to_owned()));
        rest = after;
    }
    for part in &parts {
        let AddressPart::Text(text) = part else { continue };
        let wanted = path::as_address(text);
        if *text != wanted {
            return Err(format!("`{text}` must be percent-encoded; write `{wanted}`"));
        }
    }
    Ok(parts)
}
