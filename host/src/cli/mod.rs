//! Owns the command line: one file a verb. A fault ends as one message on standard error and a
//! non-zero exit.

mod build;
mod check;
mod deploy;
mod deployments;
mod dev;
mod drain;
mod limit;
mod new;
mod operator;
mod output;
mod reload;
mod rollback;
mod running;
mod schema;
mod serve;
mod server_options;
mod target;
mod tenants;
mod trust;
mod undeploy;
mod watch;

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
    Dev(dev::Dev),
    Check(check::Check),
    Build(build::Build),
    New(new::New),
    Deploy(deploy::Deploy),
    Deployments(deployments::Deployments),
    Rollback(rollback::Rollback),
    Undeploy(undeploy::Undeploy),
    Tenants(tenants::Tenants),
    Limit(limit::Limit),
    Reload(reload::Reload),
    Drain(drain::Drain),
    Schema(schema::Schema),
}

/// Runs the command the process was started with.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Serve(serve) => serve.run(),
        Verb::Dev(dev) => dev.run(),
        Verb::Check(check) => check.run(),
        Verb::Build(build) => build.run(),
        Verb::New(new) => new.run(),
        Verb::Deploy(deploy) => deploy.run(),
        Verb::Deployments(deployments) => deployments.run(),
        Verb::Rollback(rollback) => rollback.run(),
        Verb::Undeploy(undeploy) => undeploy.run(),
        Verb::Tenants(tenants) => tenants.run(),
        Verb::Limit(limit) => limit.run(),
        Verb::Reload(reload) => reload.run(),
        Verb::Drain(drain) => drain.run(),
        Verb::Schema(schema) => schema.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hob: {error:#}");
            ExitCode::FAILURE
        }
    }
}
