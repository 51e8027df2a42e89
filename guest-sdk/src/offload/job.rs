//! A job that runs while the handler goes on.

use super::{Error, check, treaty};
use crate::Body;

/// A job that runs while the handler goes on, and exchanges messages with it. Dropped, it is stopped.
///
/// ```no_run
/// # use hob_sdk::{Result, offload};
/// # async fn example(rows: Vec<String>) -> Result<Vec<u8>> {
/// let report = offload::spawn("report", "")?;
/// for row in rows {
///     report.send(row).await?;
/// }
/// report.close();
/// Ok(report.finish().await?)
/// # }
/// ```
#[derive(Debug)]
pub struct Job(pub(super) treaty::Job);

/// How far a job says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How much of it is done, in a unit of the job's own.
    pub done: u64,
    /// How much there is to do, if the job knows.
    pub total: Option<u64>,
}

impl Job {
    /// Gives the job a message of up to 1 MiB, and waits while eight are there that it has not taken.
    /// For a program, and for a streaming job, messages are the rest of the input.
    ///
    /// Whoever sends much and receives nothing waits for good, if the job waits for its output to be
    /// received: send and receive at the same time then, as any futures are joined.
    pub async fn send(&self, message: impl Into<Vec<u8>>) -> Result<(), Error> {
        let message = message.into();
        check(&message)?;
        Ok(self.0.send(message).await?)
    }

    /// There will be no more messages: the end of a program's input.
    pub fn close(&self) {
        self.0.close();
    }

    /// The next message from the job, which waits when eight of them were not received. None when the
    /// job is over; [`finish`](Job::finish) says how. For a program, and for a streaming job, messages
    /// are the output.
    ///
    /// ```no_run
    /// # use hob_sdk::{Result, offload};
    /// # async fn example() -> Result<()> {
    /// let search = offload::spawn("search", "needle")?;
    /// search.close();
    /// while let Some(found) = search.receive().await {
    ///     println!("{}", String::from_utf8_lossy(&found));
    /// }
    /// search.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn receive(&self) -> Option<Vec<u8>> {
        self.0.receive().await
    }

    /// What the job has reported last.
    pub fn progress(&self) -> Option<Progress> {
        let treaty::Progress { done, total } = self.0.progress()?;
        Some(Progress { done, total: (total > 0).then_some(total) })
    }

    /// Waits for the end of the job, and gives its output: of a program, and of a streaming job, an
    /// empty one. Messages that were not received are thrown away.
    pub async fn finish(self) -> Result<Vec<u8>, Error> {
        Ok(self.0.finish().await?)
    }

    /// Stops it, within a slice. [`finish`](Job::finish) says [`Error::Cancelled`] then.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// The job's messages as a response's body, as they come. A job that fails breaks it off, and a
    /// client that goes away stops the job.
    ///
    /// ```no_run
    /// # use hob_sdk::{Response, Result, offload};
    /// # async fn example(document: Vec<u8>) -> Result<Response> {
    /// let page = offload::spawn("markdown", document)?;
    /// page.close();
    /// Ok(Response::new(page.into_body()).with_header("content-type", "text/html"))
    /// # }
    /// ```
    pub fn into_body(self) -> Body {
        Body::stream(async move |mut writer| {
            while let Some(piece) = self.receive().await {
                writer.write(piece).await?;
            }
            self.finish().await?;
            Ok(())
        })
    }
}
