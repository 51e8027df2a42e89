//! The offload threads, with a real clock and a single thread whose first job holds it until all others
//! wait: whose turn it is then, who is stopped, who is late, and what a panic ends.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

use hob::event_loop::{
    HostThreads, OffloadJob, OffloadQueue, OffloadThreads, OffloadTicket, OffloadWork, Refused,
    Running, Stopped, Weight, thread_time,
};
use hob::limits;
use hob::observe::{ModuleMetrics, Timeline};

const FOR_EVER: Duration = Duration::from_secs(3600);

/// A thread, and what the jobs on it say.
struct Rig {
    threads: OffloadThreads,
    said: mpsc::Sender<&'static str>,
    heard: mpsc::Receiver<&'static str>,
    metrics: Arc<ModuleMetrics>,
}

/// A job that was written for a test.
struct Scripted {
    name: &'static str,
    said: mpsc::Sender<&'static str>,
    script: Box<dyn FnOnce(Stopped) -> Running + Send>,
}

impl OffloadJob for Scripted {
    fn begin(self: Box<Self>, stopped: Stopped) -> Running {
        self.said.send(self.name).expect("the test listens");
        (self.script)(stopped)
    }

    fn expire(self: Box<Self>) {
        self.said.send("late").expect("the test listens");
    }
}

impl Rig {
    fn new() -> Self {
        let timeline = || Timeline::new(Instant::now());
        let host_threads = HostThreads::new(1, Arc::default(), timeline()).expect("a pool");
        let threads = OffloadThreads::start(1, &host_threads, timeline()).expect("a thread");
        let (said, heard) = mpsc::channel();
        Rig { threads, said, heard, metrics: ModuleMetrics::new("module", "tenant") }
    }

    fn submit<F: Future<Output = ()> + Send + 'static>(
        &self,
        queue: &OffloadQueue,
        wait: Duration,
        name: &'static str,
        script: impl FnOnce(Stopped) -> F + Send + 'static,
    ) -> Result<OffloadTicket, Refused> {
        let work = OffloadWork { module: self.metrics.clone(), request: None };
        let script = Box::new(|stopped| Box::pin(script(stopped)) as Pin<Box<_>> as Running);
        let said = self.said.clone();
        queue.submit(work, wait, || Box::new(Scripted { name, said, script }))
    }

    fn queue_short(&self, queue: &OffloadQueue, name: &'static str) -> OffloadTicket {
        self.submit(queue, FOR_EVER, name, |_| async {}).expect("room")
    }

    /// Holds the thread until what is returned is dropped.
    fn hold(&self, queue: &OffloadQueue) -> (mpsc::Sender<()>, OffloadTicket) {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let ticket = self.submit(queue, FOR_EVER, "holds", move |_| async move {
            let _ = held.lock().expect("held").recv();
        });
        assert_eq!(self.hear(), "holds");
        (release, ticket.expect("room"))
    }

    fn hear(&self) -> &'static str {
        self.heard.recv_timeout(Duration::from_secs(60)).expect("something is said")
    }
}

/// Gives way once, as a job does whose slice is over.
async fn give_way() {
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Computes for so long, in slices.
async fn compute(time: Duration) {
    let mut left = time;
    while left > Duration::ZERO {
        let slice = left.min(limits::OFFLOAD_SLICE);
        let end = thread_time() + slice;
        while thread_time() < end {
            std::hint::spin_loop();
        }
        left -= slice;
        give_way().await;
    }
}

#[test]
fn parties_take_turns_however_many_jobs_each_has() {
    let rig = Rig::new();
    let (one, two) = (rig.threads.queue(Weight::default()), rig.threads.queue(Weight::default()));
    let (release, _held) = rig.hold(&rig.threads.queue(Weight::default()));
    let _jobs: Vec<_> = ["a1", "a2", "a3"].map(|name| rig.queue_short(&one, name)).into();
    let _others: Vec<_> = ["b1", "b2"].map(|name| rig.queue_short(&two, name)).into();
    drop(release);
    let order: Vec<_> = (0..5).map(|_| rig.hear()).collect();
    assert_eq!(order, ["a1", "b1", "a2", "b2", "a3"]);
}

#[test]
fn parties_have_turns_by_their_weights_which_may_change() {
    let rig = Rig::new();
    let weight = Weight::new(3);
    let (heavy, light) = (rig.threads.queue(weight.clone()), rig.threads.queue(Weight::new(1)));
    let (release, _held) = rig.hold(&rig.threads.queue(Weight::default()));
    let _heavy: Vec<_> = (0..12).map(|_| rig.queue_short(&heavy, "heavy")).collect();
    let _light: Vec<_> = (0..12).map(|_| rig.queue_short(&light, "light")).collect();
    drop(release);
    let order: Vec<_> = (0..24).map(|_| rig.hear()).collect();
    let of_light = order[..8].iter().filter(|who| **who == "light").count();
    assert_eq!(of_light, 2, "{order:?}");

    weight.set(1);
    let (release, _held) = rig.hold(&rig.threads.queue(Weight::default()));
    let _heavy: Vec<_> = (0..6).map(|_| rig.queue_short(&heavy, "heavy")).collect();
    let _light: Vec<_> = (0..6).map(|_| rig.queue_short(&light, "light")).collect();
    drop(release);
    let order: Vec<_> = (0..12).map(|_| rig.hear()).collect();
    let of_light = order[..8].iter().filter(|who| **who == "light").count();
    assert!((3..=5).contains(&of_light), "{order:?}");
}

#[test]
fn a_job_keeps_its_place_for_a_while_and_then_goes_behind_its_partys_others() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let (release, _held) = rig.hold(&rig.threads.queue(Weight::default()));
    let job = |name: &'static str, time: Duration| {
        let said = rig.said.clone();
        let script = move |_| async move {
            compute(time).await;
            said.send("done").expect("the test listens");
        };
        rig.submit(&queue, FOR_EVER, name, script).expect("room")
    };
    let _jobs = [
        job("short", limits::OFFLOAD_TURN / 2),
        job("long", limits::OFFLOAD_TURN * 3),
        job("last", limits::OFFLOAD_SLICE),
    ];
    drop(release);
    let order: Vec<_> = (0..6).map(|_| rig.hear()).collect();
    assert_eq!(order, ["short", "done", "long", "last", "done", "done"]);
}

#[test]
fn a_job_that_waits_leaves_the_thread_to_the_others_and_goes_on_when_it_is_woken() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let (wake, woken) = tokio::sync::oneshot::channel::<()>();
    let said = rig.said.clone();
    let waits = rig.submit(&queue, FOR_EVER, "waits", move |_| async move {
        woken.await.expect("it is woken");
        said.send("goes on").expect("the test listens");
    });
    let _waits = waits.expect("room");
    assert_eq!(rig.hear(), "waits");
    let _other = rig.queue_short(&queue, "other");
    assert_eq!(rig.hear(), "other");
    wake.send(()).expect("it waits");
    assert_eq!(rig.hear(), "goes on");
}

#[test]
fn a_job_whose_turn_does_not_come_in_time_is_late_and_does_not_begin() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let (release, _held) = rig.hold(&queue);
    let _next = rig.queue_short(&queue, "next");
    let late = rig.submit(&queue, Duration::ZERO, "begins", |_| async {});
    drop(release);
    assert_eq!((rig.hear(), rig.hear()), ("late", "next"));
    drop(late.expect("room"));
}

#[test]
fn a_job_that_may_not_wait_runs_where_it_is_the_next() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    for _ in 0..100 {
        let job = rig.submit(&queue, Duration::ZERO, "begins", |_| async {});
        assert_eq!(rig.hear(), "begins");
        drop(job.expect("room"));
    }
}

#[test]
fn a_job_whose_time_to_wait_ends_while_the_thread_rests_is_late() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    // All that the party may begin; none of them does anything but wait.
    let (_wakers, _waiting): (Vec<_>, Vec<_>) = (0..limits::OFFLOAD_BEGUN_MAX)
        .map(|_| {
            let (wake, woken) = tokio::sync::oneshot::channel::<()>();
            let job = rig.submit(&queue, FOR_EVER, "waits", move |_| async move {
                let _ = woken.await;
            });
            assert_eq!(rig.hear(), "waits");
            (wake, job.expect("room"))
        })
        .unzip();
    let _late = rig.submit(&queue, Duration::from_millis(20), "begins", |_| async {});
    assert_eq!(rig.hear(), "late");
    // Another party has room of its own.
    let _other = rig.queue_short(&rig.threads.queue(Weight::default()), "other");
    assert_eq!(rig.hear(), "other");
}

#[test]
fn a_party_has_room_for_so_many_that_wait() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let (release, _held) = rig.hold(&queue);
    let mut waiting: Vec<_> =
        (0..limits::OFFLOAD_WAITING_MAX).map(|_| rig.queue_short(&queue, "waits")).collect();
    let refused = rig.submit(&queue, FOR_EVER, "refused", |_| async {});
    assert_eq!(refused.err(), Some(Refused::Busy));
    let _other = rig.queue_short(&rig.threads.queue(Weight::default()), "other");
    // One that is dropped gives its place back at once.
    waiting.pop();
    let _next = rig.queue_short(&queue, "next");
    drop(release);
    let mut heard: Vec<_> = (0..limits::OFFLOAD_WAITING_MAX + 1).map(|_| rig.hear()).collect();
    heard.sort_unstable();
    assert_eq!(heard[..3], ["next", "other", "waits"]);
}

#[test]
fn a_job_that_is_stopped_does_not_begin_or_ends_at_its_next_turn() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let (release, _held) = rig.hold(&queue);
    drop(rig.queue_short(&queue, "stopped before its turn"));
    let next = rig.queue_short(&queue, "next");
    drop(release);
    assert_eq!(rig.hear(), "next");
    drop(next);

    /// Says when it is dropped.
    struct Goes(mpsc::Sender<&'static str>);
    impl Drop for Goes {
        fn drop(&mut self) {
            self.0.send("goes").expect("the test listens");
        }
    }
    // One that waits, one that gives way again and again, and one that looks for itself.
    let goes = || Goes(rig.said.clone());
    let held = goes();
    let waits = rig.submit(&queue, FOR_EVER, "waits", move |_| async move {
        let _held = held;
        std::future::pending::<()>().await;
    });
    assert_eq!(rig.hear(), "waits");
    drop(waits.expect("room"));
    assert_eq!(rig.hear(), "goes");
    let held = goes();
    let yields = rig.submit(&queue, FOR_EVER, "yields", move |_| async move {
        let _held = held;
        loop {
            give_way().await;
        }
    });
    assert_eq!(rig.hear(), "yields");
    drop(yields.expect("room"));
    assert_eq!(rig.hear(), "goes");
    let held = goes();
    let looks = rig.submit(&queue, FOR_EVER, "looks", move |stopped: Stopped| async move {
        let _held = held;
        while !stopped.is_set() {
            std::hint::spin_loop();
        }
    });
    assert_eq!(rig.hear(), "looks");
    drop(looks.expect("room"));
    assert_eq!(rig.hear(), "goes");
}

#[test]
fn a_panic_ends_its_job_and_the_thread_serves_the_next() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let panics = rig.submit(&queue, FOR_EVER, "panics", |_| async {
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    let next = rig.queue_short(&queue, "next");
    assert_eq!((rig.hear(), rig.hear()), ("panics", "next"));
    drop((panics.expect("room"), next));
}

#[test]
fn dropped_threads_end_whatever_their_jobs_are_about() {
    let rig = Rig::new();
    let queue = rig.threads.queue(Weight::default());
    let waits = rig.submit(&queue, FOR_EVER, "waits", |_| std::future::pending());
    let yields = rig.submit(&queue, FOR_EVER, "yields", |_| async {
        loop {
            give_way().await;
        }
    });
    assert_eq!((rig.hear(), rig.hear()), ("waits", "yields"));
    // Returns when the thread has ended.
    drop(rig.threads);
    drop((waits.expect("room"), yields.expect("room")));
    let work = OffloadWork { module: rig.metrics.clone(), request: None };
    let none = || -> Box<dyn OffloadJob> { unreachable!("it is refused") };
    assert_eq!(queue.submit(work, FOR_EVER, none).err(), Some(Refused::Busy));
}
