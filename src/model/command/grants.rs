//! Grants and revokes, of both generations.

use super::{MemberOperation, PrivilegeOperation, Rules, Target, level_of};
use crate::model::error::Error;
use crate::model::privilege::{
    self, ANY, Level, ObjectType, Privilege, PrivilegeKind, is_defined, stored_name,
};
use crate::model::state::{Change, DEFAULT_DATABASE, Grant, Name, Role, State};

/// What else Milvus grants and revokes with a privilege.
pub fn related(privilege: &str) -> &'static [&'static str] {
    match privilege {
        "Load" => &["GetLoadState", "GetLoadingProgress"],
        "Flush" => &["GetFlushState"],
        _ => &[],
    }
}

pub(super) fn operate(
    state: &State,
    rules: &Rules,
    request: &PrivilegeOperation,
) -> Result<Vec<Change>, Error> {
    let common = |e: Error| e.context("failed to operate privilege common check");
    let operation = request.operation.map_err(|number| {
        common(Error::invalid(format_args!(
            "invalid operate privilege type, current type: {number}, valid value: [Grant, Revoke]"
        )))
    })?;
    let v1_type = match &request.target {
        Target::V1 { object_type, .. } => {
            Some(ObjectType::named(object_type).ok_or_else(|| {
                common(Error::invalid("the object entity in the request is nil or invalid"))
            })?)
        }
        Target::V2 { .. } => None,
    };
    let Some((role_name, role)) = state.roles.get_key_value(&*request.role) else {
        let role = &request.role;
        return Err(common(Error::invalid(format_args!("the role \"{role}\" does not exist"))));
    };
    let Some((grantor, _)) = state.users.get_key_value(&*request.grantor) else {
        let user = &request.grantor;
        return Err(common(Error::invalid(format_args!(
            "the grantor user \"{user}\" does not exist"
        ))));
    };
    let name = request.privilege.as_str();
    match v1_type {
        Some(object_type) => check_v1_privilege(state, name, object_type)?,
        None => check_v2_privilege(state, rules, request)?,
    }
    if operation == MemberOperation::Add
        && Privilege::named(name).is_some_and(|p| p.is_deprecated())
    {
        return Err(Error::invalid(format_args!(
            "the privilege [{name}] is deprecated and can only be revoked"
        )));
    }
    let changes = std::iter::once(&name).chain(related(name)).filter_map(|&privilege| {
        let grant = grant_of(request, v1_type, privilege);
        change_for(role_name, role, grant, operation, grantor)
    });
    Ok(changes.collect())
}

/// The change that brings `grant` into or out of the role, if it is not so already.
fn change_for(
    name: &Name,
    role: &Role,
    grant: Grant,
    operation: MemberOperation,
    grantor: &Name,
) -> Option<Change> {
    match (operation, role.grants.contains_key(&grant)) {
        (MemberOperation::Add, false) => {
            Some(Change::Grant { role: name.clone(), grant, grantor: grantor.clone() })
        }
        (MemberOperation::Remove, true) => Some(Change::Revoke { role: name.clone(), grant }),
        _ => None,
    }
}

/// The grant as it is stored: v1 grants on `Global` lose their object name unless they name a
/// group, v2 grants take the object type of the privilege.
fn grant_of(request: &PrivilegeOperation, v1_type: Option<ObjectType>, privilege: &str) -> Grant {
    let object_type = v1_type.unwrap_or_else(|| privilege::object_type_of(privilege));
    let object = match &request.target {
        Target::V1 { object, .. } => {
            let is_group =
                Privilege::named(privilege).is_some_and(|p| p.kind() == PrivilegeKind::LegacyGroup);
            if object_type == ObjectType::Global && !is_group { ANY } else { object }
        }
        Target::V2 { collection } => collection,
    };
    let database = if request.database.is_empty() { DEFAULT_DATABASE } else { &request.database };
    Grant {
        object_type,
        database: database.into(),
        object: object.into(),
        privilege: stored_name(privilege).into(),
    }
}

fn check_v1_privilege(state: &State, name: &str, object_type: ObjectType) -> Result<(), Error> {
    if name == ANY {
        return Ok(());
    }
    if state.groups.contains_key(name) {
        return Err(Error::invalid(format_args!(
            "can not operate the custom privilege group [{name}]"
        )));
    }
    let privilege = Privilege::named(name);
    if privilege.is_some_and(|p| p.kind() == PrivilegeKind::BuiltInGroup) {
        return Err(Error::invalid(format_args!(
            "can not operate the built-in privilege group [{name}]"
        )));
    }
    if privilege.is_some_and(|p| p.v1_object_type() == Some(object_type)) {
        return Ok(());
    }
    let object_type = object_type.name();
    Err(Error::invalid(format_args!(
        "not found the privilege name[{name}] in object[{object_type}]"
    )))
}

fn check_v2_privilege(
    state: &State,
    rules: &Rules,
    request: &PrivilegeOperation,
) -> Result<(), Error> {
    let name = request.privilege.as_str();
    let custom = state.groups.get(name);
    if name != ANY && custom.is_none() && !is_defined(name) {
        return Err(Error::invalid(format_args!("not found the privilege name[{name}]")));
    }
    let level = group_level(rules, state, name);
    let collection = match &request.target {
        Target::V2 { collection } => collection.as_str(),
        Target::V1 { object, .. } => object.as_str(),
    };
    level.map_or(Ok(()), |level| check_level(level, name, &request.database, collection))
}

/// The level of a group, if that is one and has members: the first tells, since all share it.
pub fn group_level(rules: &Rules, state: &State, name: &str) -> Option<Option<Level>> {
    match (rules.groups.members(name), state.groups.get(name)) {
        (Some(members), _) => members.first().map(|p| p.level()),
        (None, Some(group)) => group.privileges.iter().next().map(|member| level_of(member)),
        (None, None) => None,
    }
}

/// Whether what has that level, if groups that mix them have any, can be held there. Milvus asks
/// so for groups alone.
///
/// # Errors
/// It is never asked for there.
pub fn check_level(
    level: Option<Level>,
    name: &str,
    database: &str,
    collection: &str,
) -> Result<(), Error> {
    let every_database = database == ANY;
    let every_collection = collection == ANY || collection.is_empty();
    match level {
        Some(Level::Cluster) if !(every_database && every_collection) => {
            Err(Error::invalid(format_args!(
                "dbName and collectionName should be * for the cluster level privilege: {name}"
            )))
        }
        Some(Level::Database) if !every_collection => Err(Error::invalid(format_args!(
            "collectionName should be * for the database level privilege: {name}"
        ))),
        Some(Level::Collection) if every_database && !every_collection => Err(Error::invalid(
            format_args!("please specify database name for the collection level privilege: {name}"),
        )),
        Some(_) => Ok(()),
        None => Err(Error::invalid("not found the privilege level")),
    }
}
