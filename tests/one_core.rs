//! Owns a second run of tests in a process that has one core: what a loop and its host threads give each other
//! goes another way there.

use std::process::Command;
use std::thread;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs the tests of this program whose names begin so, on one core; what they start has that one too. Does
/// nothing where there is one core anyway.
#[track_caller]
pub(crate) fn expect_the_same(names: &[&str]) {
    if thread::available_parallelism().expect("a number of cores").get() == 1 {
        return;
    }
    let itself = std::env::current_exe().expect("this program");
    let mut again = Command::new(itself);
    again.args(names);
    // A thread of its own, for what has one core is the thread and what it starts.
    let run = move || {
        keep_to_one();
        again.output().expect("this program starts")
    };
    let done = thread::spawn(run).join().expect("the thread ends");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && !said.contains("running 0 tests"), "{said}");
}

fn keep_to_one() {
    let own = sched_getaffinity(None).expect("the cores of this thread");
    let first = (0..CpuSet::MAX_CPU).find(|core| own.is_set(*core));
    let mut one = CpuSet::new();
    one.set(first.expect("a core"));
    sched_setaffinity(None, &one).expect("a thread may have fewer cores");
}
