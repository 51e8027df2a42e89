//! A plug-in of the world `wasi:http/middleware` that writes its name into what goes through it, and does
//! what the field `x-deed` of a request tells the plug-in of its name: `NAME=DEED`. Its name is in its
//! environment.

wit_bindgen::generate!({
    path: "../../../guest-sdk/wit",
    inline: "
        package hob:plugins;
        world relay {
            include wasi:http/middleware@0.3.0;
            import wasi:config/store@0.2.0-rc.1;
        }
    ",
    generate_all,
});

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use exports::wasi::http::handler::Guest;
use wasi::cli::stdout;
use wasi::clocks::monotonic_clock;
use wasi::http::types::{ErrorCode, Fields, Request, Response, Scheme, Trailers};
use wasi::http::{client, handler};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, spawn_local};

export!(Relay);

struct Relay;

type End = FutureReader<Result<Option<Trailers>, ErrorCode>>;

impl Guest for Relay {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        static SERVED: AtomicU32 = AtomicU32::new(0);
        let served = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
        let name = std::env::var("NAME").unwrap();
        match deed(&request, &name).as_str() {
            "trap" => core::arch::wasm32::unreachable(),
            "spin" => loop {
                black_box(());
            },
            "sleep" => {
                monotonic_clock::wait_for(3_600_000_000_000).await;
                Ok(text(200, "slept\n".into()))
            }
            "error" => Err(ErrorCode::ConfigurationError),
            "limit" if served > 2 => Ok(text(429, "enough\n".into())),
            "copy" => {
                let answer = handler::handle(copied_request(request)).await?;
                Ok(copied_response(answer))
            }
            // What is told of the one behind, as an answer.
            "tell" => Ok(match handler::handle(request).await {
                Ok(answer) => answer,
                Err(code) => text(200, format!("{code:?}\n")),
            }),
            // Once more when the first call has failed.
            "retry" => match handler::handle(bare(&request)).await {
                Ok(answer) => Ok(answer),
                Err(_) => {
                    let again = bare(&request);
                    again.set_path_with_query(Some("/kitchen/hello")).unwrap();
                    handler::handle(again).await
                }
            },
            "storm" => {
                let mut answered = 0;
                let told = loop {
                    match handler::handle(bare(&request)).await {
                        Ok(_) => answered += 1,
                        Err(code) => break code,
                    }
                };
                Ok(text(200, format!("{answered} {told:?}\n")))
            }
            // What it calls when it has answered already.
            "late" => {
                let later = bare(&request);
                spawn_local(async move {
                    monotonic_clock::wait_for(20_000_000).await;
                    let told = handler::handle(later).await.map(|answer| answer.get_status_code());
                    print(format!("late: {told:?}")).await;
                });
                Ok(text(200, "answered\n".into()))
            }
            "secret" => {
                let secret = wasi::config::store::get("secret");
                Ok(text(200, format!("{secret:?}\n")))
            }
            deed => {
                if let Some(to) = deed.strip_prefix("fetch ") {
                    let sent = bare(&request);
                    sent.set_scheme(Some(&Scheme::Http)).unwrap();
                    sent.set_authority(Some(to)).unwrap();
                    let told = client::send(sent).await.map(|answer| answer.get_status_code());
                    return Ok(text(200, format!("{told:?}\n")));
                }
                let answer = handler::handle(marked_request(request, &name)).await?;
                Ok(marked_response(answer, &name))
            }
        }
    }
}

fn deed(request: &Request, name: &str) -> String {
    let fields = request.get_headers().get("x-deed");
    let deeds = fields.iter().filter_map(|field| std::str::from_utf8(field).ok());
    let mut own = deeds.filter_map(|deed| deed.strip_prefix(name)?.strip_prefix('='));
    own.next().unwrap_or_default().to_owned()
}

/// The same without a body.
fn bare(request: &Request) -> Request {
    let end = wit_future::new(|| Ok(None)).1;
    let bare = Request::new(request.get_headers().clone(), None, end, None).0;
    bare.set_path_with_query(request.get_path_with_query().as_deref()).unwrap();
    bare.set_authority(request.get_authority().as_deref()).unwrap();
    bare
}

fn replaced(
    request: Request,
    headers: Fields,
    change: fn(StreamReader<u8>, End) -> Moved,
) -> Request {
    let method = request.get_method();
    let (target, authority) = (request.get_path_with_query(), request.get_authority());
    let (body, end) = Request::consume_body(request, wit_future::new(|| Ok(())).1);
    let (body, end) = change(body, end);
    let sent = Request::new(headers, Some(body), end, None).0;
    sent.set_method(&method).unwrap();
    sent.set_path_with_query(target.as_deref()).unwrap();
    sent.set_authority(authority.as_deref()).unwrap();
    sent
}

fn replaced_response(
    answer: Response,
    headers: Fields,
    change: fn(StreamReader<u8>, End) -> Moved,
) -> Response {
    let status = answer.get_status_code();
    let (body, end) = Response::consume_body(answer, wit_future::new(|| Ok(())).1);
    let (body, end) = change(body, end);
    let sent = Response::new(headers, Some(body), end).0;
    sent.set_status_code(status).unwrap();
    sent
}

type Moved = (StreamReader<u8>, End);

fn as_it_is(body: StreamReader<u8>, end: End) -> Moved {
    (body, end)
}

fn marked(headers: Fields, name: &str) -> Fields {
    headers.append("x-way", name.as_bytes()).unwrap();
    headers
}

fn marked_request(request: Request, name: &str) -> Request {
    let headers = marked(request.get_headers().clone(), name);
    replaced(request, headers, as_it_is)
}

fn marked_response(answer: Response, name: &str) -> Response {
    let headers = marked(answer.get_headers().clone(), name);
    replaced_response(answer, headers, as_it_is)
}

fn copied_request(request: Request) -> Request {
    let headers = request.get_headers().clone();
    replaced(request, headers, copied)
}

fn copied_response(answer: Response) -> Response {
    let headers = answer.get_headers().clone();
    replaced_response(answer, headers, copied)
}

/// The same body, through the memory of this guest.
fn copied(mut from: StreamReader<u8>, from_end: End) -> Moved {
    let (mut to, body) = wit_stream::new();
    let (to_end, end) = wit_future::new(|| Err(ErrorCode::HttpResponseIncomplete));
    spawn_local(async move {
        loop {
            let (result, piece) = from.read(Vec::with_capacity(16 * 1024)).await;
            if !to.write_all(piece).await.is_empty() {
                return;
            }
            if let StreamResult::Dropped = result {
                break;
            }
        }
        drop(to);
        let _ = to_end.write(from_end.await).await;
    });
    (body, end)
}

fn text(status: u16, text: String) -> Response {
    let (mut writer, body) = wit_stream::new();
    let (ended, end) = wit_future::new(|| Ok(None));
    let response = Response::new(Fields::new(), Some(body), end).0;
    response.set_status_code(status).unwrap();
    spawn_local(async move {
        let _ = writer.write_all(text.into_bytes()).await;
        drop(writer);
        let _ = ended.write(Ok(None)).await;
    });
    response
}

async fn print(line: String) {
    let (mut writer, stream) = wit_stream::new();
    let written = stdout::write_via_stream(stream);
    writer.write_all(format!("{line}\n").into_bytes()).await;
    drop(writer);
    let _ = written.await;
}
