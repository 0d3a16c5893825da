//! `/roles/run_command`: its body and its answers are MongoDB's.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::ask;
use crate::rest::body::unreadable;
use crate::rest::call::Call;
use crate::rest::envelope::{JSON, Refusal, check};
use crate::rpc::proto::service::SelectRoleRequest;
use crate::rpc::proto::service::milvus_service_server::MilvusService as _;
use crate::run_command::{Command, RolesInfo, all_grants_of, answer, parse, roles_info};

/// A command that breaks a rule.
const INVALID: i32 = 1100;

pub(in crate::rest) async fn run_command(
    call: &Call<'_>,
    body: &[u8],
) -> Result<Response, Refusal> {
    let document: Value =
        serde_json::from_slice(body).map_err(|e| unreadable(&format_args!("error: {e}")))?;
    let command = parse(&document).map_err(|e| Refusal::failed(INVALID, e))?;
    let answered = match command {
        Command::Grant(request) => {
            let path = "/milvus_rbac.v1.AccessService/GrantPrivilegesToRole";
            call.ask(path, request, async |s, r| s.grant_privileges(r).await).await
        }
        Command::Revoke(request) => {
            let path = "/milvus_rbac.v1.AccessService/RevokePrivilegesFromRole";
            call.ask(path, request, async |s, r| s.revoke_privileges(r).await).await
        }
        Command::RolesInfo(info) => return Ok(told(&look(call, info).await?)),
    };
    let (response, _) = answered?;
    let answer = answer(response).map_err(|(code, text)| Refusal::failed(code, text))?;
    Ok(told(&answer))
}

fn told(answer: &Value) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, JSON)], answer.to_string()).into_response()
}

async fn look(call: &Call<'_>, info: RolesInfo) -> Result<Value, Refusal> {
    let mut all = Vec::new();
    if info.roles.is_none() {
        let (roles, _) = ask!(call, "SelectRole", select_role, SelectRoleRequest::default())?;
        check(roles.status)?;
        all.extend(roles.results.into_iter().filter_map(|role| Some(role.role?.name)));
    }
    let mut roles = Vec::new();
    for name in info.shown(all) {
        let (grants, _) = ask!(call, "SelectGrant", select_grant, all_grants_of(&name))?;
        check(grants.status)?;
        roles.push(info.role(&name, grants.entities));
    }
    Ok(roles_info(&roles))
}
