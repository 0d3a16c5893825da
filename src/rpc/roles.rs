//! Roles: CreateRole, AlterRole, DropRole, OperateUserRole, SelectRole.

use super::proto::common::{self, ErrorCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::gate::Caller;
use crate::model::command::{self, Command, MemberOperation};
use crate::model::name::{self, Kind};
use crate::model::state::{Name, Role};

pub(super) async fn create(
    service: &Service,
    caller: &Caller,
    request: CreateRoleRequest,
) -> Answer<common::Status> {
    let RoleEntity { name, description } = request.entity.unwrap_or_default();
    let command = name::check(Kind::Role, &name)
        .and_then(|()| name::check_role_description(&description))
        .map(|()| Command::CreateRole { name, description });
    service.change(caller, command, Some(ErrorCode::CreateRoleFailure)).await
}

pub(super) async fn alter(
    service: &Service,
    caller: &Caller,
    request: AlterRoleRequest,
) -> Answer<common::Status> {
    let AlterRoleRequest { role_name: name, description, .. } = request;
    let command = name::check(Kind::Role, &name)
        .and_then(|()| name::check_role_description(&description))
        .and_then(|()| command::check_default_role(&name, "altered"))
        .map(|()| Command::AlterRole { name, description });
    service.change(caller, command, None).await
}

pub(super) async fn drop(
    service: &Service,
    caller: &Caller,
    request: DropRoleRequest,
) -> Answer<common::Status> {
    let DropRoleRequest { role_name: name, force_drop: force, .. } = request;
    let command = name::check(Kind::Role, &name)
        .and_then(|()| command::check_default_role(&name, "dropped"))
        .map(|()| Command::DropRole { name, force });
    service.change(caller, command, Some(ErrorCode::DropRoleFailure)).await
}

pub(super) async fn operate(
    service: &Service,
    caller: &Caller,
    request: OperateUserRoleRequest,
) -> Answer<common::Status> {
    let OperateUserRoleRequest { username: user, role_name: role, r#type, .. } = request;
    let operation = match OperateUserRoleType::try_from(r#type) {
        Ok(OperateUserRoleType::AddUserToRole) => Some(MemberOperation::Add),
        Ok(OperateUserRoleType::RemoveUserFromRole) => Some(MemberOperation::Remove),
        Err(_) => None,
    };
    let command = name::check_user(&user)
        .and_then(|()| name::check(Kind::Role, &role))
        .map(|()| Command::OperateUserRole { user, role, operation });
    service.change(caller, command, Some(ErrorCode::OperateUserRoleFailure)).await
}

pub(super) async fn select(
    _: &Service,
    caller: &Caller,
    request: SelectRoleRequest,
) -> Answer<SelectRoleResponse> {
    let roles = &caller.snapshot().state.roles;
    let with_users = request.include_user_info;
    let results = match request.role {
        None => roles.iter().map(|found| role_result(found, with_users)).collect(),
        Some(RoleEntity { name, .. }) => {
            if let Err(e) = name::check(Kind::Role, &name) {
                let status = Some(status::refused(&e, None)?);
                return reply(caller, SelectRoleResponse { status, results: Vec::new() });
            }
            let found = roles.get_key_value(name.as_str());
            found.into_iter().map(|found| role_result(found, with_users)).collect()
        }
    };
    reply(caller, SelectRoleResponse { status: status::ok(), results })
}

fn role_result((name, role): (&Name, &Role), with_users: bool) -> RoleResult {
    let mut users: Vec<_> = if with_users { role.users.keys().collect() } else { Vec::new() };
    // Milvus lists them by storage key, `<user>/<role>`: `a-b` and `a.b` come before `a`.
    users.sort_by_cached_key(|user| format!("{user}/"));
    RoleResult {
        role: Some(RoleEntity {
            name: name.to_string(),
            description: role.description.to_string(),
        }),
        users: users.into_iter().map(|user| UserEntity { name: user.to_string() }).collect(),
    }
}
