//! Owns what one loop serves: the snapshot's handlers as they live on this loop. It is replaced whole.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use http::{Method, Request};

use super::passage::Passage;
use super::routing::{Lead, Route, Target};
use super::snapshot::{ServedHandler, ServedModule, Snapshot};
use crate::assets::Assets;
use crate::config::CorsConfig;
use crate::handlers::Handler;
use crate::jobs::ModuleRunner;

/// What one loop serves at a time.
pub(super) struct Serving {
    pub(super) snapshot: Arc<Snapshot>,
    /// In the order of the snapshot.
    pub(super) handlers: Vec<Rc<Handler>>,
    /// In the order of the snapshot.
    pub(super) runners: Vec<Arc<ModuleRunner>>,
    /// In the order of the snapshot.
    pub(super) folders: Vec<Rc<Assets>>,
}

/// Who answers a request.
pub(super) enum Way {
    /// A handler, with what it was made of; and the way through the plug-ins before it.
    Handler(Arc<Route>, Arc<ServedHandler>, Rc<Handler>, Option<Box<Passage>>),
    Folder(Arc<Route>, Rc<Assets>),
    Redirect(Arc<Route>),
    /// A browser asks what it may do.
    Preflight(Arc<CorsConfig>),
    /// There are routes for other methods only.
    OtherMethods(Vec<Method>),
    Nowhere,
}

impl Way {
    /// The handler that answers, if it is one.
    pub(super) fn handler(&self) -> Option<&Rc<Handler>> {
        match self {
            Way::Handler(_, _, handler, _) => Some(handler),
            _ => None,
        }
    }

    /// Who may read the answer, if the route says so.
    pub(super) fn cors(&self) -> Option<&CorsConfig> {
        match self {
            Way::Handler(route, ..) | Way::Folder(route, _) | Way::Redirect(route) => {
                route.cors.as_deref()
            }
            _ => None,
        }
    }
}

impl Serving {
    /// Who answers a request.
    pub(super) fn find<B>(&self, request: &Request<B>) -> Way {
        let route = match self.snapshot.routing.find(request) {
            Lead::Route(route) => route,
            Lead::Preflight(cors) => return Way::Preflight(cors),
            Lead::OtherMethods(methods) => return Way::OtherMethods(methods),
            Lead::Nowhere => return Way::Nowhere,
        };
        match route.target {
            Target::Handler(place) => {
                let served = self.snapshot.handlers[place].clone();
                let passage = self.passage(&route.plugins, place);
                Way::Handler(route, served, self.handlers[place].clone(), passage)
            }
            Target::Folder(place) => Way::Folder(route, self.folders[place].clone()),
            Target::Redirect(_) => Way::Redirect(route),
        }
    }

    /// The way of one request through these plug-ins to a handler, if there are any.
    fn passage(&self, plugins: &[usize], handler: usize) -> Option<Box<Passage>> {
        if plugins.is_empty() {
            return None;
        }
        let places = plugins.iter().copied().chain([handler]);
        let links =
            places.map(|at| (self.snapshot.handlers[at].clone(), self.handlers[at].clone()));
        Some(Box::new(Passage::new(links)))
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
