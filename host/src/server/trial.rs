//! Owns the judgement of a version by its first requests.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::config::TrialTerms;
use crate::limits;

/// A version on trial, on all loops.
pub(super) struct Trial {
    terms: TrialTerms,
    requests: AtomicU32,
    failures: AtomicU32,
    /// Whether it was said that it has failed.
    told: AtomicBool,
}

impl Trial {
    pub(super) fn new(terms: TrialTerms) -> Self {
        Trial {
            terms,
            requests: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// Whether the version has passed: it is not judged any more.
    pub(super) fn is_over(&self) -> bool {
        self.requests.load(Ordering::Relaxed) >= self.terms.requests
    }

    /// Says that it has failed, once. When `tell` could not, another request does.
    pub(super) fn fail(&self, tell: impl FnOnce() -> bool) {
        if !self.told.swap(true, Ordering::Relaxed) && !tell() {
            self.told.store(false, Ordering::Relaxed);
        }
    }

    /// Counts a request that has been answered; true when too many have failed by now.
    pub(super) fn has_failed_with(&self, failed: bool) -> bool {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let failures =
            self.failures.fetch_add(failed.into(), Ordering::Relaxed) + u32::from(failed);
        failed
            && requests >= limits::TRIAL_REQUESTS_LEAST.min(self.terms.requests)
            && u64::from(failures) * 100
                > u64::from(self.terms.failures_percent) * u64::from(requests)
    }
}
