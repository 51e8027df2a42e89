//! The behaviours of `kitchen` by the standard interface of WASI 0.2, and those that only it has:
//! handles that leak, polls that do not wait, trailers, no answer at all.

use std::hint::black_box;
use std::io::Write;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::poll;
use wasip2::io::streams::{OutputStream, StreamError};

wasip2::http::proxy::export!(Kitchen);

struct Kitchen;

impl wasip2::exports::http::incoming_handler::Guest for Kitchen {
    fn handle(request: IncomingRequest, outparam: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let option = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|pair| pair.0 == name).map(|pair| pair.1)
        };
        let number = |name, default| option(name).map_or(default, |n| n.parse().unwrap());
        let text = |outparam, text: &str| answer(outparam, &[], text.as_bytes());
        match path.rsplit('/').next().unwrap_or("") {
            // Answers.
            "hello" => text(outparam, "hello world\n"),
            "env" => text(outparam, &env()),
            "fields" => text(outparam, &fields(&request)),
            "count" => text(outparam, &count()),
            "now" => text(outparam, &now()),
            "random" => text(outparam, &random()),
            "status" => status(outparam, number("code", 200)),
            "no-response" => {}
            "miscount" => miscount(outparam, number("bytes", 0), number("size", 0)),
            "fetch" => {
                let to = option("to").unwrap_or("127.0.0.1:1");
                text(outparam, &fetch(to, &read(&request)));
            }
            "connect" => text(outparam, &connect(option("to").unwrap_or(""))),
            // Bodies.
            "echo" => answer(outparam, &[], &read(&request)),
            "echo-stream" => echo_stream(outparam, &request),
            "stream" => {
                stream(outparam, number("chunks", 10), number("size", 1000), number("pause_ms", 0))
            }
            "endless" => endless(outparam),
            "trailers" => answer(outparam, &[("x-trailer", "late")], b"hello world\n"),
            "read-trailers" => text(outparam, &read_trailers(&request)),
            // Time.
            "sleep" => {
                sleep(number("ms", 10));
                text(outparam, "slept\n");
            }
            "poll-zero" => {
                poll_zero(number("ms", 10));
                text(outparam, "polled\n");
            }
            "poll-ready" => text(outparam, &poll_ready()),
            "late-spin" => {
                answer(outparam, &[], b"answered\n");
                spin_and_print(number("ms", 30), option("line").unwrap_or("a line"));
            }
            "stream-late-spin" => {
                stream(outparam, 2, 5, 1);
                spin_and_print(number("ms", 30), option("line").unwrap_or("a line"));
            }
            "print-and-sleep" => {
                let text = option("line").unwrap_or("a line");
                print!("{text}\n{text} without end");
                std::io::stdout().flush().unwrap();
                sleep(3_600_000);
            }
            "print" => {
                print(option("line").unwrap_or("a line"));
                text(outparam, "printed\n");
            }
            // Misdeeds.
            "spin" => {
                spin(option("ms").map(|ms| ms.parse().unwrap()));
                text(outparam, "spun\n");
            }
            "drip" => drip(outparam),
            "newlines" => {
                let newlines = vec![b'\n'; number("bytes", 1) as usize];
                std::io::stdout().write_all(&newlines).unwrap();
                text(outparam, "printed\n");
            }
            "recurse" => text(outparam, &recurse(0).to_string()),
            "marks" => text(outparam, &marks(number("pages", 64) as usize)),
            "grow" => grow(),
            "trap" => core::arch::wasm32::unreachable(),
            "panic" => panic!("as the test wants it"),
            "leak" => {
                leak(1);
                text(outparam, "leaked\n");
            }
            "leak-many" => {
                leak(number("n", 1000));
                text(outparam, "leaked\n");
            }
            _ => status(outparam, 404),
        }
    }
}

/// Starts a response with this status; what is returned is written, and dropped to end it.
fn start(outparam: ResponseOutparam, status: u64) -> (OutputStream, OutgoingBody) {
    // `trailer` announces what `/trailers` sends: some servers pass on no others.
    start_with(outparam, status, &[("content-type", "text/plain"), ("trailer", "x-trailer")])
}

fn start_with(
    outparam: ResponseOutparam,
    status: u64,
    headers: &[(&str, &str)],
) -> (OutputStream, OutgoingBody) {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let response = OutgoingResponse::new(Fields::from_list(&headers).unwrap());
    response.set_status_code(status.try_into().unwrap()).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(outparam, Ok(response));
    (body.write().unwrap(), body)
}

/// Ends a response.
fn end(stream: OutputStream, body: OutgoingBody, trailers: &[(&str, &str)]) {
    drop(stream);
    let trailers: Vec<_> = trailers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let trailers = (!trailers.is_empty()).then(|| Fields::from_list(&trailers).unwrap());
    // Fails if the client has gone away.
    let _ = OutgoingBody::finish(body, trailers);
}

/// Writes all of it, as much at once as is allowed.
fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    bytes.chunks(4096).try_for_each(|chunk| stream.blocking_write_and_flush(chunk))
}

fn answer(outparam: ResponseOutparam, trailers: &[(&str, &str)], bytes: &[u8]) {
    let (stream, body) = start(outparam, 200);
    let _ = write(&stream, bytes);
    end(stream, body, trailers);
}

/// An answer whose length is not what it says.
fn miscount(outparam: ResponseOutparam, said: u64, size: u64) {
    let said = said.to_string();
    let (stream, body) = start_with(outparam, 200, &[("content-length", &said)]);
    let _ = write(&stream, &vec![b'x'; size as usize]);
    end(stream, body, &[]);
}

fn status(outparam: ResponseOutparam, status: u64) {
    let (stream, body) = start(outparam, status);
    end(stream, body, &[]);
}

/// Hands every chunk of the request's body to `take`, until it fails.
fn chunks(body: &IncomingBody, mut take: impl FnMut(&[u8]) -> Result<(), StreamError>) {
    let stream = body.stream().unwrap();
    while let Ok(chunk) = stream.blocking_read(64 * 1024)
        && take(&chunk).is_ok()
    {}
}

fn read(request: &IncomingRequest) -> Vec<u8> {
    let mut all = Vec::new();
    chunks(&request.consume().unwrap(), |chunk| {
        all.extend(chunk);
        Ok(())
    });
    all
}

fn echo_stream(outparam: ResponseOutparam, request: &IncomingRequest) {
    let (stream, body) = start(outparam, 200);
    chunks(&request.consume().unwrap(), |chunk| write(&stream, chunk));
    end(stream, body, &[]);
}

/// Chunks of `a`, of `b`, of `c`, ...
fn stream(outparam: ResponseOutparam, chunks: u64, size: u64, pause_ms: u64) {
    let (stream, body) = start(outparam, 200);
    for letter in (b'a'..=b'z').cycle().take(chunks as usize) {
        if write(&stream, &vec![letter; size as usize]).is_err() {
            break;
        }
        sleep(pause_ms);
    }
    end(stream, body, &[]);
}

fn endless(outparam: ResponseOutparam) {
    let (stream, body) = start(outparam, 200);
    while write(&stream, &[b'x'; 4096]).is_ok() {}
    end(stream, body, &[]);
}

/// A line for each of the request's trailers.
fn read_trailers(request: &IncomingRequest) -> String {
    let body = request.consume().unwrap();
    chunks(&body, |_| Ok(()));
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    let Some(Ok(Ok(Some(trailers)))) = trailers.get() else {
        return "none\n".to_owned();
    };
    let lines = trailers.entries().into_iter();
    lines.map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(&value))).collect()
}

/// The request's fields, a line each.
fn fields(request: &IncomingRequest) -> String {
    let line =
        |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    request.headers().entries().into_iter().map(line).collect()
}

fn env() -> String {
    std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// How many requests this instance has served: 1 in a fresh one.
fn count() -> String {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    format!("{}\n", SERVED.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Nanoseconds since the epoch.
fn now() -> String {
    let now = wall_clock::now();
    format!("{}{:09}\n", now.seconds, now.nanoseconds)
}

fn random() -> String {
    let bytes = wasip2::random::random::get_random_bytes(16);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex + "\n"
}

fn nanoseconds(ms: u64) -> u64 {
    ms * 1_000_000
}

fn sleep(ms: u64) {
    if ms > 0 {
        monotonic_clock::subscribe_duration(nanoseconds(ms)).block();
    }
}

/// Asks again and again, never waiting, whether something far away is ready.
fn poll_zero(ms: u64) {
    let far = monotonic_clock::subscribe_duration(nanoseconds(3_600_000));
    let end = monotonic_clock::now() + nanoseconds(ms);
    while monotonic_clock::now() < end {
        let zero = monotonic_clock::subscribe_duration(0);
        poll::poll(&[&far, &zero]);
    }
}

/// Whether timers that have expired say that they are ready, without a wait.
fn poll_ready() -> String {
    let at_once = monotonic_clock::subscribe_duration(0).ready();
    let soon = monotonic_clock::subscribe_duration(nanoseconds(1));
    spin(Some(2));
    let far = monotonic_clock::subscribe_duration(nanoseconds(3_600_000)).ready();
    format!("{at_once} {} {far}\n", soon.ready())
}

/// What a request to elsewhere comes to.
/// Sends the body to another server, and shows what it answers.
fn fetch(to: &str, body: &[u8]) -> String {
    let (authority, path) = to.split_once('/').unwrap_or((to, ""));
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Post).unwrap();
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    let outgoing = request.body().unwrap();
    let future = match outgoing_handler::handle(request, None) {
        Ok(future) => future,
        Err(code) => return format!("{code:?}\n"),
    };
    let stream = outgoing.write().unwrap();
    for piece in body.chunks(4096) {
        if stream.blocking_write_and_flush(piece).is_err() {
            break;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(outgoing, None);
    future.subscribe().block();
    match future.get().unwrap().unwrap() {
        Ok(response) => {
            let incoming = response.consume().unwrap();
            let stream = incoming.stream().unwrap();
            let mut text = format!("{} ", response.status());
            while let Ok(piece) = stream.blocking_read(65_536) {
                text += &String::from_utf8_lossy(&piece);
            }
            text
        }
        Err(code) => format!("{code:?}\n"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a guest has no loop that it could hold up")]
fn connect(address: &str) -> String {
    match std::net::TcpStream::connect(address) {
        Ok(_) => "connected\n".to_owned(),
        Err(error) => format!("{error:?}\n"),
    }
}

fn spin_and_print(ms: u64, line: &str) {
    spin(Some(ms));
    println!("{line}");
}

fn print(line: &str) {
    println!("{line}");
    eprintln!("on standard error: {line}");
}

fn spin(ms: Option<u64>) {
    compute(ms.map_or(u64::MAX, nanoseconds));
}

fn compute(ns: u64) {
    let start = monotonic_clock::now();
    while monotonic_clock::now() - start < ns {
        black_box(());
    }
}

/// A byte after every half slice of computing, without end.
fn drip(outparam: ResponseOutparam) {
    let (stream, body) = start(outparam, 200);
    while write(&stream, b"x").is_ok() {
        compute(500_000);
    }
    end(stream, body, &[]);
}

/// Without end: the addition comes after the call, so it cannot become a loop. A frame is small, so
/// that the stack of calls runs out before the stack in the memory does.
#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    recurse(black_box(depth) + 1) + depth
}

fn grow() -> ! {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1024 * 1024]));
    }
}

fn leak(handles: u64) {
    for _ in 0..handles {
        mem::forget(Fields::new());
    }
}

/// Takes so many pages of memory that are new, counts the bytes in them that are not zero, and leaves its
/// mark in each byte.
fn marks(pages: usize) -> String {
    const PAGE: usize = 64 * 1024;
    let first = core::arch::wasm32::memory_grow(0, pages);
    assert_ne!(first, usize::MAX, "there is no more memory");
    // SAFETY: the pages are this function's: the memory has just grown by them.
    let new = unsafe { core::slice::from_raw_parts_mut((first * PAGE) as *mut u8, pages * PAGE) };
    let found = new.iter().filter(|byte| **byte != 0).count();
    new.fill(0xa5);
    format!("{found}\n")
}
