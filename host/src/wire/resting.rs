//! Owns knowing which connections of a listener have no request in flight, and since when, where one of them
//! is to give way to a new one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use super::Service;
use super::calls::Calls;
use super::channel::Channel;
use crate::event_loop::TaskId;

/// The connections of a listener, by their tasks.
pub(super) struct Resting<S: Service>(RefCell<HashMap<TaskId, State<S>>>);

struct State<S: Service> {
    taken: Instant,
    /// There when the connection can bring requests: not before the end of a handshake.
    line: Option<Line<S>>,
}

struct Line<S: Service> {
    channel: Rc<RefCell<Channel>>,
    calls: Rc<Calls<S>>,
}

impl<S: Service> State<S> {
    /// Since when there is no request in flight.
    fn since(&self) -> Option<Instant> {
        match &self.line {
            None => Some(self.taken),
            Some(line) if line.calls.in_flight() => None,
            Some(line) => Some(line.channel.borrow().phase_since),
        }
    }
}

impl<S: Service> Default for Resting<S> {
    fn default() -> Self {
        Resting(RefCell::default())
    }
}

impl<S: Service> Resting<S> {
    /// A connection was taken.
    pub(super) fn enter(&self, task: TaskId, taken: Instant) {
        self.0.borrow_mut().insert(task, State { taken, line: None });
    }

    /// Requests may come on it from now on.
    pub(super) fn show(&self, task: TaskId, channel: &Rc<RefCell<Channel>>, calls: &Rc<Calls<S>>) {
        if let Some(state) = self.0.borrow_mut().get_mut(&task) {
            state.line = Some(Line { channel: channel.clone(), calls: calls.clone() });
        }
    }

    /// It is gone.
    pub(super) fn leave(&self, task: TaskId) {
        // What it holds may reach back here when it is dropped.
        let state = self.0.borrow_mut().remove(&task);
        drop(state);
    }

    /// The connection that has had no request in flight for the longest.
    pub(super) fn longest(&self) -> Option<TaskId> {
        let states = self.0.borrow();
        let resting = states.iter().filter_map(|(task, state)| Some((state.since()?, *task)));
        resting.min_by_key(|(since, _)| *since).map(|(_, task)| task)
    }
}
