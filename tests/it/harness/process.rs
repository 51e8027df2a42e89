//! The `hob` program: run to its end, or serving.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::lines::Lines;
use super::{Client, Metrics, PATIENCE, Response, Scratch, get};

/// The program that is tested.
pub(crate) fn hob() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hob"))
}

/// What a program that ran to its end has said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        success: output.status.success(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Hob {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    names: Vec<String>,
    child: Child,
    log: Lines,
    errors: Lines,
    _scratch: Option<Scratch>,
}

impl Hob {
    /// Starts a command that serves with both listeners, and waits until it does.
    pub(crate) fn start(
        mut command: Command,
        names: Vec<String>,
        scratch: Option<Scratch>,
    ) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("hob starts");
        let log = Lines::follow(child.stdout.take().expect("a pipe"));
        let errors = Lines::follow(child.stderr.take().expect("a pipe"));
        let address_after = |text: &str| {
            let found = errors.wait_for(|line| {
                let url = line.strip_prefix(text)?;
                Some(url.split_once("://")?.1.to_owned())
            });
            let found = found.unwrap_or_else(|| panic!("no `{text}` in {:#?}", errors.all()));
            found.parse().expect("an address")
        };
        let address = address_after("hob: listening on ");
        let admin = address_after("hob: health and metrics on ");
        Hob { address, admin, names, child, log, errors, _scratch: scratch }
    }

    /// The names of the handlers, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends one request on a connection of its own, and reads the answer.
    pub(crate) fn exchange(&self, request: impl AsRef<[u8]>) -> Response {
        self.client().exchange(request)
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.exchange(get(target))
    }

    /// Panics unless a small request is answered.
    #[track_caller]
    pub(crate) fn expect_hello(&self, name: &str) {
        let hello = self.get(&format!("/{name}/hello")).expect(200);
        assert_eq!(hello.text(), "hello world\n");
    }

    /// Asks the second listener.
    pub(crate) fn ask_admin(&self, target: &str) -> Response {
        Client::connect(self.admin).exchange(get(target))
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::parse(self.ask_admin("/metrics").expect(200).text())
    }

    /// Asks for the metrics until they are as wanted. For states that no line of the log tells.
    #[track_caller]
    pub(crate) fn wait_for_metrics(&self, mut wanted: impl FnMut(&Metrics) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(&self.metrics()) {
            assert!(Instant::now() < until, "the metrics do not become what is waited for");
            thread::yield_now();
        }
    }

    /// Waits until so many requests of a handler are under way.
    #[track_caller]
    pub(crate) fn wait_for_in_flight(&self, name: &str, count: usize) {
        self.wait_for_metrics(|m| m.of(name, "hob_requests_in_flight") == count as f64);
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.log.wait_for(|line| Some(parse(line)).filter(&wanted));
        found.unwrap_or_else(|| panic!("no such line in {:#?}", self.log.all()))
    }

    /// Waits for the access line of a request whose path ends so.
    #[track_caller]
    pub(crate) fn wait_for_access(&self, path: &str) -> Value {
        self.wait_for_line(|line| {
            line["kind"] == "access" && line["path"].as_str().is_some_and(|p| p.ends_with(path))
        })
    }

    /// The lines of the log that have come so far, as they came.
    pub(crate) fn raw_lines(&self) -> Vec<String> {
        self.log.all()
    }

    /// The lines of the log that have come so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.log.all().iter().map(|line| parse(line)).collect()
    }

    /// What has come on standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.all().join("\n")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The niceness of its threads whose name begins so, by /proc/PID/task/TID/stat.
    pub(crate) fn niceness(&self, name: &str) -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("tasks");
        let stats = tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        let of_name = |stat: String| {
            let (head, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
            let is_it = head.split_once('(').expect("a name").1.starts_with(name);
            // The nineteenth field; the third comes after the name.
            is_it.then(|| rest.split(' ').nth(16).expect("a field").parse().expect("a number"))
        };
        stats.filter_map(of_name).collect()
    }

    /// Bytes of memory the process has now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// Bytes of address space the process has now, reserved or used.
    pub(crate) fn address_space_bytes(&self) -> u64 {
        self.status_bytes("VmSize:")
    }

    /// Whether the process may have huge pages.
    pub(crate) fn may_have_huge_pages(&self) -> bool {
        self.status("THP_enabled:") == "1"
    }

    fn status_bytes(&self, field: &str) -> u64 {
        let size = self.status(field);
        let kib = size.strip_suffix(" kB").and_then(|kib| kib.parse::<u64>().ok());
        kib.expect("a number of kB") * 1024
    }

    /// What `/proc/PID/status` says.
    fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the process runs");
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        value.expect("the kernel tells it").trim().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process runs");
    }

    /// Ends the process as it stands.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(self.log.wait_for_end(), "the process does not end: {}", self.errors());
        self.child.wait().expect("a child")
    }
}

impl Drop for Hob {
    /// The loop outlives a panic in one of its tasks, so a test would not notice one.
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.errors.wait_for_end();
        let errors = self.errors();
        if thread::panicking() {
            eprintln!("--- standard error of hob\n{errors}");
        } else {
            assert!(!errors.contains("panicked at"), "hob has panicked:\n{errors}");
        }
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}
