//! A streaming job by the SDK: the first line of its input selects what it does, as that of `job-0-3`,
//! and what follows is the data, in pieces. It is a job too, which no host should call.

use std::time::Duration;

use deeds::Order;
use hob_sdk::{Error, Result, caller, time};

#[hob_sdk::job]
async fn whole(_: Vec<u8>) -> Result<Vec<u8>> {
    Ok(b"called as a job".to_vec())
}

#[hob_sdk::streaming_job]
async fn run() -> Result<()> {
    let mut input = Vec::new();
    while !input.contains(&b'\n')
        && let Some(piece) = caller::receive().await
    {
        input.extend(piece);
    }
    let (order, data) = Order::split(&input);
    let first = (!data.is_empty()).then(|| data.to_vec());
    match order.deed.as_str() {
        // Piece by piece until the end; `upper` in upper case.
        "copy" => copy(first, |piece| piece).await,
        "upper" => copy(first, |piece| piece.to_ascii_uppercase()).await,
        // The whole input first, and then its length.
        "length" => length(first).await,
        // So many pieces, and the others are left unread.
        "stop" => some(first, order.number(0)).await,
        // So many pieces, and then the words after that.
        "reject" => {
            some(first, order.number(0)).await?;
            let why = order.words.split_once(' ').map_or("", |(_, why)| why);
            Err(Error::new(why))
        }
        // So many pieces, and then a trap.
        "trap" => {
            some(first, order.number(0)).await?;
            deeds::trap()
        }
        // So many pieces of so many bytes, whatever comes in; `flood` without end.
        "tell" => tell(order.number(0), order.number(1) as usize).await,
        "flood" => tell(u64::MAX, 64 * 1024).await,
        "sleep" => {
            time::sleep(Duration::from_millis(order.number(0))).await;
            Ok(())
        }
        "spin" => deeds::spin(),
        deed => Err(Error::new(format!("no such deed: {deed}"))),
    }
}

/// The next piece of the data.
async fn next(first: &mut Option<Vec<u8>>) -> Option<Vec<u8>> {
    match first.take() {
        Some(piece) => Some(piece),
        None => caller::receive().await,
    }
}

async fn copy(mut first: Option<Vec<u8>>, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<()> {
    let mut done = 0;
    while let Some(piece) = next(&mut first).await {
        done += piece.len() as u64;
        caller::progress(done, None);
        caller::send(change(piece)).await?;
    }
    Ok(())
}

async fn length(mut first: Option<Vec<u8>>) -> Result<()> {
    let mut length = 0;
    while let Some(piece) = next(&mut first).await {
        length += piece.len();
    }
    Ok(caller::send(length.to_string()).await?)
}

async fn some(mut first: Option<Vec<u8>>, count: u64) -> Result<()> {
    for _ in 0..count {
        match next(&mut first).await {
            Some(piece) => caller::send(piece).await?,
            None => break,
        }
    }
    Ok(())
}

async fn tell(count: u64, size: usize) -> Result<()> {
    for sent in 0..count {
        caller::send(vec![b'x'; size]).await?;
        caller::progress(sent + 1, count);
    }
    Ok(())
}
