//! Owns `hob:host/fetch`: outbound requests as records.

mod upload;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use tokio::sync::Mutex;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};

use super::GuestState;
use super::outbound::{NotSent, send};
use super::treaty::Interface;
use crate::engine::Generation;
use crate::limits;
use crate::wire::{Patience, ResponseBody, SendFailed};
use upload::{Upload, UploadBody};

#[derive(ComponentType, Lower, Lift, Clone, Debug)]
#[component(variant)]
enum Error {
    #[component(name = "denied")]
    Denied,
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "busy")]
    Busy,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "unreachable")]
    Unreachable(String),
    #[component(name = "timed-out")]
    TimedOut,
    #[component(name = "tls")]
    Tls(String),
    #[component(name = "closed")]
    Closed,
    #[component(name = "malformed")]
    Malformed(String),
}

impl From<NotSent> for Error {
    fn from(not_sent: NotSent) -> Self {
        match not_sent {
            NotSent::Denied => Error::Denied,
            NotSent::Invalid(why) => Error::Invalid(why.to_owned()),
        }
    }
}

impl From<SendFailed> for Error {
    fn from(failed: SendFailed) -> Self {
        match failed {
            SendFailed::Busy | SendFailed::OverLimit => Error::Busy,
            SendFailed::NotFound => Error::NotFound,
            SendFailed::Prohibited => Error::Denied,
            SendFailed::LookupFailed(why) => Error::Unreachable(why),
            SendFailed::Refused(error) => Error::Unreachable(error.kind().to_string()),
            SendFailed::ConnectTimeout
            | SendFailed::FirstByteTimeout
            | SendFailed::BetweenBytesTimeout => Error::TimedOut,
            SendFailed::Tls(error) => Error::Tls(error.to_string()),
            SendFailed::Closed => Error::Closed,
            SendFailed::RequestBody => Error::Invalid("the body broke off".to_owned()),
            SendFailed::Malformed(why) => Error::Malformed(why),
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Timeouts {
    connect: Option<u32>,
    #[component(name = "first-byte")]
    first_byte: Option<u32>,
    #[component(name = "between-bytes")]
    between_bytes: Option<u32>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    timeouts: Timeouts,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum Body {
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
    #[component(name = "pieces")]
    Pieces(Resource<Incoming>),
}

/// A response's body, as the guest reads it. Two reads at once come one after the other.
#[derive(Clone)]
struct Incoming(Arc<Mutex<Reading>>);

struct Reading {
    body: ResponseBody,
    /// What the guest has not taken of the last frame.
    rest: Bytes,
    /// Why there is no more: what broke off must not look as if it had ended.
    failed: Option<Error>,
}

/// A response of which the head is there, and the body if it is small.
struct Answered {
    head: http::response::Parts,
    body: Result<Vec<u8>, ResponseBody>,
}

const SEND: &str = "fetch.send";
const READ: &str = "fetch.read";
const WRITE: &str = "fetch.write";

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut fetch = Interface::new(linker, generation, "fetch")?;
    fetch.resource::<Incoming>("incoming")?;
    fetch.resource::<Upload>("upload")?;
    fetch.suspending_then(
        "send",
        SEND,
        |state, (request, body): (Request, Vec<u8>)| {
            let held = state.context.held.hold(body.len());
            let begun = match &held {
                Ok(_) => begin(state, request, Full::new(Bytes::from(body))),
                Err(_) => Err(Error::Busy),
            };
            Ok(async move {
                let _held = held;
                receive(begun?.await?).await
            })
        },
        hand_over,
    )?;
    fetch.suspending(
        "[method]incoming.read",
        READ,
        |state, (incoming, max): (Resource<Incoming>, u32)| {
            let incoming = state.table.get(&incoming)?.clone();
            Ok(async move { incoming.0.lock().await.read(max as usize).await })
        },
    )?;
    fetch.immediate("open-upload", |state, (request,): (Request,)| {
        if ["GET", "HEAD"].contains(&request.method.as_str()) {
            return Ok(Err(Error::Invalid(format!("{} has no body", request.method))));
        }
        let (body, open) = UploadBody::new();
        match begin(state, request, body) {
            Err(error) => Ok(Err(error)),
            Ok(answer) => {
                let answer = Box::pin(async { receive(answer.await?).await });
                Ok(Ok(state.table.push(Upload::new(open, answer))?))
            }
        }
    })?;
    fetch.suspending(
        "[method]upload.write",
        WRITE,
        |state, (upload, data): (Resource<Upload>, Vec<u8>)| {
            let held = state.context.held.hold(data.len());
            let writing = state.table.get(&upload)?.write(data);
            Ok(async move {
                let _held = held.map_err(|_| Error::Busy)?;
                writing.await
            })
        },
    )?;
    fetch.suspending_then(
        "[method]upload.finish",
        SEND,
        |state, (upload,): (Resource<Upload>,)| Ok(state.table.get(&upload)?.finish()),
        hand_over,
    )
}

/// Checks a request and sets it on its way.
fn begin<B>(
    state: &GuestState,
    request: Request,
    body: B,
) -> Result<
    impl Future<Output = Result<http::Response<ResponseBody>, SendFailed>> + Send + use<B>,
    Error,
>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let invalid = |what: &str| Error::Invalid(what.to_owned());
    let Request { method, url, headers, timeouts } = request;
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() =
        Method::from_bytes(method.as_bytes()).map_err(|_| invalid("the method is no token"))?;
    *outgoing.uri_mut() =
        Uri::try_from(url).map_err(|error| Error::Invalid(format!("the URL: {error}")))?;
    if headers.len() > limits::HEADER_COUNT_MAX {
        return Err(invalid("there are too many header fields"));
    }
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| invalid("a header field's name"))?;
        let value = HeaderValue::try_from(value).map_err(|_| invalid("a header field's value"))?;
        outgoing.headers_mut().append(name, value);
    }
    let asking = state.asking.map(|request| request.0);
    Ok(send(&state.context, asking, outgoing, patience(&timeouts))?)
}

/// What the guest has asked for, within the host's own bounds.
fn patience(timeouts: &Timeouts) -> Patience {
    let bounds = Patience::default();
    let within = |asked: Option<u32>, bound: Duration| {
        asked.map_or(bound, |ms| Duration::from_millis(ms.into()).min(bound))
    };
    Patience {
        connect: within(timeouts.connect, bounds.connect),
        first_byte: within(timeouts.first_byte, bounds.first_byte),
        between_bytes: within(timeouts.between_bytes, bounds.between_bytes),
    }
}

/// Takes a small body with the head: the guest then has it in one call.
async fn receive(response: http::Response<ResponseBody>) -> Result<Answered, Error> {
    let (head, mut body) = response.into_parts();
    let length = body.size_hint().exact();
    let Some(length) = length.filter(|length| *length <= limits::BODY_WHOLE_BYTES_MAX) else {
        return Ok(Answered { head, body: Err(body) });
    };
    let mut whole = BytesMut::with_capacity(length as usize);
    while let Some(frame) = body.frame().await {
        whole.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(Answered { head, body: Ok(whole.into()) })
}

fn hand_over(
    state: &mut GuestState,
    answered: Result<Answered, Error>,
) -> wasmtime::Result<Result<Response, Error>> {
    let Answered { head, body } = match answered {
        Ok(answered) => answered,
        Err(error) => return Ok(Err(error)),
    };
    let fields = head.headers.iter();
    let fields =
        fields.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()));
    let headers = fields.collect();
    let body = match body {
        Ok(bytes) => Body::Bytes(bytes),
        Err(body) => {
            let reading = Reading { body, rest: Bytes::new(), failed: None };
            Body::Pieces(state.table.push(Incoming(Arc::new(Mutex::new(reading))))?)
        }
    };
    Ok(Ok(Response { status: head.status.as_u16(), headers, body }))
}

impl Reading {
    /// The next bytes. A read of nothing would look like the end.
    async fn read(&mut self, max: usize) -> Result<Vec<u8>, Error> {
        let max = max.clamp(1, limits::OUTBOUND_PIECE_BYTES_MAX);
        while self.rest.is_empty() {
            if let Some(failed) = &self.failed {
                return Err(failed.clone());
            }
            match self.body.frame().await {
                None => return Ok(Vec::new()),
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(failed)) => self.failed = Some(failed.into()),
            }
        }
        let taken = self.rest.len().min(max);
        Ok(self.rest.split_to(taken).to_vec())
    }
}
