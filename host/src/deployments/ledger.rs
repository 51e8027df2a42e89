//! Owns what is known of the versions of each handler. Pure.

use serde::{Deserialize, Serialize};

use crate::limits;

/// All handlers that have been deployed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// One entry a handler.
    pub handlers: Vec<Record>,
}

/// The versions of one handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub handler: String,
    /// The path below which it answers, when `hob.toml` has no such handler.
    pub path: Option<String>,
    /// Whether `hob.toml` had the handler when it was deployed last: its place, and who guards it, are there.
    #[serde(default)]
    pub of_file: bool,
    /// In the order of their deployment.
    pub versions: Vec<Version>,
    /// The one that is served; none: that of `hob.toml`.
    pub current: Option<String>,
    /// Those that were served before it, the last one last. One that was never served is not there.
    #[serde(default)]
    pub history: Vec<String>,
}

/// One content of a handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Names it: the beginning of its digest.
    pub id: String,
    /// The SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// The length of its component.
    pub bytes: u64,
    /// When it was deployed, in seconds since 1970.
    pub deployed: u64,
    /// What has become of it.
    pub state: State,
}

/// What has become of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It may be served.
    Ready,
    /// It has failed its first requests and was taken back.
    Failed(String),
}

/// There is no version to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchVersion;

/// A version that is kept has the same name and another content: it has this digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTaken(pub String);

/// How much of a digest names a version: enough for a person to tell them apart, and to type.
pub const ID_LENGTH: usize = 12;

impl Version {
    /// A version that may be served.
    pub fn new(digest: String, bytes: u64, deployed: u64) -> Self {
        let id = digest[..ID_LENGTH].to_owned();
        Version { id, digest, bytes, deployed, state: State::Ready }
    }
}

impl Ledger {
    /// What is known of a handler.
    pub fn find(&self, tenant: &str, handler: &str) -> Option<&Record> {
        self.handlers.iter().find(|one| one.tenant == tenant && one.handler == handler)
    }

    fn find_mut(&mut self, tenant: &str, handler: &str) -> Option<&mut Record> {
        self.handlers.iter_mut().find(|one| one.tenant == tenant && one.handler == handler)
    }

    /// Has a version served.
    ///
    /// # Errors
    /// When another version has its name. Nothing has changed then.
    pub fn deploy(
        &mut self,
        tenant: &str,
        handler: &str,
        path: Option<String>,
        version: Version,
    ) -> Result<(), NameTaken> {
        let id = version.id.clone();
        let record = self.add(tenant, handler, version)?;
        if path.is_some() {
            record.path = path;
        }
        record.serve(id);
        record.forget_surplus();
        Ok(())
    }

    /// Keeps a version that is not served, but perhaps by a name of its own.
    ///
    /// # Errors
    /// When another version has its name. Nothing has changed then.
    pub fn keep(
        &mut self,
        tenant: &str,
        handler: &str,
        path: Option<String>,
        version: Version,
    ) -> Result<(), NameTaken> {
        let record = self.add(tenant, handler, version)?;
        // Of one that answers already, the place is not this version's to say.
        if record.current.is_none() && path.is_some() {
            record.path = path;
        }
        record.forget_surplus();
        Ok(())
    }

    /// Notes whether `hob.toml` has the handler.
    pub fn note_of_file(&mut self, tenant: &str, handler: &str, of_file: bool) {
        if let Some(record) = self.find_mut(tenant, handler) {
            record.of_file = of_file;
        }
    }

    fn add(
        &mut self,
        tenant: &str,
        handler: &str,
        version: Version,
    ) -> Result<&mut Record, NameTaken> {
        if self.find(tenant, handler).is_none() {
            let (tenant, handler) = (tenant.to_owned(), handler.to_owned());
            let (versions, history) = (Vec::new(), Vec::new());
            let (path, current, of_file) = (None, None, false);
            self.handlers.push(Record {
                tenant,
                handler,
                path,
                of_file,
                versions,
                current,
                history,
            });
        }
        let record = self.find_mut(tenant, handler).expect("added above");
        let is_another =
            |known: &&Version| known.id == version.id && known.digest != version.digest;
        if let Some(other) = record.versions.iter().find(is_another) {
            return Err(NameTaken(other.digest.clone()));
        }
        record.versions.retain(|known| known.digest != version.digest);
        record.versions.push(version);
        Ok(record)
    }

    /// Has an earlier version served: this one, or that which was served before, of those that have not
    /// failed. Where there is none, that of `hob.toml`, if it has one: `has_own`.
    ///
    /// # Errors
    /// When there is none to go to.
    pub fn roll_back(
        &mut self,
        tenant: &str,
        handler: &str,
        to: Option<&str>,
        has_own: bool,
    ) -> Result<(), NoSuchVersion> {
        let record = self.find_mut(tenant, handler).ok_or(NoSuchVersion)?;
        if let Some(id) = to {
            let known = record.versions.iter().find(|version| version.id == id);
            let id = known.ok_or(NoSuchVersion)?.id.clone();
            record.serve(id);
            return Ok(());
        }
        let current = record.current.clone().ok_or(NoSuchVersion)?;
        let before = record.take_before(&current);
        if before.is_none() && !has_own {
            return Err(NoSuchVersion);
        }
        record.current = before;
        Ok(())
    }

    /// Has no version served.
    pub fn serve_none(&mut self, tenant: &str, handler: &str) {
        if let Some(record) = self.find_mut(tenant, handler) {
            record.current = None;
        }
    }

    /// Notes that a version has failed.
    pub fn fail(&mut self, tenant: &str, handler: &str, id: &str, why: &str) {
        let record = self.find_mut(tenant, handler);
        let version = record.and_then(|one| one.versions.iter_mut().find(|known| known.id == id));
        if let Some(version) = version {
            version.state = State::Failed(why.to_owned());
        }
    }

    /// Forgets all versions of a handler.
    ///
    /// # Errors
    /// When there are none.
    pub fn undeploy(&mut self, tenant: &str, handler: &str) -> Result<(), NoSuchVersion> {
        let before = self.handlers.len();
        self.handlers.retain(|one| one.tenant != tenant || one.handler != handler);
        if self.handlers.len() == before { Err(NoSuchVersion) } else { Ok(()) }
    }

    /// Whether a component is that of any version.
    pub fn has(&self, digest: &str) -> bool {
        let mut versions = self.handlers.iter().flat_map(|one| &one.versions);
        versions.any(|version| version.digest == digest)
    }
}

impl Record {
    /// Forgets the oldest versions when there are too many, but not the one that is served.
    fn forget_surplus(&mut self) {
        while self.versions.len() > limits::VERSIONS_KEPT {
            let is_spare = |version: &Version| self.current.as_ref() != Some(&version.id);
            let Some(oldest) = self.versions.iter().position(is_spare) else { return };
            self.versions.remove(oldest);
        }
    }

    /// The version that is served.
    pub fn current(&self) -> Option<&Version> {
        let current = self.current.as_ref()?;
        self.versions.iter().find(|version| version.id == *current)
    }

    /// Has a version served from now on.
    fn serve(&mut self, id: String) {
        if let Some(before) = self.current.replace(id) {
            self.history.push(before);
        }
        let surplus = self.history.len().saturating_sub(limits::VERSIONS_KEPT);
        self.history.drain(..surplus);
    }

    /// The version that was served before, if one is kept that has not failed.
    fn take_before(&mut self, current: &str) -> Option<String> {
        loop {
            let id = self.history.pop()?;
            let is_good = |version: &Version| version.id == id && version.state == State::Ready;
            if id != current && self.versions.iter().any(is_good) {
                return Some(id);
            }
        }
    }
}
