//! Owns what a guest may ask for: the state behind a store, and the linkers that join a guest's
//! imports to it.

mod body;
mod calls;
mod clocks;
mod compression;
mod config;
mod crypto;
mod dns;
mod egress;
mod extension;
mod fetch;
mod files;
mod filesystem;
mod grants;
mod held;
mod joined;
mod keyvalue;
mod kv;
mod link;
mod next;
mod offload;
mod outbound;
mod output;
mod poll;
mod sql;
mod sqlite;
mod stdio;
mod storage;
mod stores;
mod timers;
mod treaty;
mod waiting;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

pub use body::IncomingBody;
pub use body::bindings::hob::host::body as body_bindings;
pub use calls::{Culprit, SharedCalls};
pub use config::{Secret, Settings};
pub use dns::Dns;
pub use egress::{Egress, EgressRule};
pub use extension::{Additions, Extension, GuestName, NewGuest};
pub use grants::{Access, Grants, Missing, SqlGrant};
pub use held::HeldBytes;
pub use joined::{Compiler, JoinError, Joined};
pub use link::{Audience, current_request};
pub use next::{BehindCall, BehindError, Next};
pub use offload::{
    Assignment, Caller, Error as OffloadError, Exit, Form, HeldTooMuch, JobLimits, Order, Outcome,
    OutputLimitReached, Program, Runner, RunningJob, Worker,
};
pub use sql::MigrationError;
pub use stdio::{Lines, Speaker, Stdio, Stream};
pub use stores::{Granted, StoreError, Stores};
pub use waiting::Waiting;

use crate::engine::{MemoryMeter, Meter};
use crate::event_loop::{HostQueue, Remote, Share};
use crate::limits;
use crate::observe::{Line, Timeline};
use crate::tenants::{Limit, Tenant};
use crate::wire::{Client, RequestId};
use outbound::Outbound;

/// What all instances of one handler on one loop have in common.
pub struct GuestContext {
    /// The handler's name, for its lines in the log.
    pub name: String,
    /// The environment the guest sees.
    pub environment: Vec<(String, String)>,
    /// What `hob.toml` tells the guest, its secrets among it.
    pub settings: Arc<Settings>,
    /// The loop its timers are set on.
    pub remote: Remote,
    /// Where its output goes.
    pub stdio: Stdio,
    /// Where its tenant's work waits for a host thread.
    pub queue: HostQueue,
    /// What it was granted.
    pub granted: Granted,
    /// What its tenant's calls hold of the host's memory.
    pub held: HeldBytes,
    /// Whose it is.
    pub tenant: Arc<Tenant>,
    /// Sends its requests.
    pub client: Client,
    /// Looks names up.
    pub dns: Dns,
    /// The modules that it may offload to, by name.
    pub workers: BTreeMap<String, Worker>,
    /// Held by each compressor that its guests have open.
    pub coders: Arc<()>,
    /// Where what happens is noted.
    pub timeline: Timeline,
    /// Requests whose operation has ended since the loop last looked: the next poll runs their
    /// guests. None where an instance serves one request at a time, for then it is known who runs.
    pub resumed: Option<Mutex<Vec<u64>>>,
    /// What the program around adds for its guests.
    pub additions: Additions,
}

impl GuestContext {
    /// Its tenant's share of the loop's time.
    pub fn share(&self) -> Share {
        Share::new(self.tenant.number(), self.tenant.weight())
    }

    /// A guest is told `busy`, for its tenant has reached this limit: that is counted, and told from time to
    /// time.
    fn is_over(&self, limit: Limit) {
        self.tenant.refused(limit);
        if self.tenant.is_news(self.remote.now()) {
            let line = Line::new("server").text("event", "tenant-busy");
            let line = line.text("code", limit.code()).text("tenant", self.tenant.name());
            self.stdio.log().write(line);
        }
    }
}

/// The data of a guest's store.
pub struct GuestState {
    /// Measures the guest's time on the loop.
    pub meter: Arc<Meter>,
    /// Measures the guest's memory.
    pub memory: MemoryMeter,
    /// What the guest holds of the host's.
    pub table: ResourceTable,
    /// The request an instance serves that serves one at a time.
    pub request: Option<RequestId>,
    /// The request for which the guest writes to its output.
    pub speaker: Speaker,
    /// What is behind the plug-in, for that request.
    pub next: Option<Next>,
    /// The requests of an instance that serves many.
    pub calls: Option<SharedCalls>,
    /// Whose time was used up.
    pub culprit: Option<Culprit>,
    /// The job of an instance that runs one.
    pub assignment: Option<Assignment>,
    /// What the program around keeps for this instance.
    extension: Option<Box<dyn Any + Send>>,
    /// The request for which the function of the host is called that runs now.
    asking: Option<RequestId>,
    /// Where its output goes.
    stdio: Stdio,
    context: Arc<GuestContext>,
    /// Made when the guest first asks for anything in it: most of what a small handler costs
    /// would be this.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    outbound: Outbound,
}

impl GuestState {
    /// The state of a new store.
    pub fn new(context: Arc<GuestContext>, meter: Arc<Meter>, memory: MemoryMeter) -> Self {
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits::FIELDS_BYTES_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::RESOURCES_MAX);
        GuestState {
            meter,
            memory,
            table,
            request: None,
            next: None,
            speaker: Speaker::default(),
            calls: None,
            culprit: None,
            assignment: None,
            extension: context.additions.state(&context),
            asking: None,
            stdio: context.stdio.clone(),
            outbound: Outbound { context: context.clone(), request: None },
            context,
            wasi: None,
            http,
        }
    }

    /// The state of a new store for jobs. Several of them may write for one request at once, so each
    /// puts its own lines together.
    pub fn of_job(context: Arc<GuestContext>, meter: Arc<Meter>, memory: MemoryMeter) -> Self {
        let stdio = context.stdio.apart();
        GuestState { stdio, ..GuestState::new(context, meter, memory) }
    }

    /// What it writes, to be kept as long as it works for this request.
    pub fn lines_of(&self, request: RequestId) -> Lines {
        self.stdio.lines_of(request)
    }

    /// What this guest's handler has in common with its other instances.
    pub fn context(&self) -> &Arc<GuestContext> {
        &self.context
    }

    /// Entries the guest has in the host's table of resources.
    pub fn resources(&mut self) -> usize {
        self.table.iter_mut().count()
    }
}

/// Ends a guest that collects the host's resources, each of which may be as large as a list of
/// header fields. Looked at when it has used up a slice: it cannot make many in less.
///
/// # Errors
/// When it has more than requests can have use for.
pub fn check_resources(state: &mut GuestState) -> wasmtime::Result<()> {
    let allowed = match &state.calls {
        None => limits::RESOURCES_AT_WORK_MAX,
        Some(calls) => {
            limits::RESOURCES_AT_WORK_SHARED_MAX + calls.running() * limits::RESOURCES_PER_REQUEST
        }
    };
    if state.resources() > allowed {
        wasmtime::bail!("more than {allowed} of the host's resources are held at once");
    }
    Ok(())
}

/// Sets the bounds that wasmtime keeps for a store itself.
pub fn bound(store: &mut Store<GuestState>, memory_bytes: usize) {
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(memory_bytes.min(limits::HOSTCALL_FUEL));
    store.set_max_component_handles(limits::HANDLES_MAX);
}

/// Whether a guest has handed over more in one call than [`limits::HOSTCALL_FUEL`]. The engine's error
/// has a text and no type that others can name.
pub fn handed_over_too_much(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

/// The exit code of a guest that has ended by its own will.
pub fn exit_code(error: &wasmtime::Error) -> Option<u8> {
    // Codes beyond a byte are for other systems.
    error.downcast_ref::<I32Exit>().map(|exit| u8::try_from(exit.0).unwrap_or(1))
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.is_none() {
            self.wasi = Some(Box::new(self.build()));
        }
        let ctx = self.wasi.as_mut().expect("made above");
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl GuestState {
    /// No socket, of files what is granted, and what a program has that is a job.
    fn build(&self) -> WasiCtx {
        let context = &self.context;
        let mut builder = WasiCtxBuilder::new();
        builder
            .envs(&context.environment)
            .max_random_size(limits::RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .stdout(self.stdio.open(Stream::Stdout, self.speaker.clone()))
            .stderr(self.stdio.open(Stream::Stderr, self.speaker.clone()));
        if let Some(program) = self.program() {
            builder.args(&program.arguments).stdin(program.stdin());
        }
        if let Some(files) = &context.granted.files {
            // A folder that has gone meanwhile is one the guest does not find.
            let _ = builder.preopened_dir(files.path(), "/", files.permissions());
        }
        builder.build()
    }

    /// What it has that is a program and a job.
    fn program(&self) -> Option<&Program> {
        self.assignment.as_ref()?.program.as_ref()
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.outbound.request = self.request;
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}
