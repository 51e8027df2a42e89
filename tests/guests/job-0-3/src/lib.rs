//! A job by the SDK: the first line of its input selects what it does, with words after it; what
//! follows is the data. `job-0-2` does the same by the sync treaty.

use std::time::Duration;

use deeds::Order;
use hob_sdk::{Error, Result, caller, config, time};

#[hob_sdk::job]
async fn run(input: Vec<u8>) -> Result<Vec<u8>> {
    let (order, data) = Order::split(&input);
    if let Some(computed) = deeds::compute(&order, data) {
        return computed.map_err(Error::new);
    }
    match order.deed.as_str() {
        // So long by the timer.
        "sleep" => {
            time::sleep(Duration::from_millis(order.number(0))).await;
            Ok(format!("slept {} ms", order.words).into_bytes())
        }
        "config" => {
            let value = config::get(&order.words)?;
            Ok(value.unwrap_or("none".to_owned()).into_bytes())
        }
        "messages" => messages().await,
        "progress" => progress(order.number(0)).await,
        "tell" => tell(order.number(0), order.number(1) as usize).await,
        deed => Err(Error::new(format!("no such deed: {deed}"))),
    }
}

/// Sends back each message until there will be no more, and gives how many there were.
async fn messages() -> Result<Vec<u8>> {
    let mut count = 0;
    while let Some(message) = caller::receive().await {
        caller::send(message).await?;
        count += 1;
    }
    Ok(count.to_string().into_bytes())
}

/// Reports how far it is, and says that it has; then takes a message, and is one further. Gives how far
/// it came until there were no more.
async fn progress(total: u64) -> Result<Vec<u8>> {
    let mut done = 0;
    loop {
        caller::progress(done, total);
        caller::send("reported").await?;
        if caller::receive().await.is_none() {
            return Ok(done.to_string().into_bytes());
        }
        done += 1;
    }
}

/// Sends so many messages of so many bytes, and reports how many were taken.
async fn tell(count: u64, size: usize) -> Result<Vec<u8>> {
    for sent in 0..count {
        caller::send(vec![b'x'; size]).await?;
        caller::progress(sent + 1, count);
    }
    Ok(b"told".to_vec())
}
