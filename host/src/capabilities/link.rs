//! Owns the linkers: which import is answered by what. One for each generation.

use wasmtime::component::Linker;
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{WasiView, p2, p3};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

use super::{
    GuestState, body, clocks, compression, config, crypto, dns, fetch, files, filesystem, keyvalue,
    kv, next, offload, outbound, output, poll, sql, timers,
};
use crate::engine::Generation;
use crate::wire::RequestId;

/// What a guest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Requests. It may offload jobs.
    Handler,
    /// Requests, and what is behind it. It may offload jobs.
    Plugin,
    /// Jobs that were offloaded. It has a caller, and offloads none itself: the threads are for those
    /// that wait on a loop.
    Module,
}

/// Everything a guest of this generation may import.
///
/// # Errors
/// When two definitions have the same name, which is a fault of ours.
pub(super) fn linker(
    engine: &Engine,
    generation: Generation,
    audience: Audience,
) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    // The C library of a 0.3 guest still imports 0.2, so it gets both.
    link_wasi02(&mut linker)?;
    match generation {
        Generation::Wasi02 => {
            body::add_to_linker::<GuestState, body::HasState>(&mut linker, |state| state)?;
        }
        Generation::Wasi03 => link_wasi03(&mut linker)?,
    }
    files::link(&mut linker, generation)?;
    dns::link(&mut linker, generation)?;
    fetch::link(&mut linker, generation)?;
    crypto::link(&mut linker, generation)?;
    timers::link(&mut linker, generation)?;
    config::link(&mut linker)?;
    compression::link(&mut linker, generation)?;
    sql::link(&mut linker, generation)?;
    kv::link(&mut linker, generation)?;
    keyvalue::link(&mut linker)?;
    match audience {
        Audience::Handler => offload::link(&mut linker, generation)?,
        Audience::Plugin => {
            offload::link(&mut linker, generation)?;
            next::link(&mut linker)?;
        }
        Audience::Module => offload::link_caller(&mut linker, generation)?,
    }
    Ok(linker)
}

fn link_wasi02(l: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    use p2::bindings::{cli, filesystem, io, random, sockets};
    type T = GuestState;

    io::error::add_to_linker::<T, HasTable>(l, |t| &mut t.table)?;
    io::poll::add_to_linker::<T, HasTable>(l, |t| &mut t.table)?;
    io::streams::add_to_linker::<T, HasTable>(l, |t| &mut t.table)?;
    poll::link_wasi02(l)?;
    clocks::link_wasi02(l)?;
    random::random::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    cli::exit::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    output::link_wasi02(l)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(l, T::cli)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(l, T::filesystem)?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(l, T::filesystem)?;
    super::filesystem::link_wasi02(l)?;
    sockets::tcp::add_to_linker::<T, WasiSockets>(l, T::sockets)?;
    sockets::udp::add_to_linker::<T, WasiSockets>(l, T::sockets)?;
    sockets::udp_create_socket::add_to_linker::<T, WasiSockets>(l, T::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<T, WasiSockets>(l, T::sockets)?;
    sockets::instance_network::add_to_linker::<T, WasiSockets>(l, T::sockets)?;
    sockets::network::add_to_linker::<T, WasiSockets>(l, &Default::default(), T::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<T, WasiSockets>(l, T::sockets)?;
    let http = &wasmtime_wasi_http::p2::bindings::LinkOptions::default();
    wasmtime_wasi_http::p2::bindings::http::types::add_to_linker::<T, WasiHttp>(
        l,
        &http.into(),
        T::http,
    )?;
    outbound::link_wasi02(l)
}

fn link_wasi03(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    clocks::link_wasi03(linker)?;
    use p3::bindings::cli;
    type T = GuestState;

    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    output::link_wasi03(linker)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    p3::filesystem::add_to_linker(linker)?;
    filesystem::link_wasi03(linker)?;
    p3::random::add_to_linker(linker)?;
    p3::sockets::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut wasmtime::component::ResourceTable;
}

/// The request on whose behalf the guest runs now.
pub fn current_request(mut store: StoreContextMut<'_, GuestState>) -> Option<RequestId> {
    if store.data().calls.is_none() {
        return store.data().request;
    }
    let tasks: Vec<_> = store.async_call_stack().ok()?.collect();
    store.data().calls.as_ref()?.request(&tasks)
}
