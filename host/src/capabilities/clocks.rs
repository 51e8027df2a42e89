//! Owns `wasi:clocks` 0.2 and 0.3: a guest's waits are timers of the loop.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::{Accessor, HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks as p2;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks as p3;

use super::GuestState;
use crate::event_loop::Remote;

/// The largest wait that is a wait and not forever; far beyond any deadline of a request.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The part of the state the clocks need.
struct Clocks;

struct ClocksView<'a> {
    table: &'a mut ResourceTable,
    remote: Remote,
}

impl HasData for Clocks {
    type Data<'a> = ClocksView<'a>;
}

fn view(state: &mut GuestState) -> ClocksView<'_> {
    ClocksView { remote: state.context.remote.clone(), table: &mut state.table }
}

pub(super) fn link_wasi02(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    p2::wall_clock::add_to_linker::<GuestState, Clocks>(linker, view)?;
    p2::monotonic_clock::add_to_linker::<GuestState, Clocks>(linker, view)
}

pub(super) fn link_wasi03(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    p3::types::add_to_linker::<GuestState, Clocks>(linker, view)?;
    p3::system_clock::add_to_linker::<GuestState, Clocks>(linker, view)?;
    p3::monotonic_clock::add_to_linker::<GuestState, Clocks>(linker, view)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// WASI leaves the origin open. Linux counts from the boot; so does this, for a mark that a guest
/// took in one instance then means the same in the next.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The moment when a wait ends.
pub(super) fn deadline(remote: &Remote, wait: Duration) -> Instant {
    remote.now() + wait.min(WAIT_MAX)
}

impl p2::wall_clock::Host for ClocksView<'_> {
    fn now(&mut self) -> wasmtime::Result<p2::wall_clock::Datetime> {
        let now = since_1970();
        Ok(p2::wall_clock::Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<p2::wall_clock::Datetime> {
        Ok(p2::wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

impl p2::monotonic_clock::Host for ClocksView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_duration(when.saturating_sub(monotonic()))
    }

    fn subscribe_duration(&mut self, wait_ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = deadline(&self.remote, Duration::from_nanos(wait_ns));
        let alarm = self.table.push(Alarm { remote: self.remote.clone(), deadline })?;
        subscribe(self.table, alarm)
    }
}

/// A wait of a 0.2 guest.
struct Alarm {
    remote: Remote,
    deadline: Instant,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        self.remote.sleep_until(self.deadline).await;
    }
}

impl p3::types::Host for ClocksView<'_> {}

impl p3::system_clock::Host for ClocksView<'_> {
    fn now(&mut self) -> wasmtime::Result<p3::system_clock::Instant> {
        let now = since_1970();
        Ok(p3::system_clock::Instant {
            seconds: now.as_secs() as i64,
            nanoseconds: now.subsec_nanos(),
        })
    }

    fn get_resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }
}

impl p3::monotonic_clock::Host for ClocksView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(monotonic())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }
}

impl<T> p3::monotonic_clock::HostWithStore<T> for Clocks {
    async fn wait_until(store: &Accessor<T, Self>, when: u64) -> wasmtime::Result<()> {
        Self::wait_for(store, when.saturating_sub(monotonic())).await
    }

    async fn wait_for(store: &Accessor<T, Self>, wait_ns: u64) -> wasmtime::Result<()> {
        let remote = store.with(|mut access| access.get().remote.clone());
        let deadline = deadline(&remote, Duration::from_nanos(wait_ns));
        remote.sleep_until(deadline).await;
        Ok(())
    }
}
