//! Owns the way from a component's file to code whose imports are joined to the host.

use std::path::PathBuf;

use wasmtime::Engine;
use wasmtime::component::InstancePre;

use super::GuestState;
use super::extension::Additions;
use super::grants::{Grants, Missing};
use super::link::{Audience, linker};
use crate::engine::{Cache, CompileError, ComponentFile, Engines, Generation, Purpose};

/// What makes code out of files. It blocks for as long as the compiler needs.
pub struct Compiler<'a> {
    /// The engines of the process.
    pub engines: &'a Engines,
    /// Where compiled code is kept.
    pub cache: &'a Cache,
    /// What the program around adds for handlers.
    pub additions: &'a Additions,
    /// Told when a file has to be compiled, for that may take long.
    pub compiling: &'a mut dyn FnMut(&ComponentFile),
}

/// Code that can be instantiated.
pub struct Joined {
    /// The engine it is for.
    pub engine: Engine,
    /// The code with its imports.
    pub pre: InstancePre<GuestState>,
}

/// Why a component cannot be joined to the host. The message names it and says what to do.
#[derive(Debug)]
pub enum JoinError {
    /// It wants something the host does not have.
    Import {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// It wants what it is not granted.
    NotGranted {
        /// The file.
        path: PathBuf,
        /// What it is for, and so its table in `hob.toml`.
        audience: Audience,
        /// Its name there.
        name: String,
        /// The imports, each with the line that would grant it.
        missing: Vec<Missing>,
    },
    /// It cannot be compiled.
    Compile(CompileError),
    /// What the program around adds does not go with what is there.
    Extension(wasmtime::Error),
    /// The engine itself cannot be made.
    Engine(wasmtime::Error),
}

impl JoinError {
    /// That something in the component does not fit.
    pub fn import(component: &ComponentFile, error: &wasmtime::Error) -> Self {
        JoinError::Import { path: component.path.clone(), why: format!("{error:#}") }
    }
}

impl std::fmt::Display for JoinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JoinError::Import { path, why } => write!(
                f,
                "{} cannot be linked: {why}. Hob provides wasi:cli, clocks, filesystem, http, io, \
                 random and sockets of WASI 0.2 and 0.3; build the component without this import, \
                 or compose it with a component that provides it",
                path.display()
            ),
            JoinError::NotGranted { path, audience, name, missing } => {
                let (what, table) = match audience {
                    Audience::Handler => ("handler", "[[handler]]"),
                    Audience::Plugin => ("plug-in", "[[plugin]]"),
                    Audience::Module => ("module", "[[module]]"),
                };
                write!(
                    f,
                    "{} wants what the {what} `{name}` is not granted. To grant it, write into the \
                     {table} table of `{name}` in hob.toml:",
                    path.display()
                )?;
                for Missing { import, line } in missing {
                    write!(f, "\n  {line}\n    for its import {import}")?;
                }
                Ok(())
            }
            JoinError::Compile(error) => error.fmt(f),
            JoinError::Extension(error) => write!(
                f,
                "the extension of this program cannot be linked: {error:#}; it may not define \
                 what Hob has"
            ),
            JoinError::Engine(error) => write!(f, "the Wasm engine cannot be made: {error:#}"),
        }
    }
}

impl std::error::Error for JoinError {}

impl Compiler<'_> {
    /// Compiles a component and joins its imports, which must be granted.
    ///
    /// # Errors
    /// When it cannot be instantiated so.
    pub fn join(
        &mut self,
        component: &ComponentFile,
        generation: Generation,
        audience: Audience,
        (name, grants): (&str, &Grants),
    ) -> Result<Joined, JoinError> {
        let mut missing = grants.missing(&component.imports);
        if audience == Audience::Module {
            // No line would grant it: that it is not there is said below.
            missing.retain(|missing| !missing.import.starts_with("hob:host/offload@"));
        }
        if !missing.is_empty() {
            let (path, name) = (component.path.clone(), name.to_owned());
            return Err(JoinError::NotGranted { path, audience, name, missing });
        }
        let purpose = match audience {
            Audience::Handler | Audience::Plugin => Purpose::Requests,
            Audience::Module => Purpose::Jobs,
        };
        let engine = self.engines.get(purpose, generation).map_err(JoinError::Engine)?;
        let engine = engine.engine.clone();
        let compiled =
            self.cache.compile(&engine, self.engines.compile_threads(), component, self.compiling);
        let compiled = compiled.map_err(JoinError::Compile)?;
        let mut linker = linker(&engine, generation, audience).map_err(JoinError::Engine)?;
        if audience == Audience::Handler {
            self.additions.link(&mut linker).map_err(JoinError::Extension)?;
        }
        let pre = linker.instantiate_pre(&compiled);
        let pre = pre.map_err(|error| JoinError::import(component, &error))?;
        Ok(Joined { engine, pre })
    }
}
