//! `export`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::put;
use super::{Outcome, ServerFlags, state};
use crate::policy::export::export;

/// The flags of `export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    server: ServerFlags,
    /// With the bcrypt hashes of passwords, so that users can be created elsewhere: keep it secret.
    #[arg(long)]
    with_password_hashes: bool,
    /// Where it goes, if not to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self) -> Outcome {
        let server = self.server.connect().await?;
        let found = state::read(&server, &BTreeSet::new()).await?;
        if self.with_password_hashes && !found.hashes {
            return Err("the hashes of passwords are told with a backup, to which this login has \
                        no right or which this Milvus does not have"
                .to_owned());
        }
        let text = export(&found.state, &found.rules, self.with_password_hashes);
        put(self.output.as_deref(), &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
