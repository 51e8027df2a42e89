//! Hob's event loop without Wasm: HTTP with a native handler, which the benchmark takes for the limit
//! of what a Wasm handler on the same loop could reach; the way to a host thread and back; and the look-up of a route.

mod hop;
mod routes;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hob::event_loop::{Clock, EventLoop};
use hob::observe::LoopMetrics;
use hob::wire::{Acceptor, Exchange, Fault, Incoming, Service, WireLimits, bind};
use http_body_util::Full;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Hello;

impl Service for Hello {
    type Body = Full<Bytes>;

    fn call(
        &self,
        _: http::Request<Incoming>,
        _: Rc<Exchange>,
    ) -> impl Future<Output = http::Response<Full<Bytes>>> + 'static {
        let mut response = http::Response::new(Full::new(Bytes::from_static(b"hello world\n")));
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
        std::future::ready(response)
    }

    fn refused(&self, _: Fault, _: Option<SocketAddr>) -> String {
        "-".to_owned()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: hob-bench-native ADDRESS | hop | routes";
    match std::env::args().nth(1).ok_or(usage)?.as_str() {
        "hop" => hop::measure(),
        "routes" => routes::measure(),
        address => serve(address).map(|never| match never {}),
    }
}

fn serve(address: &str) -> Result<Infallible, Box<dyn std::error::Error>> {
    let metrics = Arc::new(LoopMetrics::default());
    let mut event_loop = EventLoop::new(Clock::Real, metrics.clone())?;
    let acceptor = Acceptor::new(event_loop.handle(), Hello, WireLimits::default(), metrics, None);
    acceptor.listen(bind(address.parse()?, false)?)?;
    Ok(event_loop.run(std::future::pending())?)
}
