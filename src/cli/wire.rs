//! Commands as the calls that they are.

use super::Failure;
use crate::model::command::{Command, MemberOperation, PrivilegeOperation, Target};
use crate::model::restore::{Backup, BackupGrant};
use crate::rpc::proto::access::step::Step;
use crate::rpc::proto::service::*;

/// The call that asks for a command.
///
/// # Errors
/// No call does.
pub(super) fn call(command: &Command) -> Result<Step, Failure> {
    Ok(match command.clone() {
        Command::UpdateUser { name: username, password: None, description } => {
            Step::UpdateCredential(UpdateCredentialRequest {
                username,
                description,
                ..Default::default()
            })
        }
        Command::DeleteUser { name: username } => {
            Step::DeleteCredential(DeleteCredentialRequest { username, ..Default::default() })
        }
        Command::CreateRole { name, description } => {
            let entity = Some(RoleEntity { name, description });
            Step::CreateRole(CreateRoleRequest { entity, ..Default::default() })
        }
        Command::AlterRole { name: role_name, description } => {
            Step::AlterRole(AlterRoleRequest { role_name, description, ..Default::default() })
        }
        Command::DropRole { name: role_name, force: force_drop } => {
            Step::DropRole(DropRoleRequest { role_name, force_drop, ..Default::default() })
        }
        Command::OperateUserRole { user: username, role: role_name, operation } => {
            let r#type = match operation {
                Some(MemberOperation::Remove) => OperateUserRoleType::RemoveUserFromRole,
                _ => OperateUserRoleType::AddUserToRole,
            };
            let r#type = r#type.into();
            Step::OperateUserRole(OperateUserRoleRequest {
                username,
                role_name,
                r#type,
                ..Default::default()
            })
        }
        Command::OperatePrivilege(operation) => privilege(operation),
        Command::CreateGroup { name: group_name } => {
            Step::CreatePrivilegeGroup(CreatePrivilegeGroupRequest {
                group_name,
                ..Default::default()
            })
        }
        Command::DropGroup { name: group_name } => {
            Step::DropPrivilegeGroup(DropPrivilegeGroupRequest { group_name, ..Default::default() })
        }
        Command::OperateGroup { name: group_name, privileges, operation } => {
            let r#type = match operation {
                Some(MemberOperation::Remove) => {
                    OperatePrivilegeGroupType::RemovePrivilegesFromGroup
                }
                _ => OperatePrivilegeGroupType::AddPrivilegesToGroup,
            };
            Step::OperatePrivilegeGroup(OperatePrivilegeGroupRequest {
                group_name,
                privileges: entities(privileges),
                r#type: r#type.into(),
                ..Default::default()
            })
        }
        Command::Restore(backup) => {
            let rbac_meta = Some(meta(backup));
            Step::RestoreRbac(RestoreRbacMetaRequest { rbac_meta, ..Default::default() })
        }
        _ => return Err("there is no call for a step".to_owned()),
    })
}

fn entities(privileges: Vec<String>) -> Vec<PrivilegeEntity> {
    privileges.into_iter().map(|name| PrivilegeEntity { name }).collect()
}

fn grantor(user: String, privilege: String) -> Option<GrantorEntity> {
    let (user, privilege) =
        (Some(UserEntity { name: user }), Some(PrivilegeEntity { name: privilege }));
    Some(GrantorEntity { user, privilege })
}

fn role(name: String) -> Option<RoleEntity> {
    Some(RoleEntity { name, ..Default::default() })
}

fn privilege(operation: PrivilegeOperation) -> Step {
    let r#type = match operation.operation {
        Ok(MemberOperation::Remove) => OperatePrivilegeType::Revoke,
        _ => OperatePrivilegeType::Grant,
    };
    let (r#type, role) = (r#type.into(), role(operation.role));
    let grantor = grantor(operation.grantor, operation.privilege);
    let db_name = operation.database;
    match operation.target {
        Target::V1 { object_type, object: object_name } => {
            let object = Some(ObjectEntity { name: object_type });
            let entity = Some(GrantEntity { role, object, object_name, grantor, db_name });
            Step::OperatePrivilege(OperatePrivilegeRequest { entity, r#type, ..Default::default() })
        }
        Target::V2 { collection: collection_name } => {
            Step::OperatePrivilegeV2(OperatePrivilegeV2Request {
                role,
                grantor,
                r#type,
                db_name,
                collection_name,
                ..Default::default()
            })
        }
    }
}

fn meta(backup: Backup) -> RbacMeta {
    let Backup { users, roles, grants, groups } = backup;
    RbacMeta {
        users: users
            .into_iter()
            .map(|user| UserInfo {
                user: user.name,
                password: user.password_hash,
                roles: user.roles.into_iter().filter_map(role).collect(),
            })
            .collect(),
        roles: roles
            .into_iter()
            .map(|role| RoleEntity { name: role.name, description: role.description })
            .collect(),
        grants: grants.into_iter().map(grant).collect(),
        privilege_groups: groups
            .into_iter()
            .map(|group| PrivilegeGroupInfo {
                group_name: group.name,
                privileges: entities(group.privileges),
            })
            .collect(),
    }
}

fn grant(grant: BackupGrant) -> GrantEntity {
    GrantEntity {
        role: role(grant.role),
        object: Some(ObjectEntity { name: grant.object_type }),
        object_name: grant.object,
        grantor: grantor(grant.grantor, grant.privilege),
        db_name: grant.database,
    }
}
