//! `run-command`.
use super::{Outcome, ServerFlags};
use clap::Args;
use std::process::ExitCode;

/// The flags of `run-command`.
#[derive(Debug, Args)]
pub struct RunCommand {
    #[command(flatten)]
    server: ServerFlags,
    /// The command, as MongoDB's shell takes it.
    command: String,
}

impl RunCommand {
    pub(super) async fn run(self) -> Outcome {
        let server = self.server.connect().await?;
        let _ = (server.milvus(), server.access(), super::server::refused, super::server::accepted);
        Ok(ExitCode::SUCCESS)
    }
}
