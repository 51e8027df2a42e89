//! Owns the compression of answers: which coding a client wants, which answers are fit for one, and
//! a streamed body on its way through it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, VARY,
};
use http::response::Parts;
use http::{Response, StatusCode};
use http_body::{Body, Frame};

use super::answer::AnswerBody;
use crate::assets::Assets;
use crate::event_loop::{Pending, Refused, Work};
use crate::handlers::{BodyFailed, Handler};
use crate::limits;
use crate::wire::{Coding, Encoder, RequestId, codings_accepted, encode, gets_smaller};

/// Of several that a client likes as much, the one that takes the least time.
const PREFERRED: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

const COMPRESS: Work = Work::quick("server.compress");

/// What names a hash of the bytes that are sent: those would be others.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// Compresses the answers of one loop.
#[derive(Clone, Default)]
pub(super) struct Compression {
    /// Held by each streamed body.
    streams: Rc<()>,
}

/// Who has given an answer. In its tenant's turn host threads compress it.
#[derive(Clone)]
pub(super) enum Giver {
    Handler(Rc<Handler>),
    Folder(Rc<Assets>),
}

impl Giver {
    fn host_thread<T: Send + 'static>(
        &self,
        work: Work,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<Result<T, Refused>> {
        match self {
            Giver::Handler(handler) => handler.host_thread(work, job),
            Giver::Folder(assets) => assets.host_thread(work, job),
        }
    }
}

/// The request as far as its answer's coding goes.
pub(super) struct Wish {
    /// What the client likes best, if it likes any.
    coding: Option<Coding>,
    is_head: bool,
    id: RequestId,
    /// The tags of what the client has.
    known: Vec<HeaderValue>,
}

impl Wish {
    pub(super) fn of(request: &HeaderMap, is_head: bool, id: RequestId) -> Self {
        let known = request.get_all(IF_NONE_MATCH).iter().cloned().collect();
        Wish { coding: codings_accepted(request, &PREFERRED).first().copied(), is_head, id, known }
    }
}

impl Wish {
    fn knows(&self, tag: &[u8]) -> bool {
        let mut tags = self.known.iter().flat_map(|known| known.as_bytes().split(|b| *b == b','));
        tags.any(|known| known.trim_ascii() == tag)
    }
}

impl Compression {
    /// Compresses an answer if that is to be done. A whole body is compressed here, a streamed one
    /// as it is sent.
    pub(super) async fn apply(
        &self,
        response: Response<AnswerBody>,
        wish: Wish,
        giver: Giver,
    ) -> Response<AnswerBody> {
        let (mut head, mut body) = response.into_parts();
        if head.status == StatusCode::NOT_MODIFIED {
            vary(&mut head);
            // Of an answer that is not sent it is not known what it would be, but of what the client
            // has, which this is about.
            if weak_tag(&head).is_some_and(|weak| wish.knows(&weak)) {
                weaken(&mut head);
            }
            return Response::from_parts(head, body);
        }
        if !is_fit(&head) || length(&head, &body, &wish).is_some_and(|l| l < limits::ANSWER_MIN) {
            return Response::from_parts(head, body);
        }
        vary(&mut head);
        let Some(coding) = wish.coding else { return Response::from_parts(head, body) };
        // The body of a GET, if the handler has made it, tells all about it.
        if wish.is_head && body.whole().is_none_or(Bytes::is_empty) {
            mark(&mut head, coding);
            return Response::from_parts(head, body);
        }
        if let Some(bytes) = body.whole().cloned() {
            if let Some(compressed) = compressed(coding, bytes, &giver, &wish).await {
                mark(&mut head, coding);
                body.replace_whole(compressed);
            }
            return Response::from_parts(head, body);
        }
        if Rc::strong_count(&self.streams) > limits::COMPRESSED_STREAMS_MAX {
            return Response::from_parts(head, body);
        }
        let due = declared_length(&head);
        mark(&mut head, coding);
        let streamed = CompressedBody {
            body,
            due,
            coding,
            encoder: Arc::default(),
            work: None,
            trailers: None,
            state: State::Reading,
            giver,
            work_of: COMPRESS.for_request(Some(wish.id.0)),
            _place: self.streams.clone(),
        };
        Response::from_parts(head, AnswerBody::Compressed(Box::new(streamed)))
    }
}

/// Whether an answer's head allows that its body is another one.
fn is_fit(head: &Parts) -> bool {
    let has_no_body = matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
    );
    let headers = &head.headers;
    let is_fixed = head.status.is_informational()
        || has_no_body
        || headers.contains_key(CONTENT_ENCODING)
        || headers.contains_key(CONTENT_RANGE)
        || DIGESTS.iter().any(|name| headers.contains_key(*name))
        || has_token(headers, &CACHE_CONTROL, "no-transform");
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    !is_fixed && kind.is_some_and(gets_smaller)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

fn declared_length(head: &Parts) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Bytes of the body, if that is known. Of the body of a HEAD it may be the head that tells.
fn length(head: &Parts, body: &AnswerBody, wish: &Wish) -> Option<u64> {
    match body.whole() {
        Some(bytes) if wish.is_head && bytes.is_empty() => Some(declared_length(head).unwrap_or(0)),
        Some(bytes) => Some(bytes.len() as u64),
        None => declared_length(head),
    }
}

/// A cache must know that another client may get other bytes.
fn vary(head: &mut Parts) {
    if !has_token(&head.headers, &VARY, "accept-encoding") && !has_token(&head.headers, &VARY, "*")
    {
        head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Says what is done with the body. Its ranges are not those of what is sent.
fn mark(head: &mut Parts, coding: Coding) {
    weaken(head);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
}

/// A strong tag names the bytes; a weak one what they mean, which stays.
fn weaken(head: &mut Parts) {
    if let Some(weak) = weak_tag(head) {
        head.headers.insert(ETAG, HeaderValue::from_bytes(&weak).expect("a value with a prefix"));
    }
}

/// The weak form of a strong tag.
fn weak_tag(head: &Parts) -> Option<Vec<u8>> {
    let tag = head.headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"))?;
    Some([b"W/", tag.as_bytes()].concat())
}

fn level(coding: Coding) -> u32 {
    match coding {
        Coding::Gzip | Coding::Deflate => limits::ANSWER_GZIP_LEVEL,
        Coding::Brotli => limits::ANSWER_BROTLI_LEVEL,
        Coding::Zstd => limits::ANSWER_ZSTD_LEVEL,
    }
}

/// Whether so much is compressed in less time than a host thread is away for.
fn is_brief(coding: Coding, bytes: usize) -> bool {
    coding != Coding::Brotli && bytes <= limits::ANSWER_AT_ONCE_BYTES_MAX
}

/// A whole body compressed, if it gets smaller and the host threads are not overrun.
async fn compressed(coding: Coding, bytes: Bytes, giver: &Giver, wish: &Wish) -> Option<Bytes> {
    let length = bytes.len();
    let outcome = if is_brief(coding, length) {
        encode(coding, level(coding), &bytes)
    } else {
        let work = COMPRESS.for_request(Some(wish.id.0));
        giver.host_thread(work, move || encode(coding, level(coding), &bytes)).await.ok()?
    };
    outcome.ok().filter(|small| small.len() < length).map(Bytes::from)
}

/// A streamed body that is compressed piece by piece. Each piece is sent when it is compressed, so that
/// nothing that the handler has said is held back; the next is asked for then.
pub(super) struct CompressedBody {
    body: AnswerBody,
    /// Bytes that are still to come, if its head has said how many there are.
    due: Option<u64>,
    coding: Coding,
    encoder: Arc<Mutex<Option<Encoder>>>,
    /// What a host thread is about, and for what.
    work: Option<(Pending<Outcome>, Step)>,
    trailers: Option<Frame<Bytes>>,
    state: State,
    giver: Giver,
    work_of: Work,
    _place: Rc<()>,
}

/// What comes back from a host thread.
type Outcome = Result<io::Result<Vec<u8>>, Refused>;

enum State {
    Reading,
    Finished,
    Ended,
}

/// What the encoder is given.
#[derive(Clone)]
enum Step {
    Piece(Bytes),
    End,
}

impl Step {
    fn length(&self) -> usize {
        match self {
            Step::Piece(bytes) => bytes.len(),
            Step::End => 0,
        }
    }

    fn run(&self, coding: Coding, encoder: &Mutex<Option<Encoder>>) -> io::Result<Vec<u8>> {
        let mut place = encoder.lock().expect("an encoder");
        let mut encoder = match place.take() {
            Some(encoder) => encoder,
            None => Encoder::new(coding, level(coding))?,
        };
        match self {
            Step::Piece(bytes) => {
                let mut out = encoder.write(bytes)?;
                out.extend(encoder.flush()?);
                *place = Some(encoder);
                Ok(out)
            }
            Step::End => encoder.finish(),
        }
    }
}

impl CompressedBody {
    /// Time the guest has held the loop for this request so far.
    pub(super) fn on_loop(&self) -> Duration {
        self.body.on_loop()
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        loop {
            if self.work.is_some() {
                let bytes = ready!(self.poll_work(cx));
                match bytes {
                    Ok(bytes) if bytes.is_empty() => continue,
                    Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                    Err(failed) => return self.fail(failed),
                }
            }
            match self.state {
                State::Ended => return Poll::Ready(None),
                State::Finished => {
                    self.state = State::Ended;
                    return Poll::Ready(self.trailers.take().map(Ok));
                }
                State::Reading => {}
            }
            // What it has promised is there: the client need not wait for its end.
            if self.due == Some(0) {
                self.begin(Step::End);
                continue;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None if self.due.is_some_and(|due| due > 0) => {
                    return self.fail(BodyFailed("shorter than its content-length".to_owned()));
                }
                None => self.begin(Step::End),
                Some(Err(failed)) => return self.fail(failed),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => {
                        let length = bytes.len() as u64;
                        if self.due.is_some_and(|due| due < length) {
                            let why = "longer than its content-length".to_owned();
                            return self.fail(BodyFailed(why));
                        }
                        self.due = self.due.map(|due| due - length);
                        self.begin(Step::Piece(bytes));
                    }
                    Err(trailers) => {
                        self.trailers = Some(trailers);
                        self.begin(Step::End);
                    }
                },
            }
        }
    }

    fn begin(&mut self, step: Step) {
        let (coding, encoder) = (self.coding, self.encoder.clone());
        let pending = if is_brief(coding, step.length()) {
            let (settle, pending) = Pending::new();
            settle.settle(Ok(step.run(coding, &encoder)));
            pending
        } else {
            let step = step.clone();
            self.giver.host_thread(self.work_of, move || step.run(coding, &encoder))
        };
        self.work = Some((pending, step));
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, BodyFailed>> {
        let (pending, _) = self.work.as_mut().expect("work under way");
        let outcome = ready!(Pin::new(pending).poll(cx));
        let (_, step) = self.work.take().expect("work under way");
        if matches!(step, Step::End) {
            self.state = State::Finished;
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // The head is out: what no host thread has time for is done here.
            Err(Refused::Busy) => step.run(self.coding, &self.encoder),
            Err(Refused::Panicked) => Err(io::Error::other("the encoder has panicked")),
        };
        Poll::Ready(outcome.map_err(|error| BodyFailed(format!("not compressed: {error}"))))
    }

    fn fail(&mut self, failed: BodyFailed) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        self.state = State::Ended;
        Poll::Ready(Some(Err(failed)))
    }
}
