//! Requests in one line.

use milvus_rbac::rpc::proto::service::*;

use crate::support::encoded;

/// The password of users who need just any.
pub(crate) const PASSWORD: &str = "secret";

pub(crate) fn create_user(name: &str, password: &str) -> CreateCredentialRequest {
    CreateCredentialRequest {
        username: name.to_owned(),
        password: encoded(password),
        ..Default::default()
    }
}

pub(crate) fn describe_user(name: &str, description: &str) -> UpdateCredentialRequest {
    UpdateCredentialRequest {
        username: name.to_owned(),
        description: Some(description.to_owned()),
        ..Default::default()
    }
}

pub(crate) fn change_password(name: &str, old: &str, new: &str) -> UpdateCredentialRequest {
    UpdateCredentialRequest {
        username: name.to_owned(),
        old_password: encoded(old),
        new_password: encoded(new),
        ..Default::default()
    }
}

pub(crate) fn delete_user(name: &str) -> DeleteCredentialRequest {
    DeleteCredentialRequest { username: name.to_owned(), ..Default::default() }
}

pub(crate) fn select_user(name: &str) -> SelectUserRequest {
    let user = Some(UserEntity { name: name.to_owned() });
    SelectUserRequest { user, include_role_info: true, ..Default::default() }
}

pub(crate) fn role(name: &str) -> RoleEntity {
    described_role(name, "")
}

pub(crate) fn described_role(name: &str, description: &str) -> RoleEntity {
    RoleEntity { name: name.to_owned(), description: description.to_owned() }
}

pub(crate) fn create_role(name: &str) -> CreateRoleRequest {
    CreateRoleRequest { entity: Some(role(name)), ..Default::default() }
}

pub(crate) fn alter_role(name: &str, description: &str) -> AlterRoleRequest {
    AlterRoleRequest {
        role_name: name.to_owned(),
        description: description.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn drop_role(name: &str, force_drop: bool) -> DropRoleRequest {
    DropRoleRequest { role_name: name.to_owned(), force_drop, ..Default::default() }
}

pub(crate) fn bind(user: &str, role: &str) -> OperateUserRoleRequest {
    OperateUserRoleRequest {
        username: user.to_owned(),
        role_name: role.to_owned(),
        r#type: OperateUserRoleType::AddUserToRole.into(),
        ..Default::default()
    }
}

pub(crate) fn unbind(user: &str, role: &str) -> OperateUserRoleRequest {
    OperateUserRoleRequest {
        r#type: OperateUserRoleType::RemoveUserFromRole.into(),
        ..bind(user, role)
    }
}

pub(crate) fn select_role(name: &str) -> SelectRoleRequest {
    SelectRoleRequest { role: Some(role(name)), include_user_info: true, ..Default::default() }
}

fn grantor(user: &str, privilege: &str) -> Option<GrantorEntity> {
    Some(GrantorEntity {
        user: Some(UserEntity { name: user.to_owned() }),
        privilege: Some(PrivilegeEntity { name: privilege.to_owned() }),
    })
}

/// A grant on `type/object` in a database, made by `root`.
pub(crate) fn entity(
    role_name: &str,
    object: (&str, &str),
    privilege: &str,
    database: &str,
) -> GrantEntity {
    let (object_type, name) = object;
    GrantEntity {
        role: Some(role(role_name)),
        object: Some(ObjectEntity { name: object_type.to_owned() }),
        object_name: name.to_owned(),
        grantor: grantor("root", privilege),
        db_name: database.to_owned(),
    }
}

/// A v1 grant.
pub(crate) fn grant(
    role: &str,
    object: (&str, &str),
    privilege: &str,
    database: &str,
) -> OperatePrivilegeRequest {
    OperatePrivilegeRequest {
        entity: Some(entity(role, object, privilege, database)),
        r#type: OperatePrivilegeType::Grant.into(),
        ..Default::default()
    }
}

/// A v1 revoke.
pub(crate) fn revoke(
    role: &str,
    object: (&str, &str),
    privilege: &str,
    database: &str,
) -> OperatePrivilegeRequest {
    OperatePrivilegeRequest {
        r#type: OperatePrivilegeType::Revoke.into(),
        ..grant(role, object, privilege, database)
    }
}

/// A v2 grant on `database/collection`.
pub(crate) fn grant_v2(
    role_name: &str,
    privilege: &str,
    (database, collection): (&str, &str),
) -> OperatePrivilegeV2Request {
    OperatePrivilegeV2Request {
        role: Some(role(role_name)),
        grantor: grantor("", privilege),
        r#type: OperatePrivilegeType::Grant.into(),
        db_name: database.to_owned(),
        collection_name: collection.to_owned(),
        ..Default::default()
    }
}

/// A v2 revoke.
pub(crate) fn revoke_v2(
    role: &str,
    privilege: &str,
    on: (&str, &str),
) -> OperatePrivilegeV2Request {
    OperatePrivilegeV2Request {
        r#type: OperatePrivilegeType::Revoke.into(),
        ..grant_v2(role, privilege, on)
    }
}

/// SelectGrant of all that a role holds in a database.
pub(crate) fn grants_of(role_name: &str, database: &str) -> SelectGrantRequest {
    let (role, db_name) = (Some(role(role_name)), database.to_owned());
    let entity = GrantEntity { role, db_name, ..Default::default() };
    SelectGrantRequest { entity: Some(entity), ..Default::default() }
}

/// SelectGrant of what a role holds on one object.
pub(crate) fn grants_on(role: &str, object: (&str, &str), database: &str) -> SelectGrantRequest {
    let entity = GrantEntity { grantor: None, ..entity(role, object, "", database) };
    SelectGrantRequest { entity: Some(entity), ..Default::default() }
}

pub(crate) fn create_group(name: &str) -> CreatePrivilegeGroupRequest {
    CreatePrivilegeGroupRequest { group_name: name.to_owned(), ..Default::default() }
}

pub(crate) fn drop_group(name: &str) -> DropPrivilegeGroupRequest {
    DropPrivilegeGroupRequest { group_name: name.to_owned(), ..Default::default() }
}

pub(crate) fn privileges(names: &[&str]) -> Vec<PrivilegeEntity> {
    names.iter().map(|name| PrivilegeEntity { name: (*name).to_owned() }).collect()
}

pub(crate) fn add_members(group: &str, members: &[&str]) -> OperatePrivilegeGroupRequest {
    OperatePrivilegeGroupRequest {
        group_name: group.to_owned(),
        privileges: privileges(members),
        r#type: OperatePrivilegeGroupType::AddPrivilegesToGroup.into(),
        ..Default::default()
    }
}

pub(crate) fn remove_members(group: &str, members: &[&str]) -> OperatePrivilegeGroupRequest {
    OperatePrivilegeGroupRequest {
        r#type: OperatePrivilegeGroupType::RemovePrivilegesFromGroup.into(),
        ..add_members(group, members)
    }
}

pub(crate) fn restore(meta: RbacMeta) -> RestoreRbacMetaRequest {
    RestoreRbacMetaRequest { rbac_meta: Some(meta), ..Default::default() }
}

pub(crate) fn create_database(name: &str) -> CreateDatabaseRequest {
    CreateDatabaseRequest { db_name: name.to_owned(), ..Default::default() }
}

pub(crate) fn drop_database(name: &str) -> DropDatabaseRequest {
    DropDatabaseRequest { db_name: name.to_owned(), ..Default::default() }
}

pub(crate) fn describe_database(name: &str) -> DescribeDatabaseRequest {
    DescribeDatabaseRequest { db_name: name.to_owned(), ..Default::default() }
}

/// A grant as one line: `Collection default.c1 Search by root`.
pub(crate) fn line(grant: &GrantEntity) -> String {
    let grantor = grant.grantor.clone().unwrap();
    format!(
        "{} {}.{} {} by {}",
        grant.object.clone().unwrap().name,
        grant.db_name,
        grant.object_name,
        grantor.privilege.unwrap().name,
        grantor.user.unwrap().name,
    )
}
