//! `what-can`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::output::say;
use super::question::{ByRules, SubjectFlags};
use super::server::refused;
use super::words::{path_json, way};
use super::{Failure, Outcome, ServerFlags};
use crate::authz::what_can;
use crate::rpc::answers;
use crate::rpc::proto::access::path::Reason;
use crate::rpc::proto::access::question::Subject as Who;
use crate::rpc::proto::access::{Capability, Reach, WhatCanRequest, what_can_request};

/// The flags of `what-can`.
#[derive(Debug, Args)]
pub struct WhatCan {
    #[command(flatten)]
    server: ServerFlags,
    #[command(flatten)]
    subject: SubjectFlags,
    /// For programs: one document a line.
    #[arg(long)]
    json: bool,
}

impl WhatCan {
    pub(super) async fn run(self) -> Outcome {
        let who = self.subject.who();
        let subject = who.clone().map(|who| match who {
            Who::User(name) => what_can_request::Subject::User(name),
            Who::Role(name) => what_can_request::Subject::Role(name),
        });
        let server = self.server.connect().await?;
        match server.access().what_can(WhatCanRequest { subject }).await {
            Ok(told) => {
                let mut told = told.into_inner();
                while let Some(page) = told.message().await.map_err(|e| refused(&e))? {
                    show(page.capabilities.into_iter(), self.json)?;
                }
            }
            Err(refusal) => {
                let rules = ByRules::read(&server, self.server.user(), &refusal).await?;
                let subject = rules.subject(who.as_ref())?;
                show(what_can(rules.view(), subject).map(answers::capability), self.json)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(capabilities: impl Iterator<Item = Capability>, as_json: bool) -> Result<(), Failure> {
    for Capability { path, reaches } in capabilities {
        let path = path.unwrap_or_default();
        if as_json {
            let reaches: Vec<Value> = reaches.iter().map(reach_json).collect();
            say(&format!("{}\n", json!({ "path": path_json(&path), "reaches": reaches })))?;
            continue;
        }
        let mut text = format!("{}\n", way(&path));
        // Everything need not be told one by one.
        for reach in reaches.iter().filter(|_| path.reason() == Reason::Grant) {
            let Reach { db_name, object_name, privileges } = reach;
            text.push_str(&format!("  {db_name}.{object_name}: {}\n", privileges.join(", ")));
        }
        if reaches.is_empty() {
            text.push_str("  this permits nothing\n");
        }
        say(&text)?;
    }
    Ok(())
}

fn reach_json(reach: &Reach) -> Value {
    json!({
        "db_name": reach.db_name,
        "object_name": reach.object_name,
        "privileges": reach.privileges,
    })
}
