//! A loop on a manual clock, the tasks on it, and a model of what they may have done.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hob::event_loop::{
    Clock, EventLoop, Handle, ManualClock, Pending, Refused, Remote, Settle, Share, TaskId,
};
use hob::observe::LoopMetrics;

/// What the model knows of a task.
struct Track {
    task: TaskId,
    /// Not before this may it end.
    due: Instant,
    ended: Rc<Cell<u32>>,
    slices: Rc<Cell<u32>>,
    cancelled: bool,
}

pub(crate) struct World {
    event_loop: EventLoop,
    handle: Handle,
    remote: Remote,
    clock: ManualClock,
    metrics: Arc<LoopMetrics>,
    random: fastrand::Rng,
    tracks: Vec<Track>,
    /// Results to be given, in any order.
    settles: Vec<(usize, Settle<u32>)>,
    /// Tasks that ended too early, by number.
    early: Rc<RefCell<Vec<usize>>>,
    expected_panics: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let clock = ManualClock::default();
        let metrics = Arc::<LoopMetrics>::default();
        let event_loop = EventLoop::new(Clock::Manual(clock.clone()), metrics.clone())
            .expect("a loop can be made");
        World {
            handle: event_loop.handle(),
            remote: event_loop.remote(),
            event_loop,
            clock,
            metrics,
            random: fastrand::Rng::with_seed(seed),
            tracks: Vec::new(),
            settles: Vec::new(),
            early: Rc::default(),
            expected_panics: 0,
        }
    }

    /// Draws events, then lets everything come to its end and looks at what is left.
    pub(crate) fn run(mut self) {
        for _ in 0..self.random.usize(200..600) {
            self.draw();
            self.check();
        }
        while let Some((_, settle)) = self.settles.pop() {
            settle.settle(0);
        }
        for _ in 0..2_000 {
            self.advance_ms(1);
            self.turn();
        }
        self.check();
        for (number, track) in self.tracks.iter().enumerate() {
            let ended = track.ended.get();
            assert!(track.cancelled || ended == 1, "task {number} has ended {ended} times");
        }
        assert_eq!(self.tasks_alive(), 0, "no task stays behind");
        assert_eq!(self.event_loop.timer_count(), 0, "no timer stays behind");
        assert_eq!(self.panics(), self.expected_panics);
    }

    fn draw(&mut self) {
        match self.random.u32(0..12) {
            0 | 1 => {
                let ms = self.random.u64(0..100);
                self.spawn_sleeper(ms);
            }
            2 => self.spawn_remote_sleeper(),
            3 => self.spawn_waiter(),
            4 => {
                let slices = self.random.u32(1..5);
                let share = Share::new(self.random.u64(0..3), self.random.u32(1..4));
                self.spawn_heavy_of(share, slices);
            }
            5 => self.spawn_racer(),
            6 => self.spawn_panicking(),
            7 => self.cancel_one(),
            8 => self.settle_one(),
            9 => {
                let ms = self.random.u64(0..30);
                self.advance_ms(ms);
            }
            _ => self.turn(),
        }
    }

    /// No task has ended twice, none before its time, and none that was cancelled while it waited.
    fn check(&self) {
        for (number, track) in self.tracks.iter().enumerate() {
            assert!(track.ended.get() <= 1, "task {number} has ended twice");
        }
        assert!(self.early.borrow().is_empty(), "ended early: {:?}", self.early.borrow());
    }

    fn track(&mut self, due: Instant, body: impl AsyncFnOnce(Rc<Cell<u32>>) + 'static) -> usize {
        let number = self.tracks.len();
        let ended = Rc::new(Cell::new(0));
        let slices = Rc::new(Cell::new(0));
        let (count, ran, early, clock) =
            (ended.clone(), slices.clone(), self.early.clone(), self.clock.clone());
        let task = self.handle.spawn(async move {
            body(ran).await;
            if clock.now() < due {
                early.borrow_mut().push(number);
            }
            count.set(count.get() + 1);
        });
        self.tracks.push(Track { task, due, ended, slices, cancelled: false });
        number
    }

    pub(crate) fn spawn_light(&mut self) -> usize {
        self.track(self.clock.now(), async |_| ())
    }

    pub(crate) fn spawn_sleeper(&mut self, ms: u64) -> usize {
        let due = self.clock.now() + Duration::from_millis(ms);
        let sleep = self.handle.sleep_until(due);
        self.track(due, async move |_| sleep.await)
    }

    fn spawn_remote_sleeper(&mut self) {
        let due = self.clock.now() + Duration::from_millis(self.random.u64(0..100));
        let remote = self.remote.clone();
        self.track(due, async move |_| {
            remote.sleep_until(due).await;
            let on_loop = remote.on_loop(|| 7).await;
            assert_eq!(on_loop, Ok(7));
        });
    }

    fn spawn_waiter(&mut self) {
        let (settle, pending) = Pending::new();
        let number = self.track(self.clock.now(), async move |_| {
            pending.await;
        });
        self.settles.push((number, settle));
    }

    /// Waits for a result and a deadline at once, and drops the one that comes second.
    fn spawn_racer(&mut self) {
        let (settle, pending) = Pending::new();
        let due = self.clock.now() + Duration::from_millis(self.random.u64(0..60));
        let sleep = self.handle.sleep_until(due);
        let number = self.track(self.clock.now(), async move |_| {
            futures_util::future::select(pending, sleep).await;
        });
        self.settles.push((number, settle));
    }

    pub(crate) fn spawn_heavy(&mut self, slices: u32) -> usize {
        let share = Share::new(0, 1);
        self.spawn_heavy_of(share, slices)
    }

    /// A guest of this party that takes as many slices.
    pub(crate) fn spawn_heavy_of(&mut self, share: Share, slices: u32) -> usize {
        let (remote, clock) = (self.remote.clone(), self.clock.clone());
        self.track(self.clock.now(), async move |ran| {
            for _ in 0..slices {
                remote.next_slice(share).await;
                remote.charge(share, clock.now(), hob::limits::SLICE);
                clock.advance(hob::limits::SLICE);
                ran.set(ran.get() + 1);
            }
        })
    }

    /// A guest of this party that waits for its turn to begin, runs for a moment, and gives a light task its
    /// result. Gives the numbers of both.
    pub(crate) fn spawn_short_of(&mut self, share: Share) -> [usize; 2] {
        let remote = self.remote.clone();
        let (settle, pending) = Pending::new();
        let short = self.track(self.clock.now(), async move |_| {
            remote.heavy_turn(share).await;
            settle.settle(());
        });
        [short, self.track(self.clock.now(), async move |_| pending.await)]
    }

    /// Waits for a connection to the address that is given.
    pub(crate) fn spawn_accepter(&mut self) -> (SocketAddr, usize) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let listener = self.handle.listen(listener).expect("the kernel watches it");
        let address = listener.local_addr().expect("its address");
        let accepter = self.track(self.clock.now(), async move |_| {
            poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
        });
        (address, accepter)
    }

    /// Connects, and ends when the kernel has done its part.
    #[expect(clippy::disallowed_methods, reason = "the kernel takes the connection for the loop")]
    pub(crate) fn spawn_client_of(&mut self, address: SocketAddr) {
        self.track(self.clock.now(), async move |_| {
            TcpStream::connect(address).expect("a connection");
        });
    }

    pub(crate) fn spawn_panicking(&mut self) {
        self.expected_panics += 1;
        self.handle.spawn(async {
            // Without the message that `panic!` prints: hundreds of them hide a real one.
            std::panic::resume_unwind(Box::new("on purpose"));
        });
    }

    fn cancel_one(&mut self) {
        if self.tracks.is_empty() {
            return;
        }
        let number = self.random.usize(0..self.tracks.len());
        let track = &mut self.tracks[number];
        if track.ended.get() == 0 {
            track.cancelled = true;
            self.handle.cancel(track.task);
        }
        // A task that has ended may be cancelled too: nothing happens then.
        self.handle.cancel(track.task);
    }

    fn settle_one(&mut self) {
        if self.settles.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.settles.len());
        let (number, settle) = self.settles.swap_remove(at);
        settle.settle(number as u32);
    }

    pub(crate) fn turn(&mut self) {
        let ended: Vec<u32> = self.tracks.iter().map(|track| track.ended.get()).collect();
        self.event_loop.turn().expect("the poll does not fail");
        for (number, track) in self.tracks.iter().enumerate() {
            let newly = track.ended.get() > ended[number];
            assert!(!(newly && track.cancelled), "task {number} ended after it was cancelled");
            assert!(!newly || self.clock.now() >= track.due, "task {number} ended too early");
        }
    }

    pub(crate) fn advance_ms(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    pub(crate) fn remote(&self) -> Remote {
        self.remote.clone()
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn has_ended(&self, number: usize) -> bool {
        self.tracks[number].ended.get() == 1
    }

    pub(crate) fn slices(&self, number: usize) -> u32 {
        self.tracks[number].slices.get()
    }

    pub(crate) fn panics(&self) -> u64 {
        self.metrics.panics.load(Ordering::Relaxed)
    }

    pub(crate) fn tasks_alive(&self) -> usize {
        self.event_loop.task_count()
    }

    pub(crate) fn fill_inbox_and_drain(mut self) {
        let accepted: Vec<_> =
            (0..hob::limits::INBOX_MESSAGES_MAX).map(|_| self.remote.on_loop(|| ())).collect();
        let remote = self.remote.clone();
        let refused = Rc::new(Cell::new(None));
        let seen = refused.clone();
        self.handle.spawn(async move { seen.set(Some(remote.on_loop(|| ()).await)) });
        self.turn();
        assert_eq!(refused.get(), None, "the inbox was drained before the task asked");
        let turns = hob::limits::INBOX_MESSAGES_MAX / hob::limits::INBOX_PER_TURN + 1;
        (0..turns).for_each(|_| self.turn());
        assert_eq!(refused.get(), Some(Ok(())));
        drop(accepted);

        let overfull: Vec<_> =
            (0..=hob::limits::INBOX_MESSAGES_MAX).map(|_| self.remote.on_loop(|| ())).collect();
        let last = overfull.into_iter().next_back().expect("there is a last one");
        let outcome = Rc::new(Cell::new(None));
        let seen = outcome.clone();
        self.handle.spawn(async move { seen.set(Some(last.await)) });
        self.turn();
        assert_eq!(outcome.get(), Some(Err(Refused::Busy)));
    }

    pub(crate) fn settle_after_drop(mut self) {
        let (settle, pending) = Pending::<Rc<()>>::new();
        let value = Rc::new(());
        drop(pending);
        assert!(settle.is_abandoned());
        settle.settle(value.clone());
        assert_eq!(Rc::strong_count(&value), 1, "the value is not kept");
        self.turn();
    }
}
