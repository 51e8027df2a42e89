//! Owns what a guest may send. Nothing yet: there is no grant for it, so a request of the guest
//! is denied with the error that WASI has for that.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, RequestOptions as Options};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::GuestState;

pub(super) struct Outbound;

type Handle = (Resource<HostOutgoingRequest>, Option<Resource<Options>>);
type Handled = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

/// `wasi:http/outgoing-handler@0.2`. Not the stock one, which leaves each request to a task of tokio's,
/// and no one runs those here.
pub(super) fn link_wasi02(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance("wasi:http/outgoing-handler@0.2.12")?.func_wrap(
        "handle",
        |mut store: StoreContextMut<'_, GuestState>, (request, options): Handle| {
            let table = &mut store.data_mut().table;
            table.delete(request)?;
            if let Some(options) = options {
                table.delete(options)?;
            }
            let denied: Handled = Err(ErrorCode::HttpRequestDenied);
            Ok((denied,))
        },
    )
}

type Sent = Result<(http::Response<WasiBody>, Transmission), Error>;
type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _transmission: Transmission,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }

    /// One chunk of this size is held for a client that does not read.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        crate::limits::BODY_PIECE_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        crate::limits::BODY_PIECE_BYTES_MAX
    }
}
