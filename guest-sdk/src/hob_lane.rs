//! The fast lane, `hob:host/handler`: records to and from this crate's types, without copying.

use http::Method;
use wit_bindgen::FutureWriter;

use crate::answer::Handler;
use crate::bindings::exports::hob::host::handler as treaty;
use crate::bindings::{wit_future, wit_stream};
use crate::body::{Content, Writing};
use crate::headers;
use crate::task::spawn;
use crate::{Body, BodyError, BodyWriter, Error, Request, Response, Result};

impl<H: Handler> treaty::Guest for H {
    async fn handle(request: treaty::Request) -> Result<treaty::Response, String> {
        let answer = match receive(request) {
            Ok(request) => H::handle(request).await,
            Err(error) => Err(error),
        };
        send(answer.or_else(Error::into_response)?)
    }
}

fn receive(request: treaty::Request) -> Result<Request> {
    let treaty::Request { method, target, headers: fields, body } = request;
    let (content, length) = match body {
        treaty::Body::Bytes(bytes) => (Content::Bytes(bytes), None),
        treaty::Body::Stream(stream) => (Content::Hob(stream), headers::content_length(&fields)),
    };
    Ok(Request::from_parts(method_of(method)?, target, fields, Body::from_content(content, length)))
}

fn method_of(method: treaty::Method) -> Result<Method> {
    Ok(match method {
        treaty::Method::Get => Method::GET,
        treaty::Method::Head => Method::HEAD,
        treaty::Method::Post => Method::POST,
        treaty::Method::Put => Method::PUT,
        treaty::Method::Delete => Method::DELETE,
        treaty::Method::Connect => Method::CONNECT,
        treaty::Method::Options => Method::OPTIONS,
        treaty::Method::Trace => Method::TRACE,
        treaty::Method::Patch => Method::PATCH,
        treaty::Method::Other(token) => Method::from_bytes(token.as_bytes())
            .map_err(|_| Error::status(400, "the method is not a token"))?,
    })
}

/// A body that is longer goes in pieces although all of it is there: the host copies what comes whole
/// in one go, and takes no more than 16 MiB so.
const WHOLE_MAX: usize = 1024 * 1024;

fn send(mut response: Response) -> Result<treaty::Response, String> {
    response.check()?;
    let body = match response.body.content {
        Content::Bytes(bytes) if bytes.len() <= WHOLE_MAX => treaty::Body::Bytes(bytes),
        Content::Bytes(bytes) => {
            let length = bytes.len().to_string();
            response.fields.retain(|(name, _)| name != "content-length");
            headers::push(&mut response.fields, "content-length", length.as_bytes());
            treaty::Body::Stream(stream(Content::Bytes(bytes)))
        }
        // A request's body goes back as it came: the host joins its two ends.
        Content::Hob(stream) => treaty::Body::Stream(stream),
        content => treaty::Body::Stream(stream(content)),
    };
    Ok(treaty::Response { status: response.status, headers: response.fields, body })
}

/// A stream that is written after the head is on its way.
fn stream(content: Content) -> treaty::BodyStream {
    let (data_writer, data) = wit_stream::new();
    let (end_writer, end) = wit_future::new(|| Err(treaty::BodyError::Aborted));
    spawn(write(content.write(BodyWriter::to_host(data_writer)), end_writer));
    treaty::BodyStream { data, end }
}

/// Writes all of a body and then how it ended.
async fn write(writing: Writing, end: FutureWriter<Result<(), treaty::BodyError>>) {
    let result = writing.await.map_err(|error| match error {
        BodyError::TooLarge => treaty::BodyError::TooLarge,
        BodyError::TimedOut => treaty::BodyError::TimedOut,
        _ => treaty::BodyError::Aborted,
    });
    // Nobody reads it if the client has gone away.
    let _ = end.write(result).await;
}
