//! The commands that ask a server: clients like all others, for people and pipelines.
//!
//! What a person reads goes to standard output, what went wrong to standard error. Exit codes: 0 done,
//! 1 failed, 2 bad usage; a command that answers by its exit code says so in its help.

mod apply;
mod audit;
mod backup;
mod backup_file;
mod check;
mod explain;
mod export;
mod health;
mod log_level;
mod one_by_one;
mod output;
mod plan;
mod policy;
mod policy_schema;
mod progress;
mod question;
mod restore;
mod run_command;
mod server;
mod state;
mod what_can;
mod who_can;
mod wire;
mod words;

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
    /// Tell what a document would change. Exit codes: 0 nothing, 2 something, 1 failed or bad usage.
    Plan(plan::Plan),
    /// Print the JSON schema of documents, for editors.
    PolicySchema(policy_schema::PolicySchema),
    /// Make a document hold, all of it or nothing where the server has transactions.
    Apply(apply::Apply),
    /// Tell whether somebody may do something. Exit codes: 0 yes, 3 no, 1 failed, 2 bad usage.
    Check(check::Check),
    /// Tell why somebody may do something; or why not, and what would help.
    Explain(explain::Explain),
    /// List all users and roles that may do something, each with how.
    WhoCan(who_can::WhoCan),
    /// List everything that somebody may do, grant by grant.
    WhatCan(what_can::WhatCan),
    /// Tell whether a server is ready, for probes: no login, no shell. Exit codes: 0 yes, 1 no, 2 bad usage.
    Health(health::Health),
    /// Change what a server logs, until it ends. For root and admin.
    LogLevel(log_level::LogLevel),
    /// Write users, roles, grants and groups to a file, with a checksum.
    Backup(backup::Backup),
    /// Bring back what a backup holds, all of it or nothing where the server has transactions.
    Restore(restore::Restore),
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
            let outcome = runtime.block_on(async {
                match self {
                    Self::Audit(audit) => audit.run().await,
                    Self::RunCommand(command) => command.run().await,
                    Self::Export(command) => command.run().await,
                    Self::Plan(command) => command.run().await,
                    Self::PolicySchema(command) => command.run(),
                    Self::Apply(command) => command.run().await,
                    Self::Check(command) => command.run().await,
                    Self::Explain(command) => command.run().await,
                    Self::WhoCan(command) => command.run().await,
                    Self::WhatCan(command) => command.run().await,
                    Self::Health(command) => command.run().await,
                    Self::LogLevel(command) => command.run().await,
                    Self::Backup(command) => command.run().await,
                    Self::Restore(command) => command.run().await,
                }
            });
            // A name that is still looked up would be waited for.
            runtime.shutdown_background();
            outcome
        });
        outcome.unwrap_or_else(|failure| {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        })
    }
}
