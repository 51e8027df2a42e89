//! `hob:host/fetch` and `hob:host/dns`.

use crate::hob::host::dns;
use crate::hob::host::fetch::{self, Body, Error, Request, Response, Timeouts};
use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments, body: Vec<u8>) -> Outcome {
    let ms = arguments.option("ms").map_or(10_000, |ms| ms.parse().expect("a number"));
    let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_owned());
    let mut request = Request {
        method: arguments.option("method").unwrap_or_else(|| "GET".to_owned()),
        url: arguments.text("to"),
        headers: vec![
            field("x-test", "yes"),
            field("connection", "close"),
            field("host", "forged.example"),
        ],
        timeouts: Timeouts { connect: Some(ms), first_byte: Some(ms), between_bytes: Some(ms) },
    };
    if let Some(length) = arguments.option("length_field") {
        request.headers.push(field("content-length", &length.replace("%2B", "+")));
    }
    let result = match function {
        "send" => fetch::send(&request, &body).and_then(shown),
        "upload" => upload(&request, &body, arguments.number("pieces")),
        "upload-broken" => upload_broken(&request, &body),
        "length" => fetch::send(&request, &body)
            .map(|response| format!("{}", response.headers.len()).into_bytes()),
        _ => return Err("no such function".to_owned()),
    };
    result.map_err(|error| {
        let name = match error {
            Error::Denied => "Denied",
            Error::Invalid(_) => "Invalid",
            Error::Busy => "Busy",
            Error::NotFound => "NotFound",
            Error::Unreachable(_) => "Unreachable",
            Error::TimedOut => "TimedOut",
            Error::Tls(_) => "Tls",
            Error::Closed => "Closed",
            Error::Malformed(_) => "Malformed",
        };
        name.to_owned()
    })
}

fn shown(response: Response) -> Result<Vec<u8>, Error> {
    let answer = response.headers.iter().find(|field| field.0 == "x-answer");
    let answer = answer.map_or("-".into(), |field| String::from_utf8_lossy(&field.1));
    let mut all = format!("{} {answer} ", response.status).into_bytes();
    match response.body {
        Body::Bytes(bytes) => all.extend(bytes),
        Body::Pieces(pieces) => loop {
            let piece = pieces.read(100_000)?;
            if piece.is_empty() {
                break;
            }
            all.extend(piece);
        },
    }
    Ok(all)
}

fn upload(request: &Request, body: &[u8], pieces: u64) -> Result<Vec<u8>, Error> {
    let upload = fetch::open_upload(request)?;
    for _ in 0..pieces {
        if upload.write(body).is_err() {
            break;
        }
    }
    shown(upload.finish()?)
}

fn upload_broken(request: &Request, body: &[u8]) -> Result<Vec<u8>, Error> {
    let upload = fetch::open_upload(request)?;
    for _ in 0..5 {
        upload.write(body)?;
    }
    Ok(b"broken off".to_vec())
}

pub(crate) fn lookup(arguments: &Arguments) -> Outcome {
    match dns::lookup(&arguments.text("to")) {
        Ok(addresses) => Ok(addresses
            .iter()
            .map(|address| format!("{address}\n"))
            .collect::<String>()
            .into_bytes()),
        Err(error) => Err(match error {
            dns::Error::Denied => "Denied",
            dns::Error::NotFound => "NotFound",
            dns::Error::Busy => "Busy",
            dns::Error::Invalid(_) => "Invalid",
            dns::Error::Failed(_) => "Failed",
        }
        .to_owned()),
    }
}
