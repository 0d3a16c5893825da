//! `explain`.

use std::process::ExitCode;

use clap::Args;

use super::output::say;
use super::question::{AskedFlags, ByRules, SubjectFlags};
use super::words::{explanation, explanation_json};
use super::{Outcome, ServerFlags};
use crate::rpc::proto::access::ExplainRequest;

/// The flags of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
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

impl Explain {
    pub(super) async fn run(self) -> Outcome {
        let question = self.asked.about(self.subject.who());
        let server = self.server.connect().await?;
        let request = ExplainRequest { question: Some(question.clone()) };
        let told = match server.access().explain(request).await {
            Ok(told) => told.into_inner(),
            Err(refusal) => {
                let rules = ByRules::read(&server, self.server.user(), &refusal).await?;
                rules.explain(&question)?
            }
        };
        if self.json {
            say(&format!("{:#}\n", explanation_json(&told)))?;
        } else {
            say(&explanation(&self.subject.words(), &told))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
