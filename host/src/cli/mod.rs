//! Owns the command line: one file a verb. A fault ends as one message on standard error and a
//! non-zero exit.

mod build;
mod check;
mod new;
mod serve;
mod target;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "hob",
    version,
    about = "Serves WebAssembly components from one event loop",
    after_help = "Start with `hob new hello`, then `hob serve --build hello`."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Serve),
    Check(check::Check),
    Build(build::Build),
    New(new::New),
}

/// Runs the command the process was started with.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Serve(serve) => serve.run(),
        Verb::Check(check) => check.run(),
        Verb::Build(build) => build.run(),
        Verb::New(new) => new.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hob: {error:#}");
            ExitCode::FAILURE
        }
    }
}
