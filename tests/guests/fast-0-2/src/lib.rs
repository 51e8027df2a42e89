//! The fast lane of WASI 0.2, `hob:host/handler@0.2.0`, written against its WIT alone.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

wit_bindgen::generate!({ path: "../../../wit/0.2", generate_all });

use exports::hob::host::handler::{
    Guest, GuestOutgoingBody, OutgoingBody, Request, RequestBody, Response, ResponseBody,
};
use hob::host::body::IncomingBody;

export!(Fast);

struct Fast;

impl Guest for Fast {
    type OutgoingBody = Pieces;

    fn handle(request: Request) -> Result<Response, String> {
        let path = request.target.split('?').next().unwrap_or("");
        match path.rsplit('/').next().unwrap_or("") {
            "hello" => answer(200, "hello world\n"),
            "count" => answer(200, count()),
            "fields" => answer(200, fields(&request)),
            "echo" => answer(200, read(request.body)?),
            "echo-pieces" => echo_pieces(request.body),
            "miscount" => miscount(&request.target),
            "pieces" => pieces(["one\n", "two\n", "three\n"].map(Ok)),
            "pieces-fail" => pieces([Ok("one\n"), Ok("two\n"), Err("as the test wants it")]),
            "probe-memory" => answer(200, probe_memory()),
            "spin" => loop {
                black_box(());
            },
            "trap" => core::arch::wasm32::unreachable(),
            "error" => Err("as the test wants it".to_owned()),
            _ => answer(404, "no such behaviour\n"),
        }
    }
}

/// The request's fields, a line each.
fn fields(request: &Request) -> String {
    let line =
        |(name, value): &(String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(value));
    request.headers.iter().map(line).collect()
}

/// The pieces of a body that is still to be made.
struct Pieces(RefCell<Box<dyn Iterator<Item = Result<Vec<u8>, String>>>>);

impl GuestOutgoingBody for Pieces {
    fn next(&self) -> Result<Option<Vec<u8>>, String> {
        self.0.borrow_mut().next().transpose()
    }
}

fn response(status: u16, body: ResponseBody) -> Result<Response, String> {
    let headers = vec![("content-type".to_owned(), b"text/plain".to_vec())];
    Ok(Response { status, headers, body })
}

fn answer(status: u16, bytes: impl Into<Vec<u8>>) -> Result<Response, String> {
    response(status, ResponseBody::Bytes(bytes.into()))
}

fn in_pieces(
    pieces: impl Iterator<Item = Result<Vec<u8>, String>> + 'static,
) -> Result<Response, String> {
    let pieces = Pieces(RefCell::new(Box::new(pieces)));
    response(200, ResponseBody::Pieces(OutgoingBody::new(pieces)))
}

fn pieces(pieces: [Result<&'static str, &str>; 3]) -> Result<Response, String> {
    let pieces = pieces.map(|piece| piece.map(Vec::from).map_err(str::to_owned));
    in_pieces(pieces.into_iter())
}

/// An answer whose length is not what it says: `?5` says that, and there are more in two pieces,
/// or none with `?5&empty`.
fn miscount(target: &str) -> Result<Response, String> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let (said, is_empty) = match query.split_once('&') {
        Some((said, _)) => (said, true),
        None => (query, false),
    };
    let mut response = if is_empty {
        answer(200, [])?
    } else {
        // More than one turn of the guest, so that the head is sent before the end is known.
        in_pieces(std::iter::repeat_n(Ok(vec![b'x'; 100_000]), 2))?
    };
    response.headers.push(("content-length".to_owned(), said.as_bytes().to_vec()));
    Ok(response)
}

/// What comes of the request's body, piece by piece.
fn incoming(body: IncomingBody) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    std::iter::from_fn(move || match body.read(64 * 1024) {
        Ok(piece) if piece.is_empty() => None,
        Ok(piece) => Some(Ok(piece)),
        Err(error) => Some(Err(format!("the request's body: {error}"))),
    })
}

fn read(body: RequestBody) -> Result<Vec<u8>, String> {
    match body {
        RequestBody::Bytes(bytes) => Ok(bytes),
        RequestBody::Pieces(body) => Ok(incoming(body).collect::<Result<Vec<_>, _>>()?.concat()),
    }
}

fn echo_pieces(body: RequestBody) -> Result<Response, String> {
    match body {
        RequestBody::Bytes(bytes) => in_pieces(std::iter::once(Ok(bytes))),
        RequestBody::Pieces(body) => in_pieces(incoming(body)),
    }
}

/// Asks for more memory than its maximum allows, as allocators do to find out, and then for some
/// that it may have.
fn probe_memory() -> String {
    const PAGES: usize = 100 * 16;
    let refused = (0..10).all(|_| core::arch::wasm32::memory_grow::<0>(PAGES) == usize::MAX);
    let memory = black_box(vec![1_u8; 8 * 1024 * 1024]);
    format!("{refused} {}\n", memory.len())
}

/// How many requests this instance has served: 1 in a fresh one.
fn count() -> String {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    format!("{}\n", SERVED.fetch_add(1, Ordering::Relaxed) + 1)
}
