//! Owns what code of a product's own may wait for on the loop: time, and work that blocks.

use std::time::Duration;

use crate::event_loop::{HostQueue, Refused, Remote, Work};

/// What code that runs on a host's loop waits with, for it must not block. Cheap to clone; from other
/// threads it does the same.
#[derive(Clone)]
pub struct Waiting {
    remote: Remote,
    queue: HostQueue,
}

impl Waiting {
    /// Waiting on this loop. What blocks has its turn by this queue.
    pub fn new(remote: Remote, queue: HostQueue) -> Self {
        Waiting { remote, queue }
    }

    /// Waits this long. It ends when the loop does.
    pub async fn sleep(&self, time: Duration) {
        self.remote.sleep_until(self.remote.now() + time).await;
    }

    /// Does work that blocks on a host thread. `operation` is its name in the timeline, as
    /// `orders.read`.
    ///
    /// # Errors
    /// When too much waits for a host thread, or the work panics.
    pub async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        self.remote.host_thread(&self.queue, Work::slow(operation), work).await
    }
}
