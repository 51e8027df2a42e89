//! Owns what a guest may send: a request, to where its tenant's requests may go.
//! `hob:host/fetch` and `wasi:http` are two faces of it.

mod wasi;

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;

use super::GuestContext;
use super::dns::LookupFailed;
use super::egress::{Reach, default_port};
use crate::tenants::Limit;
use crate::wire::{
    Order, Origin, OutboundBody, Patience, PoolKey, Resolve, ResponseBody, SendFailed,
};

pub(super) use wasi::{Outbound, link_wasi02};

/// Why a request is not even tried.
#[derive(Debug)]
pub(super) enum NotSent {
    /// Its tenant's requests may not go there.
    Denied,
    /// It is none, for this reason.
    Invalid(&'static str),
}

/// Fields that belong to the connection, which is the host's.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

type Answer = Result<http::Response<ResponseBody>, SendFailed>;

/// Sends a request of a guest, if it may be sent. It is on its way when this returns, and given up
/// when the future is dropped.
pub(super) fn send<B>(
    context: &Arc<GuestContext>,
    asking: Option<u64>,
    request: http::Request<B>,
    patience: Patience,
) -> Result<impl Future<Output = Answer> + Send + use<B>, NotSent>
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let origin = origin(request.uri())?;
    let egress = context.granted.egress.as_ref().ok_or(NotSent::Denied)?;
    let reach = egress.reach(&origin).ok_or(NotSent::Denied)?;
    let request = as_sent(request, &origin)?;
    let resolve = resolve(context.clone(), asking, origin.clone(), reach);
    let key = PoolKey {
        party: context.tenant.number() as usize,
        origin,
        private: reach == Reach::Private,
    };
    let connections_max = context.tenant.limits().connections_out as usize;
    let sent = context.client.send(Order { key, connections_max, resolve, request, patience });
    let context = context.clone();
    Ok(async move {
        let reply = sent.await;
        if matches!(reply, Err(SendFailed::OverLimit)) {
            context.is_over(Limit::Connections);
        }
        reply
    })
}

fn origin(uri: &Uri) -> Result<Origin, NotSent> {
    let is_secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(NotSent::Invalid("the URL is neither http: nor https:")),
    };
    let authority = uri.authority().ok_or(NotSent::Invalid("the URL has no host"))?;
    if authority.as_str().contains('@') {
        return Err(NotSent::Invalid("the URL has a user name in it"));
    }
    let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return Err(NotSent::Invalid("the URL has no host"));
    }
    let port = match authority.port_u16() {
        Some(port) => port,
        None if authority.as_str().len() > authority.host().len() => {
            return Err(NotSent::Invalid("the URL's port is none"));
        }
        None => default_port(is_secure),
    };
    Ok(Origin { is_secure, host: host.into(), port })
}

/// The request in the form in which it goes over a connection to its origin.
fn as_sent<B>(
    request: http::Request<B>,
    origin: &Origin,
) -> Result<http::Request<OutboundBody>, NotSent>
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut head, body) = request.into_parts();
    if head.method == http::Method::CONNECT {
        return Err(NotSent::Invalid("CONNECT is for proxies"));
    }
    let target = head.uri.path_and_query().cloned();
    head.uri = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    head.version = http::Version::HTTP_11;
    keep_own_fields(&mut head.headers, origin)?;
    let length = body.size_hint().exact();
    set_length(&mut head, length)?;
    Ok(http::Request::from_parts(head, body.map_err(Into::into).boxed_unsync()))
}

/// The length that is announced must be that of what is sent: what the other side takes for a body, or
/// for the next request, would else be the guest's choice.
fn set_length(head: &mut http::request::Parts, known: Option<u64>) -> Result<(), NotSent> {
    let mut announced = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let first = announced.next().map(|value| digits(value.as_bytes()));
    if announced.next().is_some() || first == Some(None) {
        return Err(NotSent::Invalid("the content-length is none"));
    }
    match (first.flatten(), known) {
        (Some(announced), Some(known)) if announced != known => {
            return Err(NotSent::Invalid("the content-length is not that of the body"));
        }
        // Announced for a body that comes in pieces, and held to by whoever sends it.
        (_, None) => return Ok(()),
        _ => {}
    }
    head.headers.remove(header::CONTENT_LENGTH);
    let expects_body = [http::Method::POST, http::Method::PUT, http::Method::PATCH];
    if known == Some(0) && expects_body.contains(&head.method) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(())
}

/// RFC 9110: digits and nothing else.
fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

fn keep_own_fields(headers: &mut HeaderMap, origin: &Origin) -> Result<(), NotSent> {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    let Origin { is_secure, host, port } = origin;
    let host =
        if *port == default_port(*is_secure) { host.to_string() } else { format!("{host}:{port}") };
    let host =
        HeaderValue::try_from(host).map_err(|_| NotSent::Invalid("the URL's host is none"))?;
    headers.insert(header::HOST, host);
    Ok(())
}

/// Looks the origin's name up, and keeps of its addresses those that may be reached.
fn resolve(
    context: Arc<GuestContext>,
    asking: Option<u64>,
    origin: Origin,
    reach: Reach,
) -> Resolve {
    Box::new(move || {
        let lookup = context.dns.lookup(&context, asking, &origin.host);
        async move {
            let found = lookup.await.map_err(|failed| match failed {
                LookupFailed::Busy => SendFailed::Busy,
                LookupFailed::NotFound | LookupFailed::Denied => SendFailed::NotFound,
                LookupFailed::Invalid(why) | LookupFailed::Failed(why) => {
                    SendFailed::LookupFailed(why)
                }
            })?;
            let reachable: Vec<_> = found
                .iter()
                .filter(|address| reach.covers(**address))
                .map(|address| SocketAddr::new(*address, origin.port))
                .collect();
            if reachable.is_empty() { Err(SendFailed::Prohibited) } else { Ok(reachable) }
        }
        .boxed()
    })
}
