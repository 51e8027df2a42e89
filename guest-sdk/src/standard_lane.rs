//! The standard lane, `wasi:http/handler`: the same handler under any other host.

use http::Method;
use wit_bindgen::FutureWriter;

use crate::answer::Handler;
use crate::bindings::exports::wasi::http::handler::Guest;
use crate::bindings::wasi::http::types as standard;
use crate::bindings::{wit_future, wit_stream};
use crate::body::{Content, StandardEnd, StandardStream, Writing};
use crate::headers;
use crate::task::spawn;
use crate::{Body, BodyWriter, Error, Request, Response, Result};

impl<H: Handler> Guest for H {
    async fn handle(request: standard::Request) -> Result<standard::Response, standard::ErrorCode> {
        let answer = match receive(request) {
            Ok(request) => H::handle(request).await,
            Err(error) => Err(error),
        };
        answer
            .or_else(Error::into_response)
            .and_then(send)
            .map_err(|text| standard::ErrorCode::InternalError(Some(text)))
    }
}

fn receive(request: standard::Request) -> Result<Request> {
    let method = method_of(request.get_method())?;
    let target = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
    let mut fields = request.get_headers().copy_all();
    if headers::first(&fields, "host").is_none()
        && let Some(authority) = request.get_authority()
    {
        fields.insert(0, ("host".to_owned(), authority.into_bytes()));
    }
    let (_, handled) = wit_future::new(|| Ok(()));
    let (data, end) = standard::Request::consume_body(request, handled);
    let length = headers::content_length(&fields);
    let content = Content::Standard(StandardStream { data, end });
    Ok(Request::from_parts(method, target, fields, Body::from_content(content, length)))
}

fn method_of(method: standard::Method) -> Result<Method> {
    Ok(match method {
        standard::Method::Get => Method::GET,
        standard::Method::Head => Method::HEAD,
        standard::Method::Post => Method::POST,
        standard::Method::Put => Method::PUT,
        standard::Method::Delete => Method::DELETE,
        standard::Method::Connect => Method::CONNECT,
        standard::Method::Options => Method::OPTIONS,
        standard::Method::Trace => Method::TRACE,
        standard::Method::Patch => Method::PATCH,
        standard::Method::Other(token) => Method::from_bytes(token.as_bytes())
            .map_err(|_| Error::status(400, "the method is not a token"))?,
    })
}

fn send(mut response: Response) -> Result<standard::Response, String> {
    response.check()?;
    let stream = match response.body.content {
        // Such an answer has no body, and so no length either (RFC 9110, section 8.6).
        _ if matches!(response.status, 204 | 304) => None,
        Content::Standard(stream) => Some(stream),
        Content::Bytes(bytes) => {
            if headers::first(&response.fields, "content-length").is_none() {
                let length = bytes.len().to_string();
                headers::push(&mut response.fields, "content-length", length.as_bytes());
            }
            (!bytes.is_empty()).then(|| stream(Content::Bytes(bytes)))
        }
        content => Some(stream(content)),
    };
    let fields = standard::Fields::from_list(&response.fields)
        .map_err(|error| format!("the host refuses the response's headers: {error}"))?;
    let (data, end) = match stream {
        Some(StandardStream { data, end }) => (Some(data), end),
        None => (None, wit_future::new(|| Ok(None)).1),
    };
    let (sent, _) = standard::Response::new(fields, data, end);
    sent.set_status_code(response.status).map_err(|()| "the response's status".to_owned())?;
    Ok(sent)
}

/// A stream that is written after the head is on its way.
fn stream(content: Content) -> StandardStream {
    let (data_writer, data) = wit_stream::new();
    let (end_writer, end) = wit_future::new(|| Err(standard::ErrorCode::HttpResponseIncomplete));
    spawn(write(content.write(BodyWriter::to_host(data_writer)), end_writer));
    StandardStream { data, end }
}

/// Writes all of a body and then how it ended.
async fn write(writing: Writing, end: FutureWriter<StandardEnd>) {
    let result = match writing.await {
        Ok(()) => Ok(None),
        Err(_) => Err(standard::ErrorCode::HttpResponseIncomplete),
    };
    // Nobody reads it if the client has gone away.
    let _ = end.write(result).await;
}
