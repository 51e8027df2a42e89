//! Owns the body of an outbound request that the guest writes piece by piece.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use super::{Answered, Error};

/// A piece of the body, or its end.
enum Piece {
    Data(Bytes),
    End,
}

/// The end of the body that the host sends from. It holds one piece: the guest waits while the other
/// side does not take it.
pub(super) struct UploadBody {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

/// The guest has let go of the body before its end, which must not look like one.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the guest let go of the body before its end")
    }
}

impl std::error::Error for BrokenOff {}

/// The end of the body that the guest writes to.
pub(super) struct OpenUpload(mpsc::Sender<Piece>);

impl UploadBody {
    pub(super) fn new() -> (Self, OpenUpload) {
        let (sender, pieces) = mpsc::channel(1);
        (UploadBody { pieces, ended: false }, OpenUpload(sender))
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => Some(Err(BrokenOff)),
        })
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Answered, Error>> + Send>>;

/// A request that is on its way while its body is written.
pub(super) struct Upload {
    pieces: mpsc::Sender<Piece>,
    /// Taken when the guest waits for the response.
    answer: Arc<Mutex<Option<Answer>>>,
}

impl Upload {
    pub(super) fn new(open: OpenUpload, answer: Answer) -> Self {
        Upload { pieces: open.0, answer: Arc::new(Mutex::new(Some(answer))) }
    }

    /// Adds bytes when there is room. When the other side takes no more, `finish` tells why.
    pub(super) fn write(
        &self,
        data: Vec<u8>,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let pieces = self.pieces.clone();
        async move {
            if data.is_empty() {
                return Ok(());
            }
            pieces.send(Piece::Data(data.into())).await.map_err(|_| Error::Closed)
        }
    }

    /// Ends the body and waits for the response. An answer may come before the end of the body: some
    /// servers refuse what they do not want to read.
    pub(super) fn finish(&self) -> impl Future<Output = Result<Answered, Error>> + Send + use<> {
        let pieces = self.pieces.clone();
        let answer = self.answer.lock().expect("an upload").take();
        async move {
            let finished = || Error::Invalid("the upload is finished".to_owned());
            let answer = answer.ok_or_else(finished)?;
            let ended = async move {
                // The other side may take no more; the answer says why.
                let _ = pieces.send(Piece::End).await;
                std::future::pending::<Infallible>().await
            };
            let ended = std::pin::pin!(ended);
            match futures_util::future::select(answer, ended).await {
                futures_util::future::Either::Left((answered, _)) => answered,
                futures_util::future::Either::Right((never, _)) => match never {},
            }
        }
    }
}
