//! Owns how many files a loop may have open to send them in pieces: each is a descriptor.

use std::cell::Cell;
use std::rc::Rc;

/// The places of one loop. Cheap to clone.
#[derive(Clone)]
pub struct OpenFiles {
    taken: Rc<Cell<usize>>,
    most: usize,
}

/// One of them, free again when it is dropped.
pub(super) struct Place(Rc<Cell<usize>>);

impl OpenFiles {
    /// So many places, all of them free.
    pub fn new(most: usize) -> Self {
        OpenFiles { taken: Rc::default(), most }
    }

    /// A place, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        let taken = self.taken.get();
        (taken < self.most).then(|| {
            self.taken.set(taken + 1);
            Place(self.taken.clone())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
