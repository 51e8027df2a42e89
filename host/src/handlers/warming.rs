//! Owns the first instance of a handler before it has its first request: whether one can be made at all,
//! and the page faults of the first.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use futures_util::future::{Either, select};

use super::failure::Failure;
use super::{Handler, Isolation};
use crate::engine::Meter;

impl Handler {
    /// Makes an instance, within the limits of a request, and keeps it where instances are kept.
    ///
    /// # Errors
    /// When none can be made: no request could be served either.
    pub async fn warm(self: &Rc<Self>) -> Result<(), Failure> {
        let limits = self.deployment.limits;
        let meter = Meter::new(self.ticker.clone(), limits.cpu);
        let mut making = Box::pin(self.instantiate(meter.clone()));
        let made = pin!(poll_fn(|cx| {
            let (polled, ran) = meter.watch(|| making.as_mut().poll(cx));
            let on_loop_ns = &self.deployment.metrics.on_loop_ns;
            on_loop_ns.fetch_add(ran.took.as_nanos() as u64, Ordering::Relaxed);
            polled
        }));
        let deadline = self.handle.sleep_until(self.handle.now() + limits.wall);
        let instance = match select(made, deadline).await {
            Either::Left((made, _)) => made?,
            Either::Right(_) => return Err(Failure::WallLimit),
        };
        if self.deployment.isolation == Isolation::Reuse && !self.retired.get() {
            self.rest(instance);
        }
        Ok(())
    }
}
