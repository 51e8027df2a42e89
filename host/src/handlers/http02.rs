//! Owns the call through `wasi:http/incoming-handler@0.2`.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::Authority;
use http_body_util::{BodyExt, Full};
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

use super::mailbox::{Reply, SharedMailbox, Source};
use super::response;
use super::{Call, CallBody, Failure};
use crate::capabilities::GuestState;

/// Where the guest puts its response, from inside a host call: the store's data is `Send`, so this
/// must be too.
pub(super) type Outparam = Arc<Mutex<Option<Answer>>>;
type Answer = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// Calls the handler; it may give its response at any time before it returns.
pub(super) async fn serve(
    store: &mut Store<GuestState>,
    exports: &Proxy,
    call: Call,
    outparam: Outparam,
) -> wasmtime::Result<()> {
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, with_authority(request(call)))?;
    let response = http.new_response_outparam_from_callback(move |answer| {
        *outparam.lock().expect("outparam") = Some(answer);
    })?;
    exports
        .wasi_http_incoming_handler()
        .call_handle(store.as_context_mut(), request, response)
        .await
}

/// Moves the values out of the buffer they were read into, all into one of their own.
fn detach(headers: &mut HeaderMap) {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut bytes = BytesMut::with_capacity(length);
    headers.values().for_each(|value| bytes.extend_from_slice(value.as_bytes()));
    let mut bytes = bytes.freeze();
    for value in headers.values_mut() {
        let own = bytes.split_to(value.len());
        // The bytes were a value before, so they are one now.
        if let Ok(own) = HeaderValue::from_maybe_shared(own) {
            *value = own;
        }
    }
}

/// HTTP/1.0 needs no `Host`, and this interface knows no request without an authority.
fn with_authority(mut request: http::Request<WasiBody>) -> http::Request<WasiBody> {
    if request.uri().authority().is_some() || request.headers().contains_key(HOST) {
        return request;
    }
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(Authority::from_static("localhost"));
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Moves a response the guest has given meanwhile to the mailbox.
pub(super) fn collect(outparam: &Outparam, mailbox: &SharedMailbox) {
    let Some(answer) = outparam.lock().expect("outparam").take() else { return };
    match answer {
        Ok(answer) => {
            let checked = response::check_status(answer.status().as_u16());
            mailbox.answer(checked.map(|_| answer.map(Source::Wasi)), Reply::Stream);
        }
        Err(code) => mailbox.fail(Failure::Handler(format!("{code:?}"))),
    }
}

/// The request as `wasmtime-wasi-http` takes it. The guest may keep it for as long as it works, so it
/// gets a copy of what would keep the connection's buffer alive.
pub(super) fn request(mut call: Call) -> http::Request<WasiBody> {
    detach(&mut call.head.headers);
    call.head.uri = call.head.uri.to_string().parse().unwrap_or(call.head.uri);
    let body = match call.body {
        CallBody::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        CallBody::Stream(stream) => stream.map_err(|_| Error::ConnectionTerminated).boxed_unsync(),
    };
    http::Request::from_parts(call.head, body)
}
