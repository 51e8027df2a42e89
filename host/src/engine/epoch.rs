//! Owns the tick that interrupts guests.
//!
//! It is a thread of the OS, for the loop it protects may be the one that hangs. When no guest
//! has run for a while it sleeps, and the loop wakes it with the next guest: an idle server is
//! idle.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

use crate::limits;

/// The ticker's thread. Dropping it ends the thread.
pub struct Ticker {
    handle: TickerHandle,
    thread: Option<JoinHandle<()>>,
}

/// What a loop needs of the ticker. Cheap to clone.
#[derive(Clone)]
pub struct TickerHandle {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Default)]
struct State {
    /// Counts the times a guest was let run.
    work: AtomicU64,
    /// Guests that run now, the one or the other perhaps on a thread that has no core at the moment.
    running: AtomicU64,
    resting: AtomicBool,
    stopped: AtomicBool,
    /// Whose epochs are raised.
    engines: Mutex<Vec<Engine>>,
}

impl Ticker {
    /// Ticks, for no engine yet, on a thread of its own, where `begin` is called first. What that gives is
    /// called for each tick: it returns after the time it is told, or before, when a guest is to be
    /// interrupted at once.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start<W: Fn(Duration)>(
        begin: impl FnOnce() -> W + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let of_thread = state.clone();
        let thread = thread::Builder::new()
            .name("epoch-ticker".to_owned())
            .spawn(move || tick(&of_thread, begin()))?;
        let handle = TickerHandle { state, thread: thread.thread().clone() };
        Ok(Ticker { handle, thread: Some(thread) })
    }

    /// The handle for the loops.
    pub fn handle(&self) -> TickerHandle {
        self.handle.clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.handle.state.stopped.store(true, Ordering::SeqCst);
        self.handle.thread.unpark();
        if let Some(thread) = self.thread.take() {
            // A ticker that panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}

impl TickerHandle {
    /// Ticks for these engines too. Those it ticks for already are passed over.
    pub fn tick_for<'a>(&self, engines: impl Iterator<Item = &'a Engine>) {
        let mut known = self.state.engines.lock().expect("engines");
        for engine in engines {
            if !known.iter().any(|known| Engine::same(known, engine)) {
                known.push(engine.clone());
            }
        }
    }

    /// A guest is about to run: there are ticks as long as what is returned lives, and for a while
    /// after that.
    pub fn ticking(&self) -> Ticking<'_> {
        self.state.running.fetch_add(1, Ordering::Relaxed);
        self.state.work.fetch_add(1, Ordering::SeqCst);
        if self.state.resting.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.state)
    }
}

/// A guest that runs.
pub struct Ticking<'a>(&'a State);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whoever lets a guest run counts first and looks at `resting` then; this looks at the count
/// after it has set `resting`: one of the two sees the other.
fn tick(state: &State, wait: impl Fn(Duration)) {
    let mut seen = 0;
    let mut idle_ticks = 0;
    while !state.stopped.load(Ordering::SeqCst) {
        wait(limits::EPOCH_TICK);
        for engine in &*state.engines.lock().expect("engines") {
            engine.increment_epoch();
        }
        let work = state.work.load(Ordering::SeqCst);
        let is_idle = work == seen && state.running.load(Ordering::Relaxed) == 0;
        idle_ticks = if is_idle { idle_ticks + 1 } else { 0 };
        seen = work;
        if idle_ticks >= limits::TICKS_BEFORE_REST {
            state.resting.store(true, Ordering::SeqCst);
            while state.work.load(Ordering::SeqCst) == seen && !state.stopped.load(Ordering::SeqCst)
            {
                thread::park();
            }
            state.resting.store(false, Ordering::SeqCst);
            idle_ticks = 0;
        }
    }
}
