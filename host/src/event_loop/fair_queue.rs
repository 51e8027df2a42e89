//! Owns whose turn it is among the parties that share the loop's time: each has a weight, is charged for
//! the time it held the loop, and waits in a queue of its own.
//!
//! # Virtual time
//! A party's virtual time is the time it held the loop divided by its weight. Who waits and has the least
//! is next, so that over any while in which two wait, their times go by their weights. A party that comes
//! back after a rest begins where the one served last did: rest is no credit. This is deficit round robin
//! but for one thing, that a party which comes anew need not wait for a round of the others.
//!
//! # Who need not wait
//! A party goes on without a queue as long as it is not ahead of the others by more than a lead. One that
//! has the loop to itself is never ahead of anyone.
//!
//! Pure: the time it took is told, and so is the time it is.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::limits;

/// Whose time it is, and its weight beside the others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    key: u64,
    weight: u32,
}

impl Share {
    /// The share of the party that is called by this number. Its weight counts from now on.
    pub fn new(key: u64, weight: u32) -> Self {
        Share { key, weight: weight.max(1) }
    }

    /// Virtual time: what a weight of one thousand has as nanoseconds.
    fn virtual_time(self, took: Duration) -> u64 {
        (took.as_nanos() as u64).saturating_mul(limits::TENANT_WEIGHT_MAX.into())
            / u64::from(self.weight)
    }
}

/// Entries that wait for their party's turn.
pub(super) struct FairQueue<T> {
    parties: FxHashMap<u64, Party<T>>,
    /// With more parties than this, those that need not be remembered are looked for.
    forget_above: usize,
    /// The parties with entries, by their virtual time.
    waiting: BTreeSet<(u64, u64)>,
    /// Entries in all.
    len: usize,
    /// Where the party served last began.
    now: u64,
    /// The two that ran last, the last one first: who has the loop to itself, and since when.
    recent: [Option<(u64, Instant)>; 2],
}

struct Party<T> {
    time: u64,
    entries: VecDeque<T>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        FairQueue {
            parties: FxHashMap::default(),
            forget_above: limits::PARTIES_REMEMBERED,
            waiting: BTreeSet::new(),
            len: 0,
            now: 0,
            recent: [None; 2],
        }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an entry behind those of its party.
    pub(super) fn push(&mut self, share: Share, entry: T) {
        let now = self.now;
        let party = self.party(share.key);
        if party.entries.is_empty() {
            party.time = party.time.max(now);
        }
        party.entries.push_back(entry);
        let place = (party.time, share.key);
        self.waiting.insert(place);
        self.len += 1;
    }

    /// What [`Self::pop`] would give.
    pub(super) fn first(&self) -> Option<&T> {
        let (_, key) = self.waiting.first()?;
        self.parties.get(key)?.entries.front()
    }

    /// The first entry of the party that is next.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (time, key) = self.waiting.first().copied()?;
        let party = self.parties.get_mut(&key)?;
        let entry = party.entries.pop_front();
        if party.entries.is_empty() {
            self.waiting.remove(&(time, key));
        }
        self.now = self.now.max(time);
        self.len -= usize::from(entry.is_some());
        entry
    }

    /// Whether a guest of this party may run at once: none of its own waits, and it is not ahead of
    /// others who want the loop too.
    pub(super) fn may_run(&mut self, share: Share, at: Instant) -> bool {
        let Some(party) = self.parties.get(&share.key) else { return true };
        if !party.entries.is_empty() {
            return false;
        }
        let lead = party.time.saturating_sub(self.now);
        lead <= lead_of(share) || !self.is_contended(share.key, at)
    }

    /// A party has held the loop for this long.
    pub(super) fn charge(&mut self, share: Share, at: Instant, took: Duration) {
        let is_contended = self.is_contended(share.key, at);
        let now = self.now;
        let party = self.party(share.key);
        let before = party.time;
        party.time = party.time.max(now).saturating_add(share.virtual_time(took));
        let time = party.time;
        if !party.entries.is_empty() {
            self.waiting.remove(&(before, share.key));
            self.waiting.insert((time, share.key));
        } else if !is_contended {
            // No one was kept from the loop meanwhile, so no one is owed anything.
            self.now = self.now.max(time);
        }
        match &mut self.recent {
            [Some((last, since)), _] if *last == share.key => *since = at,
            recent => *recent = [Some((share.key, at)), recent[0]],
        }
        self.forget_some();
    }

    /// Whether anyone else waits, or has run lately.
    fn is_contended(&self, key: u64, at: Instant) -> bool {
        let others_wait = match self.waiting.len() {
            0 => false,
            1 => self.waiting.first().is_some_and(|(_, waiting)| *waiting != key),
            _ => true,
        };
        let is_recent = |(party, since): &(u64, Instant)| {
            *party != key && at.saturating_duration_since(*since) < limits::CONTENDED_FOR
        };
        others_wait || self.recent.iter().flatten().any(is_recent)
    }

    fn party(&mut self, key: u64) -> &mut Party<T> {
        let now = self.now;
        self.parties.entry(key).or_insert_with(|| Party { time: now, entries: VecDeque::new() })
    }

    /// A party that is not ahead would begin where it is anyway, and need not be remembered. All are looked
    /// at only when half of them have come since the last time, so that it is little for each.
    fn forget_some(&mut self) {
        if self.parties.len() <= self.forget_above {
            return;
        }
        let now = self.now;
        self.parties.retain(|_, party| !party.entries.is_empty() || party.time > now);
        self.forget_above = limits::PARTIES_REMEMBERED.max(2 * self.parties.len());
        // What is looked at is the room that the map has, too.
        self.parties.shrink_to(self.forget_above);
    }
}

/// The lead is the same time on the loop for each weight: the queues are what the weights are for.
fn lead_of(share: Share) -> u64 {
    share.virtual_time(limits::LEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_micros(50);

    fn share(key: u64) -> Share {
        Share::new(key, 100)
    }

    #[test]
    fn many_parties_that_are_ahead_are_not_all_looked_at_for_each_charge() {
        let mut queue = FairQueue::<()>::default();
        let at = Instant::now();
        let (mut looks, mut seen) = (0, queue.forget_above);
        for _ in 0..3 {
            for key in 0..20_000 {
                queue.charge(share(key), at, MOMENT);
                // None can be forgotten, so each look has the next one come later.
                looks += usize::from(queue.forget_above != seen);
                seen = queue.forget_above;
            }
        }
        // The first party had the loop to itself.
        assert!(queue.parties.len() >= 19_999, "{} are remembered", queue.parties.len());
        assert!(looks <= 5, "{looks} looks at all parties");
    }

    #[test]
    fn parties_that_are_not_ahead_are_forgotten() {
        let mut queue = FairQueue::<()>::default();
        let mut at = Instant::now();
        for key in 0..20_000 {
            queue.charge(share(key), at, MOMENT);
        }
        for key in 20_000..100_000 {
            // Who is alone for so long is ahead of no one, and in time of all.
            at += limits::CONTENDED_FOR;
            queue.charge(share(key), at, MOMENT);
        }
        let (remembered, room) = (queue.parties.len(), queue.parties.capacity());
        assert!(remembered <= limits::PARTIES_REMEMBERED, "{remembered} are remembered");
        assert!(room <= 4 * limits::PARTIES_REMEMBERED, "there is room for {room}");
    }

    /// What is forgotten makes no difference: the same happens in a queue that remembers all.
    #[test]
    fn a_party_that_was_forgotten_is_treated_as_if_it_were_remembered() {
        for seed in 0..8 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut queue = FairQueue::<u64>::default();
            let mut elephant = FairQueue { forget_above: usize::MAX, ..FairQueue::default() };
            let (mut at, mut forgotten) = (Instant::now(), 0);
            for entry in 0..60_000 {
                let key = random.u64(0..8000);
                let share = Share::new(key, [100, 1000][key as usize % 2]);
                match random.u32(0..10) {
                    0 => {
                        queue.push(share, entry);
                        elephant.push(share, entry);
                    }
                    1 => assert_eq!(queue.pop(), elephant.pop(), "seed {seed}"),
                    2 => at += limits::CONTENDED_FOR * random.u32(0..2),
                    3..6 => {
                        let (one, other) = (queue.may_run(share, at), elephant.may_run(share, at));
                        assert_eq!(one, other, "seed {seed}");
                    }
                    _ => {
                        let took = MOMENT * random.u32(0..10);
                        queue.charge(share, at, took);
                        elephant.charge(share, at, took);
                    }
                }
                assert_eq!(queue.len(), elephant.len());
                forgotten = forgotten.max(elephant.parties.len() - queue.parties.len());
            }
            assert!(
                forgotten > limits::PARTIES_REMEMBERED,
                "seed {seed}: {forgotten} were forgotten"
            );
        }
    }
}
