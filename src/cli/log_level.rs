//! `log-level`.

use std::process::ExitCode;

use clap::Args;

use super::output::{plain, tell};
use super::server::refused;
use super::{Outcome, ServerFlags};
use crate::rpc::proto::access::SetLogLevelRequest;

/// The flags of `log-level`.
#[derive(Debug, Args)]
pub struct LogLevel {
    #[command(flatten)]
    server: ServerFlags,
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter such as `milvus_rbac=debug`.
    level: String,
}

impl LogLevel {
    pub(super) async fn run(self) -> Outcome {
        let server = self.server.connect().await?;
        let request = SetLogLevelRequest { level: self.level.clone() };
        let told = server.access().set_log_level(request).await.map_err(|e| refused(&e))?;
        let before = plain(&told.into_inner().before);
        tell(&format!("the log level is {}; it was {before}\n", self.level))?;
        Ok(ExitCode::SUCCESS)
    }
}
