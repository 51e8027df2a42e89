//! Owns the sockets the kernel watches for this loop, and who waits for them.
//!
//! # Readiness
//! mio is edge triggered: the kernel speaks when something changes, once. So a source remembers
//! that it may be read or written until an operation says `WouldBlock`, and a task that waits
//! leaves its waker. Readiness may be spurious; whoever is woken tries and sees.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Token};
use slab::Slab;

/// The token of the loop's own waker; slots of sources never reach it.
const WAKER: Token = Token(usize::MAX);

pub(super) struct Reactor {
    poll: RefCell<mio::Poll>,
    /// A descriptor of its own for the same `epoll`. Shared with who looks at that from outside.
    registry: Arc<mio::Registry>,
    sources: RefCell<Slab<SourceState>>,
    next_generation: Cell<u32>,
}

/// Names a registered source; the generation outdates events for a source that has gone.
#[derive(Clone, Copy)]
pub(super) struct SourceKey {
    index: u32,
    generation: u32,
}

/// Which way the bytes go.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Read,
    Write,
}

struct SourceState {
    generation: u32,
    read: Side,
    write: Side,
}

struct Side {
    /// Whether an operation is worth a try.
    ready: bool,
    /// The peer has closed this side: it stays ready, for the kernel will not say so again.
    closed: bool,
    waker: Option<Waker>,
}

impl Side {
    fn new(ready: bool) -> Self {
        Side { ready, closed: false, waker: None }
    }
}

impl Reactor {
    pub(super) fn new() -> io::Result<(Self, mio::Waker)> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        let reactor = Reactor {
            poll: RefCell::new(poll),
            registry: Arc::new(registry),
            sources: RefCell::default(),
            next_generation: Cell::new(0),
        };
        Ok((reactor, waker))
    }

    /// The `epoll`, to be looked at.
    pub(super) fn registry(&self) -> Arc<mio::Registry> {
        self.registry.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.sources.borrow().len()
    }

    pub(super) fn register(&self, source: &mut impl Source) -> io::Result<SourceKey> {
        let mut sources = self.sources.borrow_mut();
        let entry = sources.vacant_entry();
        let generation = self.next_generation.get().wrapping_add(1) & (u32::MAX >> 1);
        self.next_generation.set(generation);
        let key = SourceKey { index: entry.key() as u32, generation };
        self.registry.register(source, key.token(), Interest::READABLE | Interest::WRITABLE)?;
        // A new socket has room to write; what there is to read the kernel tells with its first
        // event, and until then a connection need not be prepared to read.
        entry.insert(SourceState { generation, read: Side::new(false), write: Side::new(true) });
        Ok(key)
    }

    pub(super) fn deregister(&self, source: &mut impl Source, key: SourceKey) {
        // The kernel forgets a closed descriptor by itself; an error here changes nothing.
        let _ = self.registry.deregister(source);
        let state = self.sources.borrow_mut().remove(key.index as usize);
        drop(state);
    }

    /// Ready when an operation is worth a try; else leaves the waker.
    pub(super) fn poll_ready(
        &self,
        key: SourceKey,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut sources = self.sources.borrow_mut();
        let side = sources[key.index as usize].side(direction);
        if side.ready || side.closed {
            return Poll::Ready(());
        }
        match &mut side.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// An operation has used up what there was.
    pub(super) fn clear_ready(&self, key: SourceKey, direction: Direction) {
        self.sources.borrow_mut()[key.index as usize].side(direction).ready = false;
    }

    pub(super) fn wait(
        &self,
        events: &mut mio::Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.poll.borrow_mut().poll(events, timeout)
    }

    /// Marks sources ready; collects the wakers, then wakes.
    pub(super) fn dispatch(&self, events: &mio::Events) {
        let mut woken = Vec::new();
        {
            let mut sources = self.sources.borrow_mut();
            for event in events {
                let Some(state) = SourceKey::from_token(event.token())
                    .and_then(|key| Some((key, sources.get_mut(key.index as usize)?)))
                    .filter(|(key, state)| state.generation == key.generation)
                    .map(|(_, state)| state)
                else {
                    continue;
                };
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    state.read.ready = true;
                    state.read.closed |= event.is_read_closed() || event.is_error();
                    woken.extend(state.read.waker.take());
                }
                if event.is_writable() || event.is_write_closed() || event.is_error() {
                    state.write.ready = true;
                    state.write.closed |= event.is_write_closed() || event.is_error();
                    woken.extend(state.write.waker.take());
                }
            }
        }
        for waker in woken {
            waker.wake();
        }
    }
}

impl SourceState {
    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

impl SourceKey {
    fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.index as usize)
    }

    fn from_token(token: Token) -> Option<Self> {
        (token != WAKER)
            .then_some(SourceKey { index: token.0 as u32, generation: (token.0 >> 32) as u32 })
    }
}
