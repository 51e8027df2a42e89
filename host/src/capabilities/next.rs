//! Owns `wasi:http/handler@0.3` as a plug-in imports it: what is behind the plug-in.
//!
//! A guest's store must be `Send` and what is behind it is not, so a call is an order that a task of the
//! loop carries out. Dropping the guest's call closes the order's reply, and with it what was called.

use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Access, Linker, Resource};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use super::treaty::watched;
use super::{GuestState, current_request};
use crate::limits;

/// Why there is no answer from behind, in the words of the standard.
pub type BehindError = ErrorCode;

/// The way to what is behind a plug-in, for one request. Cheap to clone.
#[derive(Clone)]
pub struct Next(mpsc::Sender<BehindCall>);

/// A call of what is behind.
pub struct BehindCall {
    /// The request as the plug-in sends it on.
    pub request: http::Request<WasiBody>,
    /// Closed when the plug-in does not want the answer any more.
    pub reply: oneshot::Sender<Answer>,
}

type Answer = Result<http::Response<WasiBody>, BehindError>;

impl Next {
    /// A way, and where the calls come out.
    pub fn open() -> (Next, mpsc::Receiver<BehindCall>) {
        let (orders, calls) = mpsc::channel(limits::CALLS_BEHIND_MAX as usize);
        (Next(orders), calls)
    }

    fn place(
        &self,
        request: http::Request<WasiBody>,
    ) -> Result<oneshot::Receiver<Answer>, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        let placed = self.0.try_send(BehindCall { request, reply });
        placed.map_err(|refused| match refused {
            TrySendError::Full(_) => ErrorCode::ConnectionLimitReached,
            TrySendError::Closed(_) => ErrorCode::DestinationUnavailable,
        })?;
        Ok(answer)
    }
}

/// The name of the wait in the timeline.
const HANDLE: &str = "handler.handle";

/// `wasi:http/handler@0.3`.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut handler = linker.instance("wasi:http/handler@0.3.0")?;
    handler.func_wrap_concurrent("handle", |accessor, (request,): (Resource<Request>,)| {
        Box::pin(async move {
            let begun = Instant::now();
            let (context, asking, sent) = accessor.with(|mut access| {
                let asking = current_request(access.as_context_mut());
                let sent = send(&mut access, request)?;
                wasmtime::error::Ok((access.data_mut().context().clone(), asking, sent))
            })?;
            let answer = match sent {
                Ok(answer) => answer,
                Err(code) => return Ok((Err(code),)),
            };
            // It is dropped unanswered when the answer of the plug-in is at its end.
            let answer = watched(context, asking, HANDLE, begun, answer).await;
            let answer = answer.unwrap_or(Err(ErrorCode::ConnectionTerminated));
            accessor.with(|mut access| Ok((receive(access.data_mut(), answer)?,)))
        })
    })
}

/// Puts the request on its way.
fn send(
    access: &mut Access<'_, GuestState>,
    request: Resource<Request>,
) -> wasmtime::Result<Result<oneshot::Receiver<Answer>, ErrorCode>> {
    let next = next_of(access.as_context_mut());
    let request = access.data_mut().table.delete(request)?;
    // How the sending went is told by the answer.
    let request = match request.into_http(&mut *access, async { Ok(()) }) {
        Ok((request, _options)) => request,
        Err(error) => return Ok(Err(error.downcast()?)),
    };
    // Work that it left behind after its answer has nothing behind it any more.
    let Some(next) = next else { return Ok(Err(ErrorCode::DestinationUnavailable)) };
    Ok(next.place(request))
}

fn next_of(mut store: StoreContextMut<'_, GuestState>) -> Option<Next> {
    if store.data().calls.is_none() {
        return store.data().next.clone();
    }
    let tasks: Vec<_> = store.async_call_stack().ok()?.collect();
    store.data().calls.as_ref()?.next(&tasks)
}

fn receive(
    state: &mut GuestState,
    answer: Answer,
) -> wasmtime::Result<Result<Resource<Response>, ErrorCode>> {
    let response = match answer {
        Ok(response) => response,
        Err(code) => return Ok(Err(code)),
    };
    let http = state.http();
    let (response, _transmission) = Response::from_http(http.hooks, response);
    Ok(Ok(http.table.push(response)?))
}
