//! Owns the tables `[[route]]`: which requests, and who answers them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use http::{HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::cors::{self, CorsConfig};
use super::handler::{DEFAULT_TENANT, HandlerConfig};
use super::plugin::Plugins;
use super::redirect::{self, RedirectConfig};
use super::spanned::Spanned;
use super::{Checker, Config, Limits, path};
use crate::assets::FolderOptions;
use crate::handlers::Variation;
use crate::limits;
use crate::tenants::{Host, Pattern, Routes};

/// Which requests, and who answers them.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// The requests it is for.
    pub pattern: Pattern,
    /// Whose it is.
    pub tenant: String,
    /// Who answers.
    pub target: TargetConfig,
    /// Which pages of other origins may read the answers.
    pub cors: Option<CorsConfig>,
    /// The plug-ins of its tenant that are before the handler, by name, the outermost first.
    pub plugins: Vec<String>,
}

/// Who answers the requests of a route.
#[derive(Clone, Debug)]
pub enum TargetConfig {
    /// The handler at this place.
    Handler(usize),
    /// A handler as the route wants it: the variant at this place.
    Variant(usize),
    /// The files of a folder.
    Folder(FolderConfig),
    /// Another address.
    Redirect(RedirectConfig),
}

/// A folder whose files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderConfig {
    /// The folder.
    pub folder: PathBuf,
    /// How it is served.
    pub options: FolderOptions,
}

/// A handler as a route has it: with a mode, limits or compression of the route's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantConfig {
    /// The place of the handler.
    pub handler: usize,
    /// What is other.
    pub variation: Variation,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub(super) struct File {
    /// A host name, as "example.com" or "*.example.com"; every one by default.
    host: Option<Spanned<String>>,
    /// A path, in which {name} is one segment and {name...} at the end all that follows.
    path: Option<Spanned<String>>,
    /// A path, which may have {name} in it, and all paths below it.
    prefix: Option<Spanned<String>>,
    /// Methods; every one by default. GET has HEAD with it.
    methods: Option<Spanned<Vec<Spanned<String>>>>,
    /// The name of a handler of the tenant.
    handler: Option<Spanned<String>>,
    /// Whose the route and its handler are.
    tenant: Option<Spanned<String>>,
    /// A folder whose files are served.
    #[serde(rename = "static")]
    folder: Option<Spanned<Folder>>,
    /// Another address.
    redirect: Option<Spanned<redirect::File>>,
    /// How instances are used for this route: "fresh", "reuse" or "shared".
    isolation: Option<Spanned<String>>,
    /// What the handler may use for this route.
    limits: Option<Spanned<Limits>>,
    /// Whether the answers of the handler are compressed for this route, or those of the folder.
    compress: Option<Spanned<bool>>,
    /// The names of plug-ins of the tenant that are before the handler, the outermost first; those of the
    /// handler by default.
    plugins: Option<Spanned<Vec<Spanned<String>>>>,
    /// Which pages of other origins may read the answers.
    cors: Option<Spanned<cors::File>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Static")]
struct Folder {
    /// The folder, relative to that of hob.toml.
    folder: Spanned<PathBuf>,
    /// The file that is served for a folder, "index.html" by default; "" for none.
    index: Option<Spanned<String>>,
    /// The field cache-control of what is served.
    cache: Option<Spanned<String>>,
    /// Whether FILE.br, FILE.zst and FILE.gz are served in the place of FILE to who takes them.
    #[serde(default)]
    precompressed: bool,
    /// Whether names that begin with a dot are served.
    #[serde(default)]
    hidden: bool,
}

/// The routes, and the variants of handlers that they want.
#[derive(Default)]
pub(super) struct Routed {
    pub(super) routes: Vec<RouteConfig>,
    pub(super) variants: Vec<VariantConfig>,
    /// Where each begins in the text.
    pub(super) places: Vec<usize>,
}

impl Config {
    /// Every route: those that handlers have by their paths, then the others.
    pub fn every_route(&self) -> impl Iterator<Item = RouteConfig> {
        let of_handlers = self.handlers.iter().enumerate().filter_map(|(place, handler)| {
            Some(RouteConfig {
                pattern: Pattern::below(handler.path.as_ref()?),
                tenant: handler.tenant.clone(),
                target: TargetConfig::Handler(place),
                cors: None,
                plugins: handler.plugins.clone(),
            })
        });
        of_handlers.chain(self.routes.iter().cloned())
    }
}

impl File {
    /// The handler it names, and whose that is.
    fn names(&self) -> Option<(&str, &str)> {
        let tenant = self.tenant.as_ref().map_or(DEFAULT_TENANT, |tenant| tenant.get_ref());
        Some((tenant, self.handler.as_ref()?.get_ref()))
    }
}

/// The handlers that some route names, by tenant and name: those have no path but one that they give.
pub(super) fn named(files: &[Spanned<File>]) -> BTreeSet<(String, String)> {
    let names = files.iter().filter_map(|file| file.get_ref().names());
    names.map(|(tenant, name)| (tenant.to_owned(), name.to_owned())).collect()
}

impl Checker<'_> {
    pub(super) fn routes(
        &mut self,
        files: Vec<Spanned<File>>,
        handlers: &[HandlerConfig],
        plugins: &Plugins,
    ) -> Routed {
        let mut routed = Routed::default();
        if let Some(file) = files.get(limits::ROUTES_MAX.saturating_sub(handlers.len())) {
            let most = limits::ROUTES_MAX;
            self.fault(file.span().start, &format!("there are more than {most} routes"));
            return routed;
        }
        let known = handlers
            .iter()
            .enumerate()
            .filter(|(_, handler)| !handler.is_plugin)
            .map(|(place, handler)| ((handler.tenant.as_str(), handler.name.as_str()), place));
        let known: BTreeMap<_, _> = known.collect();
        for file in files {
            let at = file.span().start;
            let known = (&known, plugins);
            let Some(route) = self.route(at, file.into_inner(), handlers, known, &mut routed)
            else {
                continue;
            };
            routed.routes.push(route);
            routed.places.push(at);
        }
        routed
    }

    fn route(
        &mut self,
        at: usize,
        mut file: File,
        handlers: &[HandlerConfig],
        (known, plugins): (&BTreeMap<(&str, &str), usize>, &Plugins),
        routed: &mut Routed,
    ) -> Option<RouteConfig> {
        let pattern = self.pattern(at, &file);
        let tenant = file.tenant.as_ref().map(|tenant| self.name("tenant", tenant));
        let tenant = tenant.unwrap_or_else(|| DEFAULT_TENANT.to_owned());
        let cors = file.cors.take().and_then(|cors| self.cors(cors, pattern.as_ref()));
        let (folder, redirect) = (file.folder.take(), file.redirect.take());
        let mut chain = file.plugins.as_ref().map(|names| self.chain(names, &tenant, plugins));
        if folder.is_some() || redirect.is_some() {
            self.refuse_for_others(&file, folder.is_some());
        }
        let target = match (&file.handler, folder, redirect) {
            (Some(name), None, None) => {
                let place = known.get(&(tenant.as_str(), name.get_ref().as_str()));
                match place {
                    Some(place) => {
                        chain.get_or_insert_with(|| handlers[*place].plugins.clone());
                        Some(self.variant(*place, handlers, &file, routed))
                    }
                    None => {
                        self.unknown_handler(name, &tenant, known, plugins);
                        None
                    }
                }
            }
            (None, Some(folder), None) => {
                self.folder_of(folder, pattern.as_ref(), file.compress.as_ref())
            }
            (None, None, Some(redirect)) => {
                self.redirect(redirect, pattern.as_ref()).map(TargetConfig::Redirect)
            }
            _ => {
                let what = "a route has one of `handler`, `static` and `redirect`";
                self.fault(at, what);
                None
            }
        };
        let (mut pattern, target) = (pattern?, target?);
        if matches!(target, TargetConfig::Folder(_)) && pattern.methods().is_empty() {
            pattern = pattern.for_methods(vec![Method::GET]);
        }
        Some(RouteConfig { pattern, tenant, target, cors, plugins: chain.unwrap_or_default() })
    }

    fn pattern(&mut self, at: usize, file: &File) -> Option<Pattern> {
        let (key, text, is_prefix) = match (&file.path, &file.prefix) {
            (Some(path), None) => ("path", path, false),
            (None, Some(prefix)) => ("prefix", prefix, true),
            _ => {
                self.fault(at, "a route has one of `path` and `prefix`");
                return None;
            }
        };
        let given = text.get_ref();
        let requested = path::as_requested_with_params(given);
        let is_plain = given.starts_with('/') && !given.contains(['?', '#', '*']);
        let parsed = if !is_plain || given.contains("//") {
            Err(format!("`{given}` must begin with / and be a path without `//`, `?`, `#` and `*`"))
        } else if *given != requested {
            Err(format!("`{given}` is what no client sends as it is; write `{requested}`"))
        } else if is_prefix {
            Pattern::parse(given.trim_end_matches('/')).and_then(Pattern::and_below)
        } else {
            Pattern::parse(given)
        };
        let parsed =
            parsed.map_err(|why| self.fault(text.span().start, &format!("`{key}`: {why}")));
        let host = file.host.as_ref().map(|host| {
            Host::parse(host.get_ref())
                .map_err(|why| self.fault(host.span().start, &format!("`host`: {why}")))
        });
        let methods = file.methods.as_ref().map(|methods| self.methods("methods", methods));
        let host = host.unwrap_or(Ok(Host::Any)).ok()?;
        Some(parsed.ok()?.at(host).for_methods(methods.unwrap_or_default()))
    }

    pub(super) fn methods(
        &mut self,
        key: &str,
        given: &Spanned<Vec<Spanned<String>>>,
    ) -> Vec<Method> {
        if given.get_ref().is_empty() {
            let what = format!("`{key}` is empty; leave it out for every method");
            self.fault(given.span().start, &what);
        }
        let mut methods = Vec::new();
        for text in given.get_ref() {
            let name = text.get_ref();
            let is_upper = !name.bytes().any(|byte| byte.is_ascii_lowercase());
            let method = Method::from_bytes(name.as_bytes()).ok();
            match method.filter(|method| is_upper && *method != Method::CONNECT) {
                Some(method) if methods.contains(&method) => {
                    self.fault(text.span().start, &format!("`{key}` has `{name}` twice"));
                }
                Some(method) => methods.push(method),
                None => {
                    let what = format!(
                        "`{key}` has `{name}`; write methods as \"GET\", in capitals, and not CONNECT"
                    );
                    self.fault(text.span().start, &what);
                }
            }
        }
        methods
    }

    /// The place of the handler, or of a variant of it if the route wants something else.
    fn variant(
        &mut self,
        place: usize,
        handlers: &[HandlerConfig],
        file: &File,
        routed: &mut Routed,
    ) -> TargetConfig {
        let handler = &handlers[place];
        if file.isolation.is_none() && file.limits.is_none() && file.compress.is_none() {
            return TargetConfig::Handler(place);
        }
        let isolation = file.isolation.as_ref().and_then(|text| self.isolation(text));
        let own = file.limits.as_ref();
        let variation = Variation {
            isolation: isolation.or(handler.isolation),
            limits: own.map_or(handler.limits, |own| {
                self.limits(handler.limits, own.get_ref(), "route.limits")
            }),
            compress: file.compress.as_ref().map_or(handler.compress, |own| *own.get_ref()),
        };
        routed.variants.push(VariantConfig { handler: place, variation });
        TargetConfig::Variant(routed.variants.len() - 1)
    }

    fn unknown_handler(
        &mut self,
        name: &Spanned<String>,
        tenant: &str,
        known: &BTreeMap<(&str, &str), usize>,
        plugins: &Plugins,
    ) {
        let wrong = name.get_ref();
        if plugins.has(tenant, wrong) {
            let what = format!(
                "`handler` is `{wrong}`, which is a plug-in: nothing is behind it that could answer; \
                 name a handler, and write `plugins = [\"{wrong}\"]`"
            );
            return self.fault(name.span().start, &what);
        }
        let own = known.keys().filter(|(whose, _)| *whose == tenant).map(|(_, name)| *name);
        let advice = super::nearest(wrong, own).map_or_else(
            || format!("add a [[handler]] with `name = \"{wrong}\"`"),
            |known| format!("did you mean `{known}`?"),
        );
        let what = format!(
            "`handler` is `{wrong}`, and the tenant `{tenant}` has no such handler; {advice}"
        );
        self.fault(name.span().start, &what);
    }

    /// Faults what only a handler can have.
    fn refuse_for_others(&mut self, file: &File, is_folder: bool) {
        let places = [
            ("isolation", file.isolation.as_ref().map(Spanned::span)),
            ("limits", file.limits.as_ref().map(Spanned::span)),
            ("plugins", file.plugins.as_ref().map(Spanned::span)),
        ];
        for (key, span) in places {
            if let Some(span) = span {
                let what = format!("`{key}` is for a route to a handler; take it away");
                self.fault(span.start, &what);
            }
        }
        if let Some(compress) = file.compress.as_ref().filter(|_| !is_folder) {
            let what = "`compress` is for a route to a handler or to a folder; take it away";
            self.fault(compress.span().start, what);
        }
    }

    fn folder_of(
        &mut self,
        folder: Spanned<Folder>,
        pattern: Option<&Pattern>,
        compress: Option<&Spanned<bool>>,
    ) -> Option<TargetConfig> {
        let at = folder.span().start;
        let Folder { folder, index, cache, precompressed, hidden } = folder.into_inner();
        let is_read = |method: &Method| [Method::GET, Method::HEAD].contains(method);
        if pattern.is_some_and(|pattern| !pattern.is_open()) {
            let what = "`static` needs a `prefix`, or a `path` that ends with {name...}";
            self.fault(at, what);
        }
        if pattern.is_some_and(|pattern| !pattern.methods().iter().all(is_read)) {
            self.fault(at, "`static` answers GET and HEAD; leave `methods` out");
        }
        let path = self.folder().join(folder.get_ref());
        if !path.is_dir() {
            let what = format!("`static.folder`: {} is no folder", path.display());
            self.fault(folder.span().start, &what);
        }
        let index = match &index {
            None => Some("index.html".to_owned()),
            Some(name) if name.get_ref().is_empty() => None,
            Some(name) if name.get_ref().contains('/') || name.get_ref().starts_with("..") => {
                let what = "`static.index` is a file's name, without a folder";
                self.fault(name.span().start, what);
                None
            }
            Some(name) => Some(name.get_ref().clone()),
        };
        let cache = cache.and_then(|text| {
            let value = HeaderValue::from_str(text.get_ref());
            if value.is_err() {
                let what =
                    "`static.cache` is no value of a header field; write as \"max-age=3600\"";
                self.fault(text.span().start, what);
            }
            value.ok()
        });
        let is_to_stay = |cache: &HeaderValue| {
            let names = cache.to_str().unwrap_or_default().split(',');
            names.into_iter().any(|name| name.trim().eq_ignore_ascii_case("no-transform"))
        };
        let compress = compress.filter(|compress| *compress.get_ref());
        if let Some(compress) = compress.filter(|_| cache.as_ref().is_some_and(is_to_stay)) {
            let what = "`compress` does what `static.cache` forbids by `no-transform`; take one of them away";
            self.fault(compress.span().start, what);
        }
        let compress = compress.is_some();
        let options = FolderOptions { index, cache, precompressed, compress, hidden };
        Some(TargetConfig::Folder(FolderConfig { folder: path, options }))
    }

    /// Faults routes that match the same requests: both are named.
    pub(super) fn conflicts(
        &mut self,
        handlers: &[HandlerConfig],
        places: &[usize],
        routed: &Routed,
    ) {
        let mut routes = Routes::default();
        let mut lines: Vec<(usize, String)> = Vec::new();
        let of_handlers = handlers.iter().filter(|handler| handler.path.is_some()).count();
        let own = handlers
            .iter()
            .zip(places)
            .filter_map(|(handler, at)| Some((Pattern::below(handler.path.as_ref()?), *at)));
        let given = routed
            .routes
            .iter()
            .map(|route| route.pattern.clone())
            .zip(routed.places.iter().copied());
        for (pattern, at) in own.chain(given) {
            let added = routes.add(&pattern);
            lines.push((at, pattern.to_string()));
            if let Err(other) = added {
                let is_second_handler = lines.len() <= of_handlers;
                let (there, shown) = &lines[other];
                let line = self.line(*there);
                let kind = if is_second_handler { "path" } else { "route" };
                let what = format!(
                    "the {kind} `{pattern}` is for the same requests as `{shown}` of line {line}; \
                     make one of them more specific, or take it away"
                );
                self.fault(at, &what);
            }
        }
    }
}
