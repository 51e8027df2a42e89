//! Owns the pace of a guest that gives its answer in many small pieces: the time they take counts
//! together, for the loop is held as long by many short runs as by a long one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::event_loop::{HeavyTurn, Remote, Share};
use crate::limits;

/// How long one guest has held the loop in the turn under way.
#[derive(Default)]
pub(super) struct Pace {
    turn: Option<Instant>,
    held: Duration,
    /// Set while the guest waits in the heavy queue.
    stepping_back: Option<HeavyTurn>,
}

impl Pace {
    /// Ready when the guest may run: it has not held the loop for a slice in this turn, which began
    /// at `turn`, and its tenant is not ahead of others; or it has stepped behind the light tasks since.
    pub(super) fn poll(
        &mut self,
        turn: Instant,
        remote: &Remote,
        share: Share,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.stepping_back.is_none() {
            if self.turn.replace(turn) != Some(turn) {
                self.held = Duration::ZERO;
            }
            if self.held < limits::SLICE && remote.may_run(share, turn) {
                return Poll::Ready(());
            }
        }
        let computes = self.held >= limits::SLICE;
        let turn_to_come =
            || if computes { remote.next_slice(share) } else { remote.heavy_turn(share) };
        let stepping_back = self.stepping_back.get_or_insert_with(turn_to_come);
        ready!(Pin::new(stepping_back).poll(cx));
        *self = Pace { turn: Some(turn), ..Pace::default() };
        Poll::Ready(())
    }

    /// Whether the guest waits in the heavy queue, and for nothing else.
    pub(super) fn steps_back(&self) -> bool {
        self.stepping_back.is_some()
    }

    /// The guest has held the loop for this long.
    pub(super) fn charge(&mut self, took: Duration) {
        self.held += took;
    }
}
