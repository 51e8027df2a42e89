//! The same as `offloading-0-3`, by the sync treaty of WASI 0.2 and its WIT alone, but for what needs
//! two things at once.

mod errors;
mod messages;

use std::borrow::Cow;

wit_bindgen::generate!({
    inline: "
        package hob:offloading;
        world guest {
            import hob:host/offload@0.2.0;
            export hob:host/handler@0.2.0;
        }
    ",
    path: "../../../wit/0.2",
    generate_all,
});

use errors::{Outcome, words};
use exports::hob::host::handler::{
    Guest, GuestOutgoingBody, OutgoingBody, Request, RequestBody, Response, ResponseBody,
};
use hob::host::offload::{self, Job, Options};

export!(Offloading);

struct Offloading;

/// The output of a job, as it comes.
struct Pieces(Job);

impl GuestOutgoingBody for Pieces {
    fn next(&self) -> Result<Option<Vec<u8>>, String> {
        match self.0.receive() {
            Some(piece) => Ok(Some(piece)),
            None => self.0.finish().map(|_| None).map_err(words),
        }
    }
}

/// The query, decoded.
pub(crate) struct Arguments(Vec<(String, String)>);

impl Arguments {
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|pair| pair.0 == name).map_or("", |pair| &pair.1)
    }

    fn option(&self, name: &str) -> Option<u64> {
        let text = self.text(name);
        (!text.is_empty()).then(|| text.parse().expect("a number"))
    }

    fn number(&self, name: &str) -> u64 {
        self.option(name).unwrap_or(0)
    }

    /// A program's arguments are every `arg`.
    fn options(&self) -> Options {
        let arguments = self.0.iter().filter(|pair| pair.0 == "arg");
        Options {
            arguments: arguments.map(|pair| pair.1.clone()).collect(),
            wait_ms: self.option("wait"),
            wall_ms: self.option("wall"),
        }
    }
}

impl Guest for Offloading {
    type OutgoingBody = Pieces;

    fn handle(request: Request) -> Result<Response, String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let pairs = form_urlencoded::parse(query.as_bytes());
        let owned = |text: Cow<str>| text.into_owned();
        let arguments = Arguments(pairs.map(|(name, value)| (owned(name), owned(value))).collect());
        let (module, options) = (arguments.text("module"), arguments.options());
        let body = read(request.body)?;
        let outcome = match path.rsplit('/').next().unwrap_or("") {
            "hello" => Ok(b"hello world\n".to_vec()),
            "run" => offload::run(module, &body, &options).map_err(words),
            "all" => all(module, &body, &options),
            "many" => many(&arguments, &body, &options),
            "drop-soon" => {
                offload::spawn(module, &body, &options).map(|_| b"left\n".to_vec()).map_err(words)
            }
            "leave" => offload::spawn(module, &body, &options)
                .map(std::mem::forget)
                .map(|()| b"left\n".to_vec())
                .map_err(words),
            "spawn-stream" => match offload::spawn(module, &body, &options) {
                Ok(job) => return Ok(stream(job)),
                Err(error) => Err(words(error)),
            },
            deed if deed.starts_with("spawn") => {
                messages::exchange(deed, &arguments, &body, &options)
            }
            _ => return Ok(answer(404, b"no such deed".to_vec())),
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

fn stream(job: Job) -> Response {
    job.close();
    let body = ResponseBody::Pieces(OutgoingBody::new(Pieces(job)));
    Response { status: 200, headers: Vec::new(), body }
}

/// Each line of the body is a piece; of the outputs each is a line. All are begun, and then waited for.
fn all(module: &str, body: &[u8], options: &Options) -> Outcome {
    let begin = |piece| {
        let job = offload::spawn(module, piece, options)?;
        job.close();
        Ok(job)
    };
    let jobs: Result<Vec<_>, _> = body.split(|byte| *byte == b'\n').map(begin).collect();
    let outputs: Result<Vec<_>, _> =
        jobs.map_err(words)?.into_iter().map(|job| job.finish()).collect();
    Ok(outputs.map_err(words)?.join(&b'\n'))
}

/// Begins so many and holds them all; how many it could, and why no more.
fn many(arguments: &Arguments, body: &[u8], options: &Options) -> Outcome {
    let mut begun = Vec::new();
    let mut why = "nothing".to_owned();
    while (begun.len() as u64) < arguments.number("n") {
        match offload::spawn(arguments.text("module"), body, options) {
            Ok(job) => begun.push(job),
            Err(error) => {
                why = words(error);
                break;
            }
        }
    }
    Ok(format!("{} begun, then {why}", begun.len()).into_bytes())
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
