//! Roles: CreateRole, AlterRole, DropRole, OperateUserRole, SelectRole.

use super::proto::common::{self, ErrorCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::gate::Caller;
use crate::model::command::{self, Command, MemberOperation};
use crate::model::error::Error;
use crate::model::name::{self, Kind};
use crate::model::state::{Name, Role};

pub(super) async fn create(
    service: &Service,
    caller: &Caller,
    request: CreateRoleRequest,
) -> Answer<common::Status> {
    service.change(caller, create_command(request), Some(ErrorCode::CreateRoleFailure)).await
}

pub(super) fn create_command(request: CreateRoleRequest) -> Result<Command, Error> {
    let RoleEntity { name, description } = request.entity.unwrap_or_default();
    name::check(Kind::Role, &name)
        .and_then(|()| name::check_role_description(&description))
        .map(|()| Command::CreateRole { name, description })
}

pub(super) async fn alter(
    service: &Service,
    caller: &Caller,
    request: AlterRoleRequest,
) -> Answer<common::Status> {
    service.change(caller, alter_command(request), None).await
}

pub(super) fn alter_command(request: AlterRoleRequest) -> Result<Command, Error> {
    let AlterRoleRequest { role_name: name, description, .. } = request;
    name::check(Kind::Role, &name)
        .and_then(|()| name::check_role_description(&description))
        .and_then(|()| command::check_default_role(&name, "altered"))
        .map(|()| Command::AlterRole { name, description })
}

pub(super) async fn drop(
    service: &Service,
    caller: &Caller,
    request: DropRoleRequest,
) -> Answer<common::Status> {
    service.change(caller, drop_command(request), Some(ErrorCode::DropRoleFailure)).await
}

pub(super) fn drop_command(request: DropRoleRequest) -> Result<Command, Error> {
    let DropRoleRequest { role_name: name, force_drop: force, .. } = request;
    name::check(Kind::Role, &name)
        .and_then(|()| command::check_default_role(&name, "dropped"))
        .map(|()| Command::DropRole { name, force })
}

pub(super) async fn operate(
    service: &Service,
    caller: &Caller,
    request: OperateUserRoleRequest,
) -> Answer<common::Status> {
    let command = operate_command(request);
    service.change(caller, command, Some(ErrorCode::OperateUserRoleFailure)).await
}

pub(super) fn operate_command(request: OperateUserRoleRequest) -> Result<Command, Error> {
    let OperateUserRoleRequest { username: user, role_name: role, r#type, .. } = request;
    let operation = match OperateUserRoleType::try_from(r#type) {
        Ok(OperateUserRoleType::AddUserToRole) => Some(MemberOperation::Add),
        Ok(OperateUserRoleType::RemoveUserFromRole) => Some(MemberOperation::Remove),
        Err(_) => None,
    };
    name::check_user(&user)
        .and_then(|()| name::check(Kind::Role, &role))
        .map(|()| Command::OperateUserRole { user, role, operation })
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
