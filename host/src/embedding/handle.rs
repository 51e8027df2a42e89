//! Owns the way to a host from wherever the program is: orders to its loop, and their answers.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use wasmtime::{Store, component};

use super::errors::{CallError, LoadError, Unanswered};
use super::names::PluginName;
use super::plan::PluginPlan;
use super::residents::{End, Residents};
use crate::capabilities::{GuestState, Waiting};
use crate::limits;

/// Something that is to be done on the host's loop.
pub(super) type Order = Box<dyn FnOnce(&Rc<Residents>) + Send>;

/// A host as the whole program sees it. Cheap to clone; for any thread, the host's own among them.
#[derive(Clone)]
pub struct HostHandle {
    orders: mpsc::Sender<Order>,
    waiting: Waiting,
}

/// A plug-in that was loaded. It stands for the name: when another is loaded under it, that one is
/// called from then on, and calls under way finish in the one before. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    host: HostHandle,
    name: Arc<PluginName>,
}

impl HostHandle {
    pub(super) fn new(orders: mpsc::Sender<Order>, waiting: Waiting) -> Self {
        HostHandle { orders, waiting }
    }

    /// Loads a plug-in: it is compiled off the loop, linked, and an instance is made of it, before it
    /// takes the place of the one that has its name.
    ///
    /// # Errors
    /// When it cannot be called. The one before then stays.
    pub async fn load(&self, plan: PluginPlan) -> Result<Plugin, LoadError> {
        let name = Arc::new(plan.name.clone());
        self.ask(async move |residents| residents.load(plan).await).await??;
        Ok(Plugin { host: self.clone(), name })
    }

    /// What the program's own code waits with that runs on the host's loop.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Has an order carried out on the loop, in a task of its own. Dropping what is returned drops
    /// the order, wherever it is.
    async fn ask<T: Send + 'static>(
        &self,
        order: impl AsyncFnOnce(&Residents) -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let begin = move |residents: &Rc<Residents>| begin(residents, order, answer);
        match self.orders.try_send(Box::new(begin)) {
            Ok(()) => answered.await.unwrap_or(Err(Unanswered::Stopped)),
            Err(TrySendError::Full(_)) => Err(Unanswered::Busy),
            Err(TrySendError::Closed(_)) => Err(Unanswered::Stopped),
        }
    }
}

/// Carries an order out, as long as someone waits for its answer.
fn begin<T: 'static>(
    residents: &Rc<Residents>,
    order: impl AsyncFnOnce(&Residents) -> T + 'static,
    mut answer: oneshot::Sender<Result<T, Unanswered>>,
) {
    let refusal = match &*residents.end.borrow() {
        End::Near(_) => Some(Unanswered::Stopped),
        End::Far if residents.under_way.get() >= limits::PLUGIN_CALLS_MAX => Some(Unanswered::Busy),
        End::Far => None,
    };
    if let Some(refusal) = refusal {
        // It fails only when no one waits any more.
        let _ = answer.send(Err(refusal));
        return;
    }
    let place = Place::take(residents.clone());
    residents.handle.spawn(async move {
        let done = {
            let (work, left) = (pin!(order(&place.0)), pin!(answer.closed()));
            match select(work, left).await {
                Either::Left((value, _)) => Some(value),
                Either::Right(_) => None,
            }
        };
        if let Some(value) = done {
            // As above.
            let _ = answer.send(Ok(value));
        }
        drop(place);
    });
}

/// One of the orders under way, as long as this lives.
struct Place(Rc<Residents>);

impl Place {
    fn take(residents: Rc<Residents>) -> Self {
        residents.under_way.set(residents.under_way.get() + 1);
        Place(residents)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let residents = &self.0;
        residents.under_way.set(residents.under_way.get() - 1);
        if let End::Near(waker) = &*residents.end.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Takes the orders of a host, until there is no one who could give any.
pub(super) async fn attend(residents: Rc<Residents>, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        order(&residents);
    }
}

impl Plugin {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name.name
    }

    /// Whose it is.
    pub fn tenant(&self) -> &str {
        &self.name.tenant
    }

    /// Has it answer a request, through any of the exports that `hob serve` serves. The body of the
    /// response comes whole.
    ///
    /// Dropping the future stops the guest, unless its instance is shared.
    ///
    /// # Errors
    /// When there is no response.
    pub async fn request(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let name = self.name.clone();
        let order = async move |residents: &Residents| residents.request(&name, request).await;
        self.host.ask(order).await?
    }

    /// Has `work` call an instance of it, by bindings that `wasmtime::component::bindgen!` has made of
    /// the product's world. `work` runs on the host's loop, in a task of its own.
    ///
    /// The instance has the limits of a request: memory, CPU time and wall time for all that `work`
    /// does. Dropping the future stops it. Errors of the product's own belong into `T`.
    ///
    /// # Errors
    /// When the guest comes down, or has used up one of its limits; and when `work` fails.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Store<GuestState>, component::Instance) -> wasmtime::Result<T>
        + Send
        + 'static,
    ) -> Result<T, CallError> {
        let name = self.name.clone();
        let order = async move |residents: &Residents| residents.call(&name, work).await;
        self.host.ask(order).await?
    }

    /// Forgets it, once its calls under way are finished. Whether it was still there.
    ///
    /// # Errors
    /// When the host has too much to do, or has stopped.
    pub async fn unload(&self) -> Result<bool, CallError> {
        let name = self.name.clone();
        Ok(self.host.ask(async move |residents: &Residents| residents.unload(&name)).await?)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({})", self.name)
    }
}
