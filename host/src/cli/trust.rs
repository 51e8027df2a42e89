//! Owns whom a command trusts when it asks a server over TLS, and what it says of a way that is not
//! secure or does not work.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::wire;

/// Trusts the system's roots, or Mozilla's where there are none, and the certificates in the file `more`.
pub(super) fn trusting(more: Option<&Path>) -> Result<TlsConfig> {
    let trusted = wire::trusted(more)?;
    let roots = if trusted.is_empty() {
        RootCerts::WebPki
    } else {
        trusted.iter().map(|one| Certificate::from_der(one).to_owned()).collect::<Vec<_>>().into()
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

/// Whether a token sent there can be read by others on its way.
pub(super) fn is_in_clear(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_local = match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    uri.scheme_str() == Some("http") && !is_local
}

/// What to do about a server that could not be asked at this address, if that is known.
pub(super) fn hint(url: &str, error: &ureq::Error) -> Option<&'static str> {
    let said = error.to_string();
    let is_about = |words: &str| said.contains(words);
    let is_secure = url.starts_with("https://");
    if is_about("CaUsedAsEndEntity") {
        Some(
            "it shows a certificate that may only certify others (CA:TRUE): have it make one with \
             basicConstraints CA:FALSE",
        )
    } else if is_about("UnknownIssuer") || is_about("BadSignature") {
        Some(
            "its certificate is not trusted: name a file with it, or with the one that it is certified by, \
             with --ca",
        )
    } else if is_about("certificate expired") || is_about("invalid peer certificate: Expired") {
        Some("have its certificate renewed, then `hob reload` there")
    } else if is_about("not valid for name") || is_about("NotValidForName") {
        Some("write a name in --admin that its certificate is for")
    } else if is_secure && is_about("InvalidContentType") {
        Some("it speaks HTTP without TLS: write http:// in place of https://")
    } else if !is_secure && matches!(error, ureq::Error::Io(error) if is_cut(error)) {
        Some("if it speaks HTTPS, write https:// in place of http://")
    } else {
        None
    }
}

fn is_cut(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind())
}
