//! Owns the changes of what is served while the server runs. They are made one after the other, on a
//! thread of their own, for they read files and compile.

mod damage;
mod deploy;
mod overlay;
mod tenancy;
mod views;

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::assembly::Assembly;
use super::deployed::{Builder, Deployed, Files};
use super::notice::Notice;
use super::set_aside::{Aside, SetAside};
use super::snapshot::Snapshot;
use super::swap::{Loops, NotSwapped};
use super::{Site, StartError, Stop};
use crate::admin::{Answer, Denial, HandlerName, Operation, Operator};
use crate::config::Config;
use crate::deployments::{Ledger, Store, StoreFault};
use crate::engine::{Cache, ComponentFile, Engines};
use crate::event_loop::{Pending, Settle, give_way_to_loops};
use crate::limits;
use crate::observe::Line;
use crate::wire::{CertificateFiles, Identity};

pub(super) use damage::pass_over;
pub(super) use overlay::{Previews, with_versions, without_place};

/// Reads the configuration again, as it was read at the start. The error is for a person.
pub type ReadConfig = Box<dyn Fn() -> Result<Config, String> + Send>;

/// Changes what is served. Cheap to clone.
#[derive(Clone)]
pub struct Control(SyncSender<Order>);

/// What the thread is told.
pub(super) enum Order {
    /// An operator asks.
    Operate(Operation, Settle<Answer>),
    /// A version fails its first requests.
    TakeBack(HandlerName, String),
    /// There will be no more.
    End,
}

impl Operator for Control {
    fn operate(&self, operation: Operation) -> Pending<Answer> {
        let (settle, pending) = Pending::new();
        if let Err(refused) = self.0.try_send(Order::Operate(operation, settle)) {
            let (order, denial) = match refused {
                TrySendError::Full(order) => (order, Denial::Busy),
                TrySendError::Disconnected(order) => (order, Denial::Stopping),
            };
            if let Order::Operate(_, settle) = order {
                settle.settle(Err(denial));
            }
        }
        pending
    }
}

impl Control {
    /// Reads `hob.toml` again. What comes of it is said in the log only.
    pub fn reload(&self) {
        drop(self.operate(Operation::Reload));
    }

    /// Takes back a version, if it is served yet. When too much else waits, the version is judged
    /// again at its next request.
    pub(super) fn take_back(&self, name: HandlerName, version: String) -> bool {
        self.0.try_send(Order::TakeBack(name, version)).is_ok()
    }
}

/// A control whose thread has not started, and what that will be told.
pub(super) fn control() -> (Control, Receiver<Order>) {
    let (orders, receiver) = sync_channel(limits::CHANGES_WAITING_MAX);
    (Control(orders), receiver)
}

/// What makes changes, and knows what is served.
pub(super) struct Desk {
    pub(super) site: Arc<Site>,
    pub(super) engines: Engines,
    pub(super) cache: Cache,
    pub(super) assembly: Assembly,
    pub(super) loops: Loops,
    pub(super) read_config: ReadConfig,
    /// As it was read last, without the versions that were deployed.
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    /// The versions of the ledger that are to be served and do not fit the configuration.
    pub(super) set_aside: SetAside,
    pub(super) deployed: Deployed,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) stop: Stop,
    /// What the second listener shows, if it speaks TLS.
    pub(super) identity: Option<Identity>,
    /// Where the public side listens.
    pub(super) public: SocketAddr,
}

/// What is to be served from now on.
struct Change {
    config: Config,
    ledger: Ledger,
    set_aside: SetAside,
    files: Files,
    /// The handler whose version is judged by its first requests.
    on_trial: Option<HandlerName>,
    /// Whether a version is to have a host name of its own, and nothing else.
    is_preview: bool,
    /// The component of a version that is new, as it lies in the store.
    component: Option<ComponentFile>,
}

/// Why there was no change.
enum NotChanged {
    Start(StartError),
    Swap(NotSwapped),
    Store(StoreFault),
}

impl From<NotChanged> for Denial {
    fn from(reason: NotChanged) -> Self {
        match reason {
            NotChanged::Start(error) => Denial::Refused(error.to_string()),
            NotChanged::Swap(NotSwapped::Stopping) => Denial::Stopping,
            NotChanged::Swap(error) => Denial::Refused(error.to_string()),
            NotChanged::Store(error) => Denial::Failed(error.to_string()),
        }
    }
}

impl Desk {
    /// Makes changes on a thread of its own, until it is told to end. The receiver is disconnected when
    /// it has.
    pub(super) fn start(
        mut self,
        orders: Receiver<Order>,
    ) -> io::Result<(JoinHandle<()>, Receiver<()>)> {
        let (at_work, ended) = sync_channel(0);
        let attend = move || {
            let _at_work: SyncSender<()> = at_work;
            give_way_to_loops();
            for order in &orders {
                match order {
                    Order::Operate(operation, settle) => {
                        settle.settle(self.alone(|desk| desk.operate(operation)));
                    }
                    Order::TakeBack(name, version) => {
                        let taken = |desk: &mut Desk| {
                            desk.take_back(&name, &version);
                            Ok(serde_json::Value::Null)
                        };
                        // What came of it is in the log.
                        let _ = self.alone(taken);
                    }
                    Order::End => break,
                }
            }
            for order in orders.try_iter() {
                if let Order::Operate(_, settle) = order {
                    settle.settle(Err(Denial::Stopping));
                }
            }
        };
        let thread = std::thread::Builder::new().name("control".to_owned()).spawn(attend)?;
        Ok((thread, ended))
    }

    /// Does something while no sockets are handed over: the process that gets them reads the ledger then,
    /// and this one must not change it any more. A fault of ours ends the change and nothing else.
    fn alone(&mut self, act: impl FnOnce(&mut Self) -> Answer) -> Answer {
        let changing = self.stop.changing.clone();
        let may_change = changing.lock().expect("changes");
        if !*may_change {
            return Err(Denial::Stopping);
        }
        catch_unwind(AssertUnwindSafe(|| act(self))).unwrap_or_else(|_| {
            self.loops.abandon();
            Err(Denial::Failed("the change has failed by a fault of hob's own".to_owned()))
        })
    }

    /// The same with another version of a handler. Whether what was set aside of it is to be served now is for
    /// the change to find out.
    fn with_version(&self, name: &HandlerName, ledger: Ledger) -> Change {
        let config = self.config.clone();
        let set_aside = self.set_aside.without(name);
        let files = Files::AreTheSame;
        let (on_trial, is_preview, component) = (None, false, None);
        Change { config, ledger, set_aside, files, on_trial, is_preview, component }
    }

    fn operate(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Handlers(tenant) => self.handlers_view(tenant.as_deref()),
            Operation::Tenants => Ok(self.tenants_view()),
            Operation::Limits(tenant, changes) => self.change_limits(&tenant, &changes),
            Operation::Versions(name) => self.versions_view(&name),
            Operation::Deploy(deploy) => self.deploy(&deploy),
            Operation::RollBack(name, to) => self.roll_back(&name, to.as_deref()),
            Operation::Undeploy(name) => self.undeploy(&name),
            Operation::Reload => self.reload(),
            Operation::Drain => {
                self.stop.stop();
                Ok(serde_json::json!({ "draining": true }))
            }
        }
    }

    /// Reads `hob.toml` again. A bad one changes nothing.
    fn reload(&mut self) -> Answer {
        let mut left_out = Vec::new();
        let outcome = (self.read_config)().map_err(Denial::Refused).and_then(|mut config| {
            let needs_restart = config.what_needs_a_restart(&self.site.config);
            let before = self.snapshot.clone();
            let (mut files, ledger) = (Files::MayHaveChanged, self.ledger.clone());
            if config.leaves_out {
                files = Files::MayBeBroken;
                let (faults, _) = self.builder(&mut |_| ()).leave_out(&mut config, &self.deployed);
                left_out.extend(faults.iter().map(StartError::to_string));
                left_out.append(&mut config.left_out);
            }
            let mut set_aside = SetAside::default();
            for aside in without_place(&config, &ledger) {
                set_aside.add(aside);
            }
            let (on_trial, is_preview, component) = (None, false, None);
            // Read first: one that is wrong changes nothing either.
            let certificate = config.admin_certificate.as_ref().map(CertificateFiles::read);
            let certified = certificate
                .transpose()
                .map_err(StartError::Certificate)
                .map_err(NotChanged::Start)?;
            let change =
                Change { config, ledger, set_aside, files, on_trial, is_preview, component };
            self.serve_anew(change)?;
            if let (Some(identity), Some(certified)) = (&self.identity, certified) {
                identity.replace(certified);
            }
            Ok(self.reloaded(&before, needs_restart, left_out.clone()))
        });
        if self.site.config.tells_failures {
            let failure = outcome.as_ref().err().map(Denial::to_string);
            self.loops.tell(failure.as_deref());
        }
        for fault in &left_out {
            self.site
                .log
                .write(Line::new("server").text("event", "left-out").text("detail", fault));
        }
        if outcome.is_ok() {
            self.set_aside
                .all()
                .for_each(|one| self.site.log.write(Notice::from(one.clone()).line()));
        }
        let line = Line::new("server").text("event", "reloaded");
        self.site.log.write(match &outcome {
            Ok(_) => line,
            Err(denial) => line.text("refused", &denial.to_string()),
        });
        outcome
    }

    /// Serves this configuration with these versions from now on, on all loops; or all is as it was.
    fn serve(&mut self, change: Change) -> Result<(), NotChanged> {
        let prepared = self.prepare(&change)?;
        self.take_over(change, prepared)
    }

    /// The same of a configuration that was read again. What was set aside before and cannot be served by it
    /// either stays so.
    fn serve_anew(&mut self, mut change: Change) -> Result<(), NotChanged> {
        loop {
            match self.prepare(&change) {
                Ok(prepared) => return self.take_over(change, prepared),
                Err(reason) => {
                    let aside = self.still_aside(&reason);
                    if !aside.is_some_and(|aside| change.set_aside.add(aside)) {
                        return Err(reason);
                    }
                }
            }
        }
    }

    /// The version that was set aside and for which there was no change.
    fn still_aside(&self, reason: &NotChanged) -> Option<Aside> {
        let (tenant, handler, why) = match reason {
            NotChanged::Start(StartError::Version(unfit)) => {
                (&unfit.tenant, &unfit.handler, unfit.to_string())
            }
            NotChanged::Swap(fault @ NotSwapped::Unfit(unfit)) => {
                (&unfit.tenant, &unfit.handler, fault.to_string())
            }
            _ => return None,
        };
        let before = self.set_aside.find(tenant, handler)?;
        Some(Aside { why, ..before.clone() })
    }

    /// Serves what all loops are ready for.
    fn take_over(
        &mut self,
        change: Change,
        (deployed, snapshot): (Deployed, Arc<Snapshot>),
    ) -> Result<(), NotChanged> {
        let Change { config, ledger, set_aside, .. } = change;
        let written = (ledger != self.ledger).then(|| self.store.write(&ledger)).transpose();
        if let Err(fault) = written {
            self.loops.abandon();
            return Err(NotChanged::Store(fault));
        }
        // What is written down is served, now or after the next start.
        self.ledger = ledger;
        self.assembly.configure_tenants(&config);
        self.loops.commit().map_err(NotChanged::Swap)?;
        self.site.show(&snapshot);
        (self.config, self.set_aside) = (config, set_aside);
        (self.deployed, self.snapshot) = (deployed, snapshot);
        self.store.collect(&self.ledger);
        Ok(())
    }

    fn builder<'a>(&'a self, compiling: &'a mut dyn FnMut(&ComponentFile)) -> Builder<'a> {
        Builder {
            engines: &self.engines,
            cache: &self.cache,
            additions: &self.site.additions,
            compiling,
            read: None,
        }
    }

    /// Has all loops ready to serve it. A version that is only kept, and cannot be served as things are, is
    /// no reason to refuse the change of something else.
    fn prepare(&mut self, change: &Change) -> Result<(Deployed, Arc<Snapshot>), NotChanged> {
        let prepared = self.prepare_with(change, Previews::With);
        let has_previews = change.config.deploy.preview_host.is_some() && !change.is_preview;
        let fault = match &prepared {
            Err(NotChanged::Start(error)) if has_previews => error.to_string(),
            Err(NotChanged::Swap(error @ NotSwapped::Unfit(_))) if has_previews => {
                error.to_string()
            }
            _ => return prepared,
        };
        let without = self.prepare_with(change, Previews::Without)?;
        self.site.log.write(Notice::without_previews(fault).line());
        Ok(without)
    }

    fn prepare_with(
        &mut self,
        change: &Change,
        previews: Previews,
    ) -> Result<(Deployed, Arc<Snapshot>), NotChanged> {
        let Change { config, ledger, set_aside, files, on_trial, component, .. } = change;
        let whole = with_versions(config, ledger, &self.store, previews, set_aside);
        let read = component.as_ref();
        let deployed =
            Builder { read, ..self.builder(&mut |_| ()) }.deploy(&whole, &self.deployed, *files);
        let deployed = deployed.map_err(NotChanged::Start)?;
        self.site.ticker.tick_for(self.engines.made());
        let snapshot = self
            .assembly
            .assemble(&whole, &deployed, &self.snapshot, on_trial.as_ref())
            .map_err(NotChanged::Start)?;
        self.loops.prepare(&snapshot).map_err(NotChanged::Swap)?;
        Ok((deployed, snapshot))
    }
}

impl Control {
    /// Ends the thread once it has done what it was told before.
    pub(super) fn end(&self) {
        // It fails when the thread has ended, or has so much to do that it is not waited for.
        let _ = self.0.try_send(Order::End);
    }
}
