//! Owns where a tenant's requests may go: a list of what is allowed, and addresses that are refused
//! after the name was looked up, so that a name cannot lead into the house.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::Origin;

/// Where requests may go. Empty: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// What is allowed, by any one of these.
    pub rules: Vec<EgressRule>,
}

/// One allowed destination: `https://api.example.com`, `https://*.example.com:8443`, `http://*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressRule {
    is_secure: bool,
    host: Host,
    /// None: any.
    port: Option<u16>,
    /// Whether it may lead to an address that is not public.
    private: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// This one, in lower case.
    Exact(String),
    /// Those that end with this, the dot included.
    Below(String),
}

/// How far an allowed destination reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public addresses only.
    Public,
    /// Any address.
    Private,
}

impl std::str::FromStr for EgressRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or(
            "write a scheme, a host and perhaps a port, as https://api.example.com or http://*:8080",
        )?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            other => return Err(format!("`{other}` is neither http nor https")),
        };
        let (host, port) = split_port(rest);
        let port = match port {
            None => Some(default_port(is_secure)),
            Some("*") => None,
            Some(port) => {
                Some(port.parse().map_err(|_| format!("`{port}` is neither a port nor *"))?)
            }
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_host = |host: &str| {
            !host.is_empty() && !host.contains(['*', '/', '@', '?', '#', ' ']) || host == "*"
        };
        let below = host.strip_prefix("*.").filter(|host| is_host(host) && *host != "*");
        let host = match (host.as_str(), below) {
            ("*", _) => Host::Any,
            (_, Some(domain)) => Host::Below(format!(".{domain}")),
            (host, None) if is_host(host) => Host::Exact(host.to_owned()),
            (host, None) => return Err(format!("`{host}` is no host name, *.domain or *")),
        };
        // Whoever writes an address means that address.
        let private = matches!(&host, Host::Exact(name) if is_own_name(name));
        Ok(EgressRule { is_secure, host, port, private })
    }
}

/// Host and port; the colons of an address of version 6 are within brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_own_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok()
}

pub(super) fn default_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

impl EgressRule {
    /// The same, also to addresses that are not public.
    pub fn with_private(self, private: bool) -> Self {
        EgressRule { private: self.private || private, ..self }
    }

    fn allows(&self, origin: &Origin) -> bool {
        let host = match &self.host {
            Host::Any => true,
            Host::Exact(name) => **name == *origin.host,
            Host::Below(domain) => origin.host.ends_with(domain.as_str()),
        };
        host && self.is_secure == origin.is_secure
            && self.port.is_none_or(|port| port == origin.port)
    }
}

impl Egress {
    /// How far a request to this origin may reach, if it may be sent at all.
    pub(super) fn reach(&self, origin: &Origin) -> Option<Reach> {
        let allowing = self.rules.iter().filter(|rule| rule.allows(origin));
        allowing
            .map(|rule| if rule.private { Reach::Private } else { Reach::Public })
            .max_by_key(|reach| *reach == Reach::Private)
    }
}

impl Reach {
    /// Whether an address may be connected to.
    pub(super) fn covers(self, address: IpAddr) -> bool {
        self == Reach::Private || is_public(address)
    }
}

/// Whether an address is one of the public internet: what IANA's special-purpose registries list as
/// not globally reachable is not, and neither is what carries such an address within.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Carrier-grade NAT, protocol assignments, relays, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        // NAT64, and the local form of it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 1, ..] => false,
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        // Of the rest only global unicast, without documentation, benchmarks and Teredo.
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
