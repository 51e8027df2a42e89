//! The lines a process writes, as they come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::PATIENCE;

/// One output of a process. A thread reads it, so the process never waits for the test.
#[derive(Clone)]
pub(crate) struct Lines {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub(crate) fn follow(source: impl Read + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let of_reader = shared.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                of_reader.state.lock().unwrap().lines.push(line);
                of_reader.changed.notify_all();
            }
            of_reader.state.lock().unwrap().ended = true;
            of_reader.changed.notify_all();
        });
        Lines { shared }
    }

    /// Waits until `wanted` finds something in the lines from the first on; none when they end
    /// without it, or when it takes too long.
    pub(crate) fn wait_for<T>(&self, mut wanted: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let until = Instant::now() + PATIENCE;
        let mut seen = 0;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(found) = state.lines[seen..].iter().find_map(|line| wanted(line)) {
                return Some(found);
            }
            seen = state.lines.len();
            let left = until.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for the end; false when it takes too long.
    pub(crate) fn wait_for_end(&self) -> bool {
        let state = self.shared.state.lock().unwrap();
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| !state.ended);
        waited.unwrap().0.ended
    }

    /// What has come so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().lines.clone()
    }
}
