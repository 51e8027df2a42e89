//! Owns who goes first where a loop and the threads beside it share a core.

use std::thread;
use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};

use crate::limits;

/// Has the calling thread wake when it is due, and take the core from a loop as soon as it wakes, for good.
/// It must want little of it.
///
/// One that has just run, be it for some microseconds, has had more than its share and waits; with a share that
/// is many times a loop's it does not. For that the process must have `CAP_SYS_NICE`, or a limit that allows it
/// (`RLIMIT_NICE`): without, it is late by some milliseconds now and then.
pub(super) fn go_before_loops() {
    let _ = setpriority_process(None, limits::TICKER_NICENESS);
    let _ = rustix::thread::set_current_timer_slack(Some(limits::TICKER_SLACK_NS));
    take_slices_of(limits::TICKER_SLICE);
}

/// Has the calling thread, which is a loop's, take the core from one that computes as soon as it wakes, for
/// good.
pub(super) fn go_before_what_computes() {
    take_slices_of(limits::LOOP_SLICE);
}

/// Has the calling thread give way to the loops, and compute, for good.
pub fn compute_beside_loops() {
    give_way_to_loops();
    take_slices_of(limits::COMPUTING_SLICE);
}

/// How host threads share cores with the loops. For a short job one is as a loop, if it may give way for a long one
/// and return: a loop that took the core in the middle of a short one would find locks taken, and have the result
/// no sooner. Where the process may not ([`go_before_loops`] says when it may), they give way to the loops for good.
#[derive(Clone, Copy)]
pub(super) struct OfHostThreads {
    /// The niceness of the loops, if a thread may return to it.
    returns_to: Option<i32>,
}

impl OfHostThreads {
    /// Beside loops that are as nice as the calling thread.
    pub(super) fn beside_this_thread() -> Self {
        let niceness = own_niceness();
        // Tried on a thread that ends then, for the way back may be closed.
        let step = move || {
            let _ = setpriority_process(None, niceness + 1);
            setpriority_process(None, niceness).is_ok()
        };
        let tried = thread::Builder::new().spawn(step).map(thread::JoinHandle::join);
        let may_return = matches!(tried, Ok(Ok(true)));
        OfHostThreads { returns_to: may_return.then_some(niceness) }
    }

    /// To be called once, by a host thread as it starts.
    pub(super) fn begin(self) {
        if self.returns_to.is_none() {
            give_way_to_loops();
        }
        self.work_briefly();
    }

    /// Has the calling thread leave the core to any other that wakes, until it is to work briefly: what it does
    /// takes long anyway.
    pub(super) fn compute_for_long(self) {
        let niceness = self.returns_to.map(|of_loops| of_loops + limits::NICENESS_OF_LONG_JOBS);
        schedule(limits::COMPUTING_SLICE, niceness);
    }

    /// Has the calling thread take the core as soon as it wakes, for it has little to do; with the niceness it
    /// had before it computed.
    pub(super) fn work_briefly(self) {
        schedule(limits::SHORT_JOB_SLICE, self.returns_to);
    }
}

/// The niceness of the calling thread.
fn own_niceness() -> i32 {
    getpriority_process(None).unwrap_or(0)
}

/// The kernel lets a thread that runs go on for a slice of its own before one that wakes has its turn, unless
/// that one's slice would be over before those of all others that wait
/// ([EEVDF](https://docs.kernel.org/scheduler/sched-eevdf.html), Linux 6.12 and later). So a shorter slice has
/// the core sooner, and a longer one leaves it sooner; the share of it that each has in the end stays what it
/// was.
///
/// A system that refuses leaves the thread as it is, which is right and only slower.
fn take_slices_of(slice: Duration) {
    schedule(slice, None);
}

/// Has the calling thread have such slices, and this niceness or else the one it has.
fn schedule(slice: Duration, niceness: Option<i32>) {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: niceness.unwrap_or_else(own_niceness),
        sched_priority: 0,
        sched_runtime: slice.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: sched_setattr(2) reads `size` bytes at the address, which are those of `attributes`, and
    // keeps none of it. It changes how the calling thread (0) is scheduled and nothing else.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0_u32) };
}

/// Has the calling thread give way to the loops, for good. To be called once, by a thread that works
/// beside them, as it starts: the loop that hands out the work must not wait for it. With a core to
/// itself the thread is as fast as before.
///
/// A system that refuses leaves the thread as it is, which is right and only slower.
pub fn give_way_to_loops() {
    // Of the calling thread only, for on Linux each has its own.
    let own = getpriority_process(None);
    let wanted = limits::NICENESS_BESIDE_LOOPS;
    if own.is_ok_and(|own| own < wanted) {
        let _ = setpriority_process(None, wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_and_the_one_that_made_it_does_not() {
        let own = || rustix::process::getpriority_process(None).expect("a priority");
        let before = own();
        let beside = std::thread::spawn(move || {
            give_way_to_loops();
            own()
        });
        let beside = beside.join().expect("the thread ends");
        assert_eq!(beside, limits::NICENESS_BESIDE_LOOPS.max(before));
        assert_eq!(own(), before);
    }
}
