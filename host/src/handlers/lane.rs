//! Owns the choice of the export a component is served through.

use wasmtime::component::{Instance, InstancePre};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyIndices};
use wasmtime_wasi_http::p3::bindings::{Service, ServiceIndices};

use super::{fast02, fast03};
use crate::capabilities::GuestState;
use crate::engine::{ComponentFile, Generation};

/// Through which export a component is called. A component that has several is called through
/// the first of this list that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// `hob:host/handler@0.3`: records, async.
    Fast03,
    /// `hob:host/handler@0.2`: records, sync.
    Fast02,
    /// `wasi:http/handler@0.3`.
    Http03,
    /// `wasi:http/incoming-handler@0.2`.
    Http02,
    /// None of these: it exports what a product defines that has Hob in it, and answers no request.
    World(Generation),
}

impl Lane {
    const FOR_REQUESTS: [Lane; 4] = [Lane::Fast03, Lane::Fast02, Lane::Http03, Lane::Http02];

    /// The lane for a component, if it exports a handler at all.
    pub fn of(component: &ComponentFile) -> Option<Lane> {
        Lane::FOR_REQUESTS.into_iter().find(|lane| {
            let prefix = lane.export_prefix().expect("a lane for requests");
            component.exports.iter().any(|export| export.starts_with(prefix))
        })
    }

    /// What the name of the export for requests begins with; the patch version follows.
    pub fn export_prefix(self) -> Option<&'static str> {
        Some(match self {
            Lane::Fast03 => "hob:host/handler@0.3.",
            Lane::Fast02 => "hob:host/handler@0.2.",
            Lane::Http03 => "wasi:http/handler@0.3.",
            Lane::Http02 => "wasi:http/incoming-handler@0.2.",
            Lane::World(_) => return None,
        })
    }

    /// The generation of WASI the export belongs to.
    pub fn generation(self) -> Generation {
        match self {
            Lane::Fast03 | Lane::Http03 => Generation::Wasi03,
            Lane::Fast02 | Lane::Http02 => Generation::Wasi02,
            Lane::World(generation) => generation,
        }
    }

    /// Whether a small body is handed over whole, in the call itself.
    pub fn takes_whole_bodies(self) -> bool {
        matches!(self, Lane::Fast03 | Lane::Fast02)
    }
}

/// A component with its imports joined, ready to be instantiated.
pub(super) struct Linked {
    pre: InstancePre<GuestState>,
    indices: Indices,
}

/// Where the exports are in a component.
enum Indices {
    Fast03(fast03::HttpHandlerIndices),
    Fast02(fast02::HttpHandlerIndices),
    Http03(ServiceIndices),
    Http02(ProxyIndices),
    World,
}

/// The exports of an instance.
pub(super) enum Exports {
    Fast03(fast03::HttpHandler),
    Fast02(fast02::HttpHandler),
    Http03(Service),
    Http02(Proxy),
    /// Those that whoever calls it looks up.
    World,
}

impl Linked {
    pub(super) fn new(lane: Lane, pre: InstancePre<GuestState>) -> wasmtime::Result<Self> {
        let indices = match lane {
            Lane::Fast03 => Indices::Fast03(fast03::HttpHandlerIndices::new(&pre)?),
            Lane::Fast02 => Indices::Fast02(fast02::HttpHandlerIndices::new(&pre)?),
            Lane::Http03 => Indices::Http03(ServiceIndices::new(&pre)?),
            Lane::Http02 => Indices::Http02(ProxyIndices::new(&pre)?),
            Lane::World(_) => Indices::World,
        };
        Ok(Linked { pre, indices })
    }

    pub(super) async fn instantiate(
        &self,
        store: &mut wasmtime::Store<GuestState>,
    ) -> wasmtime::Result<(Instance, Exports)> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let exports = match &self.indices {
            Indices::Fast03(indices) => Exports::Fast03(indices.load(store, &instance)?),
            Indices::Fast02(indices) => Exports::Fast02(indices.load(store, &instance)?),
            Indices::Http03(indices) => Exports::Http03(indices.load(store, &instance)?),
            Indices::Http02(indices) => Exports::Http02(indices.load(store, &instance)?),
            Indices::World => Exports::World,
        };
        Ok((instance, exports))
    }
}
