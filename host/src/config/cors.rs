//! Owns the key `cors` of a route.

use http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Checker;
use super::spanned::Spanned;
use crate::limits;
use crate::tenants::Pattern;

/// Which pages of other origins may read the answers of a route, as the Fetch standard has it.
#[derive(Clone, Debug)]
pub struct CorsConfig {
    /// The origins; none: every one.
    pub origins: Option<Vec<HeaderValue>>,
    /// Whether requests with cookies and the like are among them.
    pub credentials: bool,
    /// The methods that a page may use, as a field has them.
    pub methods: HeaderValue,
    /// The fields that a page may send, as a field has them, if there are any.
    pub headers: Option<HeaderValue>,
    /// The fields that a page may read beside those that it always may.
    pub expose: Option<HeaderValue>,
    /// How long a browser may remember this, in seconds.
    pub max_age: Option<HeaderValue>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cors")]
pub(super) struct File {
    /// "*", or a list of origins, as "https://example.com".
    origins: Spanned<Origins>,
    /// Whether requests with cookies and the like are allowed; not with "*".
    #[serde(default)]
    credentials: bool,
    /// The methods that a page may use; those of the route by default.
    methods: Option<Spanned<Vec<Spanned<String>>>>,
    /// The fields that a page may send.
    headers: Option<Vec<Spanned<String>>>,
    /// The fields that a page may read beside those that it always may.
    expose: Option<Vec<Spanned<String>>>,
    /// How long a browser may remember this.
    max_age_s: Option<Spanned<u64>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write \"*\" or a list of origins, as [\"https://example.com\"]")]
enum Origins {
    Every(String),
    Some(Vec<String>),
}

impl Checker<'_> {
    pub(super) fn cors(
        &mut self,
        file: Spanned<File>,
        pattern: Option<&Pattern>,
    ) -> Option<CorsConfig> {
        let File { origins, credentials, methods, headers, expose, max_age_s } = file.into_inner();
        let at = origins.span().start;
        let origins = match origins.into_inner() {
            Origins::Every(star) if star == "*" => {
                if credentials {
                    let what = "`cors.credentials` does not go with every origin: browsers refuse \
                                that; list the `origins`";
                    self.fault(at, what);
                }
                None
            }
            Origins::Every(other) => {
                let what = format!("`cors.origins` is `{other}`; write \"*\" or a list of origins");
                self.fault(at, &what);
                None
            }
            Origins::Some(list) => Some(self.origins(at, &list)),
        };
        let methods = methods.map(|methods| self.methods("cors.methods", &methods));
        let headers = headers.map(|names| self.fields("cors.headers", &names, credentials));
        let expose = expose.map(|names| self.fields("cors.expose", &names, credentials));
        let most = limits::CORS_MAX_AGE.as_secs();
        let max_age = max_age_s.map(|age| self.number("cors.max_age_s", Some(age), 0..=most, most));
        let methods = methods.unwrap_or_else(|| of_route(pattern));
        let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
        Some(CorsConfig {
            origins,
            credentials,
            methods: HeaderValue::from_str(&methods.join(", ")).ok()?,
            headers: headers.flatten(),
            expose: expose.flatten(),
            max_age: max_age.map(HeaderValue::from),
        })
    }

    fn origins(&mut self, at: usize, list: &[String]) -> Vec<HeaderValue> {
        if list.is_empty() {
            self.fault(at, "`cors.origins` is empty; leave `cors` out for none");
        }
        let mut origins = Vec::new();
        for origin in list {
            match HeaderValue::from_str(origin) {
                Ok(value) if is_origin(origin) => origins.push(value),
                _ => {
                    let what = format!(
                        "`cors.origins` has `{origin}`; write an origin as browsers send it, as \
                         \"https://example.com\": scheme and host in lower case, a port if it is \
                         not the scheme's, and nothing after it"
                    );
                    self.fault(at, &what);
                }
            }
        }
        origins
    }

    /// Names of fields in one; with credentials a `*` would be a name and not all of them.
    fn fields(
        &mut self,
        key: &str,
        names: &[Spanned<String>],
        credentials: bool,
    ) -> Option<HeaderValue> {
        for text in names {
            let name = text.get_ref();
            let what = if name == "*" && credentials {
                format!("`{key}` has `*`, which does not go with `credentials`; list the names")
            } else if name != "*" && HeaderName::from_bytes(name.as_bytes()).is_err() {
                format!("`{key}` has `{name}`, which is no name of a field")
            } else {
                continue;
            };
            self.fault(text.span().start, &what);
        }
        let names: Vec<_> = names.iter().map(|name| name.get_ref().as_str()).collect();
        let value = HeaderValue::from_str(&names.join(", ")).ok();
        value.filter(|value| !value.is_empty())
    }
}

/// The methods of the route, or those that are in use.
fn of_route(pattern: Option<&Pattern>) -> Vec<Method> {
    let given = pattern.map(Pattern::methods).unwrap_or_default();
    if !given.is_empty() {
        return given.to_vec();
    }
    vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
}

/// Whether a browser would send this origin so.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_scheme = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    let is_default_port = (scheme == "http" && host.ends_with(":80"))
        || (scheme == "https" && host.ends_with(":443"));
    let of_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
    is_scheme && !is_default_port && !host.is_empty() && host.bytes().all(of_host)
}
