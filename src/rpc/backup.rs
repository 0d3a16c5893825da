//! BackupRBAC and RestoreRBAC.

use super::grants::grant_entity;
use super::proto::common::{self, ErrorCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::{aside, groups, status};
use crate::gate::Caller;
use crate::model::command::Command;
use crate::model::error::Error;
use crate::model::name;
use crate::model::restore::{Backup, BackupGrant, BackupGroup, BackupRole, BackupUser};
use crate::model::state::{ADMIN, PUBLIC, ROOT, State};

pub(super) async fn backup(
    _: &Service,
    caller: &Caller,
    _: BackupRbacMetaRequest,
) -> Answer<BackupRbacMetaResponse> {
    let rbac_meta = Some(aside(|| of(&caller.snapshot().state)));
    reply(caller, BackupRbacMetaResponse { status: status::ok(), rbac_meta })
}

/// All of a state that a backup holds.
pub fn of(state: &State) -> RbacMeta {
    let role = |name: &str| RoleEntity { name: name.to_owned(), ..RoleEntity::default() };
    let users = state.users.iter().filter(|(name, _)| &***name != ROOT);
    let roles = || state.roles.iter().filter(|(name, _)| !matches!(&***name, ADMIN | PUBLIC));
    RbacMeta {
        users: users
            .map(|(name, user)| UserInfo {
                user: name.to_string(),
                password: user.password_hash.to_string(),
                roles: user.roles.keys().map(|name| role(name)).collect(),
            })
            .collect(),
        roles: roles()
            .map(|(name, role)| RoleEntity {
                name: name.to_string(),
                description: role.description.to_string(),
            })
            .collect(),
        grants: roles()
            .flat_map(|(name, role)| {
                role.grants.iter().map(|(grant, grantor)| grant_entity(name, grant, grantor))
            })
            .collect(),
        privilege_groups: groups::custom(state).collect(),
    }
}

pub(super) async fn restore(
    service: &Service,
    caller: &Caller,
    request: RestoreRbacMetaRequest,
) -> Answer<common::Status> {
    let command = restore_command(request);
    service.change(caller, command, Some(ErrorCode::OperatePrivilegeFailure)).await
}

pub(super) fn restore_command(request: RestoreRbacMetaRequest) -> Result<Command, Error> {
    let meta = request.rbac_meta.unwrap_or_default();
    let checked =
        meta.roles.iter().try_for_each(|role| name::check_role_description(&role.description));
    checked.map(|()| Command::Restore(aside(|| from_meta(meta))))
}

/// Missing messages become empty names, which the rules refuse.
fn from_meta(meta: RbacMeta) -> Backup {
    let role = |RoleEntity { name, description }| BackupRole { name, description };
    Backup {
        users: meta
            .users
            .into_iter()
            .map(|UserInfo { user, password, roles }| BackupUser {
                name: user,
                password_hash: password,
                roles: roles.into_iter().map(|role| role.name).collect(),
            })
            .collect(),
        roles: meta.roles.into_iter().map(role).collect(),
        grants: meta.grants.into_iter().map(backup_grant).collect(),
        groups: meta
            .privilege_groups
            .into_iter()
            .map(|PrivilegeGroupInfo { group_name, privileges }| BackupGroup {
                name: group_name,
                privileges: privileges.into_iter().map(|p| p.name).collect(),
            })
            .collect(),
    }
}

fn backup_grant(entity: GrantEntity) -> BackupGrant {
    let grantor = entity.grantor.unwrap_or_default();
    BackupGrant {
        role: entity.role.unwrap_or_default().name,
        object_type: entity.object.unwrap_or_default().name,
        object: entity.object_name,
        database: entity.db_name,
        privilege: grantor.privilege.unwrap_or_default().name,
        grantor: grantor.user.unwrap_or_default().name,
    }
}
