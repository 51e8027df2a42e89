//! What it costs to have a host thread do nothing: the way there and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hob::event_loop::{Bound, Clock, EventLoop, HostQueue, HostThreads, Remote, Weight, Work};
use hob::observe::Timeline;

const JOB: Work = Work::quick("bench.nothing");
const THREADS: usize = 4;
const WARM_UP: usize = 2_000;
const ALONE: usize = 20_000;
const AT_ONCE: usize = 64;
const TOGETHER: usize = 400_000;

/// Prints three figures in microseconds, as JSON: a hop when nothing else is under way, in the median;
/// and with 64 under way, the time divided by their number, as tasks of the host have it and guests that
/// share an instance, and where each is begun at once, as for other guests.
pub(crate) fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let pool = HostThreads::new(THREADS, Arc::default(), Timeline::new(Instant::now()))?;
    let queue = pool.queue(Weight::default(), Bound::default());
    let mut event_loop = EventLoop::new(Clock::Real, Arc::default())?;
    let remote = event_loop.remote();
    let [alone, together, at_once] = event_loop.run(async move {
        one_after_the_other(&remote, &queue, WARM_UP).await;
        let alone = one_after_the_other(&remote, &queue, ALONE).await;
        let together = many_at_once(&remote, &queue).await;
        [alone, together, many_at_once(&remote.at_once(), &queue).await]
    })?;
    let us = |time: Duration| time.as_nanos() as f64 / 1e3;
    let figures = [("alone_us", alone), ("together_us", together), ("at_once_us", at_once)];
    let figures = figures.map(|(name, time)| format!("\"{name}\": {:.2}", us(time)));
    println!("{{{}}}", figures.join(", "));
    Ok(())
}

async fn one_after_the_other(remote: &Remote, queue: &HostQueue, count: usize) -> Duration {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        remote.host_thread(queue, JOB, || ()).await.expect("there is room");
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[count / 2]
}

async fn many_at_once(remote: &Remote, queue: &HostQueue) -> Duration {
    let begun = Instant::now();
    let mut under_way = FuturesUnordered::new();
    for _ in 0..TOGETHER {
        if under_way.len() == AT_ONCE {
            under_way.next().await;
        }
        under_way.push(remote.host_thread(queue, JOB, || ()));
    }
    while under_way.next().await.is_some() {}
    begun.elapsed() / TOGETHER as u32
}
