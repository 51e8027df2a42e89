//! The behaviours of `kitchen` by the standard interface of WASI 0.3, and those that only it has:
//! handles that leak, trailers. Nothing of it goes through WASI 0.2 but what `std` imports.

mod files;

use std::hint::black_box;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use wasip3::cli::{environment, stderr, stdout};
use wasip3::clocks::{monotonic_clock, system_clock};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme, Trailers};
use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};
use wasip3::{random, spawn_local, wit_future, wit_stream};

wasip3::http::service::export!(Kitchen);

struct Kitchen;

impl wasip3::exports::http::handler::Guest for Kitchen {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let option = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|pair| pair.0 == name).map(|pair| pair.1)
        };
        let number = |name, default| option(name).map_or(default, |n| n.parse().unwrap());
        let line = || option("line").unwrap_or("a line").to_owned();
        Ok(match path.rsplit('/').next().unwrap_or("") {
            // Answers.
            "hello" => text("hello world\n"),
            "env" => text(env()),
            "fields" => text(fields(&request)),
            "count" => text(count()),
            "now" => text(now()),
            "random" => text(random()),
            "status" => status(number("code", 200) as u16),
            "miscount" => miscount(number("bytes", 0), number("size", 0), number("pause_ms", 0)),
            "fetch" => {
                let to = option("to").unwrap_or("127.0.0.1:1").to_owned();
                text(fetch(&to, read(consume(request).0).await).await)
            }
            "error" => {
                return Err(ErrorCode::InternalError(Some("as the test wants it".into())));
            }
            // Bodies.
            "echo" => text(read(consume(request).0).await),
            "echo-stream" => {
                let (body, trailers) = consume(request);
                response(Some(body), trailers)
            }
            "stream" => stream(number("chunks", 10), number("size", 1000), number("pause_ms", 0)),
            "stream-break" => stream_break(number("pause_ms", 0)),
            "endless" => endless(),
            "trailers" => trailers(),
            "read-trailers" => text(read_trailers(request).await),
            // Time.
            "sleep" => {
                sleep(number("ms", 10)).await;
                text("slept\n")
            }
            "late" => {
                spawn_local(async {
                    sleep(50).await;
                    print("late work done").await;
                });
                text("answered\n")
            }
            "late-spin" => {
                spawn_local(spin_and_print(number("pause_ms", 0), number("ms", 30), line()));
                text("answered\n")
            }
            "stream-late-spin" => stream_late_spin(number("pause_ms", 0), number("ms", 30), line()),
            "print-and-sleep" => {
                let (mut writer, stream) = wit_stream::new();
                let written = stdout::write_via_stream(stream);
                writer.write_all(format!("{0}\n{0} without end", line()).into()).await;
                sleep(3_600_000).await;
                drop((writer, written));
                text("slept\n")
            }
            "print" => {
                print(&line()).await;
                text("printed\n")
            }
            // Misdeeds.
            "spin" => {
                spin(option("ms").map(|ms| ms.parse().unwrap()));
                text("spun\n")
            }
            "drip" => drip(),
            "nag" => nag().await,
            "nag-after" => {
                spawn_local(async { nag().await });
                text("answered\n")
            }
            "newlines" => {
                newlines(number("bytes", 1) as usize).await;
                text("printed\n")
            }
            "recurse" => text(recurse(0).to_string()),
            "grow" => grow(),
            "trap" => core::arch::wasm32::unreachable(),
            "panic" => panic!("as the test wants it"),
            "leak" => {
                leak(number("n", 1));
                text("leaked\n")
            }
            deed if deed.starts_with("file-") => {
                let (path, to) = (option("path").unwrap_or(""), option("to").unwrap_or(""));
                text(files::act(deed, path, number("bytes", 0), to).await)
            }
            _ => status(404),
        })
    }
}

type End = FutureReader<Result<Option<Trailers>, ErrorCode>>;

fn response(body: Option<StreamReader<u8>>, end: End) -> Response {
    // `trailer` announces what `/trailers` sends: some servers pass on no others.
    response_with(&[("content-type", "text/plain"), ("trailer", "x-trailer")], body, end)
}

fn response_with(headers: &[(&str, &str)], body: Option<StreamReader<u8>>, end: End) -> Response {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    Response::new(Fields::from_list(&headers).unwrap(), body, end).0
}

/// A response whose body `write` makes.
fn written<W>(write: W) -> Response
where
    W: AsyncFnOnce(StreamWriter<u8>) -> Result<Option<Trailers>, ErrorCode> + 'static,
{
    let (body, end) = begin(write);
    response(Some(body), end)
}

fn begin<W>(write: W) -> (StreamReader<u8>, End)
where
    W: AsyncFnOnce(StreamWriter<u8>) -> Result<Option<Trailers>, ErrorCode> + 'static,
{
    let (writer, body) = wit_stream::new();
    let (ended, end) = wit_future::new(|| Err(ErrorCode::HttpResponseIncomplete));
    spawn_local(async move {
        let _ = ended.write(write(writer).await).await;
    });
    (body, end)
}

/// An answer whose length is not what it says, in two pieces.
fn miscount(said: u64, size: u64, pause_ms: u64) -> Response {
    let (body, end) = begin(async move |mut writer| {
        writer.write_all(vec![b'x'; size as usize / 2]).await;
        sleep(pause_ms).await;
        writer.write_all(vec![b'x'; size as usize - size as usize / 2]).await;
        Ok(None)
    });
    response_with(&[("content-length", &said.to_string())], Some(body), end)
}

fn text(text: impl Into<Vec<u8>>) -> Response {
    let text = text.into();
    written(async move |mut writer| {
        writer.write_all(text).await;
        Ok(None)
    })
}

fn status(status: u16) -> Response {
    let response = response(None, wit_future::new(|| Ok(None)).1);
    response.set_status_code(status).unwrap();
    response
}

fn consume(request: Request) -> (StreamReader<u8>, End) {
    Request::consume_body(request, wit_future::new(|| Ok(())).1)
}

async fn read(mut body: StreamReader<u8>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        all.reserve(64 * 1024);
        let result;
        (result, all) = body.read(all).await;
        if let StreamResult::Dropped = result {
            return all;
        }
    }
}

/// Chunks of `a`, of `b`, of `c`, ...
fn stream(chunks: u64, size: u64, pause_ms: u64) -> Response {
    written(async move |mut writer| {
        for letter in (b'a'..=b'z').cycle().take(chunks as usize) {
            writer.write_all(vec![letter; size as usize]).await;
            sleep(pause_ms).await;
        }
        Ok(None)
    })
}

fn stream_break(pause_ms: u64) -> Response {
    written(async move |mut writer| {
        writer.write_all(b"a chunk\n".to_vec()).await;
        sleep(pause_ms).await;
        Err(ErrorCode::InternalError(Some("as the test wants it".into())))
    })
}

fn endless() -> Response {
    written(async |mut writer| {
        while writer.write_all(vec![b'x'; 16 * 1024]).await.is_empty() {}
        Ok(None)
    })
}

fn trailers() -> Response {
    written(async |mut writer| {
        writer.write_all(b"hello world\n".to_vec()).await;
        let trailers = [("x-trailer".to_owned(), b"late".to_vec())];
        Ok(Some(Fields::from_list(&trailers).unwrap()))
    })
}

/// A line for each of the request's trailers.
async fn read_trailers(request: Request) -> String {
    let (body, end) = consume(request);
    read(body).await;
    let Ok(Some(trailers)) = end.await else {
        return "none\n".to_owned();
    };
    let lines = trailers.copy_all().into_iter();
    lines.map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(&value))).collect()
}

/// The request's fields, a line each.
fn fields(request: &Request) -> String {
    let line =
        |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    request.get_headers().copy_all().into_iter().map(line).collect()
}

fn env() -> String {
    let variables = environment::get_environment().into_iter();
    variables.map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// How many requests this instance has served: 1 in a fresh one.
fn count() -> String {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    format!("{}\n", SERVED.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Nanoseconds since the epoch.
fn now() -> String {
    let now = system_clock::now();
    format!("{}{:09}\n", now.seconds, now.nanoseconds)
}

fn random() -> String {
    let bytes = random::random::get_random_bytes(16);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex + "\n"
}

async fn sleep(ms: u64) {
    if ms > 0 {
        monotonic_clock::wait_for(ms * 1_000_000).await;
    }
}

/// What a request to elsewhere comes to.
/// Sends the body to another server, and shows what it answers.
async fn fetch(to: &str, body: Vec<u8>) -> String {
    let (authority, path) = to.split_once('/').unwrap_or((to, ""));
    let end = wit_future::new(|| Ok(None)).1;
    let (mut writer, contents) = wit_stream::new();
    let request = Request::new(Fields::new(), Some(contents), end, None).0;
    request.set_method(&Method::Post).unwrap();
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    spawn_local(async move {
        // Where no one is connected to no one takes it.
        let _ = writer.write_all(body).await;
    });
    match client::send(request).await {
        Ok(response) => {
            let status = response.get_status_code();
            let (_, done) = wit_future::new(|| Ok(()));
            let (body, _trailers) = Response::consume_body(response, done);
            format!("{status} {}", String::from_utf8_lossy(&read(body).await))
        }
        Err(code) => format!("{code:?}\n"),
    }
}

/// Computes after the answer, for longer than a slice.
async fn spin_and_print(pause_ms: u64, ms: u64, line: String) {
    sleep(pause_ms).await;
    spin(Some(ms));
    print(&line).await;
}

fn stream_late_spin(pause_ms: u64, ms: u64, line: String) -> Response {
    written(async move |mut writer| {
        writer.write_all(b"ans".to_vec()).await;
        sleep(1).await;
        writer.write_all(b"wered\n".to_vec()).await;
        spawn_local(spin_and_print(pause_ms, ms, line));
        Ok(None)
    })
}

/// Each byte is the end of an empty line.
async fn newlines(bytes: usize) {
    let (mut writer, stream) = wit_stream::new();
    let written = stdout::write_via_stream(stream);
    writer.write_all(vec![b'\n'; bytes]).await;
    drop(writer);
    let _ = written.await;
}

async fn print(line: &str) {
    let (mut writer, stream) = wit_stream::new();
    let written = stdout::write_via_stream(stream);
    writer.write_all(format!("{line}\n").into_bytes()).await;
    drop(writer);
    let _ = written.await;

    let (mut writer, stream) = wit_stream::new();
    let written = stderr::write_via_stream(stream);
    let line = format!("on standard error: {line}\n");
    writer.write_all(line.into_bytes()).await;
    drop(writer);
    let _ = written.await;
}

fn spin(ms: Option<u64>) {
    compute(ms.map_or(u64::MAX, |ms| ms * 1_000_000));
}

fn compute(ns: u64) {
    let start = monotonic_clock::now();
    while monotonic_clock::now() - start < ns {
        black_box(());
    }
}

/// A byte after every half slice of computing, without end.
fn drip() -> Response {
    written(async |mut writer| {
        while writer.write_all(b"x".to_vec()).await.is_empty() {
            compute(500_000);
        }
        Ok(None)
    })
}

/// Computes nearly all of the time, and never for as long as a slice.
async fn nag() -> ! {
    loop {
        compute(900_000);
        monotonic_clock::wait_for(100_000).await;
    }
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
