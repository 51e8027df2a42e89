//! Owns the isolation mode in which an instance serves many requests at once: `shared`.
//!
//! The instance has a task of its own, for a store can be run by one future only. Requests come
//! through a queue, answers go through mailboxes.
//!
//! # When one request fails
//! wasmtime cannot end one call of several in a store. A request that is over its wall limit is
//! answered with 504 and the instance takes no more requests; those in it get some time to finish.
//! A trap, or the end of a request's CPU time, ends the instance and all requests in it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use slab::Slab;
use wasmtime::component::Accessor;

use super::background::Work;
use super::echo::Echo;
use super::exclusive::Instance;
use super::failure::Failure;
use super::invocation::{Invocation, Runner};
use super::lane::Exports;
use super::mailbox::{Mailbox, SharedMailbox};
use super::pace::Pace;
use super::{Call, Handler, fast03, http03};
use crate::capabilities::{Culprit, GuestContext, GuestState, SharedCalls};
use crate::engine::{Meter, Ran};
use crate::event_loop::Sleep;
use crate::limits;
use crate::observe::Happening;

/// An instance that serves many requests, as seen by those who bring them.
pub(super) struct SharedInstance {
    queue: RefCell<VecDeque<Job>>,
    /// Requests in it that a guest is at work on, until their answer is at its end.
    running: RefCell<Slab<SharedMailbox>>,
    /// The instance's task, when it waits for a request.
    task: RefCell<Option<Waker>>,
    /// Requests in it with the time by which they must be answered, in that order. Those that have been
    /// answered stay until they are the first.
    deadlines: RefCell<VecDeque<(Instant, Weak<Mailbox>)>>,
    /// The first of these has come after the alarm was set: its tenant's requests may take less time now.
    is_sooner: Cell<bool>,
    in_flight: Cell<usize>,
    /// Takes no more requests.
    retired: Cell<bool>,
    /// Requests whose guest runs in the poll under way, or in the next: its time is theirs, in
    /// equal parts.
    touched: RefCell<Vec<SharedMailbox>>,
}

struct Job {
    call: Box<Call>,
    mailbox: SharedMailbox,
}

/// Begins a call in an instance that serves others too.
pub(super) fn invoke(handler: &Rc<Handler>, call: Box<Call>) -> Invocation {
    let mailbox = SharedMailbox::default();
    let instance = handler.open_instance();
    instance.take(handler, Job { call, mailbox: mailbox.clone() });
    if handler.retired.get() {
        instance.retire();
    }
    Invocation::new(handler.clone(), mailbox, Runner::Shared(instance))
}

impl Handler {
    /// The first instance with room, or a new one.
    fn open_instance(self: &Rc<Self>) -> Rc<SharedInstance> {
        let mut open = self.open.borrow_mut();
        open.retain(|instance| !instance.retired.get());
        if let Some(instance) = open.iter().find(|instance| instance.has_room()) {
            return instance.clone();
        }
        let instance = Rc::new(SharedInstance {
            queue: RefCell::default(),
            running: RefCell::default(),
            task: RefCell::default(),
            deadlines: RefCell::default(),
            is_sooner: Cell::default(),
            in_flight: Cell::new(0),
            retired: Cell::new(false),
            touched: RefCell::default(),
        });
        open.push(instance.clone());
        self.handle.spawn(run(self.clone(), instance.clone(), self.background.begin()));
        instance
    }
}

impl SharedInstance {
    fn has_room(&self) -> bool {
        self.in_flight.get() < limits::REQUESTS_PER_SHARED_INSTANCE
    }

    fn take(&self, handler: &Handler, job: Job) {
        let deadline = handler.handle.now() + handler.wall();
        self.in_flight.set(self.in_flight.get() + 1);
        self.add_deadline(deadline, &job.mailbox);
        self.queue.borrow_mut().push_back(job);
        self.wake();
    }

    /// The list is swept when most of it has been answered, so that one slow request at its front
    /// does not make it grow without bound.
    fn add_deadline(&self, deadline: Instant, mailbox: &SharedMailbox) {
        let mut deadlines = self.deadlines.borrow_mut();
        if deadlines.len() > 2 * self.in_flight.get() + 64 {
            let open =
                |mailbox: &Weak<Mailbox>| mailbox.upgrade().is_some_and(|m| !m.is_answered());
            deadlines.retain(|(_, mailbox)| open(mailbox));
        }
        // Nearly always the last.
        let place = deadlines.iter().rposition(|(other, _)| *other <= deadline);
        let place = place.map_or(0, |before| before + 1);
        self.is_sooner.set(self.is_sooner.get() || (place == 0 && !deadlines.is_empty()));
        deadlines.insert(place, (deadline, Rc::downgrade(mailbox)));
    }

    fn wake(&self) {
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }

    /// Takes no more requests, and ends when those in it are answered.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.wake();
    }

    /// Answers every request in it with a failure, and breaks off the answers that have begun.
    fn fail_all(&self, failure_of: impl Fn(&Mailbox) -> Failure) {
        let queued = self.queue.take();
        let running = self.running.take();
        let queued = queued.iter().map(|job| &job.mailbox);
        for mailbox in queued.chain(running.iter().map(|(_, mailbox)| mailbox)) {
            mailbox.fail(failure_of(mailbox));
        }
    }

    /// Fails the requests that are over their time. The next deadline, if there is one.
    fn expire(&self, now: Instant) -> Option<Instant> {
        let mut deadlines = self.deadlines.borrow_mut();
        while let Some((deadline, mailbox)) = deadlines.front() {
            match mailbox.upgrade().filter(|mailbox| !mailbox.is_answered()) {
                None => {}
                Some(_) if *deadline > now => return Some(*deadline),
                Some(mailbox) => {
                    mailbox.fail(Failure::WallLimit);
                    self.retire();
                }
            }
            deadlines.pop_front();
        }
        None
    }

    /// There is room for more of an answer, so its guest runs in the next poll.
    pub(super) fn touch(&self, mailbox: &SharedMailbox) {
        self.touched.borrow_mut().push(mailbox.clone());
    }

    /// Divides the time of a poll among the requests it was for: good enough for the log. What the
    /// limit counts is what the epoch has sampled.
    fn charge(&self, handler: &Handler, ran: Ran) {
        let mut touched = self.touched.take();
        let GuestContext { timeline, resumed, .. } = &*handler.context;
        touched.iter().for_each(|mailbox| mailbox.note_run(timeline, ran));
        if let Some(resumed) = resumed {
            let mut requests = resumed.lock().expect("resumed requests");
            // One that several operations have brought back has still run once.
            requests.sort_unstable();
            requests.dedup();
            for request in requests.drain(..) {
                timeline.add(request, ran.begun, ran.begun + ran.took, Happening::OnLoop);
            }
        }
        let took = ran.took;
        let share = took / u32::try_from(touched.len().max(1)).unwrap_or(u32::MAX);
        touched.iter().for_each(|mailbox| mailbox.charge(share));
        if touched.is_empty()
            && let Some((_, mailbox)) = self.running.borrow().iter().next()
        {
            mailbox.charge(took);
        }
        touched.clear();
        // Given back for its memory.
        self.touched.replace(touched);
    }

    /// Whether an answer has gone on since then: such a one is not stuck.
    fn has_progressed_since(&self, then: Instant) -> bool {
        self.running.borrow().iter().any(|(_, mailbox)| mailbox.has_progressed_since(then))
    }
}

/// The task of an instance: runs it until it is retired or comes down.
async fn run(handler: Rc<Handler>, shared: Rc<SharedInstance>, _work: Work) {
    // Also when a fault of ours unwinds from here: no request may wait for an instance that is gone.
    let _end = End(shared.clone());
    let meter = Meter::new(handler.ticker.clone(), handler.cpu());
    let outcome = serve_all(&handler, &shared, &meter).await;
    if let Err((failure, culprit)) = outcome {
        shared.fail_all(|mailbox| match culprit {
            Some(culprit) if mailbox.id().map(Culprit::Request) != Some(culprit) => {
                Failure::InstanceLost
            }
            _ => failure.clone(),
        });
    }
}

/// Ends an instance for those who bring requests to it.
struct End(Rc<SharedInstance>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.retired.set(true);
        self.0.fail_all(|_| Failure::InstanceLost);
    }
}

/// Why an instance came down, and who did it, if that is known.
type Down = (Failure, Option<Culprit>);

async fn serve_all(
    handler: &Rc<Handler>,
    shared: &Rc<SharedInstance>,
    meter: &Arc<Meter>,
) -> Result<(), Down> {
    let mut instance = make(handler, shared, meter).await.map_err(|failure| (failure, None))?;
    instance.store.data_mut().calls = Some(SharedCalls::default());
    let outcome = watch(handler, shared, meter, &mut instance).await;
    let state = instance.store.data();
    outcome.map_err(|error| match error {
        Stopped::Overdue => (Failure::WallLimit, None),
        Stopped::Failed(error) => (Failure::of(&error, &state.memory), state.culprit),
    })
}

/// Makes the instance, under the watch and the deadlines of the requests that wait for it: a
/// component's start is the guest's code too.
async fn make(
    handler: &Rc<Handler>,
    shared: &SharedInstance,
    meter: &Arc<Meter>,
) -> Result<Instance, Failure> {
    let mut making = pin!(handler.instantiate(meter.clone()));
    let mut alarm = None;
    poll_fn(|cx| {
        let (polled, Ran { took, .. }) = meter.watch(|| making.as_mut().poll(cx));
        handler.charge(took);
        if polled.is_ready() {
            return polled;
        }
        poll_deadlines(handler, shared, &mut alarm, cx);
        // One that takes no more requests is made for those that it has taken.
        let is_wanted = || !shared.queue.borrow().iter().all(|job| job.mailbox.is_answered());
        if shared.retired.get() && !is_wanted() {
            return Poll::Ready(Err(Failure::WallLimit));
        }
        Poll::Pending
    })
    .await
}

enum Stopped {
    /// It was retired and has not come to rest in time.
    Overdue,
    Failed(wasmtime::Error),
}

/// How often an instance is polled again at once, for each request in it.
const STEPS_BACK_PER_REQUEST: usize = 4;

/// Polls the instance with the watch running, and keeps the deadlines from outside: a guest that
/// is in the middle of a slice lets nothing inside its store go on.
async fn watch(
    handler: &Rc<Handler>,
    shared: &Rc<SharedInstance>,
    meter: &Arc<Meter>,
    instance: &mut Instance,
) -> Result<(), Stopped> {
    let Instance { store, exports, .. } = instance;
    let inside = store.run_concurrent(async |accessor| {
        accept_all(handler, shared, meter, accessor, exports).await
    });
    let mut inside = pin!(inside);
    let mut alarm: Option<Sleep> = None;
    let mut grace: Option<Sleep> = None;
    let mut echo = None;
    let mut pace = Pace::default();
    poll_fn(|cx| {
        let echo = echo.get_or_insert_with(|| Echo::new(cx.waker().clone()));
        let (turn, context) = (handler.handle.now(), &handler.context);
        if pace.poll(turn, &context.remote, context.share(), cx).is_ready() {
            let held = Cell::new(Duration::ZERO);
            let begun = Cell::new(None);
            // A guest steps back a few times on its way to an answer; one that does nothing else lets the
            // loop turn.
            let mut polls_left = STEPS_BACK_PER_REQUEST * shared.in_flight.get();
            let polled = echo.poll(
                |cx| {
                    let (polled, ran) = meter.watch(|| inside.as_mut().poll(cx));
                    begun.set(begun.get().or(Some(ran.begun)));
                    held.set(held.get() + ran.took);
                    polled
                },
                || {
                    polls_left = polls_left.saturating_sub(1);
                    polls_left > 0 && held.get() < limits::SLICE
                },
            );
            handler.charge(held.get());
            pace.charge(held.get());
            if let Some(begun) = begun.get() {
                shared.charge(handler, Ran { begun, took: held.get() });
            }
            if let Poll::Ready(outcome) = polled {
                return Poll::Ready(outcome.and_then(|inner| inner).map_err(Stopped::Failed));
            }
        }
        poll_deadlines(handler, shared, &mut alarm, cx);
        if shared.retired.get() {
            return poll_grace(handler, shared, &mut grace, cx).map(|()| Err(Stopped::Overdue));
        }
        Poll::Pending
    })
    .await
}

/// Ready when a retired instance has had its time, and no answer in it goes on any more.
fn poll_grace(
    handler: &Handler,
    shared: &SharedInstance,
    grace: &mut Option<Sleep>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let now = handler.handle.now();
    let wait = handler.deployment.limits.wall + limits::RETIRE_GRACE;
    loop {
        let sleep = grace.get_or_insert_with(|| handler.handle.sleep_until(now + wait));
        ready!(Pin::new(sleep).poll(cx));
        if now.checked_sub(wait).is_none_or(|then| !shared.has_progressed_since(then)) {
            return Poll::Ready(());
        }
        *grace = None;
    }
}

/// One timer for all requests of the instance: it is set for the oldest, and when it fires for
/// one that has been answered it is set for the next.
fn poll_deadlines(
    handler: &Handler,
    shared: &SharedInstance,
    alarm: &mut Option<Sleep>,
    cx: &mut Context<'_>,
) {
    if alarm.is_none() && shared.in_flight.get() == 0 {
        shared.deadlines.borrow_mut().clear();
        return;
    }
    if shared.is_sooner.take() {
        *alarm = None;
    }
    loop {
        if let Some(sleep) = alarm
            && Pin::new(sleep).poll(cx).is_pending()
        {
            return;
        }
        // By the clock that the alarm goes by: by the time of the turn one that is over now, and was not
        // when the turn began, would go off again and again.
        let next = shared.expire(handler.context.remote.now());
        *alarm = next.map(|next| handler.handle.sleep_until(next));
        if alarm.is_none() {
            return;
        }
    }
}

/// Inside the store: takes requests and runs them beside each other.
async fn accept_all(
    handler: &Rc<Handler>,
    shared: &Rc<SharedInstance>,
    meter: &Arc<Meter>,
    accessor: &Accessor<GuestState>,
    exports: &Exports,
) -> wasmtime::Result<()> {
    let mut calls = FuturesUnordered::new();
    let mut served = 0_u64;
    let mut next_look = LOOK_EVERY;
    poll_fn(|cx| {
        // The store polls this when no guest is in the middle of anything, so what ran until now
        // was not one guest without a pause. What its tenant allows is looked at request by request.
        meter.reset(handler.deployment.limits.cpu);
        loop {
            while let Poll::Ready(Some(outcome)) = calls.poll_next_unpin(cx) {
                shared.in_flight.set(shared.in_flight.get() - 1);
                if let Err(error) = outcome {
                    return Poll::Ready(Err(error));
                }
            }
            let Some(job) = shared.queue.borrow_mut().pop_front() else { break };
            if served > 0 {
                handler.deployment.metrics.instances_reused.fetch_add(1, Ordering::Relaxed);
            }
            served += 1;
            if served >= limits::REQUESTS_PER_INSTANCE {
                shared.retired.set(true);
            }
            calls.push(serve_one(handler, shared, accessor, exports, job));
        }
        if served >= next_look {
            next_look = served + LOOK_EVERY;
            if has_leaked(handler, accessor, calls.len()) {
                shared.retired.set(true);
            }
        }
        if shared.retired.get() && calls.is_empty() {
            return accessor.poll_no_interesting_tasks(cx).map(Ok);
        }
        shared.task.replace(Some(cx.waker().clone()));
        Poll::Pending
    })
    .await
}

/// Requests between two looks at what the guest has kept.
const LOOK_EVERY: u64 = 16;

/// What the requests under way hold is no leak; an instance need not be at rest to be looked at,
/// for a busy one never is.
fn has_leaked(handler: &Handler, accessor: &Accessor<GuestState>, under_way: usize) -> bool {
    let memory_limit = handler.deployment.limits.memory_bytes;
    let held = under_way * limits::RESOURCES_PER_REQUEST;
    accessor.with(|mut access| {
        let state = access.data_mut();
        state.resources() > limits::RESOURCES_LEFT_MAX + held
            || state.memory.used() > memory_limit / 4 * 3
    })
}

async fn serve_one(
    handler: &Rc<Handler>,
    shared: &Rc<SharedInstance>,
    accessor: &Accessor<GuestState>,
    exports: &Exports,
    job: Job,
) -> wasmtime::Result<()> {
    let Job { mut call, mailbox } = job;
    let (id, next, limit) = (call.id, call.next.take(), handler.cpu());
    mailbox.set_id(id);
    let _lines = handler.context.stdio.lines_of(id);
    let place = shared.running.borrow_mut().insert(mailbox.clone());
    shared.touch(&mailbox);
    let task = Cell::new(None);
    let started = |state: &mut GuestState, started| {
        task.set(Some(started));
        if let Some(calls) = &mut state.calls {
            calls.begin(started, id, next, limit);
        }
    };
    let outcome = match exports {
        Exports::Fast03(exports) => fast03::serve(accessor, exports, call, &mailbox, started).await,
        Exports::Http03(exports) => http03::serve(accessor, exports, call, &mailbox, started).await,
        Exports::Fast02(_) | Exports::Http02(_) => {
            unreachable!("a 0.2 component is not deployed as shared")
        }
        Exports::World => unreachable!("what answers no request is not deployed as shared"),
    };
    if let Some(task) = task.get() {
        accessor.with(|mut access| {
            if let Some(calls) = &mut access.data_mut().calls {
                calls.answered(task);
            }
        });
    }
    // One that fails brings the instance down, and is told so with the others in it.
    if outcome.is_ok() {
        shared.running.borrow_mut().remove(place);
    }
    outcome
}
