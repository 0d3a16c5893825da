//! Privilege groups: create, drop, list, operate.

use super::proto::common::{self, ErrorCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::gate::Caller;
use crate::model::command::{Command, MemberOperation};
use crate::model::error::Error;
use crate::model::name::{self, Kind};
use crate::model::state::State;

pub(super) async fn create(
    service: &Service,
    caller: &Caller,
    request: CreatePrivilegeGroupRequest,
) -> Answer<common::Status> {
    let command = create_command(request);
    service.change(caller, command, Some(ErrorCode::CreatePrivilegeGroupFailure)).await
}

pub(super) fn create_command(request: CreatePrivilegeGroupRequest) -> Result<Command, Error> {
    let name = request.group_name;
    name::check_group(&name).map(|()| Command::CreateGroup { name })
}

pub(super) async fn drop(
    service: &Service,
    caller: &Caller,
    request: DropPrivilegeGroupRequest,
) -> Answer<common::Status> {
    let command = drop_command(request);
    service.change(caller, command, Some(ErrorCode::DropPrivilegeGroupFailure)).await
}

pub(super) fn drop_command(request: DropPrivilegeGroupRequest) -> Result<Command, Error> {
    let name = request.group_name;
    name::check_group(&name).map(|()| Command::DropGroup { name })
}

pub(super) async fn operate(
    service: &Service,
    caller: &Caller,
    request: OperatePrivilegeGroupRequest,
) -> Answer<common::Status> {
    let command = operate_command(request);
    service.change(caller, command, Some(ErrorCode::OperatePrivilegeGroupFailure)).await
}

pub(super) fn operate_command(request: OperatePrivilegeGroupRequest) -> Result<Command, Error> {
    let name = request.group_name;
    let operation = match OperatePrivilegeGroupType::try_from(request.r#type) {
        Ok(OperatePrivilegeGroupType::AddPrivilegesToGroup) => Some(MemberOperation::Add),
        Ok(OperatePrivilegeGroupType::RemovePrivilegesFromGroup) => Some(MemberOperation::Remove),
        Err(_) => None,
    };
    let privileges: Vec<String> = request.privileges.into_iter().map(|p| p.name).collect();
    name::check_group(&name)
        .and_then(|()| privileges.iter().try_for_each(|p| name::check(Kind::Privilege, p)))
        .map(|()| Command::OperateGroup { name, privileges, operation })
}

pub(super) async fn list(
    service: &Service,
    caller: &Caller,
    _: ListPrivilegeGroupsRequest,
) -> Answer<ListPrivilegeGroupsResponse> {
    let built_in = service.groups.iter().map(|(name, members)| PrivilegeGroupInfo {
        group_name: name.to_owned(),
        privileges: members.iter().map(|p| PrivilegeEntity { name: p.name().to_owned() }).collect(),
    });
    let privilege_groups = custom(&caller.snapshot().state).chain(built_in).collect();
    reply(caller, ListPrivilegeGroupsResponse { status: status::ok(), privilege_groups })
}

/// The custom groups in byte order.
pub(super) fn custom(state: &State) -> impl Iterator<Item = PrivilegeGroupInfo> {
    state.groups.iter().map(|(name, group)| PrivilegeGroupInfo {
        group_name: name.to_string(),
        privileges: group
            .privileges
            .iter()
            .map(|p| PrivilegeEntity { name: p.to_string() })
            .collect(),
    })
}
