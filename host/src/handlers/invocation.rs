//! Owns a request while a guest is at work on it: it drives the guest when the guest is its own,
//! watches the wall limit, and turns what comes out into a response or a failure.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

use super::Handler;
use super::beginning::{Beginning, Filled, join};
use super::failure::Failure;
use super::http02::{self, Outparam};
use super::mailbox::{BodyFailed, Reply, SharedMailbox, Source};
use super::pace::Pace;
use super::shared::SharedInstance;
use crate::engine::Meter;
use crate::event_loop::Sleep;
use crate::limits;

/// Runs a guest that serves this request alone.
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// A call under way. Dropping it stops a guest that is its own, and lets go of one that is not.
pub struct Invocation {
    handler: Rc<Handler>,
    mailbox: SharedMailbox,
    runner: Runner,
    pace: Pace,
    /// How long the guest is waited for at once.
    longest: Duration,
    /// Set once the guest is waited for.
    wall: Option<Sleep>,
    /// An answer whose guest was interrupted before it was known how it begins.
    beginning: Option<Box<Beginning>>,
    /// The request is a HEAD: the length that its response names is of a body that does not come.
    is_head: bool,
    /// Held as long as what is behind a plug-in may be at work for it.
    tether: Option<oneshot::Sender<()>>,
    /// The call goes on in another invocation, and this one has no more to do with it.
    passed_on: bool,
}

/// Who lets the guest run.
pub(super) enum Runner {
    /// This invocation.
    Own {
        driver: Driver,
        meter: Arc<Meter>,
        /// Where a 0.2 guest puts its response.
        outparam: Option<Outparam>,
    },
    /// The task of the instance, which also watches the wall limit.
    Shared(Rc<SharedInstance>),
    /// No one any more: the guest is at rest.
    None,
}

impl Invocation {
    pub(super) fn new(handler: Rc<Handler>, mailbox: SharedMailbox, runner: Runner) -> Self {
        let (pace, longest) = (Pace::default(), handler.wall());
        Invocation {
            handler,
            mailbox,
            runner,
            pace,
            longest,
            wall: None,
            beginning: None,
            is_head: false,
            tether: None,
            passed_on: false,
        }
    }

    /// The same for a HEAD, if it is one.
    pub(super) fn for_head(mut self, is_head: bool) -> Self {
        self.is_head = is_head;
        self
    }

    /// The same of a plug-in: what is behind it ends when this is dropped.
    pub(super) fn tethered(mut self, tether: oneshot::Sender<()>) -> Self {
        self.tether = Some(tether);
        self
    }

    /// The call as it goes on after this: while its body is sent, or after its answer.
    fn pass_on(&mut self) -> Invocation {
        self.passed_on = true;
        let runner = std::mem::replace(&mut self.runner, Runner::None);
        let mut rest = Invocation::new(self.handler.clone(), self.mailbox.clone(), runner);
        rest.pace = std::mem::take(&mut self.pace);
        rest.longest = self.longest;
        rest.tether = self.tether.take();
        rest
    }

    /// Time the guest has held the loop for this request.
    pub fn on_loop(&self) -> Duration {
        self.mailbox.on_loop()
    }

    /// The response, or why there is none. To be polled until it is ready, once.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<http::Response<GuestBody>, Failure>> {
        self.mailbox.register_reader(cx);
        if let Poll::Ready(Err(failure)) = self.poll_guest(cx) {
            return Poll::Ready(Err(failure));
        }
        if let Some(failure) = self.mailbox.take_failure() {
            return Poll::Ready(Err(failure));
        }
        if let Some(beginning) = self.beginning.take() {
            return self.begin(*beginning, cx);
        }
        match self.mailbox.take_reply() {
            Some(Reply::Whole(response)) => Poll::Ready(Ok(self.whole(response))),
            Some(Reply::Stream(response)) => self.begin(Beginning::of(response), cx),
            None if matches!(self.runner, Runner::None) => Poll::Ready(Err(Failure::NoResponse)),
            // The instance's own task watches the time of the requests in it.
            None if matches!(self.runner, Runner::Shared(_)) => Poll::Pending,
            None => self.poll_wall(cx).map(Err),
        }
    }

    /// Lets the guest go on, if it is this side that does so.
    fn poll_guest(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Runner::Own { driver, meter, outparam } = &mut self.runner else {
            return Poll::Pending;
        };
        let Handler { handle, context, .. } = &*self.handler;
        let share = context.share();
        ready!(self.pace.poll(handle.now(), &context.remote, share, cx));
        let (polled, ran) = meter.watch(|| driver.as_mut().poll(cx));
        let took = ran.took;
        self.mailbox.note_run(&context.timeline, ran);
        self.pace.charge(took);
        self.mailbox.charge(took);
        self.handler.charge(took);
        if let Some(outparam) = outparam {
            http02::collect(outparam, &self.mailbox);
        }
        if polled.is_ready() {
            self.runner = Runner::None;
        }
        polled
    }

    /// A deadline is only set for a guest that is waited for: most never are.
    fn poll_wall(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let (handle, longest) = (&self.handler.handle, self.longest);
        let wall = self.wall.get_or_insert_with(|| handle.sleep_until(handle.now() + longest));
        Pin::new(wall).poll(cx).map(|()| {
            if let Runner::Shared(instance) = &self.runner {
                instance.retire();
            }
            Failure::WallLimit
        })
    }

    fn whole(&mut self, response: http::Response<Bytes>) -> http::Response<GuestBody> {
        self.wall = None;
        self.detach();
        response
            .map(|bytes| GuestBody { state: State::Whole(Some(bytes)), on_loop: self.on_loop() })
    }

    /// Takes of a streamed body what is there. One that ends within the first bytes is sent whole:
    /// with a length, and in one write with the head.
    fn begin(
        &mut self,
        mut beginning: Beginning,
        cx: &mut Context<'_>,
    ) -> Poll<Result<http::Response<GuestBody>, Failure>> {
        // The body of a HEAD that has its length is not looked at: the stock code would find that
        // it is too short.
        while !(self.is_head && beginning.head.headers.contains_key(CONTENT_LENGTH)) {
            match beginning.fill(cx) {
                Filled::Whole => return Poll::Ready(self.begun_whole(beginning, cx)),
                Filled::Broken(why) => {
                    let failure = self.lost().unwrap_or(Failure::InvalidResponse(why.0));
                    return Poll::Ready(Err(failure));
                }
                Filled::Waits { progress: true } if !beginning.is_full() => {
                    if let Poll::Ready(Err(failure)) = self.poll_guest(cx) {
                        return Poll::Ready(Err(failure));
                    }
                }
                // It waits for nothing but its next slice, and may be at the end with that.
                Filled::Waits { .. } if self.is_interrupted() && beginning.may_wait() => {
                    self.beginning = Some(Box::new(beginning));
                    return self.poll_wall(cx).map(Err);
                }
                Filled::Waits { .. } => break,
            }
        }
        let Beginning { head, source, frames, .. } = beginning;
        let due =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let streamed = Streamed { frames, source, due, invocation: self.pass_on() };
        let body =
            GuestBody { state: State::Streamed(Box::new(streamed)), on_loop: self.on_loop() };
        Poll::Ready(Ok(http::Response::from_parts(head, body)))
    }

    fn is_interrupted(&self) -> bool {
        let Runner::Own { meter, .. } = &self.runner else { return false };
        self.pace.steps_back() || meter.is_interrupted()
    }

    /// What brought a shared instance down, if that is why a body broke off.
    fn lost(&self) -> Option<Failure> {
        self.mailbox.take_failure()
    }

    fn begun_whole(
        &mut self,
        beginning: Beginning,
        cx: &mut Context<'_>,
    ) -> Result<http::Response<GuestBody>, Failure> {
        if let Some(failure) = self.lost() {
            return Err(failure);
        }
        self.mailbox.finish();
        if let Poll::Ready(Err(failure)) = self.poll_guest(cx) {
            return Err(failure);
        }
        let Beginning { head, frames, length, .. } = beginning;
        Ok(self.whole(http::Response::from_parts(head, join(frames, length))))
    }

    /// Lets a guest that has answered finish what it is still about, within the limits, without
    /// anyone waiting for it. When too many do so already it is ended.
    fn detach(&mut self) {
        self.mailbox.finish();
        self.tether = None;
        if !matches!(self.runner, Runner::Own { .. }) {
            return;
        }
        let background = &self.handler.background;
        if background.under_way() >= limits::BACKGROUND_WORK_MAX {
            self.runner = Runner::None;
            return;
        }
        let work = background.begin();
        let mut rest = self.pass_on();
        self.handler.handle.spawn(async move {
            let _work = work;
            std::future::poll_fn(|cx| match rest.poll_guest(cx) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => rest.poll_wall(cx).map(drop),
            })
            .await;
        });
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if !self.passed_on {
            self.mailbox.finish();
        }
    }
}

/// The body of a guest's response.
pub struct GuestBody {
    state: State,
    on_loop: Duration,
}

enum State {
    Whole(Option<Bytes>),
    Streamed(Box<Streamed>),
    Ended,
}

struct Streamed {
    /// What was taken before the head was sent.
    frames: VecDeque<Frame<Bytes>>,
    source: Source,
    /// Bytes that are still to come, if the guest has said how many there are: whoever sends them does
    /// not ask for the end after the last.
    due: Option<u64>,
    invocation: Invocation,
}

impl GuestBody {
    /// A body the host itself gives.
    pub fn of(bytes: Bytes) -> Self {
        GuestBody { state: State::Whole(Some(bytes)), on_loop: Duration::ZERO }
    }

    /// Time the guest has held the loop for this request so far.
    pub fn on_loop(&self) -> Duration {
        match &self.state {
            State::Streamed(streamed) => streamed.invocation.on_loop(),
            _ => self.on_loop,
        }
    }

    /// Whether all of it is here already.
    pub fn is_whole(&self) -> bool {
        !matches!(self.state, State::Streamed(_))
    }

    /// All of it, if it is here already.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.state {
            State::Whole(bytes) => bytes.as_ref(),
            _ => None,
        }
    }

    /// Puts other bytes in the place of a body that is whole.
    pub fn replace_whole(&mut self, bytes: Bytes) {
        debug_assert!(self.is_whole(), "a streamed body is not replaced");
        self.state = State::Whole(Some(bytes));
    }

    /// Says that no one will ask for the body: the guest finishes without a reader.
    pub fn discard(&mut self) {
        if !self.is_whole() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let State::Streamed(mut streamed) = std::mem::replace(&mut self.state, State::Ended) {
            self.on_loop = streamed.invocation.on_loop();
            streamed.invocation.detach();
        }
    }
}

impl Streamed {
    /// What comes next, and an end only where all is there that the guest has said would come. Whoever sends
    /// it does not send more.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let polled = ready!(self.poll_frame(cx));
        if let (Some(due), Some(Ok(frame))) = (&mut self.due, &polled) {
            *due = due.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        Poll::Ready(match polled {
            None if self.due.is_some_and(|due| due > 0) => {
                Some(Err(BodyFailed("shorter than its content-length".to_owned())))
            }
            polled => polled,
        })
    }

    /// What is ready goes first: the guest is let run when there is nothing, so that a client that
    /// does not read stops the guest too.
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.invocation.mailbox.register_reader(cx);
        if let Poll::Ready(frame) = self.source.poll_frame(cx) {
            return Poll::Ready(self.checked(frame));
        }
        if let Poll::Ready(Err(failure)) = self.invocation.poll_guest(cx) {
            return Poll::Ready(Some(Err(broken(&failure))));
        }
        if let Poll::Ready(frame) = self.source.poll_frame(cx) {
            return Poll::Ready(self.checked(frame));
        }
        if let Some(failure) = self.invocation.mailbox.take_failure() {
            return Poll::Ready(Some(Err(broken(&failure))));
        }
        self.invocation.poll_wall(cx).map(|failure| Some(Err(broken(&failure))))
    }

    /// A body whose guest came down is not complete, however it looks. A piece that came has earned
    /// the guest another wait, and makes room for the next.
    fn checked(
        &mut self,
        frame: Option<Result<Frame<Bytes>, BodyFailed>>,
    ) -> Option<Result<Frame<Bytes>, BodyFailed>> {
        let Invocation { handler, mailbox, runner, wall, .. } = &mut self.invocation;
        *wall = None;
        if let Some(Ok(_)) = frame {
            if let Runner::Shared(instance) = runner {
                instance.touch(mailbox);
                mailbox.note_progress(handler.handle.now());
            }
            return frame;
        }
        mailbox.take_failure().map_or(frame, |failure| Some(Err(broken(&failure))))
    }
}

fn broken(failure: &Failure) -> BodyFailed {
    BodyFailed(format!("{failure:?}"))
}

impl Drop for GuestBody {
    /// A body that has been sent whole is not one that its client has left.
    fn drop(&mut self) {
        if matches!(&self.state, State::Streamed(streamed) if streamed.due == Some(0)) {
            self.end();
        }
    }
}

impl http_body::Body for GuestBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let polled = match &mut self.state {
            State::Whole(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
            }
            State::Streamed(streamed) => streamed.poll_due(cx),
            State::Ended => return Poll::Ready(None),
        };
        match &polled {
            Poll::Ready(None) => self.end(),
            // The guest has failed, or will not be asked again: it is dropped here.
            Poll::Ready(Some(Err(_))) => {
                self.on_loop = self.on_loop();
                self.state = State::Ended;
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            State::Streamed(streamed) => streamed.due == Some(0),
            State::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            State::Streamed(_) => SizeHint::default(),
            State::Ended => SizeHint::with_exact(0),
        }
    }
}
