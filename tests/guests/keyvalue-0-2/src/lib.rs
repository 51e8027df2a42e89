//! The same as `keyvalue`, of WASI 0.2.

#[path = "../../keyvalue/src/store.rs"]
mod store;

wit_bindgen::generate!({
    inline: "
        package hob:keyvalue;
        world guest {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
            export hob:host/handler@0.2.0;
        }
    ",
    path: ["../../../wit/0.2", "../keyvalue/wit"],
    generate_all,
});

use exports::hob::host::handler::{
    Guest, GuestOutgoingBody, Request, RequestBody, Response, ResponseBody,
};

export!(Keyvalue);

struct Keyvalue;

/// A response is always whole here.
struct NoPieces;

impl GuestOutgoingBody for NoPieces {
    fn next(&self) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

impl Guest for Keyvalue {
    type OutgoingBody = NoPieces;

    fn handle(request: Request) -> Result<Response, String> {
        let body = match request.body {
            RequestBody::Bytes(bytes) => bytes,
            RequestBody::Pieces(pieces) => {
                let mut all = Vec::new();
                loop {
                    let piece = pieces.read(1 << 20).map_err(|error| format!("{error:?}"))?;
                    if piece.is_empty() {
                        break all;
                    }
                    all.extend(piece);
                }
            }
        };
        let (status, bytes) = store::call(&request.target, body);
        Ok(Response { status, headers: Vec::new(), body: ResponseBody::Bytes(bytes) })
    }
}
