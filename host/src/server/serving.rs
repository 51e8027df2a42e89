//! Owns what one loop serves: the snapshot's handlers as they live on this loop. It is replaced whole.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::snapshot::{ServedHandler, ServedModule, Snapshot};
use crate::handlers::Handler;
use crate::jobs::ModuleRunner;

/// What one loop serves at a time.
pub(super) struct Serving {
    pub(super) snapshot: Arc<Snapshot>,
    /// In the order of the snapshot.
    pub(super) handlers: Vec<Rc<Handler>>,
    /// In the order of the snapshot.
    pub(super) runners: Vec<Arc<ModuleRunner>>,
}

impl Serving {
    /// The handler of a path, and what it was made of.
    pub(super) fn find(&self, path: &str) -> Option<(Arc<ServedHandler>, Rc<Handler>)> {
        let index = self.snapshot.routes.find(path)?;
        Some((self.snapshot.handlers[index].clone(), self.handlers[index].clone()))
    }

    /// Each handler with what it was made of.
    pub(super) fn handlers(&self) -> impl Iterator<Item = (&Arc<ServedHandler>, &Rc<Handler>)> {
        self.snapshot.handlers.iter().zip(&self.handlers)
    }

    /// Each runner with what it was made of.
    pub(super) fn runners(&self) -> impl Iterator<Item = (&Arc<ServedModule>, &Arc<ModuleRunner>)> {
        self.snapshot.modules.iter().zip(&self.runners)
    }
}

/// What the loop serves now, for all who ask.
pub(super) struct Current {
    serving: RefCell<Rc<Serving>>,
    /// Handlers that are served no more, and may have requests yet.
    retired: RefCell<Vec<Weak<Handler>>>,
    /// Why there is nothing to serve, to a developer whose handlers cannot be built.
    failure: RefCell<Option<Arc<str>>>,
}

impl Current {
    pub(super) fn new(serving: Serving) -> Rc<Self> {
        let (serving, retired) = (RefCell::new(Rc::new(serving)), RefCell::default());
        Rc::new(Current { serving, retired, failure: RefCell::default() })
    }

    pub(super) fn get(&self) -> Rc<Serving> {
        self.serving.borrow().clone()
    }

    /// Serves this from now on. What was served before and is not in it any more finishes what it has
    /// begun.
    pub(super) fn replace(&self, next: Serving) {
        let next = Rc::new(next);
        let before = self.serving.replace(next.clone());
        let mut retired = self.retired.borrow_mut();
        retired.retain(|handler| handler.strong_count() > 0);
        let mut kept: Vec<_> = next.handlers.iter().map(Rc::as_ptr).collect();
        kept.sort_unstable();
        for handler in &before.handlers {
            if kept.binary_search(&Rc::as_ptr(handler)).is_err() {
                handler.retire();
                retired.push(Rc::downgrade(handler));
            }
        }
    }

    /// Tells every client this, or serves them again.
    pub(super) fn tell(&self, failure: Option<Arc<str>>) {
        self.failure.replace(failure);
    }

    /// What every client is to be told.
    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.failure.borrow().clone()
    }

    /// Waits until the guests of all handlers, also of those that are served no more, are at rest.
    pub(super) async fn drain(&self) {
        let retired: Vec<_> = self.retired.borrow().iter().filter_map(Weak::upgrade).collect();
        for handler in self.get().handlers.iter().chain(&retired) {
            handler.drain().await;
        }
    }
}
