//! The commands that ask a server: clients like all others, for people and pipelines.
//!
//! What a person reads goes to standard output, what went wrong to standard error. Exit codes: 0 done,
//! 1 failed, 2 bad usage; a command that answers by its exit code says so in its help.

mod apply;
mod audit;
mod export;
mod one_by_one;
mod plan;
mod policy;
mod progress;
mod run_command;
mod server;
mod state;
mod wire;

use std::process::ExitCode;

use clap::Subcommand;

pub use self::server::ServerFlags;

/// What to ask.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who changed what, and whether the trail of it is whole.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Grant, revoke or look at privileges of a role with a command in MongoDB's form, all of it or nothing.
    RunCommand(run_command::RunCommand),
    /// Tell who may do what as a document, which `plan` and `apply` read.
    Export(export::Export),
    /// Tell what a document would change. Exit codes: 0 nothing, 2 something, 1 failed.
    Plan(plan::Plan),
    /// Make a document hold, all of it or nothing where the server has transactions.
    Apply(apply::Apply),
}

/// Why a command could not be carried out, for a person.
type Failure = String;

/// What a command ended with.
type Outcome = Result<ExitCode, Failure>;

impl Command {
    /// Does it, and tells how it went.
    pub fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = runtime.map_err(|e| e.to_string()).and_then(|runtime| {
            runtime.block_on(async {
                match self {
                    Self::Audit(audit) => audit.run().await,
                    Self::RunCommand(command) => command.run().await,
                    Self::Export(command) => command.run().await,
                    Self::Plan(command) => command.run().await,
                    Self::Apply(command) => command.run().await,
                }
            })
        });
        outcome.unwrap_or_else(|failure| {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        })
    }
}
