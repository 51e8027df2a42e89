//! Owns the second listener: health, readiness, metrics, timeline, and the API by which what is served
//! is changed. It is for operators and is not reachable from outside by default.

mod api;
mod changes;
mod operation;
mod token;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::event_loop::{HostQueue, Remote, Work};
use crate::observe::{ServerMetrics, Timeline, render, timeline_json, timeline_trace};
use crate::wire::{Exchange, Fault, Incoming, Refusal, Service};
use api::Api;

pub use operation::{
    Answer, ChangeView, Denial, Deploy, DeployView, HandlerName, HandlerView, HandlersView, Intent,
    LimitChanges, Operation, Operator, ReloadView, TenantView, TenantsView, VersionView,
    VersionsView,
};
pub use token::{Token, read as read_token};

/// Answers on the second listener.
pub struct AdminService {
    metrics: Arc<ServerMetrics>,
    is_ready: Box<dyn Fn() -> bool>,
    api: Rc<Api>,
    remote: Remote,
    queue: HostQueue,
}

/// Shown for what takes longer than a loop may: a host thread makes it.
const TIMELINE: Work = Work::quick("admin.timeline");

impl AdminService {
    /// A service that shows these metrics, is ready while `is_ready` says so, has `operator` do what
    /// those ask for who show the token, and has its own turn on the host threads.
    pub fn new(
        metrics: Arc<ServerMetrics>,
        is_ready: impl Fn() -> bool + 'static,
        operator: Rc<dyn Operator>,
        token: Token,
        remote: Remote,
        queue: HostQueue,
    ) -> Self {
        let api = Rc::new(Api {
            operator,
            token: Arc::new(token),
            remote: remote.clone(),
            queue: queue.clone(),
            deploying: RefCell::default(),
        });
        AdminService { metrics, is_ready: Box::new(is_ready), api, remote, queue }
    }

    fn answer(&self, request: Request<Incoming>, exchange: Rc<Exchange>) -> Page {
        if request.uri().path().starts_with(api::PREFIX) {
            let api = self.api.clone();
            return Box::pin(async move { api.answer(request, &exchange).await });
        }
        self.page(&request)
    }

    fn page(&self, request: &Request<Incoming>) -> Page {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return at_once(text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into()));
        }
        at_once(match request.uri().path() {
            // That this is answered at all shows that the loop turns.
            "/healthz" => text(StatusCode::OK, "ok\n".into()),
            "/readyz" if (self.is_ready)() => text(StatusCode::OK, "ready\n".into()),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
            "/metrics" => typed("text/plain; version=0.0.4", render(&self.metrics)),
            "/debug/timeline" => match request.uri().query() {
                None => return self.timeline(timeline_json),
                Some("format=trace") => return self.timeline(timeline_trace),
                Some(_) => text(StatusCode::BAD_REQUEST, "the query may be format=trace\n".into()),
            },
            _ => text(
                StatusCode::NOT_FOUND,
                "try /healthz, /readyz, /metrics, /debug/timeline or /v1/openapi.json\n".into(),
            ),
        })
    }

    fn timeline(&self, render: fn(&[Timeline]) -> String) -> Page {
        let metrics = self.metrics.clone();
        let made =
            self.remote.host_thread(&self.queue, TIMELINE, move || render(&metrics.timelines));
        Box::pin(async {
            match made.await {
                Ok(body) => typed("application/json", body),
                Err(_) => {
                    text(StatusCode::SERVICE_UNAVAILABLE, "the host threads are busy\n".into())
                }
            }
        })
    }
}

type Page = Pin<Box<dyn Future<Output = Response<Full<Bytes>>>>>;

fn at_once(response: Response<Full<Bytes>>) -> Page {
    Box::pin(std::future::ready(response))
}

fn typed(format: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format));
    response
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

impl Service for AdminService {
    type Body = Full<Bytes>;

    fn call(
        &self,
        request: Request<Incoming>,
        exchange: Rc<Exchange>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + 'static {
        self.answer(request, exchange)
    }

    fn refused(&self, _: Fault, _: Option<SocketAddr>) -> String {
        "-".to_owned()
    }

    fn refusal(&self, code: &str, _: &str) -> Refusal {
        Refusal { format: "application/json", body: api::refused(code) }
    }
}
