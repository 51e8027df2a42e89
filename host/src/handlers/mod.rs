//! Owns the meeting of a request and a component: which of its exports is called and how, in
//! which instance, within which limits, and what came of it.

mod background;
mod beginning;
mod chain;
mod deployment;
mod echo;
mod exclusive;
mod failure;
mod fast02;
mod fast03;
mod http02;
mod http03;
mod idle;
mod invocation;
mod lane;
mod mailbox;
mod pace;
mod plugin_call;
mod response;
mod shared;
mod warming;

pub use chain::{Chain, Outcome};
pub use deployment::{DeployError, Deployment, GuestLimits, Isolation, Plan, Variation};
pub use failure::Failure;
pub use invocation::GuestBody;
pub use lane::Lane;
pub use mailbox::BodyFailed;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use crate::capabilities::{GuestContext, Next};
use crate::engine::TickerHandle;
use crate::event_loop::{Handle, Pending, Refused, Work};
use crate::limits;
use crate::tenants::Tenant;
use crate::wire::{Awaited, BodyBroken, Incoming, RequestBody, RequestId};
use background::Background;
use idle::Idle;
use invocation::Invocation;
use shared::SharedInstance;

/// One handler on one loop: its instances, and the means to make more.
pub struct Handler {
    deployment: Arc<Deployment>,
    context: Arc<GuestContext>,
    ticker: TickerHandle,
    handle: Handle,
    /// Instances of `reuse` that serve no one at the moment; the last one used is used next.
    idle: Arc<Idle>,
    /// Whether a task is there that drops those no one has used for long.
    trims: Cell<bool>,
    /// No new request comes: what is at work finishes, and nothing is kept.
    retired: Cell<bool>,
    /// Instances of `shared` that take requests.
    open: RefCell<Vec<Rc<SharedInstance>>>,
    background: Rc<Background>,
}

/// A request on its way into a guest. It goes through a dozen futures, each of which copies what it is given:
/// so it is behind a box.
pub struct Call {
    /// Method, target and headers.
    pub head: http::request::Parts,
    /// The body.
    pub body: CallBody,
    /// The request's name in the log.
    pub id: RequestId,
    /// What is behind, for a plug-in.
    next: Option<Next>,
}

impl Call {
    /// A request with nothing behind who gets it.
    pub fn new(head: http::request::Parts, body: CallBody, id: RequestId) -> Box<Self> {
        Box::new(Call { head, body, id, next: None })
    }
}

/// A request's body, as the lane wants it.
pub enum CallBody {
    /// All of it.
    Whole(Bytes),
    /// To be read by the guest.
    Stream(RequestBody),
}

impl Handler {
    /// A handler without an instance yet.
    pub fn new(
        deployment: Arc<Deployment>,
        context: Arc<GuestContext>,
        ticker: TickerHandle,
        handle: Handle,
    ) -> Rc<Self> {
        let idle = Idle::new(context.tenant.budget());
        Rc::new(Handler {
            deployment,
            context,
            ticker,
            handle,
            idle,
            trims: Cell::default(),
            retired: Cell::default(),
            open: RefCell::default(),
            background: Rc::default(),
        })
    }

    /// What is deployed.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Whose it is.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.context.tenant
    }

    /// How long a request that comes now may be waited for: what its own limit and its tenant's allow.
    pub fn wall(&self) -> Duration {
        self.deployment.limits.wall.min(self.context.tenant.wall())
    }

    /// How long a request that comes now may hold the loop, the same.
    fn cpu(&self) -> Duration {
        self.deployment.limits.cpu.min(self.context.tenant.cpu())
    }

    /// A guest of its has held the loop for this long.
    fn charge(&self, took: Duration) {
        let on_loop_ns = &self.deployment.metrics.on_loop_ns;
        on_loop_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        let (context, now) = (&self.context, self.handle.now());
        context.tenant.charge(now, took);
        context.remote.charge(context.share(), now, took);
    }

    /// Reads as much of a request's body as this handler's lane wants to have before it is called.
    ///
    /// # Errors
    /// When the body breaks off, or is longer than `most`.
    pub async fn receive(
        &self,
        body: Incoming,
        most: u64,
        awaited: &Awaited,
    ) -> Result<CallBody, BodyBroken> {
        self.take_up(RequestBody::begin(body, most, awaited).await?).await
    }

    async fn take_up(&self, body: RequestBody) -> Result<CallBody, BodyBroken> {
        if !self.deployment.lane.takes_whole_bodies() {
            return Ok(CallBody::Stream(body));
        }
        Ok(match body.whole(limits::BODY_WHOLE_BYTES_MAX).await? {
            Ok(bytes) => CallBody::Whole(bytes),
            Err(stream) => CallBody::Stream(stream),
        })
    }

    /// Keeps nothing for requests to come: another handler has its place. Requests that are under way
    /// go on, and those that were about to be given to it are still served.
    pub fn retire(&self) {
        self.retired.set(true);
        self.idle.clear();
        for instance in self.open.take() {
            instance.retire();
        }
    }

    /// Waits until its guests have finished what they are about after their answers. To be called
    /// when no request comes any more.
    pub async fn drain(&self) {
        self.retire();
        self.background.at_rest().await;
    }

    /// Does work for an answer on a host thread, in the turn of the handler's tenant.
    pub fn host_thread<T: Send + 'static>(
        &self,
        work: Work,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<Result<T, Refused>> {
        self.context.remote.host_thread(&self.context.queue, work, job)
    }

    /// Calls the guest. Nothing happens until the invocation is polled.
    pub fn invoke(self: &Rc<Self>, call: Box<Call>) -> Invocation {
        let is_head = call.head.method == http::Method::HEAD;
        let invocation = match self.deployment.isolation {
            Isolation::Fresh | Isolation::Reuse => exclusive::invoke(self, call),
            Isolation::Shared => shared::invoke(self, call),
        };
        invocation.for_head(is_head)
    }
}
