//! Owns the plug-ins that live on a host's loop: which one has a name now, and those that are still at
//! work after another has taken theirs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use wasmtime::{Store, component};

use super::errors::{CallError, LoadError};
use super::names::PluginName;
use super::plan::PluginPlan;
use super::workshop::{Made, Workshop};
use crate::capabilities::{GuestState, Stdio};
use crate::event_loop::{Handle, HostQueue, Work};
use crate::handlers::{Call, CallBody, GuestBody, Handler, Isolation, Lane};
use crate::limits;
use crate::observe::{Log, Timeline};
use crate::server::{OfLoop, Own, guest_context};
use crate::tenants::{Admission, Limit, Place};
use crate::wire::{Client, RequestId};

/// The plug-ins of a host.
pub(super) struct Residents {
    pub(super) handle: Handle,
    pub(super) client: Client,
    pub(super) timeline: Timeline,
    pub(super) log: Log,
    pub(super) workshop: Arc<Workshop>,
    /// Where loads wait for a host thread.
    pub(super) queue: HostQueue,
    pub(super) plugins: RefCell<BTreeMap<PluginName, Resident>>,
    /// Those whose name another has, and that may have calls yet.
    pub(super) retired: RefCell<Vec<Weak<Handler>>>,
    /// Loads that have begun.
    pub(super) loads: Cell<u64>,
    pub(super) next_request: Cell<u64>,
    /// What was asked of the host and is not answered.
    pub(super) under_way: Cell<usize>,
    /// Who waits until that is nothing. No more is taken then.
    pub(super) end: RefCell<End>,
}

/// How far a host is from its end.
#[derive(Default)]
pub(super) enum End {
    /// It takes orders.
    #[default]
    Far,
    /// It finishes those it has.
    Near(Waker),
}

/// A plug-in that has its name now.
pub(super) struct Resident {
    handler: Rc<Handler>,
    /// Which of the loads it came with.
    load: u64,
}

impl Residents {
    /// Loads a plug-in. One that has its name already finishes the calls it has, and gets no more.
    pub(super) async fn load(&self, plan: PluginPlan) -> Result<(), LoadError> {
        let load = self.loads.get() + 1;
        self.loads.set(load);
        let workshop = self.workshop.clone();
        let make = move || workshop.make(plan);
        let remote = self.handle.remote();
        let made = remote.host_thread(&self.queue, Work::slow("plugin.load"), make).await;
        let made = made.map_err(|_| LoadError::Busy)??;
        let name = made.plan.name.clone();
        let handler = self.handler(made);
        handler.warm().await.map_err(LoadError::Start)?;
        let mut plugins = self.plugins.borrow_mut();
        if plugins.get(&name).is_some_and(|other| other.load > load) {
            return Err(LoadError::Superseded);
        }
        if let Some(before) = plugins.insert(name, Resident { handler, load }) {
            self.retire(&before.handler);
        }
        Ok(())
    }

    /// Forgets a plug-in; the calls it has are finished. Whether there was one.
    pub(super) fn unload(&self, name: &PluginName) -> bool {
        let found = self.plugins.borrow_mut().remove(name);
        if let Some(Resident { handler, .. }) = &found {
            self.retire(handler);
        }
        found.is_some()
    }

    fn retire(&self, handler: &Rc<Handler>) {
        handler.retire();
        let mut retired = self.retired.borrow_mut();
        retired.retain(|handler| handler.strong_count() > 0);
        retired.push(Rc::downgrade(handler));
    }

    /// Takes no more orders, and waits until those it has are answered and no plug-in is about anything
    /// after its answers.
    pub(super) async fn drain(&self) {
        poll_fn(|cx| {
            self.end.replace(End::Near(cx.waker().clone()));
            if self.under_way.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let plugins = std::mem::take(&mut *self.plugins.borrow_mut());
        let retired = self.retired.take();
        let retired = retired.iter().filter_map(Weak::upgrade);
        let all: Vec<_> =
            plugins.into_values().map(|resident| resident.handler).chain(retired).collect();
        for handler in all {
            handler.drain().await;
        }
    }

    fn handler(&self, made: Made) -> Rc<Handler> {
        let Made { plan, deployment, household } = made;
        let name = &plan.name.name;
        let Residents { handle, client, timeline, .. } = self;
        let own = Own {
            name,
            environment: &plan.environment,
            settings: &Arc::new(plan.settings),
            stdio: Stdio::new(name, self.log.clone()),
            household: &household,
            additions: &self.workshop.additions,
        };
        let mut context = guest_context(OfLoop { handle, client, timeline }, own);
        let is_shared = deployment.isolation == Isolation::Shared;
        context.resumed = is_shared.then(Mutex::default);
        let ticker = self.workshop.ticker.clone();
        Handler::new(deployment, Arc::new(context), ticker, handle.clone())
    }

    fn find(&self, name: &PluginName) -> Result<Rc<Handler>, CallError> {
        let plugins = self.plugins.borrow();
        plugins.get(name).map(|plugin| plugin.handler.clone()).ok_or(CallError::NotLoaded)
    }

    /// Lets a call in as soon as its tenant's limits do.
    async fn admit(&self, handler: &Handler) -> Result<Place, CallError> {
        let now = self.handle.now();
        match handler.tenant().admit(now).map_err(CallError::OverLimit)? {
            Admission::Place(place) => Ok(place),
            Admission::Wait(wait, longest) => {
                match select(wait, self.handle.sleep_until(now + longest)).await {
                    Either::Left((place, _)) => Ok(place),
                    Either::Right(_) => {
                        Err(CallError::OverLimit(handler.tenant().waited_too_long()))
                    }
                }
            }
        }
    }

    fn new_request(&self) -> RequestId {
        let id = self.next_request.get();
        self.next_request.set(id.wrapping_add(1));
        RequestId(id)
    }

    /// Calls a plug-in through its own world.
    pub(super) async fn call<T>(
        &self,
        name: &PluginName,
        work: impl AsyncFnOnce(&mut Store<GuestState>, component::Instance) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        let handler = self.find(name)?;
        let _place = self.admit(&handler).await?;
        handler.call(self.new_request(), work).await.map_err(CallError::Failed)
    }

    /// Has a plug-in answer a request.
    pub(super) async fn request(
        &self,
        name: &PluginName,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, CallError> {
        let handler = self.find(name)?;
        if matches!(handler.deployment().lane, Lane::World(_)) {
            return Err(CallError::NoHandler);
        }
        let _place = self.admit(&handler).await?;
        let (mut head, body) = request.into_parts();
        if body.len() as u64 > handler.tenant().limits().body_bytes {
            handler.tenant().refused(Limit::Body);
            return Err(CallError::BodyTooLong);
        }
        if !body.is_empty() {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let is_head = head.method == Method::HEAD;
        let (body, id) = (CallBody::Whole(body), self.new_request());
        let mut invocation = handler.invoke(Call::new(head, body, id));
        let response = poll_fn(|cx| invocation.poll_response(cx)).await;
        let (head, mut body) = response.map_err(CallError::Failed)?.into_parts();
        if is_head {
            body.discard();
            return Ok(Response::from_parts(head, Bytes::new()));
        }
        Ok(Response::from_parts(head, whole(body).await?))
    }
}

/// All of a response's body.
async fn whole(mut body: GuestBody) -> Result<Bytes, CallError> {
    if let Some(bytes) = body.whole() {
        return Ok(bytes.clone());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|broken| CallError::Broken(broken.0))?;
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > limits::PLUGIN_RESPONSE_BYTES_MAX {
            return Err(CallError::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
