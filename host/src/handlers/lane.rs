//! Owns the choice of the export a component is served through.

use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

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
}

impl Lane {
    const ALL: [Lane; 4] = [Lane::Fast03, Lane::Fast02, Lane::Http03, Lane::Http02];

    /// The lane for a component, if it exports a handler at all.
    pub fn of(component: &ComponentFile) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| {
            component.exports.iter().any(|export| export.starts_with(lane.export_prefix()))
        })
    }

    /// What the name of the export begins with; the patch version follows.
    pub fn export_prefix(self) -> &'static str {
        match self {
            Lane::Fast03 => "hob:host/handler@0.3.",
            Lane::Fast02 => "hob:host/handler@0.2.",
            Lane::Http03 => "wasi:http/handler@0.3.",
            Lane::Http02 => "wasi:http/incoming-handler@0.2.",
        }
    }

    /// The generation of WASI the export belongs to.
    pub fn generation(self) -> Generation {
        match self {
            Lane::Fast03 | Lane::Http03 => Generation::Wasi03,
            Lane::Fast02 | Lane::Http02 => Generation::Wasi02,
        }
    }

    /// Whether a small body is handed over whole, in the call itself.
    pub fn takes_whole_bodies(self) -> bool {
        matches!(self, Lane::Fast03 | Lane::Fast02)
    }
}

/// A component with its imports joined, ready to be instantiated.
pub(super) enum Linked {
    Fast03(fast03::HttpHandlerPre<GuestState>),
    Fast02(fast02::HttpHandlerPre<GuestState>),
    Http03(ServicePre<GuestState>),
    Http02(ProxyPre<GuestState>),
}

/// The exports of an instance.
pub(super) enum Exports {
    Fast03(fast03::HttpHandler),
    Fast02(fast02::HttpHandler),
    Http03(Service),
    Http02(Proxy),
}

impl Linked {
    pub(super) fn new(lane: Lane, pre: InstancePre<GuestState>) -> wasmtime::Result<Self> {
        Ok(match lane {
            Lane::Fast03 => Linked::Fast03(fast03::HttpHandlerPre::new(pre)?),
            Lane::Fast02 => Linked::Fast02(fast02::HttpHandlerPre::new(pre)?),
            Lane::Http03 => Linked::Http03(ServicePre::new(pre)?),
            Lane::Http02 => Linked::Http02(ProxyPre::new(pre)?),
        })
    }

    pub(super) async fn instantiate(
        &self,
        store: &mut wasmtime::Store<GuestState>,
    ) -> wasmtime::Result<Exports> {
        Ok(match self {
            Linked::Fast03(pre) => Exports::Fast03(pre.instantiate_async(store).await?),
            Linked::Fast02(pre) => Exports::Fast02(pre.instantiate_async(store).await?),
            Linked::Http03(pre) => Exports::Http03(pre.instantiate_async(store).await?),
            Linked::Http02(pre) => Exports::Http02(pre.instantiate_async(store).await?),
        })
    }
}
