//! `check`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output::tell;
use super::question::{AskedFlags, ByRules, SubjectFlags};
use super::{Outcome, ServerFlags};
use crate::rpc::proto::access::CheckRequest;

/// What a check ends with that is denied.
const DENIED: u8 = 3;

/// The flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    server: ServerFlags,
    #[command(flatten)]
    subject: SubjectFlags,
    #[command(flatten)]
    asked: AskedFlags,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) async fn run(self) -> Outcome {
        let question = self.asked.about(self.subject.who());
        let server = self.server.connect().await?;
        let questions = vec![question.clone()];
        let (allowed, revision) = match server.access().check(CheckRequest { questions }).await {
            Ok(told) => {
                let told = told.into_inner();
                let verdict = told.verdicts.first().ok_or("the server answers nothing")?;
                (verdict.allowed, told.revision)
            }
            Err(refusal) => {
                let rules = ByRules::read(&server, self.server.user(), &refusal).await?;
                let told = rules.explain(&question)?;
                (told.allowed, told.revision)
            }
        };
        if self.json {
            tell(&format!("{}\n", json!({ "allowed": allowed, "revision": revision })))?;
        } else {
            tell(if allowed { "allowed\n" } else { "denied\n" })?;
        }
        Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::from(DENIED) })
    }
}
