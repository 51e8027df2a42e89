//! Waiting, and how long something took: the monotonic clock.

use core::ops::{Add, Sub};
use core::time::Duration;

use crate::bindings::hob::host::timers;
use crate::bindings::wasi::clocks::monotonic_clock;

/// A moment on the monotonic clock: it never goes back, and tells nothing about the date.
///
/// ```no_run
/// let start = hob_sdk::time::now();
/// println!("it took {:?}", start.elapsed());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

/// This moment.
///
/// ```no_run
/// let start = hob_sdk::time::now();
/// assert!(hob_sdk::time::now() >= start);
/// ```
pub fn now() -> Instant {
    Instant(monotonic_clock::now())
}

/// Waits for `duration`. Other requests are served meanwhile.
///
/// ```no_run
/// # async fn example() {
/// hob_sdk::time::sleep(std::time::Duration::from_millis(20)).await;
/// # }
/// ```
pub async fn sleep(duration: Duration) {
    monotonic_clock::wait_for(nanoseconds(duration)).await;
}

/// Waits until `moment`; not at all if it is past.
///
/// ```no_run
/// # async fn example() {
/// use std::time::Duration;
///
/// let mut next = hob_sdk::time::now();
/// loop {
///     next = next + Duration::from_secs(1);
///     hob_sdk::time::sleep_until(next).await; // does not drift, as a row of sleeps would
/// }
/// # }
/// ```
pub async fn sleep_until(moment: Instant) {
    monotonic_clock::wait_until(moment.0).await;
}

/// Ticks at a steady pace.
#[derive(Debug)]
pub struct Interval(timers::Interval);

/// Begins to tick, first when one `period` has passed; in whole milliseconds, and one at the least. A
/// handler that is late for a tick does not shift those that follow.
///
/// A handler that uses this runs on Hob only, unlike one that uses [`sleep_until`].
///
/// ```no_run
/// # use hob_sdk::{Body, Response};
/// # fn example() -> Response {
/// use std::time::Duration;
///
/// let clock = Body::stream(async |mut writer| {
///     let mut seconds = hob_sdk::time::interval(Duration::from_secs(1));
///     loop {
///         let missed = seconds.next().await;
///         writer.write(format!("data: tick, {missed} missed\n\n")).await?;
///     }
/// });
/// Response::new(clock).with_header("content-type", "text/event-stream")
/// # }
/// ```
pub fn interval(period: Duration) -> Interval {
    Interval(timers::every(u64::try_from(period.as_millis()).unwrap_or(u64::MAX)))
}

impl Interval {
    /// Waits for the next tick; not at all when it has passed already. Gives how many ticks beside it
    /// have passed since the last call, which are not given again.
    pub async fn next(&mut self) -> u64 {
        self.0.next().await
    }
}

impl Instant {
    /// The time since this moment.
    ///
    /// ```no_run
    /// let start = hob_sdk::time::now();
    /// assert!(start.elapsed().as_secs() < 1);
    /// ```
    pub fn elapsed(self) -> Duration {
        now() - self
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// The moment `duration` later; the last one the clock can show if that is too late.
    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// As many nanoseconds as fit: 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
