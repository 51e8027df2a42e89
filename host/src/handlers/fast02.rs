//! Owns the call through `hob:host/handler@0.2.0`: records, sync.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::ResourceAny;
use wasmtime::{AsContextMut, Store};

use super::mailbox::{Mailbox, Pieces, Reply, Source};
use super::response;
use super::{Call, CallBody};
use crate::capabilities::{GuestState, IncomingBody};

wasmtime::component::bindgen!({
    path: "../wit/0.2",
    world: "http-handler",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "hob:host/body": crate::capabilities::body_bindings },
    require_store_data_send: true,
});

use exports::hob::host::handler::{Method, Request, RequestBody, ResponseBody};

/// Calls the handler and hands over its response; returns when the guest is at rest.
pub(super) async fn serve(
    store: &mut Store<GuestState>,
    exports: &HttpHandler,
    call: Box<Call>,
    mailbox: &Mailbox,
) -> wasmtime::Result<()> {
    let request = request(store, call)?;
    let handler = exports.hob_host_handler();
    let answer = handler.call_handle(store.as_context_mut(), &request).await?;
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            mailbox.fail(super::Failure::Handler(why));
            return Ok(());
        }
    };
    match answer.body {
        ResponseBody::Bytes(bytes) => {
            mailbox.answer(response::whole(answer.status, answer.headers, bytes), Reply::Whole);
            Ok(())
        }
        ResponseBody::Pieces(body) => {
            let (data_tx, data) = mpsc::channel(1);
            let (end_tx, end) = oneshot::channel();
            let source = Source::Pieces(Pieces { data, end });
            let head = response::streamed(answer.status, answer.headers, source);
            if !mailbox.answer(head, Reply::Stream) {
                return body.resource_drop_async(store).await;
            }
            let end = pull(store, exports, body, &data_tx).await?;
            // The reader may have left.
            let _ = end_tx.send(end);
            body.resource_drop_async(store).await
        }
    }
}

/// Asks the guest for piece after piece, each when there is room for it.
async fn pull(
    store: &mut Store<GuestState>,
    exports: &HttpHandler,
    body: ResourceAny,
    data: &mpsc::Sender<Bytes>,
) -> wasmtime::Result<Result<(), String>> {
    let outgoing = exports.hob_host_handler().outgoing_body();
    loop {
        let Ok(room) = data.reserve().await else {
            return Ok(Err("the client has left".to_owned()));
        };
        match outgoing.call_next(store.as_context_mut(), body).await? {
            Ok(Some(piece)) => room.send(Bytes::from(piece)),
            Ok(None) => return Ok(Ok(())),
            Err(why) => return Ok(Err(why)),
        }
    }
}

fn request(store: &mut Store<GuestState>, call: Box<Call>) -> wasmtime::Result<Request> {
    let body = match call.body {
        CallBody::Whole(bytes) => RequestBody::Bytes(bytes.into()),
        CallBody::Stream(stream) => {
            let body = store.data_mut().table.push(IncomingBody::new(stream))?;
            RequestBody::Pieces(body)
        }
    };
    Ok(Request {
        method: method(&call.head.method),
        target: super::fast03::target(&call.head.uri),
        headers: super::fast03::fields(&call.head.headers),
        body,
    })
}

fn method(method: &http::Method) -> Method {
    match *method {
        http::Method::GET => Method::Get,
        http::Method::HEAD => Method::Head,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::DELETE => Method::Delete,
        http::Method::CONNECT => Method::Connect,
        http::Method::OPTIONS => Method::Options,
        http::Method::TRACE => Method::Trace,
        http::Method::PATCH => Method::Patch,
        _ => Method::Other(method.as_str().to_owned()),
    }
}
