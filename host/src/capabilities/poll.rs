//! Owns what of `wasi:io/poll` 0.2 is not the stock one: a guest that polls without waiting wants to
//! know what else is ready, and that only the loop can find out, so it lets the loop turn.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{Host, HostPollable};

use super::GuestState;
use crate::event_loop::step_back;

type Store<'a> = StoreContextMut<'a, GuestState>;

/// To be called when the stock functions are linked already.
pub(super) fn link_wasi02(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.func_wrap_async(
        "poll",
        |mut store: Store<'_>, (pollables,): (Vec<Resource<DynPollable>>,)| {
            Box::new(async move {
                let table = &mut store.data_mut().table;
                Ok((turning(Host::poll(table, pollables)).await?,))
            })
        },
    )?;
    poll.func_wrap_async(
        "[method]pollable.block",
        |mut store: Store<'_>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                let table = &mut store.data_mut().table;
                turning(HostPollable::block(table, pollable)).await
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Waits, and lets the loop turn also when there was nothing to wait for.
async fn turning<T>(wait: impl Future<Output = T>) -> T {
    let mut wait = pin!(wait);
    let at_once = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
    match at_once {
        Poll::Ready(value) => {
            step_back().await;
            value
        }
        Poll::Pending => wait.await,
    }
}
