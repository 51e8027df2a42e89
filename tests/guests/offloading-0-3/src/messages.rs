//! Jobs that run while the handler does, and what it exchanges with them.

use futures_util::future::join;
use hob_sdk::bindings::hob::host::offload as treaty;
use hob_sdk::offload::{self, Job, Options};

use crate::Arguments;
use crate::errors::{Outcome, shown, words};

pub(crate) async fn exchange(
    deed: &str,
    arguments: &Arguments,
    body: Vec<u8>,
    options: Options,
) -> Outcome {
    let begin = |input: &[u8]| {
        offload::spawn_with(&arguments.module, input, options.clone()).map_err(words)
    };
    match deed {
        "spawn" => {
            let job = begin(&body)?;
            job.close();
            job.finish().await.map_err(words)
        }
        // Does not say that there will be no messages.
        "spawn-finish" => begin(&body)?.finish().await.map_err(words),
        "spawn-messages" => in_turn(begin(&body)?, arguments).await,
        "spawn-send" => send(begin(&body)?, arguments).await,
        "spawn-receive" => receive(begin(&body)?).await,
        "spawn-copy" => copy(begin(arguments.first.as_bytes())?, arguments, body).await,
        "spawn-progress" => progress(begin(&body)?, arguments.n).await,
        "spawn-cancel" => cancel(begin(&body)?, arguments.receive).await,
        "spawn-drop" => {
            let job = begin(&body)?;
            take(&job, arguments.receive).await;
            drop(job);
            Ok(b"dropped\n".to_vec())
        }
        "spawn-closed" => {
            let job = begin(&body)?;
            job.close();
            job.close();
            job.send("after the end").await.map_err(words)?;
            Ok(b"sent".to_vec())
        }
        // Holds so many until the request is left: nothing comes of the first.
        "spawn-hold" => {
            let jobs: Vec<_> =
                (0..arguments.n).map(|_| begin(&body)).collect::<std::result::Result<_, _>>()?;
            jobs[0].receive().await.ok_or("over".to_owned())
        }
        "spawn-over" => over(begin(&body)?).await,
        "spawn-twice" => twice(&arguments.module, &body).await,
        "spawn-both" => both(&arguments.module, &body).await,
        _ => Err("no such deed".to_owned()),
    }
}

/// So many messages of so many bytes, and after each the one that comes back; how many bytes did, and
/// the output.
async fn in_turn(job: Job, arguments: &Arguments) -> Outcome {
    let mut received = 0;
    for letter in (b'a'..=b'z').cycle().take(arguments.n as usize) {
        let message = vec![letter; arguments.size];
        job.send(message.as_slice()).await.map_err(words)?;
        match job.receive().await {
            Some(back) if back == message => received += back.len(),
            Some(_) => return Err("another message came back".to_owned()),
            None => return Err(format!("over: {}", end(job).await)),
        }
    }
    job.close();
    Ok(format!("{received} {}", end(job).await).into_bytes())
}

/// So many messages, and receives none.
async fn send(job: Job, arguments: &Arguments) -> Outcome {
    for _ in 0..arguments.n {
        job.send(vec![b'x'; arguments.size]).await.map_err(words)?;
    }
    Ok(format!("sent {}", arguments.n).into_bytes())
}

/// How many messages came, of how many bytes, and the output.
async fn receive(job: Job) -> Outcome {
    job.close();
    let (mut count, mut bytes) = (0, 0);
    while let Some(message) = job.receive().await {
        count += 1;
        bytes += message.len();
    }
    Ok(format!("{count} {bytes} {}", end(job).await).into_bytes())
}

/// Sends the body in pieces of this size and receives meanwhile; all that came.
async fn copy(job: Job, arguments: &Arguments, body: Vec<u8>) -> Outcome {
    let sending = async {
        for piece in body.chunks(arguments.size.max(1)) {
            job.send(piece).await.map_err(words)?;
        }
        job.close();
        Ok::<(), String>(())
    };
    let receiving = async {
        let mut all = Vec::new();
        while let Some(piece) = job.receive().await {
            all.extend(piece);
        }
        all
    };
    let (sent, mut all) = join(sending, receiving).await;
    // Why the job is over says more than that it takes no more.
    all.extend(job.finish().await.map_err(words)?);
    sent.map(|()| all)
}

/// What is reported each time that the job says it has reported, a line each; then the output.
async fn progress(job: Job, count: u64) -> Outcome {
    let mut lines = String::new();
    for _ in 0..count {
        job.receive().await.ok_or("over")?;
        let progress = job.progress().ok_or("no progress")?;
        let total = progress.total.map_or("?".to_owned(), |total| total.to_string());
        lines.push_str(&format!("{}/{total}\n", progress.done));
        job.send("go on").await.map_err(words)?;
    }
    job.close();
    lines.push_str(&end(job).await);
    Ok(lines.into_bytes())
}

async fn cancel(job: Job, received: u64) -> Outcome {
    take(&job, received).await;
    job.cancel();
    job.cancel();
    job.finish().await.map_err(words)
}

/// What a job that is over answers, a line each.
async fn over(job: Job) -> Outcome {
    job.close();
    while job.receive().await.is_some() {}
    let sent = job.send("late").await.map(|()| b"sent".to_vec()).map_err(words);
    let sent = String::from_utf8_lossy(&shown(sent)).into_owned();
    let received = if job.receive().await.is_none() { "none" } else { "some" };
    job.cancel();
    Ok(format!("send: {sent}\nreceive: {received}\nfinish: {}", end(job).await).into_bytes())
}

/// Asks twice how it ended, which the SDK does not let one do.
async fn twice(module: &str, input: &[u8]) -> Outcome {
    let job = begin_plainly(module, input)?;
    job.close();
    let first = job.finish().await.map_err(|error| words(error.into()));
    let second = job.finish().await.map_err(|error| words(error.into()));
    Ok([shown(first), shown(second)].join(&b'\n'))
}

/// Asks how it ended while it waits for a message.
async fn both(module: &str, input: &[u8]) -> Outcome {
    let job = begin_plainly(module, input)?;
    job.close();
    let (received, finished) = join(job.receive(), job.finish()).await;
    let received = received.map_or("none".to_owned(), |message| message.len().to_string());
    let finished = shown(finished.map_err(|error| words(error.into())));
    Ok([format!("{received}\n").as_bytes(), &finished].concat())
}

fn begin_plainly(module: &str, input: &[u8]) -> Result<treaty::Job, String> {
    let options = treaty::Options { arguments: Vec::new(), wait_ms: None, wall_ms: None };
    treaty::spawn(module, input, &options).map_err(|error| words(error.into()))
}

/// Receives so many messages, or as many as there are.
async fn take(job: &Job, count: u64) {
    for _ in 0..count {
        if job.receive().await.is_none() {
            return;
        }
    }
}

/// How it ends, in words.
async fn end(job: Job) -> String {
    String::from_utf8_lossy(&shown(job.finish().await.map_err(words))).into_owned()
}
