//! Owns what a guest may send. Nothing yet: there is no grant for it, so a request of the guest
//! is denied with the error that WASI has for that.

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

pub(super) struct Outbound;

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
