//! Owns what plug-ins may ask the shop for: the two interfaces of `wit/shop.wit` that it gives them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hob::wasmtime::component::{HasSelf, Linker};
use hob::{Extension, GuestState, NewGuest, Waiting, wasmtime};

use crate::bindings::discounts::Discounts;
use crate::bindings::discounts::shop::plugins::{cart, catalog, journal};
use crate::stock::Stock;

/// Lines of the journal that are kept.
const JOURNAL_LINES: usize = 1000;

/// What plug-ins have noted, each line behind the name of its plug-in; the oldest are forgotten.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<VecDeque<String>>>);

impl Journal {
    /// All lines that there are.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().expect("the journal").iter().cloned().collect()
    }

    fn add(&self, line: String) {
        let mut lines = self.0.lock().expect("the journal");
        if lines.len() == JOURNAL_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// What the shop adds to what plug-ins may import.
pub(crate) struct Imports {
    /// What it sells.
    pub(crate) stock: Arc<Stock>,
    /// Where they write.
    pub(crate) journal: Journal,
}

/// What the shop keeps for one instance of a plug-in.
pub(crate) struct Till {
    plugin: String,
    stock: Arc<Stock>,
    journal: Journal,
    waiting: Waiting,
}

impl Extension for Imports {
    type State = Till;

    /// The imports of the other world are the same.
    fn link(&self, linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
        Discounts::add_to_linker::<_, HasSelf<Till>>(linker, |guest| guest.extension())
    }

    fn state(&self, guest: NewGuest<'_>) -> Till {
        Till {
            plugin: guest.of.name.to_owned(),
            stock: self.stock.clone(),
            journal: self.journal.clone(),
            waiting: guest.waiting,
        }
    }
}

impl catalog::Host for Till {
    fn price(&mut self, sku: String) -> Option<u64> {
        self.stock.price(&sku)
    }

    /// The shop asks its warehouse as if that were slow: on a host thread, while other plug-ins run.
    async fn stock(&mut self, sku: String) -> u32 {
        let stock = self.stock.clone();
        let asked = self.waiting.blocking("warehouse.stock", move || stock.pieces(&sku)).await;
        // A warehouse that does not answer has nothing to sell.
        asked.unwrap_or(0)
    }
}

impl journal::Host for Till {
    fn note(&mut self, text: String) {
        self.journal.add(format!("{}: {text}", self.plugin));
    }
}

impl cart::Host for Till {}
