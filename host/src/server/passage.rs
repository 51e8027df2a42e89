//! Owns the way of one request through the plug-ins before its handler, as the log, the metrics and the
//! trials of versions see it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::CLIENT_LEFT;
use super::snapshot::ServedHandler;
use super::status::status_of;
use crate::handlers::{Chain, Failure, Handler, Outcome};

/// The plug-ins of a request and then its handler, with what they were made of.
pub(super) struct Passage {
    pub(super) chain: Rc<Chain>,
    served: Vec<Arc<ServedHandler>>,
    /// Who has failed, if the failure was answered for.
    pub(super) culprit: Option<String>,
}

impl Passage {
    pub(super) fn new(links: impl Iterator<Item = (Arc<ServedHandler>, Rc<Handler>)>) -> Self {
        let (served, handlers): (Vec<_>, Vec<_>) = links.unzip();
        Passage { chain: Chain::new(handlers.into_iter()), served, culprit: None }
    }

    /// Notes what the outermost plug-in has answered, or who of all has failed.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) fn settle<T>(
        &mut self,
        answer: Result<http::Response<T>, Failure>,
    ) -> Result<http::Response<T>, Failure> {
        self.chain.settle(answer).map_err(|(failure, culprit)| {
            self.culprit = Some(culprit.name.clone());
            failure
        })
    }

    /// Time the guests of the handler held the loop for the request.
    pub(super) fn on_loop(&self) -> Duration {
        self.chain.on_loop()
    }

    /// What each of those that were called has come to: a status, or a failure of its own. One that has
    /// passed on the failure of another has come to nothing that it could be judged by.
    pub(super) fn judgements(
        &self,
    ) -> impl Iterator<Item = (&Arc<ServedHandler>, Result<http::StatusCode, Failure>)> {
        self.chain.outcomes().filter_map(|(place, outcome)| match outcome? {
            Outcome::Answered(status) => Some((&self.served[place], Ok(status))),
            Outcome::Failed(failure) => Some((&self.served[place], Err(failure))),
            Outcome::PassedOn(_) => None,
        })
    }

    /// Counts the plug-ins, at the end of the request.
    pub(super) fn close(&self, ended: Instant) {
        self.chain.close(ended, |outcome| match outcome {
            Some(Outcome::Answered(status)) => status.as_u16(),
            Some(Outcome::Failed(failure) | Outcome::PassedOn(failure)) => {
                status_of(failure).as_u16()
            }
            None => CLIENT_LEFT,
        });
    }
}
