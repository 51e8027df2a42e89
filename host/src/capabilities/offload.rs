//! Owns `hob:host/offload`: what a handler may have done by a module beside the loop. How a module
//! runs is the `jobs` room's matter.

mod caller;
mod channel;
mod order;
mod program;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};

use super::GuestState;
use super::treaty::Interface;
use crate::engine::Generation;
use crate::event_loop::{OffloadTicket, OffloadWork, Refused};
use crate::limits;
use caller::{ProgressCell, WayOut};
use channel::{Receiver, Sender, channel};
use order::{Delivered, Ordered, Report};

pub(super) use caller::link as link_caller;
pub use caller::{Caller, HeldTooMuch, OutputLimitReached};
pub use order::{Form, JobLimits, Order, Outcome, Runner, RunningJob, Worker};
pub use program::{Assignment, Program};
pub(super) use program::{StderrTail, Stdout, StdoutSink};

/// Why a job gave no output; what the guest is told.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
pub enum Error {
    /// The handler is granted no such module.
    #[component(name = "unknown-module")]
    UnknownModule,
    /// The input or a message is too long.
    #[component(name = "too-large")]
    TooLarge,
    /// Too many wait already.
    #[component(name = "busy")]
    Busy,
    /// Its first turn did not come in time.
    #[component(name = "expired")]
    Expired,
    /// The options are not for such a module.
    #[component(name = "invalid")]
    Invalid(String),
    /// The job says so itself.
    #[component(name = "rejected")]
    Rejected(String),
    /// The program has ended with another exit code than 0.
    #[component(name = "exited")]
    Exited(Exit),
    /// It trapped.
    #[component(name = "trapped")]
    Trapped(String),
    /// It wanted too much memory.
    #[component(name = "memory-limit")]
    MemoryLimit,
    /// It computed for too long.
    #[component(name = "cpu-limit")]
    CpuLimit,
    /// It took too long, waiting included.
    #[component(name = "timed-out")]
    TimedOut,
    /// Its output is too long.
    #[component(name = "output-limit")]
    OutputLimit,
    /// It was cancelled.
    #[component(name = "cancelled")]
    Cancelled,
    /// It is over.
    #[component(name = "ended")]
    Ended,
    /// The host cannot.
    #[component(name = "failed")]
    Failed(String),
}

/// How a program has ended.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(record)]
pub struct Exit {
    /// Its exit code.
    pub code: u8,
    /// The end of what it wrote to its standard error.
    pub message: String,
}

/// How far a job says it is.
#[derive(ComponentType, Lower, Lift, Clone, Copy, Debug)]
#[component(record)]
struct Progress {
    done: u64,
    total: u64,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Options {
    arguments: Vec<String>,
    #[component(name = "wait-ms")]
    wait_ms: Option<u64>,
    #[component(name = "wall-ms")]
    wall_ms: Option<u64>,
}

impl Error {
    /// Its name in the treaty, the metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Error::UnknownModule => "unknown-module",
            Error::TooLarge => "too-large",
            Error::Busy => "busy",
            Error::Expired => "expired",
            Error::Invalid(_) => "invalid",
            Error::Rejected(_) => "rejected",
            Error::Exited(_) => "exited",
            Error::Trapped(_) => "trapped",
            Error::MemoryLimit => "memory-limit",
            Error::CpuLimit => "cpu-limit",
            Error::TimedOut => "timed-out",
            Error::OutputLimit => "output-limit",
            Error::Cancelled => "cancelled",
            Error::Ended => "ended",
            Error::Failed(_) => "failed",
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Error::Busy,
            Refused::Panicked => fault(),
        }
    }
}

fn fault() -> Error {
    Error::Failed("a fault of the host".to_owned())
}

/// A job that was ordered. Dropped, it is stopped.
struct UnderWay {
    ticket: OffloadTicket,
    outcome: oneshot::Receiver<Delivered>,
}

/// A job that runs while its caller goes on.
struct Job {
    ticket: Arc<OffloadTicket>,
    /// Not here once its end was asked for.
    outcome: Mutex<Option<oneshot::Receiver<Delivered>>>,
    is_cancelled: Arc<AtomicBool>,
    /// Not here once there will be no more messages.
    to_job: Mutex<Option<Sender>>,
    /// What was there when it was cancelled: kept, for it may be running at that moment, and would end by the
    /// end of its messages.
    kept_from_job: Mutex<Option<Sender>>,
    from_job: Arc<AsyncMutex<Receiver>>,
    progress: ProgressCell,
}

const RUN: &str = "offload.run";
const SEND: &str = "offload.send";
const RECEIVE: &str = "offload.receive";
const FINISH: &str = "offload.finish";

type Asked = (String, Vec<u8>, Options);

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut offload = Interface::new(linker, generation, "offload")?;
    offload.resource::<Job>("job")?;
    offload.suspending_then(
        "run",
        RUN,
        |state, asked: Asked| {
            let under_way = order(state, asked, None, ProgressCell::default());
            Ok(async move {
                let UnderWay { ticket, outcome } = under_way?;
                let delivered = outcome.await.unwrap_or_else(|_| Err(fault()));
                drop(ticket);
                delivered
            })
        },
        hand_over,
    )?;
    offload.immediate("spawn", |state, asked: Asked| {
        let (to_job, messages) = channel();
        let (way_out, from_job) = channel();
        let progress = ProgressCell::default();
        match order(state, asked, Some((messages, way_out)), progress.clone()) {
            Err(error) => Ok(Err(error)),
            Ok(UnderWay { ticket, outcome }) => Ok(Ok(state.table.push(Job {
                ticket: Arc::new(ticket),
                outcome: Mutex::new(Some(outcome)),
                is_cancelled: Arc::default(),
                to_job: Mutex::new(Some(to_job)),
                kept_from_job: Mutex::default(),
                from_job: Arc::new(AsyncMutex::new(from_job)),
                progress,
            })?)),
        }
    })?;
    link_job(&mut offload)
}

fn link_job(offload: &mut Interface<'_>) -> wasmtime::Result<()> {
    type This = (Resource<Job>,);
    offload.suspending(
        "[method]job.send",
        SEND,
        |state, (job, message): (Resource<Job>, Vec<u8>)| {
            let held = state.context.held.hold(message.len());
            let to_job = state.table.get(&job)?.to_job.lock().expect("to job").clone();
            Ok(async move {
                if message.len() > limits::OFFLOAD_MESSAGE_BYTES_MAX {
                    return Err(Error::TooLarge);
                }
                let (held, to_job) = (held?, to_job.ok_or(Error::Ended)?);
                let room = to_job.room(message.len()).await.map_err(|_| Error::Ended)?;
                to_job.put(room, message, Some(held)).map_err(|_| Error::Ended)
            })
        },
    )?;
    offload.immediate_unit("[method]job.close", |state, (job,): This| {
        state.table.get(&job)?.to_job.lock().expect("to job").take();
        Ok(())
    })?;
    offload.suspending("[method]job.receive", RECEIVE, |state, (job,): This| {
        let from_job = state.table.get(&job)?.from_job.clone();
        Ok(async move { from_job.lock().await.receive().await })
    })?;
    offload.immediate("[method]job.progress", |state, (job,): This| {
        Ok(*state.table.get(&job)?.progress.lock().expect("progress"))
    })?;
    offload.suspending_then(
        "[method]job.finish",
        FINISH,
        |state, (job,): This| Ok(state.table.get(&job)?.finish()),
        hand_over,
    )?;
    offload.immediate_unit("[method]job.cancel", |state, (job,): This| {
        let job = state.table.get(&job)?;
        job.is_cancelled.store(true, Ordering::Relaxed);
        job.ticket.stop();
        if let Some(to_job) = job.to_job.lock().expect("to job").take() {
            job.kept_from_job.lock().expect("kept from job").replace(to_job);
        }
        Ok(())
    })
}

fn hand_over(_: &mut GuestState, delivered: Delivered) -> wasmtime::Result<Result<Vec<u8>, Error>> {
    Ok(delivered.map(|(output, _held)| output))
}

/// Has a job wait for its turn. `lines` are the ways of its messages, of one whose caller goes on.
fn order(
    state: &GuestState,
    (module, input, options): Asked,
    lines: Option<(Receiver, Sender)>,
    progress: ProgressCell,
) -> Result<UnderWay, Error> {
    let worker = state.context.workers.get(&module).ok_or(Error::UnknownModule)?;
    let placed = check(worker, &input, &options).and_then(|()| {
        let held = state.context.held.clone();
        let input_held = held.hold(input.len())?;
        let within = |asked: Option<u64>, bound: Duration| {
            asked.map_or(bound, |ms| Duration::from_millis(ms).min(bound))
        };
        let wait = within(options.wait_ms, worker.limits.wait);
        let (told, outcome) = oneshot::channel();
        let request = state.asking.map(|request| request.0);
        let work = OffloadWork { module: worker.metrics.clone(), request };
        let ticket = worker.queue.submit(work, wait, || {
            let is_in_pieces = worker.form != Form::Job;
            let (input, beginning) =
                if is_in_pieces { (Vec::new(), input) } else { (input, Vec::new()) };
            let (messages, way_out) = match lines {
                Some((messages, way_out)) => (Some(messages), WayOut::Messages(way_out)),
                None if is_in_pieces => (None, WayOut::Output(Mutex::default())),
                None => (None, WayOut::Nowhere),
            };
            let output_bytes = worker.limits.output_bytes;
            Box::new(Ordered {
                order: Order {
                    input,
                    arguments: options.arguments,
                    wall: within(options.wall_ms, worker.limits.wall),
                    request: state.asking,
                    caller: Caller::new(
                        beginning,
                        messages,
                        way_out,
                        (output_bytes, held.clone()),
                        progress,
                    ),
                },
                runner: worker.runner.clone(),
                output_bytes,
                held,
                report: Report { metrics: worker.metrics.clone(), outcome: Some(told) },
                input: input_held,
            })
        })?;
        Ok(UnderWay { ticket, outcome })
    });
    placed.inspect_err(|error| worker.metrics.ended(error.name()))
}

fn check(worker: &Worker, input: &[u8], options: &Options) -> Result<(), Error> {
    if input.len() > worker.limits.input_bytes {
        return Err(Error::TooLarge);
    }
    if worker.form != Form::Program && !options.arguments.is_empty() {
        return Err(Error::Invalid("only a program takes arguments, and this is a job".to_owned()));
    }
    let arguments: usize = options.arguments.iter().map(String::len).sum();
    if arguments + options.arguments.len() > limits::OFFLOAD_ARGUMENTS_BYTES_MAX {
        return Err(Error::Invalid("the arguments are too long together".to_owned()));
    }
    Ok(())
}

impl Job {
    /// Waits for the end. What the job still gives meanwhile is thrown away, so that it does not wait
    /// for someone to receive it.
    fn finish(&self) -> impl Future<Output = Delivered> + Send + use<> {
        let outcome = self.outcome.lock().expect("outcome").take();
        let (ticket, from_job) = (self.ticket.clone(), self.from_job.clone());
        let is_cancelled = self.is_cancelled.clone();
        async move {
            let outcome = outcome.ok_or(Error::Ended)?;
            let throw_away = pin!(async {
                let mut from_job = from_job.lock().await;
                while from_job.receive().await.is_some() {}
            });
            let delivered = match select(outcome, throw_away).await {
                Either::Left((delivered, _)) => delivered,
                Either::Right(((), outcome)) => outcome.await,
            };
            drop(ticket);
            // It may have ended before it was cancelled.
            let is_cancelled = is_cancelled.load(Ordering::Relaxed);
            let unknown = if is_cancelled { Error::Cancelled } else { fault() };
            delivered.unwrap_or(Err(unknown))
        }
    }
}
