//! Owns how a capability is joined to a guest: one definition for both generations of the treaty.
//!
//! A function that may wait has a start and an end, which run on the loop with the guest's state
//! at hand, and between them a future that holds nothing of it. In a 0.2 guest that future
//! suspends the fiber; in a 0.3 guest other calls in the same instance go on meanwhile.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{
    ComponentNamedList, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{GuestContext, GuestState, current_request};
use crate::engine::Generation;
use crate::event_loop::{Refused, Remote, Work};
use crate::observe::Happening;
use crate::tenants::Limit;
use crate::wire::RequestId;

/// One interface of `hob:host` on its way into a linker.
pub(super) struct Interface<'a> {
    instance: LinkerInstance<'a, GuestState>,
    generation: Generation,
}

impl<'a> Interface<'a> {
    /// Begins the interface of this name.
    pub(super) fn new(
        linker: &'a mut Linker<GuestState>,
        generation: Generation,
        name: &str,
    ) -> wasmtime::Result<Self> {
        let version = match generation {
            Generation::Wasi02 => "0.2.0",
            Generation::Wasi03 => "0.3.0",
        };
        let instance = linker.instance(&format!("hob:host/{name}@{version}"))?;
        Ok(Interface { instance, generation })
    }

    /// Begins an interface of somebody else's whose functions are sync, by its whole name. A guest of
    /// 0.3 may import it too, and then all calls in its instance wait for the one.
    pub(super) fn sync(linker: &'a mut Linker<GuestState>, name: &str) -> wasmtime::Result<Self> {
        Ok(Interface { instance: linker.instance(name)?, generation: Generation::Wasi02 })
    }

    /// A resource that lives in the guest's table. Dropped there by the guest, or with the guest.
    pub(super) fn resource<R: Send + 'static>(&mut self, name: &str) -> wasmtime::Result<()> {
        self.instance.resource(name, ResourceType::host::<R>(), |mut store, index| {
            store.data_mut().table.delete(Resource::<R>::new_own(index))?;
            Ok(())
        })
    }

    /// A function that is done at once.
    pub(super) fn immediate<P, R>(
        &mut self,
        name: &str,
        act: impl Fn(&mut GuestState, P) -> wasmtime::Result<R> + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
        R: Lower + Send + Sync + 'static,
        (R,): ComponentNamedList + Lower,
    {
        self.immediate_list(name, move |state, parameters| Ok((act(state, parameters)?,)))
    }

    /// The same for a function that gives nothing.
    pub(super) fn immediate_unit<P>(
        &mut self,
        name: &str,
        act: impl Fn(&mut GuestState, P) -> wasmtime::Result<()> + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
    {
        self.immediate_list(name, act)
    }

    /// The same for any number of results.
    fn immediate_list<P, R>(
        &mut self,
        name: &str,
        act: impl Fn(&mut GuestState, P) -> wasmtime::Result<R> + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
        R: ComponentNamedList + Lower + 'static,
    {
        self.instance.func_wrap(
            name,
            move |mut store: StoreContextMut<'_, GuestState>, parameters: P| {
                store.data_mut().asking = current_request(store.as_context_mut());
                act(store.data_mut(), parameters)
            },
        )
    }

    /// A function that may wait, as the operation `operation`.
    pub(super) fn suspending<P, R, F>(
        &mut self,
        name: &str,
        operation: &'static str,
        start: impl Fn(&mut GuestState, P) -> wasmtime::Result<F> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + Send + 'static,
        F: Future<Output = R> + Send + 'static,
        R: Lower + Send + Sync + 'static,
        (R,): ComponentNamedList + Lower,
    {
        self.suspending_then(name, operation, start, |_, result| Ok(result))
    }

    /// The same for a function that gives nothing.
    pub(super) fn suspending_unit<P, F>(
        &mut self,
        name: &str,
        operation: &'static str,
        start: impl Fn(&mut GuestState, P) -> wasmtime::Result<F> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.suspending_list(name, operation, start, |_, ()| Ok(()))
    }

    /// The same, with an end that makes the result out of what the wait has brought.
    pub(super) fn suspending_then<P, T, R, F>(
        &mut self,
        name: &str,
        operation: &'static str,
        start: impl Fn(&mut GuestState, P) -> wasmtime::Result<F> + Copy + Send + Sync + 'static,
        end: impl Fn(&mut GuestState, T) -> wasmtime::Result<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + Send + 'static,
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        R: Lower + Send + Sync + 'static,
        (R,): ComponentNamedList + Lower,
    {
        self.suspending_list(name, operation, start, move |state, brought| {
            Ok((end(state, brought)?,))
        })
    }

    /// The same for any number of results.
    fn suspending_list<P, T, R, F>(
        &mut self,
        name: &str,
        operation: &'static str,
        start: impl Fn(&mut GuestState, P) -> wasmtime::Result<F> + Copy + Send + Sync + 'static,
        end: impl Fn(&mut GuestState, T) -> wasmtime::Result<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + Send + 'static,
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        R: ComponentNamedList + Lower + Send + Sync + 'static,
    {
        match self.generation {
            Generation::Wasi02 => self.instance.func_wrap_async(
                name,
                move |mut store: StoreContextMut<'_, GuestState>, parameters: P| {
                    Box::new(async move {
                        let wait = begin(store.as_context_mut(), operation, parameters, start)?;
                        let result = wait.await;
                        end(store.data_mut(), result)
                    })
                },
            ),
            Generation::Wasi03 => {
                self.instance.func_wrap_concurrent(name, move |accessor, parameters: P| {
                    Box::pin(async move {
                        let wait = accessor.with(|mut access| {
                            begin(access.as_context_mut(), operation, parameters, start)
                        })?;
                        let result = wait.await;
                        accessor.with(|mut access| end(access.data_mut(), result))
                    })
                })
            }
        }
    }
}

/// Starts an operation on behalf of the request for which the guest runs now.
fn begin<P, F, S>(
    mut store: StoreContextMut<'_, GuestState>,
    operation: &'static str,
    parameters: P,
    start: S,
) -> wasmtime::Result<impl Future<Output = F::Output> + use<P, F, S>>
where
    F: Future,
    S: Fn(&mut GuestState, P) -> wasmtime::Result<F>,
{
    let request = current_request(store.as_context_mut());
    let state = store.data_mut();
    state.asking = request;
    // A host thread may be at it before the guest is suspended.
    let begun = Instant::now();
    let wait = start(state, parameters)?;
    Ok(watched(state.context.clone(), request, operation, begun, wait))
}

/// Notes how long the request was suspended, if it was, by an operation that was begun then.
pub(super) async fn watched<T>(
    context: Arc<GuestContext>,
    request: Option<RequestId>,
    operation: &'static str,
    begun: Instant,
    wait: impl Future<Output = T>,
) -> T {
    let mut wait = pin!(wait);
    let mut was_suspended = false;
    let result = poll_fn(|cx| {
        let polled = wait.as_mut().poll(cx);
        was_suspended |= polled.is_pending();
        polled
    })
    .await;
    if let (true, Some(RequestId(request))) = (was_suspended, request) {
        let what = Happening::Suspended { operation };
        context.timeline.add(request, begun, Instant::now(), what);
        if let Some(resumed) = &context.resumed {
            resumed.lock().expect("resumed requests").push(request);
        }
    }
    result
}

/// A way to the host threads that outlives a call of the guest's: in the turn of its tenant, and for
/// the request it was asked for.
#[derive(Clone)]
pub(super) struct Hop {
    context: Arc<GuestContext>,
    remote: Remote,
    request: Option<u64>,
}

impl Hop {
    /// The same for work that is not handed out with that of others, but begun at once.
    pub(super) fn at_once(self) -> Self {
        Hop { remote: self.remote.at_once(), ..self }
    }

    /// Does work on a host thread. Dropping the future takes back a job that has not begun.
    pub(super) fn blocking<T, E, J>(
        &self,
        work: Work,
        job: J,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, J>
    where
        J: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Refused> + Send + 'static,
    {
        let work = work.for_request(self.request);
        let context = self.context.clone();
        let pending = self.remote.host_thread(&context.queue, work, job);
        async move {
            pending.await.unwrap_or_else(|refused| {
                if refused == Refused::Busy {
                    context.is_over(Limit::Jobs);
                }
                Err(refused.into())
            })
        }
    }

    /// The loop has done such work itself, and a host thread need not.
    pub(super) fn spared(&self, work: Work) {
        self.context.queue.spared(work);
    }

    /// Does work on a host thread that no one waits for.
    pub(super) fn unattended(&self, work: Work, job: impl FnOnce() + Send + 'static) {
        self.context.remote.host_thread_unattended(&self.context.queue, work, job);
    }

    /// The loop.
    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }
}

impl GuestState {
    /// The way to the host threads for the call that is being started.
    pub(super) fn hop(&self) -> Hop {
        let request = self.asking.map(|RequestId(id)| id);
        let context = self.context.clone();
        Hop { remote: context.remote.clone(), context, request }
    }

    /// Does a capability's work on a host thread, in the turn of the guest's tenant. Dropping the
    /// future takes back a job that has not begun.
    pub(super) fn blocking<T, E, J>(
        &self,
        work: Work,
        job: J,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, J>
    where
        J: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Refused> + Send + 'static,
    {
        self.hop().blocking(work, job)
    }
}
