//! Owns `hob:host/timers`: waits that are timers of the loop.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wasmtime::component::{Linker, Resource};

use super::GuestState;
use super::clocks::{WAIT_MAX, deadline};
use super::treaty::Interface;
use crate::engine::Generation;

const SLEEP: &str = "timers.sleep";
const NEXT: &str = "timers.next";

/// Ticks of one interval.
struct Ticks {
    due: Instant,
    period: Duration,
}

impl Ticks {
    /// Sets the next tick, and says how many have been missed since the one that was due.
    fn pass(&mut self, now: Instant) -> u64 {
        let late = now.saturating_duration_since(self.due).as_nanos();
        let missed = late / self.period.as_nanos();
        let nanos = self.period.as_nanos() * missed;
        self.due += Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)) + self.period;
        u64::try_from(missed).unwrap_or(u64::MAX)
    }
}

struct Interval(Arc<Mutex<Ticks>>);

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut timers = Interface::new(linker, generation, "timers")?;
    timers.resource::<Interval>("interval")?;
    timers.suspending_unit("sleep", SLEEP, |state, (ms,): (u64,)| {
        let remote = &state.context.remote;
        Ok(remote.sleep_until(deadline(remote, Duration::from_millis(ms))))
    })?;
    timers.immediate("every", |state, (period_ms,): (u64,)| {
        let period = Duration::from_millis(period_ms.max(1)).min(WAIT_MAX);
        let due = deadline(&state.context.remote, period);
        Ok(state.table.push(Interval(Arc::new(Mutex::new(Ticks { due, period }))))?)
    })?;
    timers.suspending("[method]interval.next", NEXT, |state, (interval,): (Resource<Interval>,)| {
        let remote = state.context.remote.clone();
        let ticks = state.table.get(&interval)?.0.clone();
        let due = ticks.lock().expect("an interval").due;
        Ok(async move {
            remote.sleep_until(due).await;
            ticks.lock().expect("an interval").pass(remote.now())
        })
    })
}
