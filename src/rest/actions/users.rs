//! `/users/*`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Answered, ask, change};
use crate::rest::body::Body;
use crate::rest::call::Call;
use crate::rest::envelope::{Answer, check};
use crate::rpc::proto::service::milvus_service_server::MilvusService as _;
use crate::rpc::proto::service::*;

pub(super) async fn list(call: &Call<'_>) -> Answered {
    let (users, _) = ask!(call, "ListCredUsers", list_cred_users, ListCredUsersRequest::default())?;
    check(users.status)?;
    Ok(Answer::data(json!(users.usernames)))
}

pub(super) async fn describe(call: &Call<'_>, body: &Body) -> Answered {
    let user = Some(UserEntity { name: body.text("userName").to_owned() });
    let request = SelectUserRequest { user, include_role_info: true, ..Default::default() };
    let (users, _) = ask!(call, "SelectUser", select_user, request)?;
    check(users.status)?;
    // An unknown user has no roles.
    let user = users.results.into_iter().next().unwrap_or_default();
    let roles: Vec<_> = user.roles.into_iter().map(|role| role.name).collect();
    Ok(Answer { data: json!(roles), description: Some(user.description) })
}

pub(super) async fn create(call: &Call<'_>, body: &Body) -> Answered {
    let request = CreateCredentialRequest {
        username: body.text("userName").to_owned(),
        password: STANDARD.encode(body.text("password")),
        description: body.optional("description"),
        ..Default::default()
    };
    change!(call, "CreateCredential", create_credential, request)
}

pub(super) async fn update(call: &Call<'_>, body: &Body) -> Answered {
    let mut request = UpdateCredentialRequest {
        username: body.text("userName").to_owned(),
        description: body.optional("description"),
        ..Default::default()
    };
    let new = body.text("newPassword");
    if !new.is_empty() {
        request.old_password = STANDARD.encode(body.text("password"));
        request.new_password = STANDARD.encode(new);
    }
    change!(call, "UpdateCredential", update_credential, request)
}

pub(super) async fn drop(call: &Call<'_>, body: &Body) -> Answered {
    let username = body.text("userName").to_owned();
    let request = DeleteCredentialRequest { username, ..Default::default() };
    change!(call, "DeleteCredential", delete_credential, request)
}

pub(super) async fn bind(call: &Call<'_>, body: &Body, bind: bool) -> Answered {
    let operation = if bind {
        OperateUserRoleType::AddUserToRole
    } else {
        OperateUserRoleType::RemoveUserFromRole
    };
    let request = OperateUserRoleRequest {
        username: body.text("userName").to_owned(),
        role_name: body.text("roleName").to_owned(),
        r#type: operation.into(),
        ..Default::default()
    };
    change!(call, "OperateUserRole", operate_user_role, request)
}
