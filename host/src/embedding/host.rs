//! Owns a host's loop, and the thread it turns on.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::select;

use super::builder::HostBuilder;
use super::errors::BuildError;
use super::handle::HostHandle;
use super::residents::Residents;
use crate::engine::Ticker;
use crate::event_loop::{EventLoop, HostThreads, Pending, Settle};
use crate::observe::Log;

/// An event loop with plug-ins on it, in a program that is not a server. It belongs to the thread that has
/// built it; [`Host::handle`] gives the rest of the program its way to it. Nothing is answered before it
/// is run.
pub struct Host {
    pub(super) event_loop: EventLoop,
    pub(super) residents: Rc<Residents>,
    pub(super) handle: HostHandle,
    pub(super) drain: Duration,
    pub(super) log: OpenLog,
    pub(super) host_threads: HostThreads,
    /// Outlives the loop: it is what stops a guest that computes.
    pub(super) ticker: Ticker,
}

/// The log of a host; its last lines are written when this is dropped.
pub(super) struct OpenLog(pub(super) Log);

impl Drop for OpenLog {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Host {
    /// What a host is to be built of.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// The way to this host from any thread.
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Runs the loop on this thread until `main` is done, and the calls under way then, and what
    /// plug-ins are about after their answers; for the last two there is the time of
    /// [`HostBuilder::drain`]. `main` must not block: it is a task of the loop.
    ///
    /// # Errors
    /// When the kernel fails the loop.
    ///
    /// # Panics
    /// When `main` does.
    pub fn run<T: 'static>(
        self,
        main: impl AsyncFnOnce(HostHandle) -> T + 'static,
    ) -> io::Result<T> {
        let Host { mut event_loop, residents, handle, drain, log, host_threads, ticker } = self;
        let pool = host_threads.enter();
        let outcome = event_loop.run(async move {
            let value = main(handle).await;
            let of_loop = residents.handle.clone();
            let deadline = of_loop.sleep_until(of_loop.now() + drain);
            select(pin!(residents.drain()), deadline).await;
            value
        });
        drop(event_loop);
        drop(pool);
        drop(ticker);
        drop(log);
        outcome
    }
}

/// A host on a thread of its own. Dropping it stops the host, and waits for the thread.
pub struct RunningHost {
    handle: HostHandle,
    stop: Option<Settle<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl RunningHost {
    pub(super) fn start(builder: HostBuilder) -> Result<Self, BuildError> {
        let (report, built) = mpsc::channel();
        let (stop, stopped) = Pending::new();
        let run = move || {
            let host = match builder.build() {
                Ok(host) => host,
                Err(error) => {
                    // The starting thread waits for exactly this.
                    let _ = report.send(Err(error));
                    return Ok(());
                }
            };
            let _ = report.send(Ok(host.handle()));
            host.run(async move |_| stopped.await)
        };
        let thread = std::thread::Builder::new().name("hob-host".to_owned()).spawn(run);
        let thread =
            thread.map_err(|error| BuildError::System("start the host's thread", error))?;
        let panicked = || BuildError::System("build a host", io::Error::other("it has panicked"));
        let handle = built.recv().map_err(|_| panicked())??;
        Ok(RunningHost { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// The way to this host from any thread.
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Stops the host and waits for its thread.
    ///
    /// # Errors
    /// When the kernel had failed the loop.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            stop.settle(());
        }
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(io::Error::other("the host's thread has panicked")),
        }
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        // What the kernel said matters to who calls `stop`.
        let _ = self.end();
    }
}
