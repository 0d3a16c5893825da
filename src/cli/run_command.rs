//! `run-command`.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::output::tell;
use super::server::{Server, accepted, refused};
use super::{Failure, Outcome, ServerFlags};
use crate::rpc::proto::service::SelectRoleRequest;
use crate::run_command::{
    Command, RolesInfo, all_grants_of, answer, parse, refusal, roles_info, statements,
};

/// The flags of `run-command`.
#[derive(Debug, Args)]
pub struct RunCommand {
    #[command(flatten)]
    server: ServerFlags,
    /// The command as MongoDB's shell takes it, `{ revokePrivilegesFromRole: "r", … }`, alone or within
    /// `db.runCommand(…)`; several run one after the other until one fails. `-` reads standard input.
    command: String,
}

impl RunCommand {
    pub(super) async fn run(self) -> Outcome {
        let mut text = self.command;
        if text == "-" {
            text.clear();
            std::io::stdin().read_to_string(&mut text).map_err(|e| e.to_string())?;
        }
        let documents = statements(&text)?;
        let commands = documents.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let server = self.server.connect().await?;
        for command in commands {
            match ask(&server, command).await? {
                Ok(answer) => tell(&format!("{answer}\n"))?,
                Err((code, text)) => {
                    tell(&format!("{}\n", refusal(code, &text)))?;
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An answer, or a refusal in MongoDB's form.
type Told = Result<Value, (i32, String)>;

async fn ask(server: &Server, command: Command) -> Result<Told, Failure> {
    let answered = match command {
        Command::Grant(request) => server.access().grant_privileges_to_role(request).await,
        Command::Revoke(request) => server.access().revoke_privileges_from_role(request).await,
        Command::RolesInfo(info) => return look(server, info).await.map(Ok),
    };
    let response = answered.map_err(|status| match status.code() {
        tonic::Code::Unimplemented => {
            "this server has no batches: it is a Milvus, or an older milvus-rbac".to_owned()
        }
        _ => refused(&status),
    })?;
    Ok(answer(response.into_inner()))
}

async fn look(server: &Server, info: RolesInfo) -> Result<Value, Failure> {
    let mut all = Vec::new();
    if info.roles.is_none() {
        let roles = server.milvus().select_role(SelectRoleRequest::default()).await;
        let roles = roles.map_err(|e| refused(&e))?.into_inner();
        accepted(roles.status)?;
        all.extend(roles.results.into_iter().filter_map(|role| Some(role.role?.name)));
    }
    let mut roles = Vec::new();
    for name in info.shown(all) {
        let grants = server.milvus().select_grant(all_grants_of(&name)).await;
        let grants = grants.map_err(|e| refused(&e))?.into_inner();
        accepted(grants.status)?;
        roles.push(info.role(&name, grants.entities));
    }
    Ok(roles_info(&roles))
}
