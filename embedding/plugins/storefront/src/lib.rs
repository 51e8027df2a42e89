//! Answers requests for an article with its price: a handler of standard HTTP that imports what the shop
//! gives its plug-ins.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({
    path: "../../shop/wit",
    generate_all,
    inline: "package a:storefront; world imports { import shop:plugins/catalog@1.0.0; }",
});

use shop::plugins::catalog;

wasip2::http::proxy::export!(Storefront);

struct Storefront;

impl wasip2::exports::http::incoming_handler::Guest for Storefront {
    fn handle(request: IncomingRequest, outparam: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let sku = target.rsplit('/').next().unwrap_or_default();
        let (status, text) = match catalog::price(sku) {
            Some(price) => (200, format!("{price}, {} pieces\n", catalog::stock(sku))),
            None => (404, "there is no such article\n".to_owned()),
        };
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).expect("it is one");
        let body = response.body().expect("taken for the first time");
        ResponseOutparam::set(outparam, Ok(response));

        let stream = body.write().expect("taken for the first time");
        // It fails if the client has gone away: then there is nobody to tell.
        let _ = stream.blocking_write_and_flush(text.as_bytes());
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
