//! The product, spoken to in the oracle's words: requests become commands, answers outcomes, and
//! snapshots listings.

use milvus_rbac::authz::{Object, Policy, Query};
use milvus_rbac::model::builtin::BuiltInGroups;
use milvus_rbac::model::command::{
    Command, MemberOperation, PasswordChange, PrivilegeOperation, Target, check_default_role,
    check_deletable_user,
};
use milvus_rbac::model::error::Error;
use milvus_rbac::model::grants::{self, Filter};
use milvus_rbac::model::name::{self, Kind};
use milvus_rbac::model::privilege::{ObjectType, Privilege, api_name};
use milvus_rbac::model::restore::{Backup, BackupGrant, BackupGroup, BackupRole, BackupUser};
use milvus_rbac::model::state::{Name, State};
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::status;

use crate::oracle::{
    self, ADD, Call, GrantOp, GrantRow, On, Op, REMOVE, Refused, RoleRow, UserRow,
};

/// The command for a request, after the checks of form that the wire layers make.
pub(crate) fn command(op: &Op) -> Result<Command, Error> {
    check_form(op)?;
    Ok(match op.clone() {
        Op::CreateUser { name, hash, description } => {
            Command::CreateUser { name, password_hash: hash.into(), description }
        }
        Op::UpdateUser { name, hashes, description } => {
            let password = hashes.map(|(old, new)| PasswordChange {
                verified_hash: old.into(),
                new_hash: new.into(),
            });
            Command::UpdateUser { name, password, description }
        }
        Op::DeleteUser { name } => Command::DeleteUser { name },
        Op::CreateRole { name, description } => Command::CreateRole { name, description },
        Op::AlterRole { name, description } => Command::AlterRole { name, description },
        Op::DropRole { name, force } => Command::DropRole { name, force },
        Op::OperateUserRole { user, role, number } => {
            Command::OperateUserRole { user, role, operation: operation(number).ok() }
        }
        Op::OperatePrivilege(op) => Command::OperatePrivilege(privilege_operation(op)),
        Op::CreateGroup { name } => Command::CreateGroup { name },
        Op::DropGroup { name } => Command::DropGroup { name },
        Op::OperateGroup { name, privileges, number } => {
            Command::OperateGroup { name, privileges, operation: operation(number).ok() }
        }
        Op::Restore(backup) => Command::Restore(restored(backup)),
        Op::CreateDatabase { name } => {
            Command::CreateDatabase { name, created: 1, properties: Default::default() }
        }
        Op::AlterDatabase { name, set, unset } => Command::AlterDatabase { name, set, unset },
        Op::DropDatabase { name } => Command::DropDatabase { name },
    })
}

fn check_form(op: &Op) -> Result<(), Error> {
    match op {
        Op::CreateUser { name, description, .. } => {
            name::check_user(name)?;
            name::check_user_description(description)
        }
        Op::UpdateUser { description, .. } => {
            description.as_deref().map_or(Ok(()), name::check_user_description)
        }
        Op::DeleteUser { name } => check_deletable_user(name),
        Op::CreateRole { name, description } => {
            name::check(Kind::Role, name)?;
            name::check_role_description(description)
        }
        Op::AlterRole { name, description } => {
            name::check(Kind::Role, name)?;
            name::check_role_description(description)?;
            check_default_role(name, "altered")
        }
        Op::DropRole { name, .. } => {
            name::check(Kind::Role, name)?;
            check_default_role(name, "dropped")
        }
        Op::OperateUserRole { user, role, .. } => {
            name::check_user(user)?;
            name::check(Kind::Role, role)
        }
        Op::OperatePrivilege(op) => check_grant_form(op),
        Op::CreateGroup { name } | Op::DropGroup { name } => name::check_group(name),
        Op::OperateGroup { name, privileges, .. } => {
            name::check_group(name)?;
            privileges.iter().try_for_each(|p| name::check(Kind::Privilege, p))
        }
        Op::Restore(backup) => {
            backup.roles.iter().try_for_each(|r| name::check_role_description(&r.description))
        }
        Op::CreateDatabase { name } | Op::DropDatabase { name } => name::check_database(name),
        Op::AlterDatabase { .. } => Ok(()),
    }
}

fn check_grant_form(op: &GrantOp) -> Result<(), Error> {
    match &op.target {
        oracle::Target::V1 { object_type, object } => {
            name::check(Kind::Privilege, &op.privilege)?;
            name::check(Kind::ObjectType, object_type)?;
            name::check(Kind::Object, object)?;
            name::check(Kind::Role, &op.role)?;
            check_grant_database(&op.database)
        }
        oracle::Target::V2 { collection } => {
            name::check(Kind::Role, &op.role)?;
            name::check(Kind::Privilege, &op.privilege)?;
            check_grant_database(&op.database)?;
            name::check(Kind::Collection, collection)
        }
    }
}

/// The wire layers fill in the database of the connection for an empty name.
fn check_grant_database(name: &str) -> Result<(), Error> {
    if name.is_empty() { Ok(()) } else { name::check_grant_database(name) }
}

fn operation(number: i32) -> Result<MemberOperation, i32> {
    match number {
        ADD => Ok(MemberOperation::Add),
        REMOVE => Ok(MemberOperation::Remove),
        _ => Err(number),
    }
}

fn privilege_operation(op: GrantOp) -> PrivilegeOperation {
    let GrantOp { number, role, grantor, privilege, database, target } = op;
    let operation = operation(number);
    let target = match target {
        oracle::Target::V1 { object_type, object } => Target::V1 { object_type, object },
        oracle::Target::V2 { collection } => Target::V2 { collection },
    };
    PrivilegeOperation { operation, role, grantor, privilege, database, target }
}

fn restored(backup: oracle::Backup) -> Backup {
    let user =
        |oracle::BackupUser { name, hash, roles }| BackupUser { name, password_hash: hash, roles };
    let role = |oracle::BackupRole { name, description }| BackupRole { name, description };
    let grant = |grant| {
        let oracle::BackupGrant { role, object_type, object, database, privilege, grantor } = grant;
        BackupGrant { role, object_type, object, database, privilege, grantor }
    };
    let group = |oracle::BackupGroup { name, privileges }| BackupGroup { name, privileges };
    Backup {
        users: backup.users.into_iter().map(user).collect(),
        roles: backup.roles.into_iter().map(role).collect(),
        grants: backup.grants.into_iter().map(grant).collect(),
        groups: backup.groups.into_iter().map(group).collect(),
    }
}

/// A refusal as it leaves on the wire.
pub(crate) fn refusal(error: &Error) -> Refused {
    let Status { code, reason, .. } = status::refused(error, None).unwrap();
    Refused { code, text: reason }
}

fn texts<'a>(names: impl IntoIterator<Item = &'a Name>) -> impl Iterator<Item = String> {
    names.into_iter().map(ToString::to_string)
}

pub(crate) fn list_users(state: &State) -> Vec<UserRow> {
    let rows = state.users.iter().map(|(name, user)| UserRow {
        name: name.to_string(),
        hash: user.password_hash.to_string(),
        description: user.description.to_string(),
        roles: texts(user.roles.keys()).collect(),
    });
    rows.collect()
}

pub(crate) fn list_roles(state: &State) -> Vec<RoleRow> {
    let rows = state.roles.iter().map(|(name, role)| RoleRow {
        name: name.to_string(),
        description: role.description.to_string(),
        users: texts(role.users.keys()).collect(),
    });
    rows.collect()
}

pub(crate) fn list_groups(state: &State, built_in: &BuiltInGroups) -> Vec<(String, Vec<String>)> {
    let custom = state
        .groups
        .iter()
        .map(|(name, group)| (name.to_string(), texts(&group.privileges).collect()));
    let built_in = built_in.iter().map(|(name, members)| {
        (name.to_owned(), members.iter().map(|member| member.name().to_owned()).collect())
    });
    custom.chain(built_in).collect()
}

pub(crate) fn select_grant(
    state: &State,
    role: &str,
    database: &str,
    object: Option<(&str, &str)>,
) -> Vec<GrantRow> {
    let object = object.map(|(kind, name)| (ObjectType::named(kind).unwrap(), name));
    let Some(role) = state.roles.get(role) else {
        return Vec::new();
    };
    let rows = grants::select(role, Filter { database, object }).map(|(grant, grantor)| GrantRow {
        object_type: grant.object_type.name().to_owned(),
        database: grant.database.to_string(),
        object: grant.object.to_string(),
        privilege: api_name(&grant.privilege).to_owned(),
        grantor: grantor.to_string(),
    });
    rows.collect()
}

/// The product's decision.
pub(crate) fn allows(policy: &Policy, call: &Call<'_>) -> bool {
    let object = match call.on {
        On::Collection(name) => Object::Collection(name),
        On::Global(collection) => Object::Global { collection },
        On::User(name) => Object::User(name),
    };
    let privilege = Privilege::named(call.privilege).unwrap();
    let query = Query { user: call.user, privilege, database: call.database, object };
    policy.decide(&query).is_allowed()
}
