//! Needs something that nobody provides, so that it cannot be served.

wit_bindgen::generate!({
    path: ["../../../wit/0.3", "wit"],
    inline: "
        package test:imports-unknown;

        world guest {
            import acme:nothing/thing@1.0.0;
            export hob:host/handler@0.3.0;
        }
    ",
    generate_all,
});

use exports::hob::host::handler::{Body, Guest, Request, Response};

export!(ImportsUnknown);

struct ImportsUnknown;

impl Guest for ImportsUnknown {
    async fn handle(_: Request) -> Result<Response, String> {
        Ok(Response {
            status: 200,
            headers: Vec::new(),
            body: Body::Bytes(acme::nothing::thing::make().into_bytes()),
        })
    }
}
