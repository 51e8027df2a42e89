//! How a job is to be run.

use core::time::Duration;

use super::treaty;

/// How a job is to be run, where that differs from what `hob.toml` says.
///
/// ```
/// use std::time::Duration;
///
/// let sort = hob_sdk::offload::Options::new()
///     .argument("--reverse")
///     .wait(Duration::from_secs(1))
///     .wall(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    arguments: Vec<String>,
    wait: Option<Duration>,
    wall: Option<Duration>,
}

impl Options {
    /// As `hob.toml` says, and without arguments.
    pub fn new() -> Options {
        Options::default()
    }

    /// Adds an argument of a program. A job takes none.
    pub fn argument(mut self, argument: impl Into<String>) -> Options {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments of a program, without its name.
    ///
    /// ```
    /// let document = hob_sdk::offload::Options::new().arguments(["--to", "html"]);
    /// ```
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Options {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// How long it may wait for a thread, in whole milliseconds, rounded up.
    pub fn wait(mut self, wait: Duration) -> Options {
        self.wait = Some(wait);
        self
    }

    /// How long it may take from its first step on, waiting included, in whole milliseconds, rounded
    /// up; no longer than `hob.toml` says.
    pub fn wall(mut self, wall: Duration) -> Options {
        self.wall = Some(wall);
        self
    }

    pub(super) fn into_treaty(self) -> treaty::Options {
        let Options { arguments, wait, wall } = self;
        treaty::Options {
            arguments,
            wait_ms: wait.map(milliseconds),
            wall_ms: wall.map(milliseconds),
        }
    }
}

/// Rounded up: a time that is not zero stays so.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
