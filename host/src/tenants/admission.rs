//! Owns who is let in: the rate of a tenant's requests, its share of the loops' time, and the places in
//! flight with the queue for them. It is asked before a request's body is read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::tenant::{Limit, Tenant, TenantLimits};
use crate::limits;

/// A tenant is over one of its limits.
#[derive(Clone, Copy, Debug)]
pub struct OverLimit {
    /// Which.
    pub limit: Limit,
    /// When it is worth another try.
    pub retry_after: Duration,
}

impl OverLimit {
    /// Of a limit that may be free again at any time.
    pub fn of(limit: Limit) -> Self {
        OverLimit { limit, retry_after: Duration::from_secs(1) }
    }
}

/// A token bucket, kept as the time at which it will be full again (the generic cell rate algorithm):
/// one number, and so no lock.
#[derive(Default)]
pub(super) struct Bucket {
    full_at: AtomicU64,
    /// Nanoseconds that one takes to come back; none: there is no limit.
    cost: AtomicU64,
    /// Nanoseconds that all take.
    depth: AtomicU64,
}

impl Bucket {
    pub(super) fn set(&self, cost: u64, depth: u64) {
        self.cost.store(cost, Ordering::Relaxed);
        self.depth.store(depth, Ordering::Relaxed);
    }

    /// Forgives what is owed: it was owed by another rate.
    pub(super) fn forgive(&self) {
        self.full_at.store(0, Ordering::Relaxed);
    }

    pub(super) fn is_limited(&self) -> bool {
        self.cost.load(Ordering::Relaxed) != 0
    }

    /// Takes one, or says after how long there is one.
    fn take(&self, now: u64) -> Result<(), Duration> {
        let cost = self.cost.load(Ordering::Relaxed);
        if cost == 0 {
            return Ok(());
        }
        let depth = self.depth.load(Ordering::Relaxed);
        let taken = self.full_at.try_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let next = full_at.max(now).saturating_add(cost);
            (next - now <= depth).then_some(next)
        });
        taken.map(drop).map_err(|full_at| {
            Duration::from_nanos(
                full_at.saturating_add(cost).saturating_sub(now.saturating_add(depth)),
            )
        })
    }

    /// Takes this much, which has been used already.
    pub(super) fn charge(&self, now: u64, nanos: u64) {
        let _ = self.full_at.try_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.max(now).saturating_add(nanos))
        });
    }

    /// Ok if not more was used than there was; else after how long that is made up for.
    fn is_even(&self, now: u64) -> Result<(), Duration> {
        if !self.is_limited() {
            return Ok(());
        }
        let owed = self.full_at.load(Ordering::Relaxed).saturating_sub(now);
        match owed.checked_sub(self.depth.load(Ordering::Relaxed)) {
            None | Some(0) => Ok(()),
            Some(over) => Err(Duration::from_nanos(over)),
        }
    }
}

/// The places in flight, and who waits for one.
#[derive(Default)]
pub(super) struct Gate {
    in_flight: u64,
    /// By number, in the order they came.
    waiting: BTreeMap<u64, Option<Waker>>,
    next_number: u64,
}

/// What comes of asking for a place.
pub enum Admission {
    /// It is there.
    Place(Place),
    /// It may be waited for, for as long as this.
    Wait(Wait, Duration),
}

/// A place in flight, as long as this lives.
pub struct Place(Arc<Tenant>);

/// A place that is waited for, behind those who came before. Dropping it gives it up.
#[must_use = "a place is waited for by polling"]
pub struct Wait {
    tenant: Arc<Tenant>,
    /// None once the place is given on.
    number: Option<u64>,
}

impl Tenant {
    /// Whether one more request may come in now.
    ///
    /// # Errors
    /// When that would be over a limit.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Result<Admission, OverLimit> {
        let nanos = self.nanos(now);
        let over = |limit| move |retry_after| OverLimit { limit, retry_after };
        let admitted = self
            .cpu
            .is_even(nanos)
            .map_err(over(Limit::Cpu))
            .and_then(|()| self.rate.take(nanos).map_err(over(Limit::Rate)))
            .and_then(|()| self.enter());
        if let Err(over) = &admitted {
            self.refused(over.limit);
        }
        admitted
    }

    fn enter(self: &Arc<Self>) -> Result<Admission, OverLimit> {
        let TenantLimits { requests_in_flight, queue, queue_time, .. } = self.limits();
        let mut gate = self.gate.lock().expect("a tenant's gate");
        if gate.in_flight < requests_in_flight && gate.waiting.is_empty() {
            gate.in_flight += 1;
            self.note(&gate);
            return Ok(Admission::Place(Place(self.clone())));
        }
        if queue == 0 {
            return Err(OverLimit::of(Limit::Requests));
        }
        if gate.waiting.len() as u64 >= queue {
            return Err(OverLimit::of(Limit::Queue));
        }
        let number = gate.next_number;
        gate.next_number += 1;
        gate.waiting.insert(number, None);
        self.note(&gate);
        Ok(Admission::Wait(Wait { tenant: self.clone(), number: Some(number) }, queue_time))
    }

    /// A request has waited for as long as it may.
    pub fn waited_too_long(&self) -> OverLimit {
        self.refused(Limit::Queue);
        OverLimit::of(Limit::Queue)
    }

    /// Lets those in for whom there is room since the limits are others.
    pub(super) fn resize(&self, limits: &TenantLimits) {
        let mut gate = self.gate.lock().expect("a tenant's gate");
        let mut woken = Vec::new();
        while gate.in_flight < limits.requests_in_flight
            && let Some((_, waker)) = gate.waiting.pop_first()
        {
            gate.in_flight += 1;
            woken.extend(waker);
        }
        self.note(&gate);
        drop(gate);
        woken.into_iter().for_each(Waker::wake);
    }

    /// A place is free: whoever came first has it.
    fn leave(&self) {
        let most = self.limits().requests_in_flight;
        let mut gate = self.gate.lock().expect("a tenant's gate");
        let next = if gate.in_flight <= most { gate.waiting.pop_first() } else { None };
        if next.is_none() {
            gate.in_flight -= 1;
        }
        self.note(&gate);
        drop(gate);
        if let Some((_, Some(waker))) = next {
            waker.wake();
        }
    }

    fn note(&self, gate: &Gate) {
        let metrics = self.metrics();
        metrics.in_flight.store(gate.in_flight, Ordering::Relaxed);
        metrics.queued.store(gate.waiting.len() as u64, Ordering::Relaxed);
    }
}

impl Future for Wait {
    type Output = Place;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place> {
        let tenant = self.tenant.clone();
        let number = self.number.expect("a place is given once");
        let mut gate = tenant.gate.lock().expect("a tenant's gate");
        if let Some(waker) = gate.waiting.get_mut(&number) {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(gate);
        self.number = None;
        Poll::Ready(Place(tenant))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut gate = self.tenant.gate.lock().expect("a tenant's gate");
        let still_waits = gate.waiting.remove(&number).is_some();
        self.tenant.note(&gate);
        drop(gate);
        if !still_waits {
            // It was given the place meanwhile.
            self.tenant.leave();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Whole seconds, as `Retry-After` has them.
pub fn seconds_to_wait(wait: Duration) -> u64 {
    wait.min(limits::RETRY_AFTER_MAX).as_nanos().div_ceil(1_000_000_000).max(1) as u64
}
