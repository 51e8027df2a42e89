//! Jobs that run while the handler does, and what it exchanges with them: see the module of
//! `offloading-0-3`.

use crate::Arguments;
use crate::errors::{Outcome, shown, words};
use crate::hob::host::offload::{self, Job, Options};

pub(crate) fn exchange(
    deed: &str,
    arguments: &Arguments,
    body: &[u8],
    options: &Options,
) -> Outcome {
    let begin =
        |input: &[u8]| offload::spawn(arguments.text("module"), input, options).map_err(words);
    match deed {
        "spawn" => {
            let job = begin(body)?;
            job.close();
            job.finish().map_err(words)
        }
        "spawn-finish" => begin(body)?.finish().map_err(words),
        "spawn-messages" => in_turn(&begin(body)?, arguments),
        "spawn-send" => send(&begin(body)?, arguments),
        "spawn-receive" => receive(&begin(body)?),
        "spawn-copy" => copy(&begin(arguments.text("first").as_bytes())?, arguments, body),
        "spawn-progress" => progress(&begin(body)?, arguments.number("n")),
        "spawn-cancel" => {
            let job = begin(body)?;
            take(&job, arguments.number("receive"));
            job.cancel();
            job.cancel();
            job.finish().map_err(words)
        }
        "spawn-drop" => {
            let job = begin(body)?;
            take(&job, arguments.number("receive"));
            drop(job);
            Ok(b"dropped\n".to_vec())
        }
        "spawn-closed" => {
            let job = begin(body)?;
            job.close();
            job.close();
            job.send(b"after the end").map_err(words)?;
            Ok(b"sent".to_vec())
        }
        // Holds so many until the request is left: nothing comes of the first.
        "spawn-hold" => {
            let jobs: Vec<_> =
                (0..arguments.number("n")).map(|_| begin(body)).collect::<Result<_, _>>()?;
            jobs[0].receive().ok_or("over".to_owned())
        }
        "spawn-over" => over(&begin(body)?),
        "spawn-twice" => {
            let job = begin(body)?;
            job.close();
            let (first, second) = (job.finish(), job.finish());
            Ok([shown(first.map_err(words)), shown(second.map_err(words))].join(&b'\n'))
        }
        _ => Err("no such deed".to_owned()),
    }
}

fn in_turn(job: &Job, arguments: &Arguments) -> Outcome {
    let mut received = 0;
    for letter in (b'a'..=b'z').cycle().take(arguments.number("n") as usize) {
        let message = vec![letter; arguments.number("size") as usize];
        job.send(&message).map_err(words)?;
        match job.receive() {
            Some(back) if back == message => received += back.len(),
            Some(_) => return Err("another message came back".to_owned()),
            None => return Err(format!("over: {}", end(job))),
        }
    }
    job.close();
    Ok(format!("{received} {}", end(job)).into_bytes())
}

fn send(job: &Job, arguments: &Arguments) -> Outcome {
    let count = arguments.number("n");
    for _ in 0..count {
        job.send(&vec![b'x'; arguments.number("size") as usize]).map_err(words)?;
    }
    Ok(format!("sent {count}").into_bytes())
}

fn receive(job: &Job) -> Outcome {
    job.close();
    let (mut count, mut bytes) = (0, 0);
    while let Some(message) = job.receive() {
        count += 1;
        bytes += message.len();
    }
    Ok(format!("{count} {bytes} {}", end(job)).into_bytes())
}

/// Sends a piece and receives one, in turn: what it is for gives one for each.
fn copy(job: &Job, arguments: &Arguments, body: &[u8]) -> Outcome {
    let mut all = Vec::new();
    let size = arguments.number("size").max(1) as usize;
    for piece in body.chunks(size) {
        if job.send(piece).is_err() {
            break;
        }
        all.extend(job.receive().unwrap_or_default());
    }
    job.close();
    while let Some(piece) = job.receive() {
        all.extend(piece);
    }
    all.extend(job.finish().map_err(words)?);
    Ok(all)
}

fn progress(job: &Job, count: u64) -> Outcome {
    let mut lines = String::new();
    for _ in 0..count {
        job.receive().ok_or("over")?;
        let progress = job.progress().ok_or("no progress")?;
        let total = match progress.total {
            0 => "?".to_owned(),
            total => total.to_string(),
        };
        lines.push_str(&format!("{}/{total}\n", progress.done));
        job.send(b"go on").map_err(words)?;
    }
    job.close();
    lines.push_str(&end(job));
    Ok(lines.into_bytes())
}

fn over(job: &Job) -> Outcome {
    job.close();
    while job.receive().is_some() {}
    let sent = shown(job.send(b"late").map(|()| b"sent".to_vec()).map_err(words));
    let sent = String::from_utf8_lossy(&sent).into_owned();
    let received = if job.receive().is_none() { "none" } else { "some" };
    job.cancel();
    Ok(format!("send: {sent}\nreceive: {received}\nfinish: {}", end(job)).into_bytes())
}

/// Receives so many messages, or as many as there are.
fn take(job: &Job, count: u64) {
    for _ in 0..count {
        if job.receive().is_none() {
            return;
        }
    }
}

/// How it ends, in words.
fn end(job: &Job) -> String {
    String::from_utf8_lossy(&shown(job.finish().map_err(words))).into_owned()
}
