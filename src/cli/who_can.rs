//! `who-can`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output::say;
use super::question::{AskedFlags, ByRules, read};
use super::server::refused;
use super::words::{path_json, way};
use super::{Failure, Outcome, ServerFlags};
use crate::authz::who_can;
use crate::rpc::answers;
use crate::rpc::proto::access::holder::Holder as Who;
use crate::rpc::proto::access::{Holder, WhoCanRequest};

/// The flags of `who-can`.
#[derive(Debug, Args)]
pub struct WhoCan {
    #[command(flatten)]
    server: ServerFlags,
    #[command(flatten)]
    asked: AskedFlags,
    /// For programs: one document a line.
    #[arg(long)]
    json: bool,
}

impl WhoCan {
    pub(super) async fn run(self) -> Outcome {
        let question = self.asked.about(None);
        let server = self.server.connect().await?;
        let request = WhoCanRequest { question: Some(question.clone()) };
        match server.access().who_can(request).await {
            Ok(told) => {
                let mut told = told.into_inner();
                while let Some(page) = told.message().await.map_err(|e| refused(&e))? {
                    show(page.holders.into_iter(), self.json)?;
                }
            }
            Err(refusal) => {
                let rules = ByRules::read(&server, self.server.user(), &refusal).await?;
                let need = read(&question)?.need();
                show(who_can(rules.view(), &need).map(answers::holder), self.json)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(holders: impl Iterator<Item = Holder>, as_json: bool) -> Result<(), Failure> {
    for Holder { holder, path } in holders {
        let (kind, name) = match holder {
            Some(Who::User(name)) => ("user", name),
            Some(Who::Role(name)) => ("role", name),
            None => continue,
        };
        let path = path.unwrap_or_default();
        if as_json {
            say(&format!("{}\n", json!({ kind: name, "path": path_json(&path) })))?;
        } else {
            say(&format!("{kind} {name}: {}\n", way(&path)))?;
        }
    }
    Ok(())
}
