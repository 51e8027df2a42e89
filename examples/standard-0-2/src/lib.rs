//! The same twelve bytes as `hello`, by the standard interface of WASI 0.2 and with nothing of Hob.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wasip2::http::proxy::export!(Hello);

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_: IncomingRequest, outparam: ResponseOutparam) {
        let headers = [("content-type".to_owned(), b"text/plain".to_vec())];
        let headers = Fields::from_list(&headers).expect("the name and the value are well formed");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("taken for the first time");
        ResponseOutparam::set(outparam, Ok(response));

        let stream = body.write().expect("taken for the first time");
        // It fails if the client has gone away: then there is nobody to tell.
        let _ = stream.blocking_write_and_flush(b"hello world\n");
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
