//! `backup`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::put;
use super::{Outcome, ServerFlags, backup_file, state};

/// The flags of `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    server: ServerFlags,
    /// Where it goes, if not to standard output. It holds the hashes of passwords: keep it secret.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(self) -> Outcome {
        let server = self.server.connect().await?;
        let found = state::read(&server, &BTreeSet::new()).await?;
        if !found.hashes {
            return Err("this login has no right to a backup, or this Milvus has none".to_owned());
        }
        let text = backup_file::write(&found.state, self.server.uri(), found.revision)?;
        put(self.output.as_deref(), &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
