//! Owns what a tenant keeps on the disk, all of it together: how many bytes that are, and how many it may
//! have.
//!
//! Without a limit nothing is counted. With one, what is there is measured by a walk through the tenant's
//! folder, and from one measurement to the next what grows is taken and what goes is given back. So the
//! count may be wrong for a while, and the next measurement puts it right.
//!
//! Whoever takes may have to measure first, which blocks: all but [`Storage::is_limited`] is for host
//! threads and for threads that may wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use super::tenant::Limit;
use crate::limits;
use crate::observe::{Line, Log, TenantMetrics};

/// The account of a tenant. Cheap to clone.
#[derive(Clone)]
pub struct Storage(Arc<Account>);

/// There is not so much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageFull;

impl std::fmt::Display for StorageFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the tenant's storage is full")
    }
}

impl std::error::Error for StorageFull {}

/// A way through everything that a tenant keeps.
pub trait Walk: Send {
    /// Looks at so many entries of folders.
    fn go_on(&mut self, entries: usize) -> Walked;

    /// The bytes of those that it has looked at.
    fn bytes(&self) -> u64;
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// There is more.
    OnTheWay,
    /// It has seen everything.
    ToTheEnd,
    /// It has left something out: there is more than it can keep in mind.
    AsFarAsItCan,
}

struct Account {
    max: AtomicU64,
    metrics: Arc<TenantMetrics>,
    base: Instant,
    /// Milliseconds after `base` when it was measured, and one; 0: not yet.
    measured: AtomicU64,
    /// Someone was refused since, or is about to be.
    is_short: AtomicBool,
    /// Bytes that were taken since the walk under way began.
    grown: AtomicU64,
    /// Whether someone has the turn of those who take something away.
    has_turn: AtomicBool,
    /// Milliseconds after `base` when the log was told last, and one; 0: never.
    told: AtomicU64,
    place: Mutex<Place>,
}

/// Begins a walk.
type Begin = Box<dyn Fn() -> Box<dyn Walk> + Send>;

/// Where the tenant keeps things.
#[derive(Default)]
struct Place {
    begin: Option<Begin>,
    walk: Option<Box<dyn Walk>>,
    log: Option<Log>,
}

/// The turn of one that takes something away. Dropped, it is the next one's.
pub struct Turn(Storage);

impl Turn {
    /// So many bytes have gone.
    pub fn give_back(self, bytes: u64) {
        self.0.give_back(bytes);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.has_turn.store(false, Ordering::Release);
    }
}

impl Storage {
    pub(super) fn new(metrics: Arc<TenantMetrics>) -> Self {
        Storage(Arc::new(Account {
            max: AtomicU64::new(limits::TENANT_UNLIMITED),
            metrics,
            base: Instant::now(),
            measured: AtomicU64::default(),
            is_short: AtomicBool::default(),
            grown: AtomicU64::default(),
            has_turn: AtomicBool::default(),
            told: AtomicU64::default(),
            place: Mutex::default(),
        }))
    }

    /// Says how what there is can be measured, and who is told when it is too much.
    pub fn keep(&self, log: Log, begin: impl Fn() -> Box<dyn Walk> + Send + 'static) {
        let mut place = self.0.place.lock().expect("a tenant's place");
        *place = Place { begin: Some(Box::new(begin)), walk: None, log: Some(log) };
    }

    /// Sets the limit, in bytes. What is there stays.
    pub(super) fn set(&self, max: u64) {
        let mut place = self.0.place.lock().expect("a tenant's place");
        let was_counted = self.is_limited();
        let is_counted = max != limits::TENANT_UNLIMITED;
        if is_counted && !was_counted {
            // What came and went meanwhile was not counted.
            place.walk = None;
            self.0.metrics.storage.store(0, Ordering::Relaxed);
            self.0.measured.store(0, Ordering::Relaxed);
        }
        self.0.metrics.counts_storage.store(is_counted, Ordering::Relaxed);
        self.0.max.store(max, Ordering::Relaxed);
    }

    /// Whether anything is counted at all.
    pub fn is_limited(&self) -> bool {
        self.0.max.load(Ordering::Relaxed) != limits::TENANT_UNLIMITED
    }

    /// Takes so many bytes, which are about to be written. Blocks.
    ///
    /// # Errors
    /// When not so many are left.
    pub fn take(&self, bytes: u64) -> Result<(), StorageFull> {
        if bytes == 0 || !self.is_limited() {
            return Ok(());
        }
        self.measure();
        if self.add_within(bytes) {
            return Ok(());
        }
        // Some of what is counted may have gone.
        self.0.is_short.store(true, Ordering::Relaxed);
        self.measure();
        if self.add_within(bytes) {
            return Ok(());
        }
        self.refused();
        Err(StorageFull)
    }

    /// The turn of whoever is about to take something away: from a look at how much that is to the moment when
    /// it has gone. None without a limit, or when someone else has it: then what goes is given back by the
    /// next measurement. Were two to look at the same thing, it would be given back twice.
    pub fn turn(&self) -> Option<Turn> {
        let is_free = self.is_limited() && !self.0.has_turn.swap(true, Ordering::AcqRel);
        is_free.then(|| Turn(self.clone()))
    }

    /// So many bytes that were taken were not needed.
    pub fn give_back(&self, bytes: u64) {
        if self.is_limited() {
            let less = |used: u64| Some(used.saturating_sub(bytes));
            let _ = self.0.metrics.storage.try_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Something has another length than before, whatever the limit is.
    pub fn resized(&self, before: u64, after: u64) {
        match after.checked_sub(before) {
            Some(more) if self.is_limited() => {
                self.0.metrics.storage.fetch_add(more, Ordering::Relaxed);
                self.0.grown.fetch_add(more, Ordering::Relaxed);
            }
            Some(_) => {}
            None => self.give_back(before - after),
        }
    }

    /// The bytes that are left. Blocks.
    pub fn left(&self) -> u64 {
        self.measure();
        let max = self.0.max.load(Ordering::Relaxed);
        max.saturating_sub(self.0.metrics.storage.load(Ordering::Relaxed))
    }

    /// Someone was refused for the limit: that is counted, and told from time to time.
    pub fn refused(&self) {
        let Account { metrics, is_short, told, place, .. } = &*self.0;
        is_short.store(true, Ordering::Relaxed);
        metrics.refused(Limit::Storage.name());
        let (now, before) = (self.now(), told.load(Ordering::Relaxed));
        let is_new =
            before == 0 || now.saturating_sub(before) >= millis(limits::STORAGE_TOLD_AGAIN);
        if is_new
            && told.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && let Some(log) = &place.lock().expect("a tenant's place").log
        {
            let line = Line::new("server").text("event", "tenant-full");
            let line = line.text("code", Limit::Storage.code()).text("tenant", &metrics.name);
            log.write(line);
        }
    }

    /// Measures what is there if that is due, for as long as one job may. Blocks.
    pub fn measure(&self) {
        if !self.is_limited() || !self.is_due() {
            return;
        }
        let is_first = self.0.measured.load(Ordering::Relaxed) == 0;
        let mut place = match self.0.place.try_lock() {
            Ok(place) => place,
            // Nothing is known yet, so the others wait for who finds it out.
            Err(TryLockError::WouldBlock) if is_first => {
                self.0.place.lock().expect("a tenant's place")
            }
            Err(_) => return,
        };
        if self.is_due() {
            self.go_on(&mut place, is_first);
        }
    }

    fn go_on(&self, place: &mut Place, is_first: bool) {
        let Account { metrics, measured, is_short, grown, .. } = &*self.0;
        let Place { begin: Some(begin), walk, .. } = place else { return };
        let under_way = walk.get_or_insert_with(|| {
            grown.store(0, Ordering::Relaxed);
            begin()
        });
        let walked = under_way.go_on(limits::STORAGE_ENTRIES_PER_JOB);
        // What has grown meanwhile may have been seen already, and is counted twice until the next time.
        let there = under_way.bytes().saturating_add(grown.load(Ordering::Relaxed));
        match walked {
            Walked::OnTheWay if !is_first => {}
            Walked::OnTheWay | Walked::ToTheEnd => metrics.storage.store(there, Ordering::Relaxed),
            Walked::AsFarAsItCan => _ = metrics.storage.fetch_max(there, Ordering::Relaxed),
        }
        if walked != Walked::OnTheWay {
            *walk = None;
            is_short.store(false, Ordering::Relaxed);
            measured.store(self.now(), Ordering::Relaxed);
        }
    }

    fn is_due(&self) -> bool {
        let measured = self.0.measured.load(Ordering::Relaxed);
        let again = match self.0.is_short.load(Ordering::Relaxed) {
            true => limits::STORAGE_MEASURED_WHEN_FULL,
            false => limits::STORAGE_MEASURED_AGAIN,
        };
        measured == 0 || self.now() - measured >= millis(again)
    }

    fn add_within(&self, bytes: u64) -> bool {
        let max = self.0.max.load(Ordering::Relaxed);
        let within = |used: u64| used.checked_add(bytes).filter(|used| *used <= max);
        let used = &self.0.metrics.storage;
        let is_within = used.try_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
        if is_within {
            self.0.grown.fetch_add(bytes, Ordering::Relaxed);
        }
        is_within
    }

    /// Never 0, and never less than before.
    fn now(&self) -> u64 {
        millis(self.0.base.elapsed()) + 1
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
