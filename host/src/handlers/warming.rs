//! Owns the first instance of a handler before it has its first request: whether one can be made at all,
//! and the page faults of the first.

use std::rc::Rc;

use super::failure::Failure;
use super::{Handler, Isolation};
use crate::engine::Meter;

impl Handler {
    /// Makes an instance, within the limits of a request, and keeps it where instances are kept.
    ///
    /// # Errors
    /// When none can be made: no request could be served either.
    pub async fn warm(self: &Rc<Self>) -> Result<(), Failure> {
        let meter = Meter::new(self.ticker.clone(), self.cpu());
        let making = Box::pin(self.instantiate(meter.clone()));
        let instance = self.within_limits(&meter, None, making).await?;
        if self.deployment.isolation == Isolation::Reuse && !self.retired.get() {
            self.rest(instance);
        }
        Ok(())
    }
}
