//! The handler's end of a body that it writes piece by piece.

use core::fmt;
use std::cell::RefCell;
use std::rc::Rc;

use wit_bindgen::StreamWriter;

use crate::BodyError;

/// Writes a body piece by piece; see [`Body::stream`](crate::Body::stream).
pub struct BodyWriter(Sink);

enum Sink {
    /// The host.
    Host(StreamWriter<u8>),
    /// A handler that reads what it has made itself, as a test does.
    Memory(Rc<RefCell<Vec<u8>>>),
}

impl BodyWriter {
    pub(crate) fn to_host(stream: StreamWriter<u8>) -> BodyWriter {
        BodyWriter(Sink::Host(stream))
    }

    pub(crate) fn to_memory() -> (BodyWriter, Rc<RefCell<Vec<u8>>>) {
        let written = Rc::default();
        (BodyWriter(Sink::Memory(Rc::clone(&written))), written)
    }

    /// Writes one piece and waits until the host has taken it. Fails with [`BodyError::Closed`]
    /// when the client has gone away.
    ///
    /// ```
    /// # use hob_sdk::{Body, time::sleep};
    /// let clock = Body::stream(async |mut writer| loop {
    ///     writer.write("tick\n").await?;
    ///     sleep(std::time::Duration::from_secs(1)).await;
    /// });
    /// ```
    pub async fn write(&mut self, piece: impl Into<Vec<u8>>) -> Result<(), BodyError> {
        let piece = piece.into();
        match &mut self.0 {
            Sink::Host(stream) => match stream.write_all(piece).await {
                rest if rest.is_empty() => Ok(()),
                _ => Err(BodyError::Closed),
            },
            Sink::Memory(written) => {
                written.borrow_mut().extend(piece);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyWriter")
    }
}
