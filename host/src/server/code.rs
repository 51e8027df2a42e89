//! Owns what a start makes of a configuration and the versions that were deployed, and what it does without,
//! so that the rest is served.

use super::StartError;
use super::control::{self, Previews};
use super::deployed::{Builder, Deployed, Files};
use super::notice::{Notice, PassedOver};
use super::set_aside::{Aside, SetAside};
use super::unfit::Unfit;
use crate::capabilities::Additions;
use crate::config::Config;
use crate::deployments::{Ledger, Record, Store, StoreFault};
use crate::engine::{Cache, ComponentFile, Engines};
use crate::event_loop::compute_beside_loops;

/// What is to be served, compiled and linked.
pub struct Code {
    pub(super) engines: Engines,
    pub(super) cache: Cache,
    pub(super) additions: Additions,
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    /// The configuration with the versions that were deployed.
    pub(super) whole: Config,
    pub(super) deployed: Deployed,
    /// Why nothing can be deployed, if so.
    fault: Option<StoreFault>,
    /// The versions that are not whole.
    passed_over: Vec<PassedOver>,
    /// The versions that are to be served and do not fit what is configured.
    unfit: Vec<Unfit>,
    /// Those that are to be served and of which the configuration leaves no place.
    without_place: Vec<Aside>,
    /// Why no version has a host name of its own, if they are to have one.
    without_previews: Option<StartError>,
    /// What is wrong with files of a folder that are not served.
    left_out: Vec<StartError>,
}

impl Code {
    /// Reads, compiles and links every file of a configuration, or of each handler the version that was
    /// deployed last. Handlers may import what is added. `compiling` is told of each file whose compiled
    /// code is not in the cache.
    ///
    /// A version that does not fit is set aside. Where the configuration says so (`leaves_out`), handlers
    /// whose file cannot be served are taken out of it.
    ///
    /// # Errors
    /// For the first of the others that cannot be served.
    pub fn build(
        config: &mut Config,
        cache: Cache,
        additions: Additions,
        mut compiling: impl FnMut(&ComponentFile),
    ) -> Result<Self, StartError> {
        let opened = Store::open(&config.deployments_folder(), config.admin.is_some());
        let (store, ledger, fault) = opened.map_err(StartError::Deployments)?;
        let mut code = Code {
            engines: Engines::new(compute_beside_loops),
            cache,
            additions,
            store,
            ledger,
            whole: Config::default(),
            deployed: Deployed::default(),
            fault,
            passed_over: Vec::new(),
            unfit: Vec::new(),
            without_place: Vec::new(),
            without_previews: None,
            left_out: Vec::new(),
        };
        if config.leaves_out {
            let mut builder = code.builder(&mut compiling);
            let (left_out, deployed) = builder.leave_out(config, &Deployed::default());
            (code.left_out, code.deployed) = (left_out, deployed);
        }
        code.read_versions(config, &mut compiling)?;
        Ok(code)
    }

    /// Takes in what the process whose place this one takes has deployed since the ledger was read here.
    /// That process changes nothing any more.
    ///
    /// # Errors
    /// When a version or a file cannot be served: that process goes on with it, and this one would not.
    pub(super) fn catch_up(&mut self, config: &Config) -> Result<(), StartError> {
        // It has the folder until it has ended.
        self.fault = self.fault.take().filter(|fault| !matches!(fault, StoreFault::InUse(_)));
        let ledger = self.store.read().map_err(StartError::Deployments)?;
        if ledger != self.ledger {
            self.ledger = ledger;
            self.read_versions(config, &mut |_| ())?;
        }
        let unfit = self.unfit.drain(..).map(|unfit| StartError::Version(Box::new(unfit)));
        match unfit.chain(self.left_out.drain(..)).next() {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// What is to be said of the start.
    pub(super) fn notices(&mut self) -> Vec<Notice> {
        let set_aside = self.set_aside();
        let set_aside = set_aside.all().map(|one| Notice::from(one.clone()));
        let passed_over = self.passed_over.drain(..).map(Notice::from);
        let without_previews = self.without_previews.take().map(|fault| fault.to_string());
        let without_previews = without_previews.map(Notice::without_previews);
        let left_out = self.left_out.drain(..).map(|fault| Notice::left_out(fault.to_string()));
        let fault = self.fault.take().map(Notice::from);
        let of_versions = passed_over.chain(set_aside).chain(without_previews);
        of_versions.chain(left_out).chain(fault).collect()
    }

    /// The versions that are set aside.
    pub(super) fn set_aside(&self) -> SetAside {
        let mut set_aside = SetAside::of(&self.unfit);
        for aside in &self.without_place {
            set_aside.add(aside.clone());
        }
        set_aside
    }

    /// Makes code of what the ledger says. What is here already is taken as it is.
    fn read_versions(
        &mut self,
        config: &Config,
        compiling: &mut dyn FnMut(&ComponentFile),
    ) -> Result<(), StartError> {
        self.passed_over = control::pass_over(config, &mut self.ledger, &self.store);
        self.without_place = control::without_place(config, &self.ledger).collect();
        self.unfit.clear();
        self.without_previews = None;
        let made = self.make(config, Previews::With, compiling);
        match made {
            // What is only kept must not keep the rest from being served.
            Err(fault) if config.deploy.preview_host.is_some() => {
                self.make(config, Previews::Without, compiling)?;
                self.without_previews = Some(fault);
                Ok(())
            }
            made => made,
        }
    }

    /// The same with host names for versions, or without. A version that is to be served and does not fit is
    /// set aside: it must not keep the rest from being served either.
    fn make(
        &mut self,
        config: &Config,
        previews: Previews,
        compiling: &mut dyn FnMut(&ComponentFile),
    ) -> Result<(), StartError> {
        loop {
            let set_aside = self.set_aside();
            let whole =
                control::with_versions(config, &self.ledger, &self.store, previews, &set_aside);
            let mut deployed = Deployed::default();
            let mut builder = self.builder(compiling);
            let filled = builder.fill(&mut deployed, &whole, &self.deployed, Files::AreTheSame);
            match filled {
                Ok(()) => {
                    (self.whole, self.deployed) = (whole, deployed);
                    return Ok(());
                }
                Err(StartError::Version(unfit)) if self.is_to_be_served(&unfit) => {
                    self.unfit.push(*unfit);
                    // What was made up to there is not made again.
                    self.deployed = deployed;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Whether a version is to be served, and not only kept.
    fn is_to_be_served(&self, unfit: &Unfit) -> bool {
        let current = self.ledger.find(&unfit.tenant, &unfit.handler).and_then(Record::current);
        current.is_some_and(|version| version.id == unfit.version)
    }

    fn builder<'a>(&'a self, compiling: &'a mut dyn FnMut(&ComponentFile)) -> Builder<'a> {
        Builder {
            engines: &self.engines,
            cache: &self.cache,
            additions: &self.additions,
            compiling,
            read: None,
        }
    }
}
