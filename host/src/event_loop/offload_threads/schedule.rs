//! Owns whose turn it is on the offload threads. Pure bookkeeping: it runs nothing and waits for
//! nothing.
//!
//! Parties take turns by their weights, a slice each. Within a party a job keeps its place until it has computed for
//! [`limits::OFFLOAD_TURN`], and then goes behind the party's others: so short jobs are done one after
//! the other, and a long one does not lock them out.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use super::{OffloadJob, OffloadWork, Running, Stopped};
use crate::event_loop::Refused;
use crate::event_loop::turns::{Turns, Weight};
use crate::limits;
use crate::observe::ModuleMetrics;

/// A task's place, and a number that tells it from the one that had the place before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskKey {
    index: usize,
    number: u64,
}

#[derive(Default)]
pub(super) struct Schedule {
    tasks: Slab<Task>,
    next_number: u64,
    parties: Vec<Party>,
    /// Parties that have a task which is ready.
    turns: Turns,
    /// Of the tasks that wait for their first turn.
    deadlines: BTreeSet<(Instant, usize)>,
    /// Threads that wait for work.
    pub(super) resting: usize,
    /// Whether a thread looks out for work by itself, and has not been called.
    pub(super) has_alert: bool,
    is_closed: bool,
}

#[derive(Default)]
struct Party {
    weight: Weight,
    /// Tasks that are ready, in the order of their turns.
    ready: VecDeque<usize>,
    /// Jobs before their first turn.
    waiting: usize,
    /// Jobs that have begun.
    begun: usize,
}

pub(super) struct Task {
    number: u64,
    party: usize,
    /// None: something of the host's own.
    work: Option<OffloadWork>,
    stopped: Stopped,
    queued: Instant,
    /// When it must have begun.
    deadline: Option<Instant>,
    /// When it began.
    begun: Option<Instant>,
    /// Processor time since it last went behind the others.
    ran: Duration,
    waker: Option<Waker>,
    state: State,
}

pub(super) enum State {
    /// Its first turn is still to come.
    Waiting(Box<dyn OffloadJob>),
    Ready(Running),
    /// A thread is at it; whether it was woken meanwhile.
    Running {
        is_woken: bool,
    },
    Suspended(Running),
}

/// A task whose turn it is.
pub(super) struct Next {
    pub(super) key: TaskKey,
    pub(super) work: Option<OffloadWork>,
    pub(super) stopped: Stopped,
    pub(super) start: Start,
    pub(super) waker: Option<Waker>,
}

/// What a turn begins with.
pub(super) enum Start {
    First(Box<dyn OffloadJob>),
    Again(Running),
}

impl Start {
    pub(super) fn begin(self, stopped: Stopped) -> Running {
        match self {
            Start::First(job) => job.begin(stopped),
            Start::Again(running) => running,
        }
    }
}

impl Task {
    /// A job that is to be queued.
    pub(super) fn of_job(work: OffloadWork, stopped: Stopped, job: Box<dyn OffloadJob>) -> Self {
        Task { work: Some(work), stopped, ..Task::new(State::Waiting(job)) }
    }

    fn new(state: State) -> Self {
        Task {
            number: 0,
            party: 0,
            work: None,
            stopped: Stopped::default(),
            queued: Instant::now(),
            deadline: None,
            begun: None,
            ran: Duration::ZERO,
            waker: None,
            state,
        }
    }

    fn module(&self) -> Option<&Arc<ModuleMetrics>> {
        Some(&self.work.as_ref()?.module)
    }
}

impl Schedule {
    pub(super) fn add_party(&mut self, weight: Weight) -> usize {
        self.parties.push(Party { weight, ..Party::default() });
        self.parties.len() - 1
    }

    /// Whether one more job of a party may wait.
    pub(super) fn check_room(&self, party: usize) -> Result<(), Refused> {
        let is_full = self.parties[party].waiting >= limits::OFFLOAD_WAITING_MAX;
        if self.is_closed || is_full { Err(Refused::Busy) } else { Ok(()) }
    }

    /// Queues a job behind its party's others.
    pub(super) fn submit(&mut self, party: usize, mut task: Task, wait: Duration) -> TaskKey {
        self.parties[party].waiting += 1;
        if let Some(module) = task.module() {
            module.waiting.fetch_add(1, Ordering::Relaxed);
        }
        let deadline = task.queued + wait;
        task.deadline = Some(deadline);
        let key = self.insert(party, task);
        self.deadlines.insert((deadline, key.index));
        key
    }

    /// Queues something of the host's own.
    pub(super) fn tend(&mut self, party: usize, running: Running) {
        if !self.is_closed {
            self.insert(party, Task::new(State::Ready(running)));
        }
    }

    fn insert(&mut self, party: usize, task: Task) -> TaskKey {
        let number = self.next_number;
        self.next_number += 1;
        let index = self.tasks.insert(Task { number, party, ..task });
        self.parties[party].ready.push_back(index);
        self.turns.push(party);
        TaskKey { index, number }
    }

    fn get(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.tasks.get_mut(key.index).filter(|task| task.number == key.number)
    }

    /// The task whose turn it is. Its party is then behind the others.
    pub(super) fn next(&mut self) -> Option<Next> {
        loop {
            let parties = &self.parties;
            let party = self.turns.pop_if(|_| true, |party| parties[party].weight.get())?;
            // A party that has begun all it may has its turn when one of them ends.
            let Some(index) = self.take_ready(party) else { continue };
            if !self.parties[party].ready.is_empty() {
                self.turns.push(party);
            }
            return Some(self.begin(index));
        }
    }

    /// The first task of a party that may run.
    fn take_ready(&mut self, party: usize) -> Option<usize> {
        let Schedule { tasks, parties, .. } = self;
        let Party { ready, begun, .. } = &mut parties[party];
        let may_begin = *begun < limits::OFFLOAD_BEGUN_MAX;
        let may_run =
            |index: &usize| may_begin || !matches!(tasks[*index].state, State::Waiting(_));
        let place = ready.iter().position(may_run)?;
        ready.remove(place)
    }

    fn begin(&mut self, index: usize) -> Next {
        let task = &mut self.tasks[index];
        let start = match std::mem::replace(&mut task.state, State::Running { is_woken: false }) {
            State::Ready(running) => Start::Again(running),
            State::Waiting(job) => {
                let now = Instant::now();
                task.begun = Some(now);
                if let Some(deadline) = task.deadline.take() {
                    self.deadlines.remove(&(deadline, index));
                }
                if let Some(module) = task.module() {
                    module.waiting.fetch_sub(1, Ordering::Relaxed);
                    module.running.fetch_add(1, Ordering::Relaxed);
                    module.queued.observe(now - task.queued);
                }
                let party = &mut self.parties[task.party];
                party.waiting -= 1;
                party.begun += 1;
                Start::First(job)
            }
            State::Running { .. } | State::Suspended(_) => {
                unreachable!("only what is ready has a turn")
            }
        };
        Next {
            key: TaskKey { index, number: task.number },
            work: task.work.clone(),
            stopped: task.stopped.clone(),
            start,
            waker: task.waker.take(),
        }
    }

    /// Takes back a task that is not done after having computed for `ran`; or gives it back, if no one
    /// wants it any more.
    pub(super) fn put_back(
        &mut self,
        key: TaskKey,
        running: Running,
        waker: Waker,
        ran: Duration,
    ) -> Option<Running> {
        let is_closed = self.is_closed;
        let task = self.get(key).expect("a thread was at it");
        if is_closed || task.stopped.is_set() {
            return Some(running);
        }
        task.waker = Some(waker);
        if !matches!(task.state, State::Running { is_woken: true }) {
            task.state = State::Suspended(running);
            return None;
        }
        task.state = State::Ready(running);
        task.ran += ran;
        let keeps_place = task.ran < limits::OFFLOAD_TURN;
        if !keeps_place {
            task.ran = Duration::ZERO;
        }
        let party = task.party;
        let ready = &mut self.parties[party].ready;
        if keeps_place {
            ready.push_front(key.index)
        } else {
            ready.push_back(key.index)
        }
        self.turns.push(party);
        None
    }

    /// A task is over.
    pub(super) fn end(&mut self, key: TaskKey) {
        let task = self.tasks.remove(key.index);
        if let Some(begun) = task.begun {
            if let Some(module) = task.module() {
                module.running.fetch_sub(1, Ordering::Relaxed);
                module.ran.observe(begun.elapsed());
            }
            let party = &mut self.parties[task.party];
            party.begun -= 1;
            // There is room for one that was held back.
            if !party.ready.is_empty() {
                self.turns.push(task.party);
            }
        }
    }

    /// Makes a task ready that waits for something.
    pub(super) fn wake(&mut self, key: TaskKey) {
        let Some(task) = self.get(key) else { return };
        match std::mem::replace(&mut task.state, State::Running { is_woken: true }) {
            State::Suspended(running) => {
                task.state = State::Ready(running);
                let (party, is_last) = (task.party, task.stopped.is_set());
                // Before those that have not begun: it has an instance, and perhaps a message to take.
                let Schedule { tasks, parties, .. } = self;
                let ready = &mut parties[party].ready;
                let waits = |index: &usize| matches!(tasks[*index].state, State::Waiting(_));
                let place = ready.iter().position(waits).unwrap_or(ready.len());
                ready.insert(if is_last { 0 } else { place }, key.index);
                self.turns.push(party);
            }
            State::Running { .. } => {}
            other => task.state = other,
        }
    }

    /// Sees to it that a task which no one wants any more ends soon. What waits is given back, to be
    /// dropped with no lock held.
    pub(super) fn stop(&mut self, key: TaskKey) -> Option<State> {
        let task = self.get(key)?;
        if matches!(task.state, State::Waiting(_)) {
            return Some(self.remove_waiting(key.index).state);
        }
        // Its next turn is its last.
        self.wake(key);
        None
    }

    /// The jobs that have waited for longer than they may.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<Box<dyn OffloadJob>> {
        let mut late = Vec::new();
        while let Some((deadline, index)) = self.deadlines.first().copied()
            && deadline <= now
        {
            match self.remove_waiting(index).state {
                State::Waiting(job) => late.push(job),
                _ => unreachable!("only what waits has a deadline"),
            }
        }
        late
    }

    fn remove_waiting(&mut self, index: usize) -> Task {
        let task = self.tasks.remove(index);
        if let Some(deadline) = task.deadline {
            self.deadlines.remove(&(deadline, index));
        }
        if let Some(module) = task.module() {
            module.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        let party = &mut self.parties[task.party];
        party.waiting -= 1;
        party.ready.retain(|other| *other != index);
        task
    }

    /// When the next job has waited for too long.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a party waits for its turn.
    pub(super) fn has_work(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Ends everything: what no thread is at is given back, and the rest is told to stop.
    pub(super) fn close(&mut self) -> Vec<State> {
        self.is_closed = true;
        self.turns.clear();
        self.deadlines.clear();
        for party in &mut self.parties {
            party.ready.clear();
        }
        let mut dropped = Vec::new();
        let idle: Vec<usize> = self
            .tasks
            .iter()
            .inspect(|(_, task)| task.stopped.set())
            .filter(|(_, task)| !matches!(task.state, State::Running { .. }))
            .map(|(index, _)| index)
            .collect();
        for index in idle {
            dropped.push(self.tasks.remove(index).state);
        }
        dropped
    }
}
