//! Owns the isolation modes in which an instance serves one request at a time: `fresh` and
//! `reuse`.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use wasmtime::component;
use wasmtime::{AsContextMut, Store, StoreContextMut, UpdateDeadline};

use super::failure::Failure;
use super::http02::Outparam;
use super::invocation::{Driver, Invocation, Runner};
use super::lane::{Exports, Lane};
use super::mailbox::{Mailbox, SharedMailbox};
use super::{Call, Handler, Isolation, fast02, fast03, http02, http03};
use crate::capabilities::{self, Culprit, GuestContext, GuestState};
use crate::engine::{CpuLimitReached, Exhausted, MemoryMeter, Meter, Slice};
use crate::limits;

/// A store with one instance in it.
pub(super) struct Instance {
    pub(super) store: Store<GuestState>,
    pub(super) instance: component::Instance,
    pub(super) exports: Exports,
    pub(super) meter: Arc<Meter>,
    /// Requests it has served.
    pub(super) served: u64,
    /// Since when it serves no one.
    pub(super) idle_since: Instant,
}

/// Begins a call in an instance of its own.
pub(super) fn invoke(handler: &Rc<Handler>, call: Box<Call>) -> Invocation {
    let mailbox = SharedMailbox::default();
    mailbox.set_id(call.id);
    let (idle, cpu) = (handler.idle.pop(), handler.cpu());
    let meter = match &idle {
        Some(instance) => instance.meter.clone(),
        None => Meter::new(handler.ticker.clone(), cpu),
    };
    meter.reset(cpu);
    let outparam = (handler.deployment.lane == Lane::Http02).then(Outparam::default);
    let driver: Driver = Box::pin(drive(
        handler.clone(),
        idle,
        meter.clone(),
        call,
        mailbox.clone(),
        outparam.clone(),
    ));
    Invocation::new(handler.clone(), mailbox, Runner::Own { driver, meter, outparam })
}

/// Serves one request in an instance, an idle one or a new one, and puts it back if it may serve
/// another.
async fn drive(
    handler: Rc<Handler>,
    idle: Option<Instance>,
    meter: Arc<Meter>,
    mut call: Box<Call>,
    mailbox: SharedMailbox,
    outparam: Option<Outparam>,
) -> Result<(), Failure> {
    let metrics = &handler.deployment.metrics;
    let mut instance = match idle {
        Some(instance) => {
            metrics.instances_reused.fetch_add(1, Ordering::Relaxed);
            instance
        }
        // Boxed, so that a request that finds an instance does not take the room of one that has none.
        None => Box::pin(handler.instantiate(meter)).await?,
    };
    let _lines = handler.context.stdio.lines_of(call.id);
    let state = instance.store.data_mut();
    state.request = Some(call.id);
    state.next = call.next.take();
    state.memory.forget_refusal();
    let served = serve(&mut instance, call, &mailbox, outparam).await;
    if let Err(error) = served {
        return Err(Failure::of(&error, &instance.store.data().memory));
    }
    handler.put_back(instance);
    Ok(())
}

async fn serve(
    instance: &mut Instance,
    call: Box<Call>,
    mailbox: &Mailbox,
    outparam: Option<Outparam>,
) -> wasmtime::Result<()> {
    let store = &mut instance.store;
    // Boxed one by one, so that a small lane's call does not take the room of the largest.
    match &instance.exports {
        Exports::Fast02(exports) => Box::pin(fast02::serve(store, exports, call, mailbox)).await,
        Exports::Http02(exports) => {
            let outparam = outparam.unwrap_or_default();
            Box::pin(http02::serve(store, exports, call, outparam)).await
        }
        Exports::Fast03(exports) => {
            let run = store.run_concurrent(async |accessor| {
                fast03::serve(accessor, exports, call, mailbox, |_, _| ()).await?;
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                Ok(())
            });
            Box::pin(run).await?
        }
        Exports::Http03(exports) => {
            let run = store.run_concurrent(async |accessor| {
                http03::serve(accessor, exports, call, mailbox, |_, _| ()).await?;
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                Ok(())
            });
            Box::pin(run).await?
        }
        // It gives no response, and the caller is told so.
        Exports::World => Ok(()),
    }
}

impl Handler {
    /// Makes an instance in a store of its own, with its limits armed.
    pub(super) async fn instantiate(&self, meter: Arc<Meter>) -> Result<Instance, Failure> {
        let deployment = &self.deployment;
        let memory = MemoryMeter::new(deployment.limits.memory_bytes, self.context.tenant.budget())
            .map_err(|exhausted| match exhausted {
                Exhausted::Instances => Failure::TenantInstances,
                Exhausted::Memory => Failure::TenantMemory,
            })?;
        let state = GuestState::new(self.context.clone(), meter.clone(), memory);
        let mut store = Store::new(&deployment.engine, state);
        capabilities::bound(&mut store, deployment.limits.memory_bytes);
        let context = self.context.clone();
        store.epoch_deadline_callback(move |store| interrupted(store, &context));
        store.set_epoch_deadline(1);
        match deployment.linked.instantiate(&mut store).await {
            Ok((instance, exports)) => {
                deployment.metrics.instances_made.fetch_add(1, Ordering::Relaxed);
                let idle_since = self.handle.now();
                Ok(Instance { store, instance, exports, meter, served: 0, idle_since })
            }
            Err(error) => Err(Failure::of(&error, &store.data().memory)),
        }
    }

    /// Keeps an instance that has served, if it may serve another.
    pub(super) fn put_back(self: &Rc<Self>, mut instance: Instance) {
        instance.served += 1;
        if self.deployment.isolation == Isolation::Reuse && self.may_serve_again(&mut instance) {
            let state = instance.store.data_mut();
            (state.request, state.next) = (None, None);
            self.rest(instance);
        }
    }

    /// Keeps an instance for the next request, and sees to it that it is not kept for ever.
    pub(super) fn rest(self: &Rc<Self>, mut instance: Instance) {
        instance.idle_since = self.handle.now();
        self.idle.push(instance);
        if !self.trims.replace(true) {
            self.handle.spawn(trim(self.clone()));
        }
    }

    /// An instance that has kept too much of what it was given makes room for a new one.
    fn may_serve_again(&self, instance: &mut Instance) -> bool {
        let memory_limit = self.deployment.limits.memory_bytes;
        let state = instance.store.data_mut();
        !self.retired.get()
            && instance.served < limits::REQUESTS_PER_INSTANCE
            && self.idle.len() < limits::IDLE_INSTANCES_MAX
            && state.memory.used() <= memory_limit / 4 * 3
            && state.resources() <= limits::RESOURCES_LEFT_MAX
    }
}

/// Drops the instances that no one has used for long: a burst must not hold its memory for ever.
/// The one used last is used next, so those that were not used for longest are in front.
async fn trim(handler: Rc<Handler>) {
    while !handler.idle.is_empty() {
        handler.handle.sleep_until(handler.handle.now() + limits::IDLE_INSTANCE_KEPT).await;
        let now = handler.handle.now();
        let is_old = |instance: &Instance| now - instance.idle_since >= limits::IDLE_INSTANCE_KEPT;
        drop(handler.idle.take_while(is_old));
    }
    handler.trims.set(false);
}

/// What the epoch does to a guest: within its slice it goes on, beyond it steps behind the light
/// tasks, and beyond its limit it ends.
fn interrupted(
    mut store: StoreContextMut<'_, GuestState>,
    context: &GuestContext,
) -> wasmtime::Result<UpdateDeadline> {
    charge(store.as_context_mut())?;
    match store.data().meter.interrupted(context.remote.is_wanted()) {
        Ok(Slice::GoesOn) => Ok(UpdateDeadline::Continue(1)),
        Ok(Slice::UsedUp) => {
            capabilities::check_resources(store.data_mut())?;
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(context.remote.next_slice(context.share()))))
        }
        Err(reached) => {
            let culprit = capabilities::current_request(store.as_context_mut());
            store.data_mut().culprit = culprit.map(Culprit::Request);
            Err(reached.into())
        }
    }
}

/// In an instance that serves many requests, the time up to now is charged to the one whose task
/// runs now. The epoch samples: a task that runs for less than a tick is not always caught, and
/// one that is caught may pay for a neighbour's part of that tick.
fn charge(mut store: StoreContextMut<'_, GuestState>) -> wasmtime::Result<()> {
    if store.data().calls.is_none() {
        return Ok(());
    }
    let tasks: Vec<_> = store.async_call_stack()?.collect();
    let state = store.data_mut();
    let (limit, uncharged) = (state.meter.limit(), state.meter.uncharged());
    let Some(calls) = &mut state.calls else { return Ok(()) };
    match calls.charge(&tasks, uncharged, limit) {
        None => Ok(()),
        Some(culprit) => {
            state.culprit = Some(culprit);
            Err(CpuLimitReached.into())
        }
    }
}
