//! Owns the routes of a snapshot, each with the place of who answers there.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};

use super::{cors, params};
use crate::config::{Config, CorsConfig, RedirectConfig, RouteConfig, TargetConfig};
use crate::tenants::{Found, Pattern, Routes, host_of};

/// The routes of a snapshot.
#[derive(Default)]
pub(super) struct Routing {
    routes: Routes,
    list: Vec<Arc<Route>>,
    /// Whether there is nothing but handlers at paths of their own: then a page may list them.
    pub(super) is_plain: bool,
}

/// Which requests, and who answers them.
pub(super) struct Route {
    pub(super) pattern: Pattern,
    /// The fields for its parameters.
    pub(super) params: Vec<HeaderName>,
    pub(super) target: Target,
    pub(super) cors: Option<Arc<CorsConfig>>,
    /// The places of the plug-ins before the handler, the outermost first.
    pub(super) plugins: Box<[usize]>,
}

/// Who answers.
pub(super) enum Target {
    /// The handler at this place of the snapshot.
    Handler(usize),
    /// The folder at this place of the snapshot.
    Folder(usize),
    Redirect(RedirectConfig),
}

/// Where a request leads.
pub(super) enum Lead {
    Route(Arc<Route>),
    /// A browser asks what it may do at a route.
    Preflight(Arc<CorsConfig>),
    /// There are routes for other methods only.
    OtherMethods(Vec<Method>),
    Nowhere,
}

impl Routing {
    /// The routes of a configuration.
    pub(super) fn new(config: &Config) -> Self {
        let mut routes = Routes::default();
        let mut folders = 0..;
        let mut list = Vec::new();
        let places: HashMap<_, _> = config
            .handlers
            .iter()
            .enumerate()
            .filter(|(_, handler)| handler.is_plugin)
            .map(|(place, plugin)| ((plugin.tenant.as_str(), plugin.name.as_str()), place))
            .collect();
        for RouteConfig { pattern, target, cors, tenant, plugins } in config.every_route() {
            // `hob.toml` names none that is not there.
            let plugins = plugins.iter().map(|name| places[&(tenant.as_str(), name.as_str())]);
            // Of two for the same requests the first counts; `hob.toml` has none such.
            let _ = routes.add(&pattern);
            let target = match target {
                TargetConfig::Handler(place) => Target::Handler(place),
                TargetConfig::Variant(place) => Target::Handler(config.handlers.len() + place),
                TargetConfig::Folder(_) => Target::Folder(folders.next().unwrap_or_default()),
                TargetConfig::Redirect(redirect) => Target::Redirect(redirect),
            };
            let params = params::names(&pattern);
            let (cors, plugins) = (cors.map(Arc::new), plugins.collect());
            list.push(Arc::new(Route { pattern, params, target, cors, plugins }));
        }
        Routing { routes, list, is_plain: config.routes.is_empty() }
    }

    /// Where a request leads.
    pub(super) fn find<B>(&self, request: &Request<B>) -> Lead {
        let path = request.uri().path();
        let host = || {
            let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            host_of(request.uri().authority().map(|one| one.as_str()).or(named)?)
        };
        let host = if self.routes.tells_hosts_apart() { host() } else { None };
        let host = host.as_deref();
        if let Some(method) = cors::asked_for(request)
            && let Found::Route(place) = self.routes.find(host, path, &method)
            && let Some(cors) = &self.list[place].cors
        {
            return Lead::Preflight(cors.clone());
        }
        match self.routes.find(host, path, request.method()) {
            Found::Route(place) => Lead::Route(self.list[place].clone()),
            Found::OtherMethods(methods) => Lead::OtherMethods(methods),
            Found::Nothing => Lead::Nowhere,
        }
    }
}

/// Has the field say the host that the target names, if it names one: what the client has put there counts for
/// nothing then ([RFC 9112, section 3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2)).
pub(super) fn name_host(head: &mut Parts) {
    let Some(authority) = head.uri.authority() else { return };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(host) {
        head.headers.insert(HOST, value);
    }
}
