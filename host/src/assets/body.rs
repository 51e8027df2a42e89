//! Owns a file on its way to the client: the next piece is read when the one before has been taken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cap_std::fs::File;

use super::disk;
use super::open::Place;
use crate::event_loop::{HostQueue, Pending, Refused, Remote, Work};
use crate::limits;

const READ: Work = Work::quick("static.read");

/// A part of a file. A client that does not take it holds a descriptor, and no host thread.
pub struct FileBody {
    file: Arc<File>,
    /// The first byte that is still to be read, and the one after the last.
    at: u64,
    end: u64,
    remote: Remote,
    queue: HostQueue,
    work: Work,
    reading: Option<Pending<Result<io::Result<Vec<u8>>, Refused>>>,
    _place: Place,
}

impl FileBody {
    pub(super) fn new(
        file: File,
        (at, end): (u64, u64),
        (remote, queue, request): (Remote, HostQueue, u64),
        place: Place,
    ) -> Self {
        let work = READ.for_request(Some(request));
        let file = Arc::new(file);
        FileBody { file, at, end, remote, queue, work, reading: None, _place: place }
    }

    /// Whether all of it has been given.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// Why it will not come: the disk, or the file has become shorter.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        if self.is_at_end() {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let length = (self.end - self.at).min(limits::BODY_PIECE_BYTES_MAX as u64) as usize;
            let (file, at) = (self.file.clone(), self.at);
            let job = move || disk::read(&file, at, length);
            self.remote.host_thread(&self.queue, self.work, job)
        });
        let outcome = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let piece = match outcome {
            Ok(Ok(piece)) if piece.is_empty() => Err("the file has become shorter".to_owned()),
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(error.to_string()),
            Err(Refused::Busy) => Err("too much waits for the host threads".to_owned()),
            Err(Refused::Panicked) => Err("reading has panicked".to_owned()),
        };
        match piece {
            Ok(piece) => {
                self.at += piece.len() as u64;
                Poll::Ready(Some(Ok(Bytes::from(piece))))
            }
            Err(why) => {
                self.at = self.end;
                Poll::Ready(Some(Err(why)))
            }
        }
    }
}
