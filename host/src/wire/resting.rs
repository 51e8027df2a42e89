//! Owns knowing which connections of a listener have no request in flight, and since when, where one of them
//! is to give way to a new one.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use super::Service;
use super::calls::Calls;
use super::channel::Channel;
use super::connection::Shared;
use crate::event_loop::TaskId;

/// The connections of a listener, by their tasks.
pub(super) struct Resting<S: Service>(RefCell<HashMap<TaskId, Rc<State<S>>>>);

struct State<S: Service> {
    taken: Instant,
    /// There when the connection can bring requests: not before the end of a handshake.
    line: OnceCell<Line<S>>,
}

struct Line<S: Service> {
    channel: Rc<RefCell<Channel>>,
    calls: Rc<Calls<S>>,
}

impl<S: Service> State<S> {
    /// Since when there is no request in flight.
    fn since(&self) -> Option<Instant> {
        match self.line.get() {
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
    /// The connection that has had no request in flight for the longest.
    pub(super) fn longest(&self) -> Option<TaskId> {
        let states = self.0.borrow();
        let resting = states.iter().filter_map(|(task, state)| Some((state.since()?, *task)));
        resting.min_by_key(|(since, _)| *since).map(|(_, task)| task)
    }
}

/// A connection that is known there, as long as it lives.
pub(super) struct Seen<S: Service> {
    shared: Rc<Shared<S>>,
    task: Option<TaskId>,
    state: Rc<State<S>>,
}

impl<S: Service> Seen<S> {
    /// The connection of the task that runs.
    pub(super) fn new(shared: &Rc<Shared<S>>, taken: Instant) -> Self {
        let state = Rc::new(State { taken, line: OnceCell::new() });
        let task = shared.handle.current_task();
        if let Some(task) = task {
            shared.resting.0.borrow_mut().insert(task, state.clone());
        }
        Seen { shared: shared.clone(), task, state }
    }

    /// Requests may come from now on.
    pub(super) fn show(&self, channel: &Rc<RefCell<Channel>>, calls: &Rc<Calls<S>>) {
        // It is shown once.
        let _ = self.state.line.set(Line { channel: channel.clone(), calls: calls.clone() });
    }
}

impl<S: Service> Drop for Seen<S> {
    fn drop(&mut self) {
        if let Some(task) = self.task {
            self.shared.resting.0.borrow_mut().remove(&task);
        }
    }
}
