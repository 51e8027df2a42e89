//! Owns the standard face of outbound requests: `wasi:http/outgoing-handler@0.2`, and
//! `wasi:http/client@0.3` through wasmtime-wasi-http's hook.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::{BodyExt, Empty};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi_http::p2::bindings::http::types::{
    DnsErrorPayload, ErrorCode, Method, RequestOptions as Options, Scheme as P2Scheme,
};
use wasmtime_wasi_http::p2::body::HostIncomingBody;
use wasmtime_wasi_http::p2::types::{HostIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{Error, FieldMap, RequestOptions, WasiBody, WasiHttpHooks};

use super::super::treaty::watched;
use super::super::{GuestContext, GuestState, current_request};
use super::{NotSent, send};
use crate::limits;
use crate::wire::{Patience, RequestId, SendFailed};

/// What wasmtime-wasi-http asks of the host.
pub(in super::super) struct Outbound {
    pub(in super::super) context: Arc<GuestContext>,
    /// The request for which the guest runs, where that is known.
    pub(in super::super) request: Option<RequestId>,
}

type Sent = Result<(http::Response<WasiBody>, Transmission), Error>;
type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<http::Response<WasiBody>, Error>;

/// The name of the wait in the timeline.
const SEND: &str = "fetch.send";

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmission: Transmission,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let answer = begin(&self.context, self.request, request, options);
        Box::new(async {
            let response = answer.await?;
            // What sends the request's body is a task of the loop, which nothing here has to drive.
            Ok((response, Box::new(std::future::ready(Ok(()))) as Transmission))
        })
    }

    /// One chunk of this size is held for a client that does not read.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        limits::BODY_PIECE_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        limits::BODY_PIECE_BYTES_MAX
    }
}

fn begin(
    context: &Arc<GuestContext>,
    asking: Option<RequestId>,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> impl Future<Output = Answer> + Send + use<> {
    let begun = Instant::now();
    let sent = send(context, asking.map(|id| id.0), request, patience(options));
    let context = context.clone();
    async move {
        let answer = sent.map_err(|not_sent| match not_sent {
            NotSent::Denied => Error::HttpRequestDenied,
            NotSent::Invalid(_) => Error::HttpRequestUriInvalid,
        })?;
        let response = watched(context, asking, SEND, begun, answer).await.map_err(error)?;
        Ok(response.map(|body| body.map_err(error).boxed_unsync()))
    }
}

/// What the guest has asked for, within the host's own bounds.
fn patience(options: Option<RequestOptions>) -> Patience {
    let options = options.unwrap_or_default();
    let bounds = Patience::default();
    let within = |asked: Option<Duration>, bound: Duration| asked.map_or(bound, |d| d.min(bound));
    Patience {
        connect: within(options.connect_timeout, bounds.connect),
        first_byte: within(options.first_byte_timeout, bounds.first_byte),
        between_bytes: within(options.between_bytes_timeout, bounds.between_bytes),
    }
}

fn error(failed: SendFailed) -> Error {
    let dns = |text: &str| Error::DnsError { rcode: Some(text.to_owned()), info_code: None };
    match failed {
        SendFailed::Busy | SendFailed::OverLimit => Error::ConnectionLimitReached,
        SendFailed::NotFound => dns("NXDOMAIN"),
        SendFailed::LookupFailed(_) => dns("SERVFAIL"),
        SendFailed::Prohibited => Error::DestinationIpProhibited,
        SendFailed::Refused(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Error::ConnectionRefused
        }
        SendFailed::Refused(_) => Error::DestinationUnavailable,
        SendFailed::ConnectTimeout => Error::ConnectionTimeout,
        SendFailed::Tls(error) if error.to_string().contains("certificate") => {
            Error::TlsCertificateError
        }
        SendFailed::Tls(_) => Error::TlsProtocolError,
        SendFailed::FirstByteTimeout => Error::HttpResponseTimeout,
        SendFailed::BetweenBytesTimeout => Error::ConnectionReadTimeout,
        SendFailed::Closed => Error::ConnectionTerminated,
        SendFailed::Malformed(_) => Error::HttpProtocolError,
        SendFailed::RequestBody => Error::InternalError(Some("the body broke off".to_owned())),
    }
}

/// The same in the words of 0.2.
fn code(error: Error) -> ErrorCode {
    match error {
        Error::HttpRequestDenied => ErrorCode::HttpRequestDenied,
        Error::HttpRequestUriInvalid => ErrorCode::HttpRequestUriInvalid,
        Error::ConnectionLimitReached => ErrorCode::ConnectionLimitReached,
        Error::DnsError { rcode, info_code } => {
            ErrorCode::DnsError(DnsErrorPayload { rcode, info_code })
        }
        Error::DestinationIpProhibited => ErrorCode::DestinationIpProhibited,
        Error::DestinationUnavailable => ErrorCode::DestinationUnavailable,
        Error::ConnectionRefused => ErrorCode::ConnectionRefused,
        Error::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        Error::TlsCertificateError => ErrorCode::TlsCertificateError,
        Error::TlsProtocolError => ErrorCode::TlsProtocolError,
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}

/// A response that is waited for. Not wasmtime-wasi-http's own, which is a task of tokio's, and no one
/// runs those here.
enum FutureResponse {
    Pending(Pin<Box<dyn Future<Output = Answer> + Send>>),
    Ready(Answer),
    Consumed,
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureResponse {
    async fn ready(&mut self) {
        if let FutureResponse::Pending(answer) = self {
            *self = FutureResponse::Ready(answer.await);
        }
    }
}

type Store<'a> = StoreContextMut<'a, GuestState>;
type Request = (Resource<HostOutgoingRequest>, Option<Resource<Options>>);
type Handled = Result<Resource<FutureResponse>, ErrorCode>;
type Got = Option<Result<Result<Resource<HostIncomingResponse>, ErrorCode>, ()>>;

/// `wasi:http/outgoing-handler@0.2`, and the resource it gives.
pub(in super::super) fn link_wasi02(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    let resource = ResourceType::host::<FutureResponse>();
    types.resource("future-incoming-response", resource, |mut store, index| {
        store.data_mut().table.delete(Resource::<FutureResponse>::new_own(index))?;
        Ok(())
    })?;
    types.func_wrap(
        "[method]future-incoming-response.subscribe",
        |mut store: Store<'_>, (future,): (Resource<FutureResponse>,)| {
            let pollable: Resource<DynPollable> = subscribe(&mut store.data_mut().table, future)?;
            Ok((pollable,))
        },
    )?;
    types.func_wrap(
        "[method]future-incoming-response.get",
        |mut store: Store<'_>, (future,): (Resource<FutureResponse>,)| {
            Ok((get(store.data_mut(), &future)?,))
        },
    )?;
    linker.allow_shadowing(false);
    linker.instance("wasi:http/outgoing-handler@0.2.12")?.func_wrap(
        "handle",
        |mut store: Store<'_>, (request, options): Request| {
            let asking = current_request(wasmtime::AsContextMut::as_context_mut(&mut store));
            Ok((handle(store.data_mut(), asking, request, options)?,))
        },
    )
}

fn get(state: &mut GuestState, future: &Resource<FutureResponse>) -> wasmtime::Result<Got> {
    let slot = state.table.get_mut(future)?;
    let answer = match mem::replace(slot, FutureResponse::Consumed) {
        FutureResponse::Ready(answer) => answer,
        FutureResponse::Consumed => return Ok(Some(Err(()))),
        pending @ FutureResponse::Pending(_) => {
            *slot = pending;
            return Ok(None);
        }
    };
    let response = match answer {
        Ok(response) => response,
        Err(error) => return Ok(Some(Ok(Err(code(error))))),
    };
    let (head, body) = response.into_parts();
    let response = HostIncomingResponse {
        status: head.status.as_u16(),
        headers: FieldMap::new_immutable(&mut state.outbound, head.headers),
        body: Some(HostIncomingBody::new(body)),
    };
    Ok(Some(Ok(Ok(state.table.push(response)?))))
}

fn handle(
    state: &mut GuestState,
    asking: Option<RequestId>,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<Options>>,
) -> wasmtime::Result<Handled> {
    let options = options.map(|options| state.table.delete(options)).transpose()?;
    let request = state.table.delete(request)?;
    let request = match to_http(request) {
        Ok(request) => request,
        Err(code) => return Ok(Err(code)),
    };
    let answer = begin(&state.context, asking, request, options);
    // What is refused is refused at once, as the interface has it.
    let mut answer = Box::pin(answer);
    let future = match futures_util::FutureExt::now_or_never(&mut answer) {
        Some(Err(error)) => return Ok(Err(code(error))),
        Some(ready) => FutureResponse::Ready(ready),
        None => FutureResponse::Pending(answer),
    };
    Ok(Ok(state.table.push(future)?))
}

fn to_http(request: HostOutgoingRequest) -> Result<http::Request<WasiBody>, ErrorCode> {
    let HostOutgoingRequest { method, scheme, authority, path_with_query, headers, body } = request;
    let method: http::Method = match method {
        Method::Other(name) => http::Method::from_bytes(name.as_bytes())
            .map_err(|_| ErrorCode::HttpRequestMethodInvalid)?,
        known => known.try_into().map_err(|_| ErrorCode::HttpRequestMethodInvalid)?,
    };
    let scheme = match scheme {
        None | Some(P2Scheme::Https) => Scheme::HTTPS,
        Some(P2Scheme::Http) => Scheme::HTTP,
        Some(P2Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
    };
    let uri = http::Uri::builder()
        .scheme(scheme)
        .authority(authority.unwrap_or_default())
        .path_and_query(path_with_query.unwrap_or_else(|| "/".to_owned()))
        .build()
        .map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let body = match body {
        Some(body) => body,
        None => Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync(),
    };
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.into();
    Ok(request)
}
