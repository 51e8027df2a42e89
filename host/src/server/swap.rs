//! Owns the change from one snapshot to the next on all loops: each makes what it will serve and tries
//! it, and only when all of them are ready does any of them serve it.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::mpsc;

use super::ground::Ground;
use super::serving::{Current, Serving};
use super::snapshot::Snapshot;
use crate::handlers::Failure;

/// What a loop is told.
pub(super) enum Swap {
    /// Make what this snapshot asks for, and try it. Requests go on to what is served now.
    Prepare(Arc<Snapshot>, SyncSender<Result<(), Unfit>>),
    /// Serve it from now on.
    Commit(SyncSender<()>),
    /// Forget it.
    Abandon,
    /// Answer every request with the reason why there is nothing to serve, as long as there is one.
    Tell(Option<Arc<str>>),
}

/// A handler of which no instance can be made.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) tenant: String,
    pub(super) handler: String,
    failure: Failure,
}

/// Why all loops still serve what they served before.
#[derive(Debug)]
pub(super) enum NotSwapped {
    /// A handler cannot be started.
    Unfit(Unfit),
    /// The server stops.
    Stopping,
}

impl std::fmt::Display for NotSwapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let NotSwapped::Unfit(Unfit { tenant, handler, failure }) = self else {
            return f.write_str("the server is about to stop");
        };
        write!(f, "the handler `{handler}` of the tenant `{tenant}` cannot be started: ")?;
        match failure {
            Failure::Trap(why) => write!(f, "it traps: {why}"),
            Failure::CpuLimit => f.write_str("it computes for longer than `cpu_ms` allows"),
            Failure::MemoryLimit => f.write_str("it wants more memory than `memory_mib` allows"),
            Failure::WallLimit => f.write_str("it takes longer than `wall_ms` allows"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl std::error::Error for NotSwapped {}

/// Swaps that may wait for a loop: they come one after the other.
const SWAPS_WAITING: usize = 4;

/// One loop's door for swaps.
pub(super) fn door() -> (mpsc::Sender<Swap>, mpsc::Receiver<Swap>) {
    mpsc::channel(SWAPS_WAITING)
}

/// The doors of all loops.
pub(super) struct Loops(pub(super) Vec<mpsc::Sender<Swap>>);

impl Loops {
    /// Has all loops ready to serve this. Blocks until they are.
    ///
    /// # Errors
    /// When one of them could not serve it. None of them is ready then.
    pub(super) fn prepare(&self, snapshot: &Arc<Snapshot>) -> Result<(), NotSwapped> {
        let prepared = self.all_prepared(snapshot);
        if prepared.is_err() {
            self.abandon();
        }
        prepared
    }

    /// Has all loops forget what they are ready for.
    pub(super) fn abandon(&self) {
        for door in &self.0 {
            // A loop that is gone has forgotten it.
            let _ = door.blocking_send(Swap::Abandon);
        }
    }

    /// Has all loops answer every request with the reason why there is nothing to serve, or no more.
    pub(super) fn tell(&self, failure: Option<&str>) {
        let failure: Option<Arc<str>> = failure.map(Arc::from);
        for door in &self.0 {
            // A loop that is gone answers no one.
            let _ = door.blocking_send(Swap::Tell(failure.clone()));
        }
    }

    /// Has all loops serve what they are ready for. Blocks until they do: when it returns, no request
    /// that comes from then on is served by anything else.
    ///
    /// # Errors
    /// When the server stops.
    pub(super) fn commit(&self) -> Result<(), NotSwapped> {
        let committed: Vec<_> = self
            .0
            .iter()
            .map(|door| {
                let (report, done) = sync_channel(1);
                door.blocking_send(Swap::Commit(report)).map(|()| done)
            })
            .collect();
        for done in committed {
            let done = done.map_err(|_| NotSwapped::Stopping)?;
            done.recv().map_err(|_| NotSwapped::Stopping)?;
        }
        Ok(())
    }

    fn all_prepared(&self, snapshot: &Arc<Snapshot>) -> Result<(), NotSwapped> {
        let mut waiting = Vec::new();
        for door in &self.0 {
            let (report, outcome) = sync_channel(1);
            let told = door.blocking_send(Swap::Prepare(snapshot.clone(), report));
            told.map_err(|_| NotSwapped::Stopping)?;
            waiting.push(outcome);
        }
        for outcome in waiting {
            let outcome = outcome.recv().map_err(|_| NotSwapped::Stopping)?;
            outcome.map_err(NotSwapped::Unfit)?;
        }
        Ok(())
    }
}

/// Does what a loop is told, one after the other, as long as the loop turns.
pub(super) async fn attend(mut swaps: mpsc::Receiver<Swap>, ground: Ground, current: Rc<Current>) {
    let mut prepared = None;
    while let Some(swap) = swaps.recv().await {
        match swap {
            Swap::Prepare(snapshot, report) => {
                let before = current.get();
                let next = ground.serving(&snapshot, Some(&before));
                let outcome = warm(&before, &next).await;
                prepared = Some(next);
                // Who asked may have given up: then it is forgotten with the next.
                let _ = report.send(outcome);
            }
            Swap::Commit(report) => {
                if let Some(next) = prepared.take() {
                    ground.client.allow_connections(next.snapshot.outbound_connections);
                    current.replace(next);
                }
                let _ = report.send(());
            }
            Swap::Tell(failure) => current.tell(failure),
            Swap::Abandon => {
                if let Some(next) = prepared.take() {
                    additions(&current.get(), &next).for_each(|handler| handler.retire());
                }
            }
        }
    }
}

/// Tries the handlers that are new.
async fn warm(before: &Serving, next: &Serving) -> Result<(), Unfit> {
    let new: HashSet<_> = additions(before, next).map(Rc::as_ptr).collect();
    for (served, handler) in next.handlers() {
        if new.contains(&Rc::as_ptr(handler)) {
            let Err(failure) = handler.warm().await else { continue };
            // No room now says nothing of the handler, and a full tenant must not hold up the others.
            if is_for_want_of_room(&failure) {
                continue;
            }
            let tenant = served.config.tenant.clone();
            let handler = served.config.name.clone();
            return Err(Unfit { tenant, handler, failure });
        }
    }
    Ok(())
}

fn is_for_want_of_room(failure: &Failure) -> bool {
    matches!(failure, Failure::NoInstance | Failure::TenantInstances | Failure::TenantMemory)
}

/// The handlers of the next that are not of the one before.
fn additions<'a>(
    before: &Serving,
    next: &'a Serving,
) -> impl Iterator<Item = &'a Rc<crate::handlers::Handler>> {
    let known: HashSet<_> = before.handlers.iter().map(Rc::as_ptr).collect();
    next.handlers.iter().filter(move |handler| !known.contains(&Rc::as_ptr(handler)))
}
