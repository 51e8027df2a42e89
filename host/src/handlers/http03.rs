//! Owns the call through `wasi:http/handler@0.3`.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use wasmtime::component::{Accessor, GuestTaskId, Resource};
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{Error, WasiHttpView};

use super::mailbox::{Mailbox, Reply, Source};
use super::{Call, Failure, http02, response};
use crate::capabilities::GuestState;

/// Calls the handler and hands over its response; returns when the response has been taken.
/// `started` is told the guest's task before it first runs.
pub(super) async fn serve(
    accessor: &Accessor<GuestState>,
    exports: &Service,
    call: Box<Call>,
    mailbox: &Mailbox,
    started: impl FnOnce(&mut GuestState, GuestTaskId),
) -> wasmtime::Result<()> {
    let function = exports.wasi_http_handler().func_handle();
    let (pending, transmission) = accessor.with(|mut access| {
        let (request, transmission) = push(access.data_mut(), call)?;
        let pending = function.start_call_concurrent(&mut access, (request,))?;
        started(access.data_mut(), pending.task());
        wasmtime::error::Ok((pending, transmission))
    })?;
    let (answer,) = function.finish_call_concurrent(accessor, pending).await?;
    let answer = match answer {
        Ok(answer) => answer,
        Err(code) => {
            mailbox.fail(Failure::Handler(format!("{code:?}")));
            return Ok(());
        }
    };
    let answer = accessor.with(|mut access| {
        let answer = access.data_mut().http().table.delete(answer)?;
        answer.into_http(&mut access, transmission)
    })?;
    let checked = response::check_status(answer.status().as_u16());
    if mailbox.answer(checked.map(|_| answer.map(Source::Wasi)), Reply::Stream) {
        poll_fn(|cx| mailbox.poll_done(cx)).await;
    }
    Ok(())
}

/// Reports how the sending of a request went; the stock code wants it back with the response.
type Transmission = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

fn push(
    state: &mut GuestState,
    call: Box<Call>,
) -> wasmtime::Result<(Resource<Request>, Transmission)> {
    let http = state.http();
    let (request, transmission) = Request::from_http(http.hooks, with_authority(call));
    let transmission: Transmission = Box::pin(transmission);
    Ok((http.table.push(request)?, transmission))
}

/// 0.3 has the authority beside the headers, not in them.
fn with_authority(call: Box<Call>) -> http::Request<wasmtime_wasi_http::WasiBody> {
    let host = call.head.headers.get(HOST).map(|host| Bytes::copy_from_slice(host.as_bytes()));
    let authority = host.and_then(|host| Authority::from_maybe_shared(host).ok());
    http02::request(call, authority)
}
