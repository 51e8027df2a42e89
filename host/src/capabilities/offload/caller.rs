//! Owns a job's side of it: what it is given, what it gives, and `hob:host/caller`.

use std::future::ready;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::Either;
use tokio::sync::Mutex as AsyncMutex;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::super::GuestState;
use super::super::held::{Held, HeldBytes};
use super::super::treaty::Interface;
use super::Progress;
use super::channel::{Gone, Receiver, Room, Sender};
use crate::engine::Generation;
use crate::limits;

/// A job's way to whoever has ordered it. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<State>);

struct State {
    /// What is received first.
    beginning: Mutex<Bytes>,
    /// None: nothing comes but that.
    messages: Option<AsyncMutex<Receiver>>,
    way_out: WayOut,
    /// Bytes that may still be given.
    budget: Mutex<usize>,
    /// Where what is given counts until it is taken.
    held: HeldBytes,
    progress: ProgressCell,
}

/// What a job has reported last.
pub(super) type ProgressCell = Arc<Mutex<Option<Progress>>>;

/// Where goes what a job gives.
pub(super) enum WayOut {
    /// To whoever receives.
    Messages(Sender),
    /// Into the job's output.
    Output(Mutex<Output>),
    /// No one takes it.
    Nowhere,
}

/// An output that is given in pieces.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    held: Option<Held>,
}

/// A job gives more than it may.
#[derive(Debug)]
pub struct OutputLimitReached;

/// The tenant's calls hold too much of the host's memory already.
#[derive(Debug)]
pub struct HeldTooMuch;

impl std::fmt::Display for HeldTooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the tenant's calls hold too much memory")
    }
}

impl std::error::Error for HeldTooMuch {}

impl std::fmt::Display for OutputLimitReached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the output limit is reached")
    }
}

impl std::error::Error for OutputLimitReached {}

/// Why a piece was not given.
#[derive(Clone, Copy, Debug)]
pub(super) enum NotGiven {
    /// It is more than the job may give.
    Limit,
    /// It is more than the tenant may have held.
    Held,
}

impl NotGiven {
    /// Why the job ends.
    pub(super) fn into_trap(self) -> wasmtime::Error {
        match self {
            NotGiven::Limit => OutputLimitReached.into(),
            NotGiven::Held => HeldTooMuch.into(),
        }
    }
}

impl Caller {
    pub(super) fn new(
        beginning: Vec<u8>,
        messages: Option<Receiver>,
        way_out: WayOut,
        (output_bytes, held): (usize, HeldBytes),
        progress: ProgressCell,
    ) -> Self {
        Caller(Arc::new(State {
            beginning: Mutex::new(beginning.into()),
            messages: messages.map(AsyncMutex::new),
            way_out,
            budget: Mutex::new(output_bytes),
            held,
            progress,
        }))
    }

    /// Whether something of the job's goes on that uses it, other than who asks.
    pub fn is_in_use_elsewhere(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// What the job has given so far of an output that is given in pieces.
    pub fn take_output(&self) -> Vec<u8> {
        match &self.0.way_out {
            WayOut::Output(output) => std::mem::take(&mut *output.lock().expect("output")).bytes,
            WayOut::Messages(_) | WayOut::Nowhere => Vec::new(),
        }
    }

    /// The next piece, no longer than a message; none when there will be no more. May be dropped
    /// without a loss.
    pub(super) async fn receive(&self) -> Option<Vec<u8>> {
        let beginning = self.next_of_beginning();
        if beginning.is_some() {
            return beginning;
        }
        self.0.messages.as_ref()?.lock().await.receive().await
    }

    fn next_of_beginning(&self) -> Option<Vec<u8>> {
        let mut beginning = self.0.beginning.lock().expect("beginning");
        let length = beginning.len().min(limits::OFFLOAD_MESSAGE_BYTES_MAX);
        (length > 0).then(|| beginning.split_to(length).to_vec())
    }

    /// Waits until a piece of this length can be given; what is collected needs no room.
    pub(super) async fn room(&self, bytes: usize) -> Result<Option<Room>, Gone> {
        match &self.0.way_out {
            WayOut::Messages(messages) => Ok(Some(messages.room(bytes).await?)),
            WayOut::Output(_) => Ok(None),
            WayOut::Nowhere => Err(Gone),
        }
    }

    /// The same without a wait; none when there is no room now.
    pub(super) fn room_now(&self, bytes: usize) -> Result<Option<Option<Room>>, Gone> {
        match &self.0.way_out {
            WayOut::Messages(messages) => Ok(messages.room_now(bytes)?.map(Some)),
            WayOut::Output(_) => Ok(Some(None)),
            WayOut::Nowhere => Err(Gone),
        }
    }

    /// Counts a piece of this length among what the job gives, and what its tenant's calls hold.
    pub(super) fn charge(&self, bytes: usize) -> Result<Held, NotGiven> {
        let mut budget = self.0.budget.lock().expect("budget");
        let left = budget.checked_sub(bytes).ok_or(NotGiven::Limit)?;
        let held = self.0.held.hold(bytes).map_err(|_| NotGiven::Held)?;
        *budget = left;
        Ok(held)
    }

    /// Gives a piece that was charged and for which there is room.
    pub(super) fn give(&self, room: Option<Room>, held: Held, piece: Vec<u8>) -> Result<(), Gone> {
        match (&self.0.way_out, room) {
            (WayOut::Messages(messages), Some(room)) => messages.put(room, piece, Some(held)),
            (WayOut::Output(output), _) => {
                let mut output = output.lock().expect("output");
                match &mut output.held {
                    Some(all) => all.join(held),
                    none => *none = Some(held),
                }
                if output.bytes.is_empty() {
                    output.bytes = piece;
                } else {
                    output.bytes.extend_from_slice(&piece);
                }
                Ok(())
            }
            (WayOut::Messages(_) | WayOut::Nowhere, _) => Err(Gone),
        }
    }
}

#[derive(ComponentType, Lower, Lift, Clone, Copy, Debug)]
#[component(enum)]
#[repr(u8)]
enum Error {
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "gone")]
    Gone,
}

/// For jobs alone: a handler has no one who has ordered it.
pub(crate) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut caller = Interface::new(linker, generation, "caller")?;
    caller.suspending("receive", "caller.receive", |state, (): ()| {
        let caller = state.caller()?;
        Ok(async move { caller.receive().await })
    })?;
    caller.suspending_then(
        "send",
        "caller.send",
        |state, (message,): (Vec<u8>,)| {
            let caller = state.caller()?;
            if message.len() > limits::OFFLOAD_MESSAGE_BYTES_MAX {
                return Ok(Either::Left(ready(Ok(Err(Error::TooLarge)))));
            }
            // At once: a job may send much without waiting for it.
            let charged = caller.charge(message.len());
            Ok(Either::Right(async move {
                let held = match charged {
                    Ok(held) => held,
                    Err(why) => return Err(why.into_trap()),
                };
                let given = match caller.room(message.len()).await {
                    Ok(room) => caller.give(room, held, message),
                    Err(gone) => Err(gone),
                };
                Ok(given.map_err(|Gone| Error::Gone))
            }))
        },
        |_, sent| sent,
    )?;
    caller.immediate_unit("progress", |state, (done, total): (u64, u64)| {
        let caller = state.caller()?;
        *caller.0.progress.lock().expect("progress") = Some(Progress { done, total });
        Ok(())
    })
}

impl GuestState {
    /// The caller of the job that the guest is at.
    fn caller(&self) -> wasmtime::Result<Caller> {
        let assignment = self.assignment.as_ref();
        let assignment = assignment.ok_or_else(|| wasmtime::format_err!("there is no job"))?;
        Ok(assignment.caller.clone())
    }
}
