//! `hob:host/timers`.

use std::time::{Duration, Instant};

use crate::hob::host::timers;
use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments) -> Outcome {
    let (length, pieces) = (arguments.number("length"), arguments.number("pieces"));
    let start = Instant::now();
    match function {
        "sleep" => {
            timers::sleep(length);
            Ok(start.elapsed().as_millis().to_string().into_bytes())
        }
        "ticks" => {
            let interval = timers::every(length);
            let ticks = pieces + (0..pieces).map(|_| interval.next()).sum::<u64>();
            Ok(format!("{} {ticks}", start.elapsed().as_millis()).into_bytes())
        }
        "late" => {
            let interval = timers::every(length);
            let late = Duration::from_millis(length * pieces + length / 2);
            timers::sleep(late.as_millis() as u64);
            let missed = interval.next();
            let ticks = missed + interval.next() + 2;
            Ok(format!("{} {ticks} {missed}", start.elapsed().as_millis()).into_bytes())
        }
        _ => Err("no such function".to_owned()),
    }
}
