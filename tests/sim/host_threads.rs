//! The pool of host threads, with a real clock: work runs elsewhere, its result comes back to the
//! loop, and a full queue, a panic and a lost interest each end as they should.

use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use hob::event_loop::{
    Bound, Clock, EventLoop, HostQueue, HostThreads, Refused, Remote, Weight, Work,
};
use hob::limits;
use hob::observe::Timeline;

const QUICK: Work = Work::quick("test.quick");
const SLOW: Work = Work::slow("test.slow");

fn host_threads(threads: usize) -> HostThreads {
    let timeline = Timeline::new(Instant::now());
    HostThreads::new(threads, Arc::default(), timeline).expect("a pool")
}

/// The queue of the one party of a pool.
fn pool(threads: usize) -> HostQueue {
    host_threads(threads).queue(Weight::default(), Bound::default())
}

fn event_loop() -> EventLoop {
    EventLoop::new(Clock::Real, Arc::default()).expect("a loop can be made")
}

#[test]
fn a_job_runs_on_another_thread_and_wakes_the_loop() {
    let queue = pool(2);
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let here = thread::current().id();
    let there = event_loop
        .run(async move { remote.host_thread(&queue, QUICK, || thread::current().id()).await })
        .expect("the loop runs");
    assert_ne!(there.expect("the job ran"), here);
}

#[test]
fn a_job_that_panics_is_reported_and_its_thread_serves_the_next() {
    let queue = pool(1);
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (first, second) = event_loop
        .run(async move {
            let panics = || std::panic::resume_unwind(Box::new("on purpose"));
            let first: Result<(), _> = remote.host_thread(&queue, QUICK, panics).await;
            (first, remote.host_thread(&queue, QUICK, || 7).await)
        })
        .expect("the loop runs");
    assert_eq!((first, second), (Err(Refused::Panicked), Ok(7)));
}

#[test]
fn jobs_that_come_when_a_thread_is_about_to_rest_no_longer_are_done() {
    for threads in [1, 2, 4] {
        let queue = pool(threads);
        let mut event_loop = event_loop();
        let remote = event_loop.remote();
        let done = event_loop
            .run(async move {
                let mut done = 0;
                for round in 0..60 {
                    let some = (0..round % 7).map(|_| remote.host_thread(&queue, QUICK, || 1));
                    for job in some.collect::<Vec<_>>() {
                        done += job.await.expect("the job ran");
                    }
                    // From just before the end of their rest to just after it.
                    let pause =
                        limits::HOST_THREAD_RESTS + Duration::from_micros(50) * (round % 20);
                    remote.sleep_until(Instant::now() + pause - Duration::from_micros(500)).await;
                }
                done
            })
            .expect("the loop runs");
        assert_eq!(done, (0..60).map(|round| round % 7).sum::<u32>(), "{threads} threads");
    }
}

#[test]
fn threads_that_have_job_after_job_leave_one_to_what_is_asked_of_the_runtime() {
    let host_threads = host_threads(2);
    let queue = host_threads.queue(Weight::default(), Bound::default());
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let _entered = host_threads.enter();
    let (both_ran, is_done) = event_loop
        .run(async move {
            let both = Arc::new(Barrier::new(2));
            let meet = || {
                let both = both.clone();
                remote.host_thread(&queue, QUICK, move || both.wait().is_leader())
            };
            let (one, other) = (meet(), meet());
            let both_ran = one.await.expect("a job ran") != other.await.expect("a job ran");
            let theirs = tokio::task::spawn_blocking(|| ());
            // No thread is without a job for long.
            for _ in 0..50_000 {
                remote.host_thread(&queue, QUICK, || ()).await.expect("a job ran");
                if theirs.is_finished() {
                    break;
                }
            }
            (both_ran, theirs.is_finished())
        })
        .expect("the loop runs");
    assert!(both_ran && is_done);
}

#[test]
fn jobs_of_one_turn_have_all_the_threads_and_no_more_room_than_those_need() {
    let queue = host_threads(4).queue(Weight::default(), Bound::new(1));
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let leaders = event_loop
        .run(async move {
            // Each waits for the others, so all of them must be begun.
            let all = Arc::new(Barrier::new(4));
            let meet = |all: Arc<Barrier>| move || all.wait().is_leader();
            let jobs: Vec<_> =
                (0..4).map(|_| remote.host_thread(&queue, QUICK, meet(all.clone()))).collect();
            let mut leaders = 0;
            for job in jobs {
                leaders += u32::from(job.await.expect("there was a thread for it"));
            }
            leaders
        })
        .expect("the loop runs");
    assert_eq!(leaders, 1);
}

#[test]
fn what_is_put_away_as_a_loop_ends_is_put_away() {
    struct PutAway(Remote, HostQueue, mpsc::Sender<u32>);
    impl Drop for PutAway {
        fn drop(&mut self) {
            for number in 0..3 {
                let report = self.2.clone();
                let put_away = move || report.send(number).expect("someone listens");
                self.0.host_thread_unattended(&self.1, QUICK, put_away);
            }
        }
    }
    let queue = pool(1);
    let (report, reported) = mpsc::channel();
    let mut event_loop = event_loop();
    let [before, after] =
        [(); 2].map(|()| PutAway(event_loop.remote(), queue.clone(), report.clone()));
    event_loop.handle().spawn(async move {
        let _held = before;
        std::future::pending().await
    });
    event_loop.run(async {}).expect("the loop runs");
    drop(event_loop);
    drop(after);
    let next = || reported.recv_timeout(Duration::from_secs(60));
    let mut numbers: Vec<_> = (0..6).map(|_| next().expect("it is put away")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn slow_work_leaves_threads_for_quick_work() {
    let queue = pool(4);
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let quick = event_loop
        .run(async move {
            let slow: Vec<_> = (0..8)
                .map(|_| {
                    let held = held.clone();
                    let wait = move || held.lock().expect("held").recv();
                    remote.host_thread(&queue, SLOW, wait)
                })
                .collect();
            let quick = remote.host_thread(&queue, QUICK, || "quick").await;
            drop(release);
            for slow in slow {
                assert!(slow.await.expect("the job ran").is_err(), "the channel was closed");
            }
            quick
        })
        .expect("the loop runs");
    assert_eq!(quick, Ok("quick"));
}

#[test]
fn a_full_queue_refuses_at_once() {
    let queue = pool(1);
    let mut event_loop = event_loop();
    // The loop waits for what has begun.
    let remote = event_loop.remote().at_once();
    let begun = Arc::new(Barrier::new(2));
    let (release, held) = mpsc::channel::<()>();
    let outcome = event_loop
        .run(async move {
            let barrier = begun.clone();
            let running = remote.host_thread(&queue, QUICK, move || {
                barrier.wait();
                // Ends when the sender is dropped.
                let _ = held.recv();
            });
            begun.wait();
            let waiting: Vec<_> = (0..limits::HOST_JOBS_PER_QUEUE_MAX)
                .map(|_| remote.host_thread(&queue, QUICK, || ()))
                .collect();
            let refused = remote.host_thread(&queue, QUICK, || ()).await;
            drop(release);
            running.await.expect("the job ran");
            for job in waiting {
                job.await.expect("a job that was taken runs");
            }
            refused
        })
        .expect("the loop runs");
    assert_eq!(outcome, Err(Refused::Busy));
}

#[test]
fn a_job_no_one_waits_for_is_not_begun() {
    let queue = pool(1);
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    let (report, reported) = mpsc::channel::<&str>();
    event_loop
        .run(async move {
            let running = remote.host_thread(&queue, QUICK, move || held.recv());
            let dropped = remote.host_thread(&queue, QUICK, move || report.send("begun"));
            drop(dropped);
            drop(release);
            running.await.expect("the job ran").expect_err("the channel was closed");
            // The queue is in order, so the dropped job has been passed over when this one ends.
            remote.host_thread(&queue, QUICK, || ()).await.expect("the job ran");
        })
        .expect("the loop runs");
    assert!(reported.recv().is_err(), "the job's sender was dropped without a word");
}

#[test]
fn a_party_has_room_for_so_many_jobs_as_it_is_given() {
    let most = Bound::new(2);
    let queue = host_threads(1).queue(Weight::default(), most.clone());
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    event_loop
        .run(async move {
            let running = remote.host_thread(&queue, QUICK, move || held.recv());
            let mut waiting: Vec<_> =
                (0..2).map(|_| remote.host_thread(&queue, QUICK, || ())).collect();
            let refused = remote.host_thread(&queue, QUICK, || ()).await;
            assert_eq!(refused, Err(Refused::Busy));
            most.set(3);
            waiting.push(remote.host_thread(&queue, QUICK, || ()));
            drop(release);
            running.await.expect("the job ran").expect_err("the channel was closed");
            for job in waiting {
                job.await.expect("the job ran");
            }
        })
        .expect("the loop runs");
}

#[test]
fn parties_have_turns_by_their_weights() {
    let pool = host_threads(1);
    let (holder, heavy, light) = (Weight::default(), Weight::new(3), Weight::new(1));
    let (holder, heavy, light) = (
        pool.queue(holder, Bound::default()),
        pool.queue(heavy, Bound::default()),
        pool.queue(light, Bound::default()),
    );
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    let (report, order) = mpsc::channel::<&str>();
    event_loop
        .run(async move {
            let running = remote.host_thread(&holder, QUICK, move || held.recv());
            let job = |who: &'static str| {
                let report = report.clone();
                move || report.send(who).expect("someone listens")
            };
            let mut jobs = Vec::new();
            for _ in 0..24 {
                jobs.push(remote.host_thread(&heavy, QUICK, job("heavy")));
                jobs.push(remote.host_thread(&light, QUICK, job("light")));
            }
            drop(release);
            running.await.expect("the job ran").expect_err("the channel was closed");
            for job in jobs {
                job.await.expect("the job ran");
            }
        })
        .expect("the loop runs");
    let order: Vec<_> = order.try_iter().collect();
    let of_light = order[..16].iter().filter(|who| **who == "light").count();
    assert_eq!((of_light, order.len()), (4, 48), "{order:?}");
}

#[test]
fn parties_take_turns_and_a_flood_of_one_leaves_room_for_the_other() {
    let pool = host_threads(1);
    let (flood, other) = (
        pool.queue(Weight::default(), Bound::default()),
        pool.queue(Weight::default(), Bound::default()),
    );
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    let (report, order) = mpsc::channel::<&str>();
    event_loop
        .run(async move {
            let running = remote.host_thread(&flood, QUICK, move || held.recv());
            let job = |who: &'static str| {
                let report = report.clone();
                move || report.send(who).expect("someone listens")
            };
            let flooded: Vec<_> = (0..limits::HOST_JOBS_PER_QUEUE_MAX)
                .map(|_| remote.host_thread(&flood, QUICK, job("flood")))
                .collect();
            let refused = remote.host_thread(&flood, QUICK, job("flood")).await;
            assert_eq!(refused, Err(Refused::Busy));
            let others: Vec<_> =
                (0..3).map(|_| remote.host_thread(&other, QUICK, job("other"))).collect();
            drop(release);
            running.await.expect("the job ran").expect_err("the channel was closed");
            for job in others.into_iter().chain(flooded) {
                job.await.expect("a job that was taken runs");
            }
        })
        .expect("the loop runs");
    let first: Vec<_> = order.iter().take(6).collect();
    // The flood has had a turn already.
    assert_eq!(first, ["other", "flood", "other", "flood", "other", "flood"]);
}

#[test]
fn quick_work_that_never_ends_does_not_keep_slow_work_waiting() {
    let queue = pool(1);
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    let (report, order) = mpsc::channel::<&str>();
    event_loop
        .run(async move {
            let running = remote.host_thread(&queue, QUICK, move || held.recv());
            let job = |who: &'static str| {
                let report = report.clone();
                move || report.send(who).expect("someone listens")
            };
            let quick: Vec<_> =
                (0..10).map(|_| remote.host_thread(&queue, QUICK, job("quick"))).collect();
            let slow = remote.host_thread(&queue, SLOW, job("slow"));
            drop(release);
            running.await.expect("the job ran").expect_err("the channel was closed");
            slow.await.expect("the job ran");
            for job in quick {
                job.await.expect("the job ran");
            }
        })
        .expect("the loop runs");
    assert_eq!(order.iter().next(), Some("slow"));
}

/// A party of a pool of four threads, beside so many others, queues slow jobs that do not end: exactly
/// `wanted` of them begin.
fn expect_slow_jobs_begun(others: usize, wanted: usize) {
    let pool = host_threads(4);
    let queue = pool.queue(Weight::default(), Bound::default());
    let _others: Vec<_> =
        (0..others).map(|_| pool.queue(Weight::default(), Bound::default())).collect();
    let _host = pool.queue_of_the_host();
    let mut event_loop = event_loop();
    // The loop waits for what has begun.
    let remote = event_loop.remote().at_once();
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let (report, begun) = mpsc::channel::<()>();
    event_loop
        .run(async move {
            let slow: Vec<_> = (0..8)
                .map(|_| {
                    let (held, report) = (held.clone(), report.clone());
                    remote.host_thread(&queue, SLOW, move || {
                        report.send(()).expect("someone listens");
                        held.lock().expect("held").recv()
                    })
                })
                .collect();
            for _ in 0..wanted {
                begun.recv_timeout(Duration::from_secs(60)).expect("a slow job begins");
            }
            // The threads that are left take these one after the other, and would take a slow one.
            for _ in 0..64 {
                remote.host_thread(&queue, QUICK, || ()).await.expect("the job ran");
            }
            assert_eq!(begun.try_iter().count(), 0, "more than {wanted} have begun");
            drop(release);
            for slow in slow {
                slow.await.expect("the job ran").expect_err("the channel was closed");
            }
        })
        .expect("the loop runs");
}

#[test]
fn slow_work_of_one_of_several_parties_leaves_a_thread_for_that_of_another() {
    expect_slow_jobs_begun(1, 1);
}

#[test]
fn slow_work_of_the_only_party_has_half_of_the_threads() {
    expect_slow_jobs_begun(0, 2);
}
