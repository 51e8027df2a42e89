//! Owns the call through `hob:host/handler@0.3.0`: records, async.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body as _;
use tokio::sync::{mpsc, oneshot};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureConsumer, FutureReader, GuestTaskId, Source as Items,
    StreamConsumer, StreamProducer, StreamReader, StreamResult,
};

use super::mailbox::{Mailbox, Pieces, Reply, Source};
use super::response;
use super::{Call, CallBody, Failure};
use crate::capabilities::GuestState;
use crate::limits;
use crate::wire::RequestBody;

wasmtime::component::bindgen!({
    path: "../wit/0.3",
    world: "http-handler",
    exports: { default: async | store },
    require_store_data_send: true,
});

use exports::hob::host::handler::{Body, BodyError, BodyStream, Method, Request};

/// Calls the handler and hands over its response; returns when the response has been taken.
/// `started` is told the guest's task before it first runs.
pub(super) async fn serve(
    accessor: &Accessor<GuestState>,
    exports: &HttpHandler,
    call: Box<Call>,
    mailbox: &Mailbox,
    started: impl FnOnce(&mut GuestState, GuestTaskId),
) -> wasmtime::Result<()> {
    let function = exports.hob_host_handler().func_handle();
    let pending = accessor.with(|mut access| {
        let request = request(&mut access, call)?;
        let pending = function.start_call_concurrent(&mut access, (request,))?;
        started(access.data_mut(), pending.task());
        wasmtime::error::Ok(pending)
    })?;
    let (answer,) = function.finish_call_concurrent(accessor, pending).await?;
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            mailbox.fail(Failure::Handler(why));
            return Ok(());
        }
    };
    match answer.body {
        Body::Bytes(bytes) => {
            mailbox.answer(response::whole(answer.status, answer.headers, bytes), Reply::Whole);
        }
        Body::Stream(body) => {
            let source = Source::Pieces(accessor.with(|access| pipe(access, body))?);
            let head = response::streamed(answer.status, answer.headers, source);
            if mailbox.answer(head, Reply::Stream) {
                poll_fn(|cx| mailbox.poll_done(cx)).await;
            }
        }
    }
    Ok(())
}

fn request(
    access: &mut wasmtime::component::Access<'_, GuestState>,
    call: Box<Call>,
) -> wasmtime::Result<Request> {
    let body = match call.body {
        CallBody::Whole(bytes) => Body::Bytes(bytes.into()),
        CallBody::Stream(stream) => {
            let (end_tx, end_rx) = oneshot::channel();
            let producer = BodyProducer { body: stream, end: Some(end_tx) };
            let data = StreamReader::new(&mut *access, producer)?;
            let end = FutureReader::new(&mut *access, async move {
                // A producer that the guest dropped before the end has nothing to report.
                wasmtime::error::Ok(end_rx.await.unwrap_or(Err(BodyError::Aborted)))
            })?;
            Body::Stream(BodyStream { data, end })
        }
    };
    Ok(Request {
        method: method(&call.head.method),
        target: target(&call.head.uri),
        headers: fields(&call.head.headers),
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

/// The target in origin form, whatever form it came in.
pub(super) fn target(uri: &http::Uri) -> String {
    uri.path_and_query().map_or("/", |target| target.as_str()).to_owned()
}

pub(super) fn fields(headers: &http::HeaderMap) -> Vec<(String, Vec<u8>)> {
    let owned = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_owned())
    };
    headers.iter().map(owned).collect()
}

/// A request's body on its way into the guest: read when the guest asks for more.
struct BodyProducer {
    body: RequestBody,
    end: Option<oneshot::Sender<Result<(), BodyError>>>,
}

impl BodyProducer {
    fn close(&mut self, end: Result<(), BodyError>) {
        if let Some(sender) = self.end.take() {
            // The guest may have dropped the future.
            let _ = sender.send(end);
        }
    }
}

impl<D: 'static> StreamProducer<D> for BodyProducer {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        destination.set_buffer(data);
                        return Poll::Ready(Ok(StreamResult::Completed));
                    }
                    // Nothing in it, or trailers, for which the fast lane has no place.
                    _ => {}
                },
                Poll::Ready(Some(Err(_))) => {
                    self.close(Err(BodyError::Aborted));
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Ready(None) => {
                    self.close(Ok(()));
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Joins a guest's body stream to a channel that holds one piece: the guest is suspended while the
/// client does not read.
fn pipe(
    mut access: wasmtime::component::Access<'_, GuestState>,
    body: BodyStream,
) -> wasmtime::Result<Pieces> {
    let (data_tx, data) = mpsc::channel(1);
    let (end_tx, end) = oneshot::channel();
    body.data.pipe(&mut access, PieceConsumer { sender: Some(data_tx), reserving: None })?;
    body.end.pipe(&mut access, EndConsumer(Some(end_tx)))?;
    Ok(Pieces { data, end })
}

type Reserved = Result<mpsc::OwnedPermit<Bytes>, mpsc::error::SendError<()>>;

struct PieceConsumer {
    /// Not here while room is being waited for.
    sender: Option<mpsc::Sender<Bytes>>,
    reserving: Option<Pin<Box<dyn Future<Output = Reserved> + Send>>>,
}

impl PieceConsumer {
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Reserved> {
        if let Some(sender) = self.sender.take() {
            match sender.clone().try_reserve_owned() {
                Ok(room) => {
                    self.sender = Some(sender);
                    return Poll::Ready(Ok(room));
                }
                Err(_) => self.reserving = Some(Box::pin(sender.reserve_owned())),
            }
        }
        let reserving = self.reserving.as_mut().expect("no sender, so room is waited for");
        reserving.as_mut().poll(cx)
    }
}

impl<D: 'static> StreamConsumer<D> for PieceConsumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Items<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.poll_room(cx) {
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(room)) => {
                self.reserving = None;
                let mut source = source.as_direct(store);
                let bytes = source.remaining();
                let taken = bytes.len().min(limits::BODY_PIECE_BYTES_MAX);
                let piece = Bytes::copy_from_slice(&bytes[..taken]);
                self.sender = Some(room.send(piece));
                source.mark_read(taken);
                Poll::Ready(Ok(StreamResult::Completed))
            }
        }
    }
}

struct EndConsumer(Option<oneshot::Sender<Result<(), String>>>);

impl<D: 'static> FutureConsumer<D> for EndConsumer {
    type Item = Result<(), BodyError>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Items<'_, Self::Item>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut end = None;
        source.read(store, &mut end)?;
        if let (Some(end), Some(sender)) = (end, self.0.take()) {
            let end = end.map_err(|_| "the handler reported that its body broke off".to_owned());
            // The reader may have left.
            let _ = sender.send(end);
        }
        Poll::Ready(Ok(()))
    }
}
