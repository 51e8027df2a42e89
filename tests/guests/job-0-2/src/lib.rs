//! The same as `job-0-3`, by the sync treaty of WASI 0.2 and its WIT alone.

use deeds::Order;

wit_bindgen::generate!({
    inline: "
        package hob:job-guest;
        world guest {
            import hob:host/caller@0.2.0;
            import hob:host/timers@0.2.0;
            import wasi:config/store@0.2.0-rc.1;
            export hob:host/job@0.2.0;
        }
    ",
    path: ["../../../wit/0.2", "../../../guest-sdk/wit/deps/config.wit"],
    generate_all,
});

use exports::hob::host::job::Guest;
use hob::host::{caller, timers};
use wasi::config::store;

export!(Job);

struct Job;

impl Guest for Job {
    fn run(input: Vec<u8>) -> Result<Vec<u8>, String> {
        let (order, data) = Order::split(&input);
        if let Some(computed) = deeds::compute(&order, data) {
            return computed;
        }
        match order.deed.as_str() {
            "sleep" => {
                timers::sleep(order.number(0));
                Ok(format!("slept {} ms", order.words).into_bytes())
            }
            "config" => {
                let value = store::get(&order.words).map_err(|error| format!("{error:?}"))?;
                Ok(value.unwrap_or("none".to_owned()).into_bytes())
            }
            "messages" => messages(),
            "progress" => progress(order.number(0)),
            "tell" => tell(order.number(0), order.number(1) as usize),
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

fn messages() -> Result<Vec<u8>, String> {
    let mut count = 0;
    while let Some(message) = caller::receive() {
        send(&message)?;
        count += 1;
    }
    Ok(count.to_string().into_bytes())
}

fn progress(total: u64) -> Result<Vec<u8>, String> {
    let mut done = 0;
    loop {
        caller::progress(done, total);
        send(b"reported")?;
        if caller::receive().is_none() {
            return Ok(done.to_string().into_bytes());
        }
        done += 1;
    }
}

fn tell(count: u64, size: usize) -> Result<Vec<u8>, String> {
    for sent in 0..count {
        send(&vec![b'x'; size])?;
        caller::progress(sent + 1, count);
    }
    Ok(b"told".to_vec())
}
