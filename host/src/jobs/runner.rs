//! Owns the instances of a module on one loop's behalf, and the way of a job through one of them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Instant;

use wasmtime::component;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use super::module::{JobIsolation, Module};
use super::outcome::{Unwanted, failure, outcome};
use crate::capabilities::{
    self, Assignment, Form, GuestContext, GuestState, OffloadError, Order, Outcome, Program,
    Runner, RunningJob, Worker,
};
use crate::engine::{MemoryMeter, Meter, Reserve, Slice, TickerHandle};
use crate::event_loop::{OffloadQueue, Stopped, thread_time};
use crate::limits;
use crate::observe::{Line, Log};
use crate::wire::RequestId;

/// What runs the jobs of a module that handlers on one loop have ordered.
pub struct ModuleRunner {
    module: Arc<Module>,
    context: Arc<GuestContext>,
    ticker: TickerHandle,
    queue: OffloadQueue,
    log: Log,
    /// Instances of `reuse` that run nothing at the moment; the last one used is used next.
    idle: Mutex<Vec<Instance>>,
    /// Whether someone sees to it that those are dropped which no one has used for long.
    is_tended: AtomicBool,
}

/// A store with one instance in it.
struct Instance {
    store: Store<GuestState>,
    instance: component::Instance,
    meter: Arc<Meter>,
    /// Jobs it has run.
    served: u64,
    idle_since: Instant,
}

impl Instance {
    /// Gives it its job, with its limits armed.
    fn assign(&mut self, assignment: Assignment, request: Option<RequestId>, stopped: Stopped) {
        let state = self.store.data_mut();
        state.memory.forget_refusal();
        state.request = request;
        state.speaker.set(request);
        state.assignment = Some(assignment);
        arm(&mut self.store, stopped);
    }
}

/// Has the epoch interrupt the guest, until no one wants its job any more.
fn arm(store: &mut Store<GuestState>, stopped: Stopped) {
    store.epoch_deadline_callback(move |store| interrupted(store, &stopped));
    store.set_epoch_deadline(1);
}

impl ModuleRunner {
    /// A runner without an instance yet. Its jobs wait for their turn in `queue`.
    pub fn new(
        module: Arc<Module>,
        context: Arc<GuestContext>,
        ticker: TickerHandle,
        queue: OffloadQueue,
        log: Log,
    ) -> Arc<Self> {
        let budget = context.tenant.budget().clone();
        let runner = Arc::new(ModuleRunner {
            module,
            context,
            ticker,
            queue,
            log,
            idle: Mutex::default(),
            is_tended: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&runner);
        budget.add_reserve(weak);
        runner
    }

    /// The module as a handler may offload to it.
    pub fn worker(self: &Arc<Self>) -> Worker {
        Worker {
            runner: self.clone(),
            queue: self.queue.clone(),
            form: self.module.form,
            limits: self.module.limits,
            metrics: self.module.metrics.clone(),
        }
    }
}

impl Reserve for ModuleRunner {
    fn give_up(&self) {
        let rested = std::mem::take(&mut *self.idle.lock().expect("idle instances"));
        drop(rested);
    }
}

impl Runner for ModuleRunner {
    fn run(self: Arc<Self>, order: Order, stopped: Stopped) -> RunningJob {
        Box::pin(async move {
            let request = order.request;
            let outcome = self.run_within_limits(order, stopped).await;
            // What a job says itself is its answer, and its caller's to judge.
            if let Err(error) = outcome.as_ref()
                && !matches!(error, OffloadError::Rejected(_))
            {
                self.log_failure(request, error);
            }
            outcome
        })
    }
}

impl ModuleRunner {
    /// Runs a job, for no longer than it may take.
    async fn run_within_limits(self: &Arc<Self>, order: Order, stopped: Stopped) -> Outcome {
        let idle = self.idle.lock().expect("idle instances").pop();
        let meter = match &idle {
            Some(instance) => instance.meter.clone(),
            None => Meter::of_job(self.ticker.clone(), self.module.limits.cpu, thread_time),
        };
        meter.reset(self.module.limits.cpu);
        let remote = &self.context.remote;
        let mut deadline = pin!(remote.sleep_until(remote.now() + order.wall));
        let mut work = pin!(self.work(order, stopped, idle, &meter));
        poll_fn(|cx| match meter.run(|| work.as_mut().poll(cx)) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => deadline.as_mut().poll(cx).map(|()| Err(OffloadError::TimedOut)),
        })
        .await
    }

    /// Runs a job in an instance, an idle one or a new one, and keeps it if it may run another.
    async fn work(
        self: &Arc<Self>,
        order: Order,
        stopped: Stopped,
        idle: Option<Instance>,
        meter: &Arc<Meter>,
    ) -> Outcome {
        let Order { input, arguments, request, caller, .. } = order;
        let program = (self.module.form == Form::Program)
            .then(|| Program::new(&self.module.name, arguments, &caller));
        let assignment = Assignment { caller, program };
        let mut instance = match idle {
            Some(instance) => {
                self.module.metrics.instances_reused.fetch_add(1, Ordering::Relaxed);
                instance
            }
            None => self.instantiate(&stopped, meter).await?,
        };
        instance.assign(assignment, request, stopped);
        let lines = request.map(|request| instance.store.data().lines_of(request));
        let Module { called, function, .. } = &*self.module;
        let returned = called.call(&mut instance.store, &instance.instance, function, input).await;
        drop(lines);
        instance.served += 1;
        let may_serve_again = returned.is_ok();
        let state = instance.store.data_mut();
        let memory_refused = state.memory.was_refused();
        let assignment = state.assignment.take().expect("it was assigned above");
        let outcome = outcome(returned, &assignment, memory_refused);
        if may_serve_again
            && self.module.isolation == JobIsolation::Reuse
            && !assignment.caller.is_in_use_elsewhere()
            && self.may_serve_again(&mut instance)
        {
            drop(assignment);
            self.rest(instance);
        }
        outcome
    }

    /// Makes an instance in a store of its own. Where there is no room for one, those that rest make it.
    async fn instantiate(
        &self,
        stopped: &Stopped,
        meter: &Arc<Meter>,
    ) -> Result<Instance, OffloadError> {
        match self.instantiate_once(stopped, meter).await {
            Err(OffloadError::Busy) => {
                self.give_up();
                self.instantiate_once(stopped, meter).await
            }
            made => made,
        }
    }

    async fn instantiate_once(
        &self,
        stopped: &Stopped,
        meter: &Arc<Meter>,
    ) -> Result<Instance, OffloadError> {
        let module = &self.module;
        let memory = MemoryMeter::new(module.limits.memory_bytes, self.context.tenant.budget())
            .map_err(|_| OffloadError::Busy)?;
        let state = GuestState::of_job(self.context.clone(), meter.clone(), memory);
        let mut store = Store::new(&module.engine, state);
        capabilities::bound(&mut store, module.limits.memory_bytes);
        arm(&mut store, stopped.clone());
        match module.pre.instantiate_async(&mut store).await {
            Ok(instance) => {
                module.metrics.instances_made.fetch_add(1, Ordering::Relaxed);
                let (meter, idle_since) = (meter.clone(), Instant::now());
                Ok(Instance { store, instance, meter, served: 0, idle_since })
            }
            Err(error) => Err(failure(&error, store.data().memory.was_refused())),
        }
    }

    /// An instance that has kept too much of what it was given makes room for a new one.
    fn may_serve_again(&self, instance: &mut Instance) -> bool {
        let memory_limit = self.module.limits.memory_bytes;
        let state = instance.store.data_mut();
        instance.served < limits::REQUESTS_PER_INSTANCE
            && state.memory.used() <= memory_limit / 4 * 3
            && state.resources() <= limits::RESOURCES_LEFT_MAX
    }

    /// Keeps an instance for the next job, and sees to it that it is not kept for ever.
    fn rest(self: &Arc<Self>, mut instance: Instance) {
        instance.idle_since = Instant::now();
        instance.store.data_mut().request = None;
        let mut idle = self.idle.lock().expect("idle instances");
        if idle.len() >= limits::OFFLOAD_IDLE_INSTANCES_MAX {
            return;
        }
        idle.push(instance);
        drop(idle);
        if !self.is_tended.swap(true, Ordering::Relaxed) {
            self.queue.tend(Box::pin(tend(self.clone())));
        }
    }

    fn log_failure(&self, request: Option<RequestId>, error: &OffloadError) {
        let mut line = Line::new("module")
            .text("event", "job-failed")
            .text("module", &self.module.name)
            .text("code", error.name());
        if let Some(request) = request {
            line = line.text("id", &request.to_string());
        }
        let why = match error {
            OffloadError::Trapped(why) | OffloadError::Failed(why) => why.as_str(),
            OffloadError::Exited(exit) => &format!("exit code {}", exit.code),
            _ => "",
        };
        if !why.is_empty() {
            line = line.text("detail", why);
        }
        self.log.write(line);
    }
}

/// Drops the instances that no one has used for long. Those that were not used for longest are in
/// front.
async fn tend(runner: Arc<ModuleRunner>) {
    let remote = &runner.context.remote;
    loop {
        remote.sleep_until(remote.now() + limits::IDLE_INSTANCE_KEPT).await;
        let now = Instant::now();
        let is_old = |instance: &Instance| now - instance.idle_since >= limits::IDLE_INSTANCE_KEPT;
        let mut idle = runner.idle.lock().expect("idle instances");
        let old = idle.partition_point(is_old);
        let dropped: Vec<_> = idle.drain(..old).collect();
        let is_done = idle.is_empty();
        if is_done {
            // Under the same lock: who puts one there now finds no one that tends it.
            runner.is_tended.store(false, Ordering::Relaxed);
        }
        drop(idle);
        drop(dropped);
        if is_done {
            return;
        }
    }
}

/// What the epoch does to a job: within its slice it goes on, beyond it others have their turn, and
/// beyond its limit, or when no one wants it any more, it ends.
fn interrupted(
    mut store: StoreContextMut<'_, GuestState>,
    stopped: &Stopped,
) -> wasmtime::Result<UpdateDeadline> {
    if stopped.is_set() {
        return Err(Unwanted.into());
    }
    match store.data().meter.interrupted(false)? {
        Slice::GoesOn => Ok(UpdateDeadline::Continue(1)),
        Slice::UsedUp => {
            capabilities::check_resources(store.data_mut())?;
            Ok(UpdateDeadline::Yield(1))
        }
    }
}
