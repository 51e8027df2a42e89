//! Owns the threads on which components are compiled. Without them Cranelift would take those that all
//! programs of the process share, which are as important as whoever made them.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// As many threads as there are cores, from the first compilation on.
pub struct CompileThreads {
    /// None: the system has refused them.
    pool: OnceLock<Option<ThreadPool>>,
    at_start: fn(),
}

impl CompileThreads {
    /// Threads that do this first, once they are made.
    pub(super) fn new(at_start: fn()) -> Self {
        CompileThreads { pool: OnceLock::new(), at_start }
    }

    /// Does work on one of them, and in parallel on all what it divides. Blocks.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let at_start = self.at_start;
        let pool = self.pool.get_or_init(|| {
            ThreadPoolBuilder::new()
                .thread_name(|index| format!("compile-{index}"))
                .start_handler(move |_| at_start())
                .build()
                .ok()
        });
        match pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}
