//! Owns the messages between a job and its caller, in one direction. There is room for eight small
//! ones, or for some of a megabyte together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::super::held::Held;
use crate::limits;

/// The end that gives.
#[derive(Clone)]
pub(super) struct Sender {
    /// Bounded by the permits that the messages hold.
    messages: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
}

/// The end that takes.
pub(super) struct Receiver {
    messages: mpsc::UnboundedReceiver<Message>,
    room: Arc<Semaphore>,
}

struct Message {
    bytes: Vec<u8>,
    _room: Room,
    _held: Option<Held>,
}

/// Room for one message.
pub(super) struct Room {
    _permit: OwnedSemaphorePermit,
}

/// The other end is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

/// A way for messages.
pub(super) fn channel() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(limits::OFFLOAD_MESSAGE_BYTES_MAX));
    (Sender { messages: sender, room: room.clone() }, Receiver { messages: receiver, room })
}

/// What a message of this length counts for. It may not be longer than
/// [`limits::OFFLOAD_MESSAGE_BYTES_MAX`].
fn weight(bytes: usize) -> u32 {
    let least = limits::OFFLOAD_MESSAGE_BYTES_MAX / limits::OFFLOAD_MESSAGES_MAX;
    bytes.clamp(least, limits::OFFLOAD_MESSAGE_BYTES_MAX) as u32
}

impl Sender {
    /// Waits until there is room for a message of this length.
    pub(super) async fn room(&self, bytes: usize) -> Result<Room, Gone> {
        let permit = self.room.clone().acquire_many_owned(weight(bytes)).await;
        permit.map(|permit| Room { _permit: permit }).map_err(|_| Gone)
    }

    /// Room for a message of this length, if it is there now.
    pub(super) fn room_now(&self, bytes: usize) -> Result<Option<Room>, Gone> {
        if self.room.is_closed() {
            return Err(Gone);
        }
        let permit = self.room.clone().try_acquire_many_owned(weight(bytes)).ok();
        Ok(permit.map(|permit| Room { _permit: permit }))
    }

    /// Gives a message for which there is room.
    pub(super) fn put(&self, room: Room, bytes: Vec<u8>, held: Option<Held>) -> Result<(), Gone> {
        let message = Message { bytes, _room: room, _held: held };
        self.messages.send(message).map_err(|_| Gone)
    }
}

impl Receiver {
    /// The next message; none when there will be no more. May be dropped without a loss.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        Some(self.messages.recv().await?.bytes)
    }
}

impl Drop for Receiver {
    /// Those who wait for room learn that no one will make any.
    fn drop(&mut self) {
        self.room.close();
    }
}
