//! Owns the instances of `reuse` that serve no one at the moment. They give way when their tenant has
//! no more memory or no more instances for those at work, on whatever loop that is; hence the lock.

use std::sync::{Arc, Mutex};

use super::exclusive::Instance;
use crate::engine::{Budget, Reserve};

/// Instances at rest, of one handler on one loop.
#[derive(Default)]
pub(super) struct Idle {
    instances: Mutex<Vec<Instance>>,
}

impl Idle {
    /// None yet; what will rest here counts against this budget.
    pub(super) fn new(budget: &Budget) -> Arc<Self> {
        let idle = Arc::new(Idle::default());
        let weak = Arc::downgrade(&idle);
        budget.add_reserve(weak);
        idle
    }

    /// The instance used last.
    pub(super) fn pop(&self) -> Option<Instance> {
        self.instances.lock().expect("idle instances").pop()
    }

    pub(super) fn push(&self, instance: Instance) {
        self.instances.lock().expect("idle instances").push(instance);
    }

    pub(super) fn len(&self) -> usize {
        self.instances.lock().expect("idle instances").len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all of them.
    pub(super) fn clear(&self) {
        let instances = std::mem::take(&mut *self.instances.lock().expect("idle instances"));
        drop(instances);
    }

    /// Takes out those in front, as long as they are so.
    pub(super) fn take_while(&self, is_so: impl Fn(&Instance) -> bool) -> Vec<Instance> {
        let mut instances = self.instances.lock().expect("idle instances");
        let count = instances.iter().take_while(|instance| is_so(instance)).count();
        instances.drain(..count).collect()
    }
}

impl Reserve for Idle {
    fn give_up(&self) {
        self.clear();
    }
}
