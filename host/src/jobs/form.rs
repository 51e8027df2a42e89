//! Owns the choice of the export a module is called through, and the call.

use std::future::poll_fn;

use wasmtime::component::{ComponentExportIndex, Instance, InstancePre};
use wasmtime::{AsContextMut, Store};

use crate::capabilities::{Form, GuestState};
use crate::engine::{ComponentFile, Generation};

/// Through which export a module is called. One that has several is called through the first of
/// [`Export::ALL`] that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) form: Form,
    pub(super) generation: Generation,
}

/// The call's own answer: an output, or why the job could not do it. A program says neither.
pub(super) type Answer = Result<Vec<u8>, String>;

impl Export {
    const ALL: [Export; 6] = [
        Export { form: Form::StreamingJob, generation: Generation::Wasi03 },
        Export { form: Form::StreamingJob, generation: Generation::Wasi02 },
        Export { form: Form::Job, generation: Generation::Wasi03 },
        Export { form: Form::Job, generation: Generation::Wasi02 },
        Export { form: Form::Program, generation: Generation::Wasi03 },
        Export { form: Form::Program, generation: Generation::Wasi02 },
    ];

    /// The export of a module and its whole name, if it has one.
    pub(super) fn of(component: &ComponentFile) -> Option<(Export, &str)> {
        Export::ALL.into_iter().find_map(|export| {
            let mut names = component.exports.iter();
            let name = names.find(|name| name.starts_with(export.prefix()))?;
            Some((export, name.as_str()))
        })
    }

    /// What its name begins with; the patch version follows.
    pub(super) fn prefix(self) -> &'static str {
        match (self.form, self.generation) {
            (Form::StreamingJob, Generation::Wasi03) => "hob:host/streaming-job@0.3.",
            (Form::StreamingJob, Generation::Wasi02) => "hob:host/streaming-job@0.2.",
            (Form::Job, Generation::Wasi03) => "hob:host/job@0.3.",
            (Form::Job, Generation::Wasi02) => "hob:host/job@0.2.",
            (Form::Program, Generation::Wasi03) => "wasi:cli/run@0.3.",
            (Form::Program, Generation::Wasi02) => "wasi:cli/run@0.2.",
        }
    }

    /// Where its function is, in an instance of the module.
    pub(super) fn function(
        pre: &InstancePre<GuestState>,
        name: &str,
    ) -> Option<ComponentExportIndex> {
        let interface = pre.component().get_export_index(None, name)?;
        pre.component().get_export_index(Some(&interface), "run")
    }

    /// Calls the function; returns when the guest is at rest.
    pub(super) async fn call(
        self,
        store: &mut Store<GuestState>,
        instance: &Instance,
        function: &ComponentExportIndex,
        input: Vec<u8>,
    ) -> wasmtime::Result<Answer> {
        match self.form {
            Form::Job => {
                type Returned = (Result<Vec<u8>, String>,);
                let run = instance.get_typed_func::<(Vec<u8>,), Returned>(&mut *store, function)?;
                let (answer,) = match self.generation {
                    Generation::Wasi02 => run.call_async(store.as_context_mut(), (input,)).await?,
                    Generation::Wasi03 => at_rest(store, run, (input,)).await?,
                };
                Ok(answer)
            }
            Form::StreamingJob => {
                type Returned = (Result<(), String>,);
                let run = instance.get_typed_func::<(), Returned>(&mut *store, function)?;
                let (answer,) = match self.generation {
                    Generation::Wasi02 => run.call_async(store.as_context_mut(), ()).await?,
                    Generation::Wasi03 => at_rest(store, run, ()).await?,
                };
                Ok(answer.map(|()| Vec::new()))
            }
            Form::Program => {
                type Returned = (Result<(), ()>,);
                let run = instance.get_typed_func::<(), Returned>(&mut *store, function)?;
                let (answer,) = match self.generation {
                    Generation::Wasi02 => run.call_async(store.as_context_mut(), ()).await?,
                    Generation::Wasi03 => at_rest(store, run, ()).await?,
                };
                Ok(answer.map(|()| Vec::new()).map_err(|()| String::new()))
            }
        }
    }
}

/// Calls an async function, and waits for what the guest is about after its answer: a program may
/// still write.
async fn at_rest<P, R>(
    store: &mut Store<GuestState>,
    run: wasmtime::component::TypedFunc<P, R>,
    parameters: P,
) -> wasmtime::Result<R>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + Send + Sync + 'static,
{
    let call = store.run_concurrent(async move |accessor| {
        let answer = run.call_concurrent(accessor, parameters).await?;
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        Ok(answer)
    });
    call.await?
}
