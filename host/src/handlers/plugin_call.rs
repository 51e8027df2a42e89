//! Owns a product's call of a plug-in through the plug-in's own world, within the limits of a request.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use wasmtime::{Store, component};

use super::failure::Failure;
use super::pace::Pace;
use super::{Handler, Isolation};
use crate::capabilities::GuestState;
use crate::engine::Meter;
use crate::observe::Happening;
use crate::wire::RequestId;

impl Handler {
    /// Has `work` call an instance, an idle one or a new one. What it does itself, and what it calls of
    /// the host, counts as the guest's time. An instance in which it fails is not used again.
    ///
    /// An instance of `shared` is for requests alone: such a guest gets a new one for each call.
    ///
    /// # Errors
    /// When the guest comes down, has used up one of its limits, or when `work` fails.
    pub async fn call<T>(
        self: &Rc<Self>,
        id: RequestId,
        work: impl AsyncFnOnce(&mut Store<GuestState>, component::Instance) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let kept = self.deployment.isolation == Isolation::Reuse;
        let idle = if kept { self.idle.pop() } else { None };
        let cpu = self.cpu();
        let meter = match &idle {
            Some(instance) => instance.meter.clone(),
            None => Meter::new(self.ticker.clone(), cpu),
        };
        meter.reset(cpu);
        let of_guest = meter.clone();
        let called = async {
            let metrics = &self.deployment.metrics;
            let mut instance = match idle {
                Some(instance) => {
                    metrics.instances_reused.fetch_add(1, Ordering::Relaxed);
                    instance
                }
                None => self.instantiate(of_guest).await?,
            };
            let _lines = self.context.stdio.lines_of(id);
            let state = instance.store.data_mut();
            state.request = Some(id);
            state.memory.forget_refusal();
            match work(&mut instance.store, instance.instance).await {
                Ok(value) => {
                    self.put_back(instance);
                    Ok(value)
                }
                Err(error) => Err(Failure::of(&error, &instance.store.data().memory)),
            }
        };
        self.within_limits(&meter, Some(id), called).await
    }

    /// Lets a guest run that gives no response: slice by slice, and for no longer than it may take.
    pub(super) async fn within_limits<T>(
        &self,
        meter: &Meter,
        id: Option<RequestId>,
        guest: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Handler { handle, context, .. } = self;
        let longest = self.wall();
        let mut guest = pin!(guest);
        let mut pace = Pace::default();
        // A deadline is only set for a guest that is waited for.
        let mut wall = None;
        poll_fn(|cx| {
            if pace.poll(handle.now(), &context.remote, context.share(), cx).is_ready() {
                let (polled, ran) = meter.watch(|| guest.as_mut().poll(cx));
                pace.charge(ran.took);
                self.charge(ran.took);
                if let Some(RequestId(request)) = id {
                    let ended = ran.begun + ran.took;
                    context.timeline.add(request, ran.begun, ended, Happening::OnLoop);
                }
                if polled.is_ready() {
                    return polled;
                }
            }
            let wall = wall.get_or_insert_with(|| handle.sleep_until(handle.now() + longest));
            Pin::new(wall).poll(cx).map(|()| Err(Failure::WallLimit))
        })
        .await
    }
}
