//! Owns `hob:host/body@0.2.0`: the request body of the sync fast lane.

use bytes::Bytes;
use http_body_util::BodyExt;
use wasmtime::component::Resource;

use super::GuestState;
use crate::limits;
use crate::wire::RequestBody;

#[expect(missing_docs, reason = "generated from wit/0.2, where the documentation is")]
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package hob:capabilities;
            world imports { import hob:host/body@0.2.0; }
        ",
        path: "../wit/0.2",
        imports: { default: async | trappable },
        with: { "hob:host/body.incoming-body": super::IncomingBody },
        require_store_data_send: true,
    });
}

use bindings::hob;

pub(super) use bindings::hob::host::body::add_to_linker;
pub(super) type HasState = wasmtime::component::HasSelf<GuestState>;

/// A request body that the guest reads piece by piece.
pub struct IncomingBody {
    body: RequestBody,
    /// What the guest has not taken of the last frame.
    rest: Bytes,
}

impl IncomingBody {
    /// A body of which nothing has been read.
    pub fn new(body: RequestBody) -> Self {
        IncomingBody { body, rest: Bytes::new() }
    }

    async fn read(&mut self, max: usize) -> Result<Vec<u8>, hob::host::body::BodyError> {
        while self.rest.is_empty() {
            match self.body.frame().await {
                None => return Ok(Vec::new()),
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(hob::host::body::BodyError::Aborted),
            }
        }
        let taken = self.rest.len().min(max);
        Ok(self.rest.split_to(taken).to_vec())
    }
}

impl hob::host::body::Host for GuestState {}

impl hob::host::body::HostIncomingBody for GuestState {
    async fn read(
        &mut self,
        body: Resource<IncomingBody>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, hob::host::body::BodyError>> {
        // A read of nothing would look like the end.
        let max = (max as usize).clamp(1, limits::BODY_PIECE_BYTES_MAX);
        Ok(self.table.get_mut(&body)?.read(max).await)
    }

    async fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}
