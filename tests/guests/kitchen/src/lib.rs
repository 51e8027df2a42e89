//! Every behaviour that a test of the fast lane needs: the last segment of the path selects it.

use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hob_sdk::{Body, Error, Request, Response, Result, spawn, time};
use serde::{Deserialize, Serialize};

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    let behaviour = request.path().rsplit('/').next().unwrap_or("").to_owned();
    let options: Options = request.query().parse()?;
    match behaviour.as_str() {
        // Answers.
        "hello" => Ok(Response::text("hello world\n")),
        "headers" => headers(&request),
        "env" => Ok(env()),
        "fields" => Ok(fields(&request)),
        "param" => Ok(Response::text(request.param(&options.to).unwrap_or("none".into()))),
        "count" => Ok(count()),
        "now" => Ok(now()),
        "random" => random(),
        "status" => Ok(Response::text("").with_status(options.code)),
        "big-headers" => Ok(Response::text("").with_header("x-big", vec![b'x'; options.bytes])),
        "redirect" => Ok(Response::redirect(options.to)),
        "header-named" => Ok(Response::text("").with_header(options.to, "value")),
        "many-headers" => Ok(many_headers(options.count)),
        "miscount" => Ok(miscount(Body::from(vec![b'x'; options.size]), options.bytes)),
        "miscount-stream" => Ok(miscount(pieces(options.size, options.pause_ms), options.bytes)),
        // Bodies.
        "echo" => echo(request.take_body()).await,
        "echo-stream" => Ok(Response::new(request.take_body())),
        "echo-chunks" => Ok(echo_chunks(request.take_body())),
        "read-slowly" => read_slowly(request.take_body(), options.ms.unwrap_or(10)).await,
        "stream" => Ok(stream(options)),
        "stream-break" => Ok(stream_break(options.pause_ms)),
        "endless" => Ok(endless()),
        // Time.
        "sleep" => sleep(options.ms.unwrap_or(10)).await,
        "late" => Ok(late(options.ms.unwrap_or(50))),
        "late-spin" => Ok(late_spin(options)),
        "stream-late-spin" => Ok(stream_late_spin(options)),
        "print" => Ok(print(&options.line)),
        "print-and-sleep" => print_and_sleep(&options.line).await,
        // Misdeeds.
        "spin" => Ok(spin(options.ms)),
        "drip" => Ok(drip()),
        "nag" => nag().await,
        "nag-after" => Ok(nag_after()),
        "newlines" => newlines(options.bytes),
        "recurse" => Ok(Response::text(recurse(0).to_string())),
        "grow" => grow(),
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("as the test wants it"),
        "error" => Err(Error::new("as the test wants it")),
        _ => Err(Error::status(404, "no such behaviour")),
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct Options {
    bytes: usize,
    chunks: u32,
    code: u16,
    count: u32,
    line: String,
    ms: Option<u64>,
    pause_ms: u64,
    size: usize,
    to: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bytes: 100_000,
            chunks: 10,
            code: 200,
            count: 1000,
            line: "a line".to_owned(),
            ms: None,
            pause_ms: 0,
            size: 1000,
            to: String::new(),
        }
    }
}

fn headers(request: &Request) -> Result<Response> {
    #[derive(Serialize)]
    struct Head<'a> {
        method: &'a str,
        target: &'a str,
        headers: Vec<(&'a str, String)>,
    }

    let pairs = request.header_pairs();
    Response::json(&Head {
        method: request.method().as_str(),
        target: request.target(),
        headers: pairs
            .map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()))
            .collect(),
    })
}

/// The request's fields, a line each.
fn fields(request: &Request) -> Response {
    let line = |(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value));
    Response::text(request.header_pairs().map(line).collect::<String>())
}

fn env() -> Response {
    let lines = std::env::vars().map(|(name, value)| format!("{name}={value}\n"));
    Response::text(lines.collect::<String>())
}

/// How many requests this instance has served: 1 in a fresh one.
fn count() -> Response {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    let served = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
    Response::text(format!("{served}\n"))
}

/// Nanoseconds since the epoch.
fn now() -> Response {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    Response::text(format!("{}\n", since.unwrap_or_default().as_nanos()))
}

fn random() -> Result<Response> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Response::text(hex + "\n"))
}

fn many_headers(count: u32) -> Response {
    (0..count).fold(Response::text(""), |response, number| {
        response.with_added_header(format!("x-{number}"), "value")
    })
}

/// The whole body, in one piece.
async fn echo(body: Body) -> Result<Response> {
    Ok(Response::bytes(body.with_limit(usize::MAX).bytes().await?))
}

/// The body chunk by chunk through the guest, unlike `echo-stream`, which hands the stream on.
fn echo_chunks(mut body: Body) -> Response {
    Response::new(Body::stream(async move |mut writer| {
        while let Some(chunk) = body.chunk().await? {
            writer.write(chunk).await?;
        }
        Ok(())
    }))
}

/// An answer whose length is not what it says.
fn miscount(body: Body, said: usize) -> Response {
    Response::new(body).with_header("content-length", said.to_string())
}

/// Two pieces with a pause in between.
fn pieces(size: usize, pause_ms: u64) -> Body {
    Body::stream(async move |mut writer| {
        writer.write(vec![b'x'; size / 2]).await?;
        time::sleep(Duration::from_millis(pause_ms)).await;
        writer.write(vec![b'x'; size - size / 2]).await?;
        Ok(())
    })
}

async fn read_slowly(mut body: Body, ms: u64) -> Result<Response> {
    let mut length = 0;
    while let Some(chunk) = body.chunk().await? {
        length += chunk.len();
        time::sleep(Duration::from_millis(ms)).await;
    }
    Ok(Response::text(format!("{length}\n")))
}

/// Chunks of `a`, of `b`, of `c`, ...
fn stream(options: Options) -> Response {
    Response::new(Body::stream(async move |mut writer| {
        for letter in (b'a'..=b'z').cycle().take(options.chunks as usize) {
            writer.write(vec![letter; options.size]).await?;
            if options.pause_ms > 0 {
                time::sleep(Duration::from_millis(options.pause_ms)).await;
            }
        }
        Ok(())
    }))
}

fn stream_break(pause_ms: u64) -> Response {
    Response::new(Body::stream(async move |mut writer| {
        for _ in 0..3 {
            writer.write("a chunk\n").await?;
            if pause_ms > 0 {
                time::sleep(Duration::from_millis(pause_ms)).await;
            }
        }
        Err(Error::new("as the test wants it"))
    }))
}

fn endless() -> Response {
    Response::new(Body::stream(async |mut writer| {
        loop {
            writer.write(vec![b'x'; 16 * 1024]).await?;
        }
    }))
}

async fn sleep(ms: u64) -> Result<Response> {
    time::sleep(Duration::from_millis(ms)).await;
    Ok(Response::text(format!("slept {ms} ms\n")))
}

fn late(ms: u64) -> Response {
    spawn(async move {
        time::sleep(Duration::from_millis(ms)).await;
        println!("late work done");
    });
    Response::text("answered\n")
}

/// Computes after the answer, for longer than a slice.
fn late_spin(options: Options) -> Response {
    spawn(spin_and_print(options));
    Response::text("answered\n")
}

fn stream_late_spin(options: Options) -> Response {
    Response::new(Body::stream(async move |mut writer| {
        // They fail when the request is a HEAD.
        let _ = writer.write("ans").await;
        time::sleep(Duration::from_millis(1)).await;
        let _ = writer.write("wered\n").await;
        spawn(spin_and_print(options));
        Ok(())
    }))
}

async fn spin_and_print(options: Options) {
    time::sleep(Duration::from_millis(options.pause_ms)).await;
    spin(options.ms.or(Some(30)));
    println!("{}", options.line);
}

/// A line, text without a line's end, and then no answer for long.
async fn print_and_sleep(text: &str) -> Result<Response> {
    print!("{text}\n{text} without end");
    std::io::stdout().flush()?;
    sleep(3_600_000).await
}

fn print(line: &str) -> Response {
    println!("{line}");
    eprintln!("on standard error: {line}");
    Response::text("printed\n")
}

fn spin(ms: Option<u64>) -> Response {
    compute(ms.map_or(Duration::MAX, Duration::from_millis));
    Response::text("spun\n")
}

fn compute(time: Duration) {
    let start = time::now();
    while start.elapsed() < time {
        black_box(());
    }
}

/// A byte after every half slice of computing, without end.
fn drip() -> Response {
    Response::new(Body::stream(async |mut writer| {
        loop {
            compute(Duration::from_micros(500));
            writer.write("x").await?;
        }
    }))
}

/// Computes nearly all of the time, and never for as long as a slice.
async fn nag() -> ! {
    loop {
        compute(Duration::from_micros(900));
        time::sleep(Duration::from_micros(100)).await;
    }
}

fn nag_after() -> Response {
    spawn(async { nag().await });
    Response::text("answered\n")
}

/// Each byte is the end of an empty line.
fn newlines(bytes: usize) -> Result<Response> {
    std::io::stdout().write_all(&vec![b'\n'; bytes])?;
    Ok(Response::text("printed\n"))
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
