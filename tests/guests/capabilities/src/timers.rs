//! `hob:host/timers`: the intervals of the SDK.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use hob_sdk::time;

use crate::{Arguments, Outcome};

pub(crate) async fn call(function: &str, arguments: Arguments) -> Outcome {
    let Arguments { length, pieces, .. } = arguments;
    let period = Duration::from_millis(length.into());
    match function {
        "sleep" => {
            let start = time::now();
            time::sleep(period).await;
            Ok(start.elapsed().as_millis().to_string().into_bytes())
        }
        // So many ticks, and how long they took.
        "ticks" => {
            let start = time::now();
            let mut interval = time::interval(period);
            let mut all = u64::from(pieces);
            for _ in 0..pieces {
                all += interval.next().await;
            }
            Ok(format!("{} {all}", start.elapsed().as_millis()).into_bytes())
        }
        // A tick that is waited for too late, and the one after it.
        "late" => {
            let start = time::now();
            let mut interval = time::interval(period);
            time::sleep(period * pieces + period / 2).await;
            let missed = interval.next().await;
            let again = interval.next().await;
            let ticks = missed + again + 2;
            Ok(format!("{} {ticks} {missed}", start.elapsed().as_millis()).into_bytes())
        }
        // Many at once.
        "many" => {
            let wait = async || time::interval(period).next().await;
            let mut waits: Vec<_> = (0..pieces).map(|_| Box::pin(wait())).collect();
            poll_fn(|cx| {
                waits.retain_mut(|wait| wait.as_mut().poll(cx).is_pending());
                if waits.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            Ok(pieces.to_string().into_bytes())
        }
        _ => Err("no such function".to_owned()),
    }
}
