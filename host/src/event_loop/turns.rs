//! Owns whose turn it is among parties with weights, where a turn is a turn: who has twice the weight has
//! twice as many. Stride scheduling: a party that had its turn is put further back the less it weighs, and
//! one that comes back after a rest begins where the others are. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::limits;

/// A party's weight beside the others'. Who has a clone may change it, from the next turn on.
#[derive(Clone, Debug)]
pub struct Weight(Arc<AtomicU32>);

impl Weight {
    /// A weight, 1 at the least.
    pub fn new(weight: u32) -> Self {
        Weight(Arc::new(AtomicU32::new(weight.max(1))))
    }

    /// What it is now.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes it.
    pub fn set(&self, weight: u32) {
        self.0.store(weight.max(1), Ordering::Relaxed);
    }
}

impl Default for Weight {
    fn default() -> Self {
        Weight::new(limits::TENANT_WEIGHT)
    }
}

/// How many jobs of a party may wait. Who has a clone may change it.
#[derive(Clone, Debug)]
pub struct Bound(Arc<AtomicUsize>);

impl Bound {
    /// A bound.
    pub fn new(most: usize) -> Self {
        Bound(Arc::new(AtomicUsize::new(most)))
    }

    /// What it is now.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes it. What waits already stays.
    pub fn set(&self, most: usize) {
        self.0.store(most, Ordering::Relaxed);
    }
}

impl Default for Bound {
    fn default() -> Self {
        Bound::new(limits::HOST_JOBS_PER_QUEUE_MAX)
    }
}

/// The parties that wait for a turn, next first.
#[derive(Default)]
pub(super) struct Turns {
    /// By where they are and, among equals, by who came first.
    waiting: BTreeSet<(u64, u64, usize)>,
    /// Where each party is, and whether it waits.
    parties: Vec<Place>,
    /// Where the party was that had the last turn.
    now: u64,
    arrivals: u64,
}

#[derive(Clone, Copy, Default)]
struct Place {
    at: u64,
    arrival: Option<u64>,
}

impl Turns {
    /// A party waits for its turn. It does so once, however often this is said.
    pub(super) fn push(&mut self, party: usize) {
        if self.parties.len() <= party {
            self.parties.resize(party + 1, Place::default());
        }
        let place = &mut self.parties[party];
        if place.arrival.is_some() {
            return;
        }
        self.arrivals += 1;
        *place = Place { at: place.at.max(self.now), arrival: Some(self.arrivals) };
        self.waiting.insert((place.at, self.arrivals, party));
    }

    /// Takes the next party that `may` have its turn now. It does not wait any more.
    pub(super) fn pop_if(
        &mut self,
        may: impl Fn(usize) -> bool,
        weight: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let next = self.waiting.iter().find(|(.., party)| may(*party)).copied()?;
        let (at, _, party) = next;
        self.waiting.remove(&next);
        self.now = self.now.max(at);
        let stride = u64::from(limits::TENANT_WEIGHT_MAX / weight(party).max(1)).max(1);
        self.parties[party] = Place { at: at + stride, arrival: None };
        Some(party)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.parties.iter_mut().for_each(|place| place.arrival = None);
    }
}
