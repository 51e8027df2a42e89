//! Owns the API of operators: what its requests ask for, and how the answers look. See
//! `docs/admin-api.md` and `openapi.json` beside this file.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::changes::Changes;
use super::operation::{Denial, Deploy, HandlerName, Intent, Operation, Operator};
use super::token::{NotLetIn, Token};
use crate::event_loop::{HostQueue, Remote};
use crate::limits;
use crate::wire::{Exchange, Incoming, RequestBody};

/// What every path of the API begins with.
pub(super) const PREFIX: &str = "/v1/";

const TOO_LARGE: &str = "a component may have 128 MiB, and a change of limits 4 KiB";

/// The API's description.
const OPENAPI: &str = include_str!("openapi.json");

/// The API on one loop.
pub(super) struct Api {
    pub(super) operator: Rc<dyn Operator>,
    pub(super) token: Arc<Token>,
    pub(super) remote: Remote,
    pub(super) queue: HostQueue,
    /// The handlers that are being deployed to.
    pub(super) deploying: RefCell<HashSet<(String, String)>>,
}

/// What a path stands for.
enum Resource {
    Openapi,
    Tenants,
    Tenant(String),
    Handlers,
    Handler(HandlerName),
    Versions(HandlerName),
    RollBack(HandlerName),
    Reload,
    Drain,
}

/// Why a request is refused before anything is asked of the server.
enum Wrong {
    NotLetIn(NotLetIn),
    NoSuchPath,
    Method(&'static str),
    Query(String),
    Body(String),
    Length,
    TooLarge,
    BodyBroken,
    AlreadyDeploying,
    TooManyUploads,
}

type Reply = Response<Full<Bytes>>;

impl Api {
    pub(super) async fn answer(&self, request: Request<Incoming>, exchange: &Exchange) -> Reply {
        match self.operate(request, exchange).await {
            Ok(reply) => reply,
            Err(wrong) => wrong.reply(),
        }
    }

    async fn operate(
        &self,
        request: Request<Incoming>,
        exchange: &Exchange,
    ) -> Result<Reply, Wrong> {
        let (head, body) = request.into_parts();
        let resource = Resource::of(head.uri.path()).ok_or(Wrong::NoSuchPath)?;
        if matches!(resource, Resource::Openapi) {
            allow(&head.method, &[Method::GET], "GET")?;
            return Ok(json(StatusCode::OK, OPENAPI.to_owned()));
        }
        self.let_in(&head.headers).await?;
        let query = Query::of(head.uri.query(), resource.keys(&head.method))?;
        let operation = match (resource, &head.method) {
            (Resource::Handlers, &Method::GET) => Operation::Handlers(query.tenant),
            (Resource::Tenants, &Method::GET) => Operation::Tenants,
            (Resource::Tenant(name), &Method::PATCH) => {
                let changes =
                    receive(&head.headers, body, limits::LIMIT_CHANGES_BYTES_MAX, exchange).await?;
                let changes = serde_json::from_slice(&changes);
                let Changes(changes) = changes.map_err(|error| Wrong::Body(error.to_string()))?;
                Operation::Limits(name, changes)
            }
            (Resource::Versions(name), &Method::GET) => Operation::Versions(name),
            (Resource::Versions(name), &Method::POST) => {
                return self.deploy(name, query, &head.headers, body, exchange).await;
            }
            (Resource::RollBack(name), &Method::POST) => Operation::RollBack(name, query.to),
            (Resource::Handler(name), &Method::DELETE) => Operation::Undeploy(name),
            (Resource::Reload, &Method::POST) => Operation::Reload,
            (Resource::Drain, &Method::POST) => Operation::Drain,
            (resource, _) => return Err(Wrong::Method(resource.methods())),
        };
        Ok(self.done(operation, exchange).await)
    }

    async fn let_in(&self, headers: &HeaderMap) -> Result<(), Wrong> {
        let checked = self.token.check(headers, &self.remote, &self.queue).await;
        checked.map_err(Wrong::NotLetIn)
    }

    /// A second deployment of the same handler is refused, not queued: which of the two should win?
    async fn deploy(
        &self,
        name: HandlerName,
        query: Query,
        headers: &HeaderMap,
        body: Incoming,
        exchange: &Exchange,
    ) -> Result<Reply, Wrong> {
        let _turn = self.begin(&name)?;
        let component = receive(headers, body, limits::COMPONENT_BYTES_MAX, exchange).await?;
        let Query { path, intent, .. } = query;
        let deploy = Deploy { name, component, path, intent };
        Ok(self.done(Operation::Deploy(deploy), exchange).await)
    }

    fn begin(&self, name: &HandlerName) -> Result<Turn<'_>, Wrong> {
        let mut deploying = self.deploying.borrow_mut();
        let key = (name.tenant.clone(), name.handler.clone());
        if deploying.contains(&key) {
            return Err(Wrong::AlreadyDeploying);
        }
        if deploying.len() >= limits::UPLOADS_MAX {
            return Err(Wrong::TooManyUploads);
        }
        deploying.insert(key.clone());
        Ok(Turn { api: self, key })
    }

    /// What comes of an operation. It may take minutes, and nothing more of the request is needed for it.
    async fn done(&self, operation: Operation, exchange: &Exchange) -> Reply {
        exchange.received.set(true);
        match self.operator.operate(operation).await {
            Ok(value) => json(StatusCode::OK, value.to_string()),
            Err(denial) => {
                let (status, code) = match denial {
                    Denial::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
                    Denial::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
                    Denial::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
                    Denial::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
                    Denial::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
                };
                error(status, code, &denial.to_string())
            }
        }
    }
}

/// One handler's deployment, while it is under way.
struct Turn<'a> {
    api: &'a Api,
    key: (String, String),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.api.deploying.borrow_mut().remove(&self.key);
    }
}

async fn receive(
    headers: &HeaderMap,
    body: Incoming,
    most: u64,
    exchange: &Exchange,
) -> Result<Bytes, Wrong> {
    use http_body::Body;
    if !headers.contains_key(CONTENT_LENGTH) {
        return Err(Wrong::Length);
    }
    let length = body.size_hint().exact().ok_or(Wrong::Length)?;
    if length > most {
        return Err(Wrong::TooLarge);
    }
    let body = RequestBody::begin(body, most, &exchange.awaited).await;
    let body = body.map_err(|_| Wrong::BodyBroken)?;
    let whole = body.whole(most).await.map_err(|_| Wrong::BodyBroken)?;
    whole.map_err(|_| Wrong::Length)
}

impl Resource {
    /// What its query may name.
    fn keys(&self, method: &Method) -> &'static [&'static str] {
        match (self, method) {
            (Resource::Handlers, &Method::GET) => &["tenant"],
            (Resource::Versions(_), &Method::POST) => &["path", "check", "preview"],
            (Resource::RollBack(_), &Method::POST) => &["to"],
            _ => &[],
        }
    }

    fn of(path: &str) -> Option<Self> {
        let parts: Vec<_> = path.strip_prefix(PREFIX)?.split('/').collect();
        let name = |tenant: &str, handler: &str| HandlerName {
            tenant: tenant.to_owned(),
            handler: handler.to_owned(),
        };
        Some(match parts[..] {
            ["openapi.json"] => Resource::Openapi,
            ["handlers"] => Resource::Handlers,
            ["tenants"] => Resource::Tenants,
            ["tenants", tenant] => Resource::Tenant(tenant.to_owned()),
            ["reload"] => Resource::Reload,
            ["drain"] => Resource::Drain,
            ["tenants", tenant, "handlers", handler] => Resource::Handler(name(tenant, handler)),
            ["tenants", tenant, "handlers", handler, "versions"] => {
                Resource::Versions(name(tenant, handler))
            }
            ["tenants", tenant, "handlers", handler, "rollback"] => {
                Resource::RollBack(name(tenant, handler))
            }
            _ => return None,
        })
    }

    /// What it can be asked with.
    fn methods(&self) -> &'static str {
        match self {
            Resource::Openapi | Resource::Handlers | Resource::Tenants => "GET",
            Resource::Tenant(_) => "PATCH",
            Resource::Versions(_) => "GET, POST",
            Resource::Handler(_) => "DELETE",
            Resource::RollBack(_) | Resource::Reload | Resource::Drain => "POST",
        }
    }
}

/// What a query says beside the path.
#[derive(Default)]
struct Query {
    tenant: Option<String>,
    path: Option<String>,
    to: Option<String>,
    intent: Intent,
}

impl Query {
    /// A query of these keys, each once at most.
    fn of(query: Option<&str>, keys: &[&str]) -> Result<Self, Wrong> {
        let mut parsed = Query::default();
        let mut seen: Vec<String> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if seen.iter().any(|known| *known == key) {
                return Err(Wrong::Query(format!("`{key}` comes twice")));
            }
            seen.push(key.clone().into_owned());
            if !keys.contains(&&*key) {
                let what = match keys {
                    [] => format!("`{key}` is unknown; there is no key here"),
                    keys => format!("`{key}` is none of `{}`", keys.join("`, `")),
                };
                return Err(Wrong::Query(what));
            }
            match (&*key, &*value) {
                ("check" | "preview", "true") if parsed.intent != Intent::Serve => {
                    let what = "`check` and `preview` are both true; a check keeps nothing";
                    return Err(Wrong::Query(what.to_owned()));
                }
                ("tenant", tenant) => parsed.tenant = Some(tenant.to_owned()),
                ("path", path) => parsed.path = Some(path.to_owned()),
                ("to", version) => parsed.to = Some(version.to_owned()),
                ("check", "true") => parsed.intent = Intent::Check,
                ("preview", "true") => parsed.intent = Intent::Preview,
                ("check" | "preview", "false") => {}
                (key @ ("check" | "preview"), other) => {
                    return Err(Wrong::Query(format!("`{key}` is `{other}`; write true or false")));
                }
                (_, _) => {}
            }
        }
        Ok(parsed)
    }
}

fn allow(method: &Method, methods: &[Method], shown: &'static str) -> Result<(), Wrong> {
    if methods.contains(method) { Ok(()) } else { Err(Wrong::Method(shown)) }
}

impl Wrong {
    fn reply(self) -> Reply {
        let (status, code, message) = match &self {
            Wrong::NotLetIn(NotLetIn::WrongToken) => (
                StatusCode::UNAUTHORIZED,
                "wrong-token",
                "show the operator's token: Authorization: Bearer TOKEN",
            ),
            Wrong::NotLetIn(NotLetIn::NoToken) => (
                StatusCode::UNAUTHORIZED,
                "no-token",
                "no token is set: write `token` into the table [deploy] of hob.toml, or run \
                 `hob deploy` as the same user and with the same data folder, which makes one",
            ),
            Wrong::NotLetIn(NotLetIn::Busy) => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy", "the host threads are busy; try again")
            }
            Wrong::NoSuchPath => {
                (StatusCode::NOT_FOUND, "no-such-path", "/v1/openapi.json describes the API")
            }
            Wrong::Method(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method", "`allow` says what it can be asked with")
            }
            Wrong::Query(what) => (StatusCode::BAD_REQUEST, "query", what.as_str()),
            Wrong::Body(what) => (StatusCode::BAD_REQUEST, "body", what.as_str()),
            Wrong::Length => {
                (StatusCode::LENGTH_REQUIRED, "length", "send the body with its content-length")
            }
            Wrong::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", TOO_LARGE),
            Wrong::BodyBroken => {
                (StatusCode::BAD_REQUEST, "body-broken", "the body did not come whole")
            }
            Wrong::AlreadyDeploying => (
                StatusCode::CONFLICT,
                "already-deploying",
                "another deployment of this handler is under way; wait for its end",
            ),
            Wrong::TooManyUploads => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "other deployments are under way; try again",
            ),
        };
        let mut reply = error(status, code, message);
        match self {
            Wrong::Method(methods) => {
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
            }
            Wrong::NotLetIn(NotLetIn::WrongToken | NotLetIn::NoToken) => {
                reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        reply
    }
}

/// The body of the answer to bytes that never became a request.
pub(super) fn refused(code: &str) -> String {
    let (code, message) = match code {
        "body-too-large" => ("too-large", TOO_LARGE),
        "too-many-connections" => (code, "too many connections are open; try again"),
        "request-timeout" => (code, "the request did not come in time"),
        _ => (code, "this is no request that can be answered"),
    };
    error_body(code, message) + "\n"
}

fn error_body(code: &str, message: &str) -> String {
    serde_json::json!({ "error": code, "message": message }).to_string()
}

fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    let mut reply = json(status, error_body(code, message));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}

fn json(status: StatusCode, mut body: String) -> Reply {
    body.push('\n');
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    reply
}
