//! Owns who goes first where a loop and the threads beside it share a core.

use std::time::Duration;

use crate::limits;

/// Has the calling thread wake when it is due, and take the core from a loop as soon as it wakes, for good.
/// It must want little of it.
///
/// One that has just run, be it for some microseconds, has had more than its share and waits; with a share that
/// is many times a loop's it does not. For that the process must have `CAP_SYS_NICE`, or a limit that allows it
/// (`RLIMIT_NICE`): without, it is late by some milliseconds now and then.
pub(super) fn go_before_loops() {
    let _ = rustix::process::setpriority_process(None, limits::TICKER_NICENESS);
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
    compute_for_long();
}

/// Has the calling thread leave the core to any other that wakes, until it is to work briefly: what it does
/// takes long anyway.
pub(super) fn compute_for_long() {
    take_slices_of(limits::COMPUTING_SLICE);
}

/// Has the calling thread have the kernel's usual slices again.
pub(super) fn work_briefly() {
    take_slices_of(USUAL);
}

/// The kernel's own choice, some milliseconds.
const USUAL: Duration = Duration::ZERO;

/// The kernel lets a thread that runs go on for a slice of its own before one that wakes has its turn, unless
/// that one's slice would be over before those of all others that wait
/// ([EEVDF](https://docs.kernel.org/scheduler/sched-eevdf.html), Linux 6.12 and later). So a shorter slice has
/// the core sooner, and a longer one leaves it sooner; the share of it that each has in the end stays what it
/// was.
///
/// A system that refuses leaves the thread as it is, which is right and only slower.
fn take_slices_of(slice: Duration) {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: rustix::process::getpriority_process(None).unwrap_or(0),
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
    let own = rustix::process::getpriority_process(None);
    let wanted = limits::NICENESS_BESIDE_LOOPS;
    if own.is_ok_and(|own| own < wanted) {
        let _ = rustix::process::setpriority_process(None, wanted);
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
