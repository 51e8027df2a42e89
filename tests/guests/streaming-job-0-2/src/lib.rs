//! The same as `streaming-job-0-3`, by the sync treaty of WASI 0.2 and its WIT alone.

use deeds::Order;

wit_bindgen::generate!({
    inline: "
        package hob:streaming-job-guest;
        world guest {
            import hob:host/caller@0.2.0;
            import hob:host/timers@0.2.0;
            export hob:host/job@0.2.0;
            export hob:host/streaming-job@0.2.0;
        }
    ",
    path: "../../../wit/0.2",
    generate_all,
});

use exports::hob::host::{job, streaming_job};
use hob::host::{caller, timers};

export!(Job);

struct Job;

impl job::Guest for Job {
    fn run(_: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(b"called as a job".to_vec())
    }
}

impl streaming_job::Guest for Job {
    fn run() -> Result<(), String> {
        let mut input = Vec::new();
        while !input.contains(&b'\n')
            && let Some(piece) = caller::receive()
        {
            input.extend(piece);
        }
        let (order, data) = Order::split(&input);
        let first = (!data.is_empty()).then(|| data.to_vec());
        let mut pieces = first.into_iter().chain(std::iter::from_fn(caller::receive));
        match order.deed.as_str() {
            "copy" => copy(pieces, |piece| piece),
            "upper" => copy(pieces, |piece| piece.to_ascii_uppercase()),
            "length" => {
                let length: usize = pieces.map(|piece| piece.len()).sum();
                send(length.to_string().as_bytes())
            }
            "stop" => some(&mut pieces, order.number(0)),
            "reject" => {
                some(&mut pieces, order.number(0))?;
                Err(order.words.split_once(' ').map_or("", |(_, why)| why).to_owned())
            }
            "trap" => {
                some(&mut pieces, order.number(0))?;
                deeds::trap()
            }
            "tell" => tell(order.number(0), order.number(1) as usize),
            "flood" => tell(u64::MAX, 64 * 1024),
            "sleep" => {
                timers::sleep(order.number(0));
                Ok(())
            }
            "spin" => deeds::spin(),
            deed => Err(format!("no such deed: {deed}")),
        }
    }
}

/// Sends, or says why not, as the SDK does.
fn send(message: &[u8]) -> Result<(), String> {
    caller::send(message).map_err(|error| match error {
        caller::Error::TooLarge => "the message is too large".to_owned(),
        caller::Error::Gone => "no one receives the message".to_owned(),
    })
}

fn copy(
    pieces: impl Iterator<Item = Vec<u8>>,
    change: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Result<(), String> {
    let mut done = 0;
    for piece in pieces {
        done += piece.len() as u64;
        caller::progress(done, 0);
        send(&change(piece))?;
    }
    Ok(())
}

fn some(pieces: &mut impl Iterator<Item = Vec<u8>>, count: u64) -> Result<(), String> {
    pieces.take(count as usize).try_for_each(|piece| send(&piece))
}

fn tell(count: u64, size: usize) -> Result<(), String> {
    for sent in 0..count {
        send(&vec![b'x'; size])?;
        caller::progress(sent + 1, count);
    }
    Ok(())
}
