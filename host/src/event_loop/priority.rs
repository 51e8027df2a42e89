//! Owns who goes first where a loop and the threads beside it share a core.

use crate::limits;

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
