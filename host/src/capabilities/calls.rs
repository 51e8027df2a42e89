//! Owns the record of the requests in an instance that serves many: which task is whose, and how
//! long it has held the loop.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;
use wasmtime::component::GuestTaskId;

use super::Next;
use crate::limits;
use crate::wire::RequestId;

/// The requests of one instance.
#[derive(Default)]
pub struct SharedCalls {
    /// Those under way, by the guest's task.
    running: FxHashMap<GuestTaskId, SharedCall>,
    /// Tasks of requests that are answered, latest last: they may go on. The engine does not tell
    /// when they end, so the oldest are forgotten.
    answered: VecDeque<(GuestTaskId, SharedCall)>,
}

struct SharedCall {
    /// None for a task whose request was forgotten.
    id: Option<RequestId>,
    /// What is behind the plug-in, until its answer is at its end.
    next: Option<Next>,
    /// Time it held the loop, as the epoch has sampled it.
    on_loop: Duration,
    /// How long it may hold it.
    limit: Duration,
}

/// Who has brought an instance down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// A request, which may be answered already.
    Request(RequestId),
    /// Work left behind by a request long past.
    Forgotten,
}

impl SharedCalls {
    /// How many are under way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// A request's task begins, which may hold the loop for as long as `limit`.
    pub fn begin(&mut self, task: GuestTaskId, id: RequestId, next: Option<Next>, limit: Duration) {
        let call = SharedCall { id: Some(id), next, on_loop: Duration::ZERO, limit };
        self.running.insert(task, call);
    }

    /// A request is answered; its task may go on.
    pub fn answered(&mut self, task: GuestTaskId) {
        if let Some(mut call) = self.running.remove(&task) {
            call.next = None;
            self.remember(task, call);
        }
    }

    fn remember(&mut self, task: GuestTaskId, call: SharedCall) {
        if self.answered.len() >= limits::ANSWERED_TASKS_REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back((task, call));
    }

    /// The request for which a guest runs; its tasks are given youngest first.
    pub fn request(&self, tasks: &[GuestTaskId]) -> Option<RequestId> {
        tasks.iter().rev().find_map(|task| self.running.get(task)?.id)
    }

    /// What is behind the plug-in, for that request.
    pub(super) fn next(&self, tasks: &[GuestTaskId]) -> Option<Next> {
        tasks.iter().rev().find_map(|task| self.running.get(task)?.next.clone())
    }

    /// Charges a request with time; the culprit, if that is beyond what it may take. A task whose request
    /// was forgotten may take as long as `limit`.
    pub fn charge(
        &mut self,
        tasks: &[GuestTaskId],
        time: Duration,
        limit: Duration,
    ) -> Option<Culprit> {
        let root = *tasks.last()?;
        let running = tasks.iter().rev().find(|task| self.running.contains_key(task));
        let call = match running {
            Some(task) => self.running.get_mut(task)?,
            None => self.answered_call(root, limit),
        };
        call.on_loop += time;
        (call.on_loop > call.limit).then(|| call.id.map_or(Culprit::Forgotten, Culprit::Request))
    }

    fn answered_call(&mut self, task: GuestTaskId, limit: Duration) -> &mut SharedCall {
        let found = self.answered.iter().rposition(|(answered, _)| *answered == task);
        let index = found.unwrap_or_else(|| {
            let on_loop = Duration::ZERO;
            self.remember(task, SharedCall { id: None, next: None, on_loop, limit });
            self.answered.len() - 1
        });
        &mut self.answered[index].1
    }
}
