//! Offloads, by the SDK: the last segment of the path is what it does, the query says which module and
//! how, and the body is the input. The answer is the output, or with status 422 the error's name as the
//! treaty has it and its words: `rejected: not a picture`. `offloading-0-2` does the same by the sync
//! treaty, but for what that cannot.

mod errors;
mod messages;

use std::time::Duration;

use futures_util::future::{Either, select};
use hob_sdk::offload::{self, Options};
use hob_sdk::{Error, Request, Response, Result, spawn, time};
use serde::Deserialize;

use errors::{Outcome, shown, words};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Arguments {
    module: String,
    /// How long it may wait and take, in milliseconds.
    wait: Option<u64>,
    wall: Option<u64>,
    ms: u64,
    n: u64,
    size: usize,
    /// How many messages are received first.
    receive: u64,
    /// The beginning of the input, where the body is the rest.
    first: String,
}

impl Arguments {
    /// A program's arguments are every `arg`.
    fn options(&self, request: &Request) -> Options {
        let pairs = request.query().pairs().filter(|(name, _)| name == "arg");
        let options = Options::new().arguments(pairs.map(|(_, value)| value));
        let options = match self.wait {
            Some(ms) => options.wait(Duration::from_millis(ms)),
            None => options,
        };
        match self.wall {
            Some(ms) => options.wall(Duration::from_millis(ms)),
            None => options,
        }
    }
}

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    let deed = request.path().rsplit('/').next().unwrap_or("").to_owned();
    let arguments: Arguments = request.query().parse()?;
    let options = arguments.options(&request);
    let body = request.take_body().with_limit(64 << 20).bytes().await?;
    let module = arguments.module.clone();
    let outcome = match deed.as_str() {
        "hello" => Ok(b"hello world\n".to_vec()),
        "run" => offload::run_with(module, body, options).await.map_err(words),
        // Errors become answers as they do in handlers that say nothing of them.
        "run-plain" => {
            return Ok(Response::bytes(offload::run_with(module, body, options).await?));
        }
        "run-dropped" => run_dropped(arguments, body, options).await,
        "all" => all(module, &body, options).await,
        "many" => many(&arguments, &body, &options),
        "drop-soon" => {
            offload::spawn_with(&module, body, options).map(|_| b"left\n".to_vec()).map_err(words)
        }
        // Neither waits for it nor drops it: it is the host's to end.
        "leave" => offload::spawn_with(&module, body, options)
            .map(std::mem::forget)
            .map(|()| b"left\n".to_vec())
            .map_err(words),
        "late" => late(module, body, options),
        "spawn-stream" => {
            let job = match offload::spawn_with(&module, body, options) {
                Ok(job) => job,
                Err(error) => return Ok(Response::text(words(error)).with_status(422)),
            };
            job.close();
            return Ok(Response::new(job.into_body()));
        }
        deed if deed.starts_with("spawn") => {
            messages::exchange(deed, &arguments, body, options).await
        }
        _ => return Err(Error::status(404, "no such deed")),
    };
    Ok(match outcome {
        Ok(bytes) => Response::bytes(bytes),
        Err(why) => Response::text(why).with_status(422),
    })
}

/// Waits for so many milliseconds, and no longer.
async fn run_dropped(arguments: Arguments, body: Vec<u8>, options: Options) -> Outcome {
    let run = Box::pin(offload::run_with(arguments.module, body, options));
    let patience = Box::pin(time::sleep(Duration::from_millis(arguments.ms)));
    match select(run, patience).await {
        Either::Left((output, _)) => output.map_err(words),
        Either::Right(_) => Ok(b"dropped\n".to_vec()),
    }
}

/// Each line of the body is a piece; of the outputs each is a line.
async fn all(module: String, body: &[u8], options: Options) -> Outcome {
    let pieces = body.split(|byte| *byte == b'\n');
    let outputs = offload::all_with(module, pieces, options).await.map_err(words)?;
    Ok(outputs.join(&b'\n'))
}

/// Begins so many and holds them all; how many it could, and why no more.
fn many(arguments: &Arguments, body: &[u8], options: &Options) -> Outcome {
    let mut begun = Vec::new();
    let mut why = "nothing".to_owned();
    while (begun.len() as u64) < arguments.n {
        match offload::spawn_with(&arguments.module, body, options.clone()) {
            Ok(job) => begun.push(job),
            Err(error) => {
                why = words(error);
                break;
            }
        }
    }
    Ok(format!("{} begun, then {why}", begun.len()).into_bytes())
}

/// Answers, and waits for the output after that, which becomes a line of the log.
fn late(module: String, body: Vec<u8>, options: Options) -> Outcome {
    let job = offload::spawn_with(&module, body, options).map_err(words)?;
    spawn(async move {
        let output = job.finish().await.map_err(words);
        println!("late: {}", String::from_utf8_lossy(&shown(output)));
    });
    Ok(b"left\n".to_vec())
}
