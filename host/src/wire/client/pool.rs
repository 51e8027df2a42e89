//! Owns the outbound connections of a loop: how many there are, and which are idle.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use hyper::client::conn::http1::SendRequest;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::{OutboundBody, SendFailed};
use crate::limits;

/// The sending end of a connection. Dropped, the connection is closed, also when the other side takes
/// nothing any more.
pub(super) struct Sender {
    pub(super) request: SendRequest<OutboundBody>,
    /// The connection's task sees it go.
    _wanted: oneshot::Sender<Infallible>,
}

impl Sender {
    /// With what its connection's task waits for.
    pub(super) fn new(request: SendRequest<OutboundBody>) -> (Self, oneshot::Receiver<Infallible>) {
        let (wanted, unwanted) = oneshot::channel();
        (Sender { request, _wanted: wanted }, unwanted)
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether over TLS.
    pub is_secure: bool,
    /// A name or an address, in lower case.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// Who may use a connection, and to where it leads. What one party has made of a connection another
/// is not to meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// Whose it is.
    pub party: usize,
    /// Where it leads.
    pub origin: Origin,
    /// Whether it may lead to an address that is not public.
    pub private: bool,
}

/// The connections of a loop.
pub(super) struct Pool {
    connections_max: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Connections there are, idle ones among them.
    connections: usize,
    by_party: FxHashMap<usize, usize>,
    /// Idle ones, least recently used first.
    idle: VecDeque<Idle>,
}

struct Idle {
    key: PoolKey,
    sender: Sender,
    since: Instant,
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < limits::OUTBOUND_IDLE_KEPT
    }
}

/// A connection's place among those that are allowed, as long as this lives.
pub(super) struct Place {
    pool: Arc<Pool>,
    party: usize,
}

impl Pool {
    pub(super) fn new(connections_max: usize) -> Self {
        Pool { connections_max: AtomicUsize::new(connections_max), state: Mutex::default() }
    }

    pub(super) fn allow(&self, connections_max: usize) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().expect("outbound pool").connections
    }

    /// A place for one more connection of a party, which may have so many. An idle one makes room when there is none.
    ///
    /// # Errors
    /// `OverLimit` when the party has all it may have, and `Busy` when all together have.
    pub(super) fn place(self: &Arc<Self>, party: usize, most: usize) -> Result<Place, SendFailed> {
        let mut state = self.state.lock().expect("outbound pool");
        let own = state.by_party.get(&party).copied().unwrap_or(0);
        let full = state.connections >= self.connections_max.load(Ordering::Relaxed);
        if full || own >= most {
            let of_party = |idle: &Idle| idle.key.party == party;
            let own_idle = state.idle.iter().position(of_party);
            let given_up = own_idle.or_else(|| (full && !state.idle.is_empty()).then_some(0));
            let refused = if own >= most { SendFailed::OverLimit } else { SendFailed::Busy };
            let given_up = given_up.ok_or(refused)?;
            // It is still counted until its task has ended: for a moment there is one too many.
            state.idle.remove(given_up);
        }
        state.connections += 1;
        *state.by_party.entry(party).or_default() += 1;
        Ok(Place { pool: self.clone(), party })
    }

    /// The connection used last of those that are idle and still open.
    pub(super) fn take(&self, key: &PoolKey, now: Instant) -> Option<Sender> {
        let mut state = self.state.lock().expect("outbound pool");
        state.idle.retain(|idle| !idle.sender.request.is_closed() && idle.is_fresh(now));
        let ready = |idle: &Idle| idle.key == *key && idle.sender.request.is_ready();
        let found = state.idle.iter().rposition(ready)?;
        state.idle.remove(found).map(|idle| idle.sender)
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, key: PoolKey, sender: Sender, now: Instant) {
        let mut state = self.state.lock().expect("outbound pool");
        if state.idle.len() >= limits::OUTBOUND_IDLE_MAX {
            state.idle.pop_front();
        }
        state.idle.push_back(Idle { key, sender, since: now });
    }

    /// Closes those that no one has used for long.
    pub(super) fn drop_idle(&self, now: Instant) {
        let mut state = self.state.lock().expect("outbound pool");
        state.idle.retain(|idle| idle.is_fresh(now));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().expect("outbound pool");
        state.connections -= 1;
        if let Some(own) = state.by_party.get_mut(&self.party) {
            *own -= 1;
            if *own == 0 {
                state.by_party.remove(&self.party);
            }
        }
    }
}
