//! `export`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::plan::tell;
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

/// Nobody else reads what may hold hashes.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

impl Export {
    pub(super) async fn run(self) -> Outcome {
        let server = self.server.connect().await?;
        let found = state::read(&server).await?;
        if self.with_password_hashes && !found.hashes {
            return Err("the hashes of passwords are told with a backup, to which this login has \
                        no right or which this Milvus does not have"
                .to_owned());
        }
        let text = export(&found.state, &found.rules, self.with_password_hashes);
        match self.output {
            None => tell(&text)?,
            Some(file) => write(&file, &text).map_err(|e| format!("{}: {e}", file.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
