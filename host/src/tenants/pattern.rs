//! Owns which requests a route is for: a host, a path and methods. Pure.
//!
//! A path is compared byte by byte as the client has sent it, percent-encoded.

use std::borrow::Cow;
use std::fmt;

use http::Method;

use crate::limits;

/// Which requests a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    host: Host,
    segments: Vec<Segment>,
    end: End,
    /// None: every method.
    methods: Vec<Method>,
}

/// Which hosts a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Every one.
    Any,
    /// This one, in lower case.
    Exact(String),
    /// Those that end so, one label or more in front: `example.com` of `*.example.com`.
    Below(String),
}

/// What stands between two slashes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// One segment, which is not empty.
    Param(String),
}

/// What may come after the segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Nothing,
    /// Nothing, or a slash and whatever comes.
    Anything,
    /// A slash, and whatever comes, which has a name.
    Rest(String),
}

impl Host {
    /// Reads `example.com` or `*.example.com`.
    ///
    /// # Errors
    /// What is wrong with it, to be put after the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let is_address = !is_wildcard && name.starts_with('[') && name.ends_with(']');
        let fits = name.len() <= limits::HOST_BYTES_MAX;
        if !fits || !(is_address || name.split('.').all(is_label)) {
            return Err(format!(
                "`{text}` is no host; write a name without scheme and port, as \"example.com\", or \
                 \"*.example.com\""
            ));
        }
        let name = name.to_ascii_lowercase();
        Ok(if is_wildcard { Host::Below(name) } else { Host::Exact(name) })
    }
}

/// The name in an authority or in a `Host` field, without the port and in lower case. None when it is
/// longer than a name can be: no route is for that host.
pub fn host_of(authority: &str) -> Option<Cow<'_, str>> {
    let after_user = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = match after_user.rfind(']') {
        Some(end) => &after_user[..=end],
        None => after_user.split_once(':').map_or(after_user, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > limits::HOST_BYTES_MAX {
        return None;
    }
    let is_lower = !name.bytes().any(|b| b.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) })
}

impl Pattern {
    /// A path and all paths below it, of every host and for every method.
    pub fn below(path: &str) -> Self {
        let trimmed = path.trim_end_matches('/');
        let segments = split(trimmed).map(|one| Segment::Literal(one.to_owned())).collect();
        Pattern { host: Host::Any, segments, end: End::Anything, methods: Vec::new() }
    }

    /// A path in which `{name}` is one segment, and `{name...}` at the end all that follows.
    ///
    /// # Errors
    /// What is wrong with it, to be put after the key.
    pub fn parse(path: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut end = End::Nothing;
        let mut parts = split(path).peekable();
        while let Some(part) = parts.next() {
            let Some(inner) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                if part.contains(['{', '}']) {
                    return Err(format!(
                        "`{path}` has a parameter within a segment; it must be all of it, as \
                         /a/{{id}}"
                    ));
                }
                segments.push(Segment::Literal(part.to_owned()));
                continue;
            };
            let rest = inner.strip_suffix("...");
            let name = rest.unwrap_or(inner);
            check_name(name)?;
            if rest.is_none() {
                segments.push(Segment::Param(name.to_owned()));
            } else if parts.peek().is_some() {
                return Err(format!("`{path}` has something after `{{{inner}}}`; it must be last"));
            } else {
                end = End::Rest(name.to_owned());
            }
        }
        if segments.len() > limits::ROUTE_SEGMENTS_MAX {
            return Err(format!("`{path}` has more than {} segments", limits::ROUTE_SEGMENTS_MAX));
        }
        let pattern = Pattern { host: Host::Any, segments, end, methods: Vec::new() };
        let mut names: Vec<_> = pattern.names().map(|name| name.replace('_', "-")).collect();
        if names.len() > limits::ROUTE_PARAMS_MAX {
            let most = limits::ROUTE_PARAMS_MAX;
            return Err(format!("`{path}` has more than {most} parameters"));
        }
        names.sort_unstable();
        match names.array_windows().find(|[one, other]| one == other) {
            Some([name, _]) => Err(format!("`{path}` has the parameter `{name}` twice")),
            None => Ok(pattern),
        }
    }

    /// The same and all that is below it.
    ///
    /// # Errors
    /// When what is below it has a name already.
    pub fn and_below(self) -> Result<Self, String> {
        match self.end {
            End::Rest(name) => {
                Err(format!("`{{{name}...}}` is for a `path`; a prefix has all below it anyway"))
            }
            _ => Ok(Pattern { end: End::Anything, ..self }),
        }
    }

    /// The same of this host only.
    pub fn at(self, host: Host) -> Self {
        Pattern { host, ..self }
    }

    /// The same for these methods only; of none: for all.
    pub fn for_methods(self, methods: Vec<Method>) -> Self {
        Pattern { methods, ..self }
    }

    /// The methods it is for; none: every one.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Which hosts it is for.
    pub fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn end(&self) -> &End {
        &self.end
    }

    /// Whether it takes whatever comes after its last segment.
    pub fn is_open(&self) -> bool {
        self.end != End::Nothing
    }

    /// The names of its parameters, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        });
        let rest = match &self.end {
            End::Rest(name) => Some(name.as_str()),
            _ => None,
        };
        names.chain(rest)
    }

    /// The values of the parameters in a path that it fits, each with its name, as they were sent.
    pub fn params<'a>(&'a self, path: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut found = Vec::new();
        let mut rest = path;
        for segment in &self.segments {
            let (part, after) = next(rest).unwrap_or_default();
            if let Segment::Param(name) = segment {
                found.push((name.as_str(), part));
            }
            rest = after;
        }
        if let End::Rest(name) = &self.end {
            found.push((name.as_str(), rest.strip_prefix('/').unwrap_or(rest)));
        }
        found
    }

    /// What comes after the segments in a path that it fits: nothing, or a slash and more.
    pub fn remainder<'a>(&self, path: &'a str) -> &'a str {
        self.segments.iter().fold(path, |rest, _| next(rest).unwrap_or_default().1)
    }
}

/// The first segment of a path, and what comes after it.
pub(super) fn next(path: &str) -> Option<(&str, &str)> {
    let below = path.strip_prefix('/')?;
    let end = memchr::memchr(b'/', below.as_bytes()).unwrap_or(below.len());
    Some(below.split_at(end))
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let (part, after) = next(rest)?;
        rest = after;
        Some(part)
    })
}

/// A name becomes the end of a header's name.
fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    let is_name = !name.is_empty() && name.bytes().all(is_plain);
    if is_name && name.len() <= limits::ROUTE_PARAM_NAME_BYTES_MAX {
        return Ok(());
    }
    let most = limits::ROUTE_PARAM_NAME_BYTES_MAX;
    Err(format!(
        "`{{{name}}}` is no parameter; its name has up to {most} lower-case letters, digits, `-` and \
         `_`"
    ))
}

impl fmt::Display for Pattern {
    /// As `GET,POST example.com/a/{id}`; what is for all below a path too ends with `/*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        if !methods.is_empty() {
            write!(f, "{} ", methods.join(","))?;
        }
        match &self.host {
            Host::Any => {}
            Host::Exact(name) => f.write_str(name)?,
            Host::Below(name) => write!(f, "*.{name}")?,
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Param(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match &self.end {
            End::Nothing => Ok(()),
            End::Anything => f.write_str("/*"),
            End::Rest(name) => write!(f, "/{{{name}...}}"),
        }
    }
}
