//! Owns the call through `wasi:http/incoming-handler@0.2`.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::Uri;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::{Authority, Parts, PathAndQuery};
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
    call: Box<Call>,
    outparam: Outparam,
) -> wasmtime::Result<()> {
    let mut http = store.data_mut().http();
    // HTTP/1.0 needs no `Host`, and this interface knows no request without an authority.
    let nameless = !call.head.headers.contains_key(HOST);
    let authority = nameless.then(|| Authority::from_static("localhost"));
    let request = http.new_incoming_request(Scheme::Http, request(call, authority))?;
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

/// A copy of a target that shares no memory with the buffer it was read into; with this authority
/// unless it has one.
fn detached(uri: &Uri, authority: Option<Authority>) -> Uri {
    let own = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let authority = match uri.authority() {
        Some(named) => Authority::from_maybe_shared(own(named.as_str())).ok(),
        None => authority,
    };
    let mut parts = Parts::default();
    parts.scheme = authority.is_some().then_some(http::uri::Scheme::HTTP);
    parts.authority = authority;
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    parts.path_and_query = PathAndQuery::from_maybe_shared(own(target)).ok();
    // Its parts were parts of one before.
    Uri::from_parts(parts).unwrap_or_default()
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
pub(super) fn request(
    mut call: Box<Call>,
    authority: Option<Authority>,
) -> http::Request<WasiBody> {
    detach(&mut call.head.headers);
    call.head.uri = detached(&call.head.uri, authority);
    let body = match call.body {
        CallBody::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        CallBody::Stream(stream) => stream.map_err(|_| Error::ConnectionTerminated).boxed_unsync(),
    };
    http::Request::from_parts(call.head, body)
}
