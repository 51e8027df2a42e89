//! The pool of host threads, with a real clock: work runs elsewhere, its result comes back to the
//! loop, and a full queue, a panic and a lost interest each end as they should.

use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;

use hob::event_loop::{Clock, EventLoop, HostThreads, Lane, Refused};
use hob::limits;

fn event_loop() -> EventLoop {
    EventLoop::new(Clock::Real, Arc::default()).expect("a loop can be made")
}

#[test]
fn a_job_runs_on_another_thread_and_wakes_the_loop() {
    let pool = HostThreads::new(2).expect("a pool");
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let here = thread::current().id();
    let there = event_loop
        .run(async move { remote.host_thread(&pool, Lane::Quick, || thread::current().id()).await })
        .expect("the loop runs");
    assert_ne!(there.expect("the job ran"), here);
}

#[test]
fn a_job_that_panics_is_reported_and_its_thread_serves_the_next() {
    let pool = HostThreads::new(1).expect("a pool");
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (first, second) = event_loop
        .run(async move {
            let panics = || std::panic::resume_unwind(Box::new("on purpose"));
            let first: Result<(), _> = remote.host_thread(&pool, Lane::Quick, panics).await;
            (first, remote.host_thread(&pool, Lane::Quick, || 7).await)
        })
        .expect("the loop runs");
    assert_eq!((first, second), (Err(Refused::Panicked), Ok(7)));
}

#[test]
fn slow_work_leaves_threads_for_quick_work() {
    let pool = HostThreads::new(4).expect("a pool");
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
                    remote.host_thread(&pool, Lane::Slow, wait)
                })
                .collect();
            let quick = remote.host_thread(&pool, Lane::Quick, || "quick").await;
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
    let pool = HostThreads::new(1).expect("a pool");
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let begun = Arc::new(Barrier::new(2));
    let (release, held) = mpsc::channel::<()>();
    let outcome = event_loop
        .run(async move {
            let barrier = begun.clone();
            let running = remote.host_thread(&pool, Lane::Quick, move || {
                barrier.wait();
                // Ends when the sender is dropped.
                let _ = held.recv();
            });
            begun.wait();
            let waiting: Vec<_> = (0..limits::HOST_JOBS_MAX)
                .map(|_| remote.host_thread(&pool, Lane::Quick, || ()))
                .collect();
            let refused = remote.host_thread(&pool, Lane::Quick, || ()).await;
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
    let pool = HostThreads::new(1).expect("a pool");
    let mut event_loop = event_loop();
    let remote = event_loop.remote();
    let (release, held) = mpsc::channel::<()>();
    let (report, reported) = mpsc::channel::<&str>();
    event_loop
        .run(async move {
            let running = remote.host_thread(&pool, Lane::Quick, move || held.recv());
            let dropped = remote.host_thread(&pool, Lane::Quick, move || report.send("begun"));
            drop(dropped);
            drop(release);
            running.await.expect("the job ran").expect_err("the channel was closed");
            // The queue is in order, so the dropped job has been passed over when this one ends.
            remote.host_thread(&pool, Lane::Quick, || ()).await.expect("the job ran");
        })
        .expect("the loop runs");
    assert!(reported.recv().is_err(), "the job's sender was dropped without a word");
}
