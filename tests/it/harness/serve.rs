//! What a test has served: a `hob.toml`, and the process that reads it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Hob, Scratch, compile_cache, component, hob};

/// A handler or a module, as `hob.toml` has it.
#[derive(Clone)]
pub(crate) struct Guest {
    table: Table,
    name: String,
    component: PathBuf,
    lines: Vec<String>,
}

/// The guest of this name in `tests/guests`, below the path of its name.
pub(crate) fn guest(name: &str) -> Guest {
    Guest::of(name, component(name))
}

/// Which table of `hob.toml` it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Handler,
    Plugin,
    Module,
}

/// The guest of this name in `tests/guests`, for handlers to offload to.
pub(crate) fn module(name: &str) -> Guest {
    Guest::module(name, component(name))
}

/// The guest `relay` in `tests/guests` as a plug-in of this name, or the guest `gate`.
pub(crate) fn plugin(name: &str) -> Guest {
    let component = component(if name == "gate" { "gate" } else { "relay" });
    let guest = Guest::of(name, component).into_plugin();
    guest.set(&format!("environment.NAME = \"{name}\""))
}

/// The guests of these names in every isolation mode that their generation has. A handler's name
/// is that of the guest, a dot, and the mode.
pub(crate) fn every_mode(names: &[&str]) -> Vec<Guest> {
    let mut guests = Vec::new();
    for name in names {
        let modes: &[&str] = match *name {
            "kitchen" | "kitchen-standard" | "kitchen-0-3" | "capabilities" | "keyvalue" => {
                &["fresh", "reuse", "shared"]
            }
            _ => &["fresh", "reuse"],
        };
        guests.extend(
            modes.iter().map(|mode| guest(name).named(&format!("{name}.{mode}")).isolation(mode)),
        );
    }
    guests
}

impl Guest {
    pub(crate) fn of(name: &str, component: &Path) -> Self {
        let (name, component) = (name.to_owned(), component.to_owned());
        Guest { table: Table::Handler, name, component, lines: Vec::new() }
    }

    /// A module of this file.
    pub(crate) fn module(name: &str, file: &Path) -> Self {
        Guest { table: Table::Module, ..Guest::of(name, file) }
    }

    /// The same as a plug-in.
    pub(crate) fn into_plugin(self) -> Self {
        Guest { table: Table::Plugin, ..self }
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a line of TOML to the handler's table.
    pub(crate) fn set(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Whose it is.
    pub(crate) fn tenant(self, name: &str) -> Self {
        self.set(&format!("tenant = \"{name}\""))
    }

    /// Gives it these grants, and those beside them that the guests `capabilities` and
    /// `capabilities-0-2` cannot be without. It is of the tenant `t` unless it is of another already.
    pub(crate) fn grants(self, given: &str) -> Self {
        const NEEDED: [&str; 5] = [
            "files = \"write\"",
            "sql = { main = \"write\" }",
            "kv = \"write\"",
            "fetch = [\"http://127.0.0.1:*\"]",
            "dns = true",
        ];
        let is_given = |grant: &&str| {
            let key = grant.split(' ').next().expect("a key");
            given.starts_with(key) || given.contains(&format!(", {key} ="))
        };
        let given_at_all = (!given.is_empty()).then_some(given);
        let needed = NEEDED.iter().copied().filter(|grant| !is_given(grant));
        let grants: Vec<_> = given_at_all.into_iter().chain(needed).collect();
        let has_tenant = self.lines.iter().any(|line| line.starts_with("tenant"));
        let guest = if has_tenant { self } else { self.tenant("t") };
        guest.set(&format!("grants = {{ {} }}", grants.join(", ")))
    }

    /// Puts these plug-ins before it.
    pub(crate) fn behind(self, plugins: &[&str]) -> Self {
        self.set(&format!("plugins = {plugins:?}"))
    }

    /// Grants it these modules.
    pub(crate) fn offloads_to(self, modules: &[Guest]) -> Self {
        let names: Vec<_> = modules.iter().map(|module| format!("\"{}\"", module.name)).collect();
        self.set(&format!("grants.offload = [{}]", names.join(", ")))
    }

    /// The same of another file.
    pub(crate) fn file(mut self, file: &Path) -> Self {
        self.component = file.to_owned();
        self
    }

    pub(crate) fn isolation(self, mode: &str) -> Self {
        self.set(&format!("isolation = \"{mode}\""))
    }

    /// Its table.
    pub(crate) fn toml(&self) -> String {
        let (table, file) = match self.table {
            Table::Handler => ("[[handler]]", "component"),
            Table::Plugin => ("[[plugin]]", "component"),
            Table::Module => ("[[module]]", "file"),
        };
        let (name, path) = (&self.name, self.component.display());
        let mut text = format!("{table}\nname = \"{name}\"\n{file} = \"{path}\"\n");
        self.lines.iter().for_each(|line| text.extend([line, "\n"]));
        text
    }

    /// Limits, as `cpu_ms = 100, wall_ms = 200`.
    pub(crate) fn limits(self, limits: &str) -> Self {
        self.set(&format!("limits = {{ {limits} }}"))
    }
}

/// A server to be started.
pub(crate) struct Serve {
    guests: Vec<Guest>,
    routes: Vec<String>,
    server: Vec<String>,
    connections: Vec<String>,
    tenants: Vec<String>,
    wrapper: Vec<String>,
    cache: String,
}

impl Serve {
    pub(crate) fn new(guests: impl IntoIterator<Item = Guest>) -> Self {
        Serve {
            guests: guests.into_iter().collect(),
            routes: Vec::new(),
            server: Vec::new(),
            connections: Vec::new(),
            tenants: Vec::new(),
            wrapper: Vec::new(),
            cache: compile_cache().to_owned(),
        }
    }

    /// Adds a table `[[route]]` of these lines of TOML.
    pub(crate) fn route(mut self, lines: &str) -> Self {
        self.routes.push(lines.to_owned());
        self
    }

    /// Adds a line of TOML to `[server]`.
    pub(crate) fn server(mut self, line: &str) -> Self {
        self.server.push(line.to_owned());
        self
    }

    /// Adds a line of TOML to `[connections]`.
    pub(crate) fn connections(mut self, line: &str) -> Self {
        self.connections.push(line.to_owned());
        self
    }

    /// Gives a tenant these limits.
    pub(crate) fn tenant(self, name: &str, limits: &str) -> Self {
        self.tenant_with(name, &format!("limits = {{ {limits} }}"))
    }

    /// Gives a tenant these lines of TOML.
    pub(crate) fn tenant_with(mut self, name: &str, lines: &str) -> Self {
        self.tenants.push(format!("[[tenant]]\nname = \"{name}\"\n{lines}"));
        self
    }

    /// Keeps compiled code elsewhere than the other tests.
    pub(crate) fn cache(mut self, directory: &Path) -> Self {
        self.cache = directory.to_str().expect("UTF-8").to_owned();
        self
    }

    /// Starts the server through another program, which must become it.
    pub(crate) fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|part| part.to_string()).collect();
        self
    }

    pub(crate) fn start(self) -> Hob {
        let scratch = Scratch::new();
        let file = scratch.file("hob.toml", self.toml());
        let mut command = match self.wrapper.split_first() {
            None => hob(),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(env!("CARGO_BIN_EXE_hob"));
                command
            }
        };
        command.arg("serve").arg(file).args(["--cache", &self.cache]);
        let handlers = self.guests.into_iter().filter(|guest| guest.table == Table::Handler);
        let names = handlers.map(|guest| guest.name).collect();
        Hob::start(command, names, Some(scratch))
    }

    pub(crate) fn toml(&self) -> String {
        let mut text = "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n".to_owned();
        let mut add = |line: &str| text.extend([line, "\n"]);
        self.server.iter().for_each(|line| add(line));
        add("[connections]");
        self.connections.iter().for_each(|line| add(line));
        self.tenants.iter().for_each(|tenant| add(tenant));
        self.guests.iter().for_each(|guest| text.push_str(&guest.toml()));
        for route in &self.routes {
            text.push_str(&format!("[[route]]\n{route}\n"));
        }
        text
    }
}
