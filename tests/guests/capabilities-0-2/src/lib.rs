//! The same as `capabilities`, by the sync treaty of WASI 0.2 and its WIT alone.

mod compression;
mod config;
mod crypto;
mod fetch;
mod files;
mod hexadecimal;
mod kv;
mod sql;
mod timers;

use std::collections::HashMap;

wit_bindgen::generate!({
    inline: "
        package hob:capabilities;
        world guest {
            import hob:host/dns@0.2.0;
            import hob:host/fetch@0.2.0;
            import hob:host/files@0.2.0;
            import hob:host/crypto@0.2.0;
            import hob:host/timers@0.2.0;
            import wasi:config/store@0.2.0-rc.1;
            import hob:host/compression@0.2.0;
            import hob:host/sql@0.2.0;
            import hob:host/kv@0.2.0;
            export hob:host/handler@0.2.0;
        }
    ",
    path: ["../../../wit/0.2", "../../../guest-sdk/wit/deps/config.wit"],
    generate_all,
});

use exports::hob::host::handler::{
    Guest, GuestOutgoingBody, Request, RequestBody, Response, ResponseBody,
};

export!(Capabilities);

struct Capabilities;

/// A response is always whole here.
struct NoPieces;

impl GuestOutgoingBody for NoPieces {
    fn next(&self) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// What an operation gives: bytes, or the words for an error.
type Outcome = Result<Vec<u8>, String>;

/// The query, decoded as far as the tests encode it.
pub(crate) struct Arguments(HashMap<String, String>);

impl Arguments {
    fn text(&self, name: &str) -> String {
        self.option(name).unwrap_or_default()
    }

    fn option(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn number(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |text| text.parse().expect("a number"))
    }
}

impl Guest for Capabilities {
    type OutgoingBody = NoPieces;

    fn handle(request: Request) -> Result<Response, String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let decoded = |text: &str| {
            let codes = [("%2F", "/"), ("%20", " "), ("%3F", "?"), ("%3A", ":")];
            codes.iter().fold(text.to_owned(), |text, (code, of)| text.replace(code, of))
        };
        let pairs = pairs.map(|(name, value)| (name.to_owned(), decoded(value)));
        let arguments = Arguments(pairs.collect());
        let operation = path.rsplit('/').next().unwrap_or("");
        let (capability, function) = operation.split_once('.').unwrap_or((operation, ""));
        let body = read(request.body)?;
        let outcome = match capability {
            "fetch" => fetch::call(function, &arguments, body),
            "dns" => fetch::lookup(&arguments),
            "files" => files::call(function, &arguments, body),
            "compression" => compression::call(function, &arguments, body),
            "config" => config::call(function, &arguments),
            "timers" => timers::call(function, &arguments),
            "crypto" => crypto::call(function, &arguments, body),
            "sql" => sql::call(function, &arguments, body),
            "kv" => kv::call(function, &arguments, body),
            "hello" => Ok(b"hello world\n".to_vec()),
            _ => return Ok(answer(404, b"no such capability".to_vec())),
        };
        Ok(match outcome {
            Ok(bytes) => answer(200, bytes),
            Err(why) => answer(422, why.into_bytes()),
        })
    }
}

fn answer(status: u16, bytes: Vec<u8>) -> Response {
    Response { status, headers: Vec::new(), body: ResponseBody::Bytes(bytes) }
}

fn read(body: RequestBody) -> Result<Vec<u8>, String> {
    let pieces = match body {
        RequestBody::Bytes(bytes) => return Ok(bytes),
        RequestBody::Pieces(pieces) => pieces,
    };
    let mut all = Vec::new();
    loop {
        let piece = pieces.read(1 << 20).map_err(|error| format!("{error:?}"))?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend(piece);
    }
}
