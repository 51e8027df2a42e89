//! Owns the sight of what the kernel has for a loop while the loop's thread is with a guest that waited
//! for its turn: that guest is then told to step back, for who has come may want little.
//!
//! It is another thread that looks, the one that interrupts guests anyway. A loop's `epoll` can be polled
//! itself: that takes nothing from it. Looked at is only a loop that has such guests, so that a loop which
//! serves short requests is not looked at at all.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::EventLoop;
use super::priority::go_before_loops;
use super::remote::Shared;
use crate::limits;

/// Looks out for loops whose threads are with guests. Cheap to clone.
#[derive(Clone, Default)]
pub struct Lookout {
    loops: Arc<Mutex<Vec<Watched>>>,
}

struct Watched {
    /// Kept open here, so that its number is never another's.
    epoll: Arc<mio::Registry>,
    shared: Weak<Shared>,
}

/// What a look at the loops has shown.
#[derive(Default)]
struct Sight {
    /// Whether a guest was told to step back and has not come to it yet, or its loop is about to see for
    /// itself.
    is_under_way: bool,
    /// Those with guests that could be told: one that runs, or that waits for its turn and may have it at
    /// any moment.
    watched: Vec<(Arc<mio::Registry>, Arc<Shared>)>,
}

impl Lookout {
    /// Looks out for this loop too, until it is dropped.
    pub fn add(&self, event_loop: &EventLoop) {
        let epoll = event_loop.core.reactor.registry();
        let shared = Arc::downgrade(&event_loop.core.shared);
        self.loops.lock().expect("loops").push(Watched { epoll, shared });
    }

    /// To be called once, on the thread that interrupts guests: gives what that thread waits by. It waits
    /// for as long as it is told, or until a guest is to step back, for the loop it is on is wanted.
    pub fn begin(self) -> impl Fn(Duration) {
        go_before_loops();
        move |tick| self.wait(tick)
    }

    fn wait(&self, tick: Duration) {
        let Sight { is_under_way, watched } = self.look();
        let time = if is_under_way { limits::TIME_BETWEEN_WANTED } else { tick };
        watch(&watched, time);
    }

    fn look(&self) -> Sight {
        let mut loops = self.loops.lock().expect("loops");
        loops.retain(|one| one.shared.strong_count() > 0);
        let mut sight = Sight::default();
        for one in &*loops {
            let Some(shared) = one.shared.upgrade() else { continue };
            if shared.wanted.load(Ordering::Relaxed) {
                sight.is_under_way = true;
            } else if shared.granting.load(Ordering::Relaxed) || shared.has_heavy() {
                sight.watched.push((one.epoll.clone(), shared));
            }
        }
        sight
    }
}

/// A loop that is not with a guest any more sees by itself what there is.
#[expect(clippy::disallowed_methods, reason = "runs on the thread that interrupts guests")]
fn watch(loops: &[(Arc<mio::Registry>, Arc<Shared>)], time: Duration) {
    if loops.is_empty() {
        return std::thread::sleep(time);
    }
    let timeout = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    let fds = loops.iter().map(|(epoll, _)| PollFd::from_borrowed_fd(epoll.as_fd(), PollFlags::IN));
    let mut fds: Vec<_> = fds.collect();
    if !matches!(poll(&mut fds, Some(&timeout)), Ok(1..)) {
        return;
    }
    let mut is_any_told = false;
    // What has been seen would be seen again at once.
    let mut pause = time;
    for (fd, (_, shared)) in fds.iter().zip(loops) {
        if !fd.revents().contains(PollFlags::IN) {
            continue;
        }
        let left = match shared.granting.load(Ordering::Relaxed) {
            true => shared.left_to_guests(),
            false => limits::TIME_BETWEEN_WANTED,
        };
        if left.is_zero() {
            shared.wanted.store(true, Ordering::Relaxed);
            is_any_told = true;
        }
        pause = pause.min(left);
    }
    if !is_any_told {
        std::thread::sleep(pause);
    }
}
