//! Owns what is said to an offload thread: which module is to do what, within which limits, and who is
//! told what came of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::held::{Held, HeldBytes};
use super::Error;
use super::caller::Caller;
use crate::event_loop::{OffloadJob, OffloadQueue, Running, Stopped};
use crate::limits;
use crate::observe::ModuleMetrics;
use crate::wire::RequestId;

/// What a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
    /// Linear memory of its instance, in bytes.
    pub memory_bytes: usize,
    /// Processor time.
    pub cpu: Duration,
    /// Time from its first turn to its end.
    pub wall: Duration,
    /// Time to its first turn.
    pub wait: Duration,
    /// Bytes of its input.
    pub input_bytes: usize,
    /// Bytes of its output.
    pub output_bytes: usize,
}

impl Default for JobLimits {
    fn default() -> Self {
        JobLimits {
            memory_bytes: limits::MEMORY_BYTES,
            cpu: limits::OFFLOAD_CPU,
            wall: limits::OFFLOAD_WALL,
            wait: limits::OFFLOAD_WAIT,
            input_bytes: limits::OFFLOAD_MIB_MAX * 1024 * 1024,
            output_bytes: limits::OFFLOAD_MIB_MAX * 1024 * 1024,
        }
    }
}

/// How a module takes its input and gives its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the parameter and the result of a call; messages are apart from them.
    Job,
    /// As messages.
    StreamingJob,
    /// As its standard input and output.
    Program,
}

/// A module as a handler may offload to it, on one loop. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    /// What runs its jobs.
    pub runner: Arc<dyn Runner>,
    /// Where they wait for their turn.
    pub queue: OffloadQueue,
    /// How it takes and gives.
    pub form: Form,
    /// What a job may use.
    pub limits: JobLimits,
    /// What is counted of it.
    pub metrics: Arc<ModuleMetrics>,
}

/// What runs the jobs of a module. It knows how; this room knows for whom.
pub trait Runner: Send + Sync {
    /// Runs one job to its end. Polled by offload threads.
    fn run(self: Arc<Self>, order: Order, stopped: Stopped) -> RunningJob;
}

/// A job on its way to its outcome.
pub type RunningJob = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A job's output, or why there is none.
pub type Outcome = Result<Vec<u8>, Error>;

/// One job.
pub struct Order {
    /// Its input, if it takes it as a parameter.
    pub input: Vec<u8>,
    /// A program's arguments, without its name.
    pub arguments: Vec<String>,
    /// Time from its first turn to its end.
    pub wall: Duration,
    /// The request it is done for.
    pub request: Option<RequestId>,
    /// Its way to whoever has ordered it.
    pub caller: Caller,
}

/// What has come of a job, with its output counted among what the tenant's calls hold.
pub(super) type Delivered = Result<(Vec<u8>, Held), Error>;

/// An order with all that it takes to carry it out.
pub(super) struct Ordered {
    pub(super) order: Order,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) output_bytes: usize,
    pub(super) held: HeldBytes,
    pub(super) report: Report,
    /// Its input counts as held as long as it is under way.
    pub(super) input: Held,
}

/// Who is told of a job's end, and counts it.
pub(super) struct Report {
    pub(super) metrics: Arc<ModuleMetrics>,
    /// Not here when the end was told.
    pub(super) outcome: Option<oneshot::Sender<Delivered>>,
}

impl Report {
    fn tell(&mut self, delivered: Delivered) {
        self.metrics.ended(delivered.as_ref().map_or_else(Error::name, |_| "ok"));
        if let Some(outcome) = self.outcome.take() {
            // Whoever has ordered it may be gone.
            let _ = outcome.send(delivered);
        }
    }
}

impl Drop for Report {
    /// A job that was dropped without an end was stopped, or has failed by a fault of ours.
    fn drop(&mut self) {
        if self.outcome.take().is_some() {
            let is_fault = std::thread::panicking();
            self.metrics.ended(if is_fault { "failed" } else { "cancelled" });
        }
    }
}

impl OffloadJob for Ordered {
    fn begin(self: Box<Self>, stopped: Stopped) -> Running {
        let Ordered { order, runner, output_bytes, held, mut report, input } = *self;
        let running = runner.run(order, stopped);
        Box::pin(async move {
            let outcome = running.await;
            drop(input);
            report.tell(outcome.and_then(|output| {
                if output.len() > output_bytes {
                    return Err(Error::OutputLimit);
                }
                let held = held.hold(output.len())?;
                Ok((output, held))
            }));
        })
    }

    fn expire(mut self: Box<Self>) {
        self.report.tell(Err(Error::Expired));
    }
}
