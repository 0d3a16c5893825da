//! Grants: OperatePrivilege, OperatePrivilegeV2, SelectGrant.

use super::proto::access::MoveGrantsRequest;
use super::proto::common::{self, ErrorCode};
use super::proto::service::*;
use super::service::{Answer, Service, reply};
use super::status;
use crate::gate::Caller;
use crate::model::command::{Command, MemberOperation, PrivilegeOperation, Target};
use crate::model::error::Error;
use crate::model::grants::{self, Filter};
use crate::model::name::{self, Kind};
use crate::model::privilege::{ANY, ObjectType, api_name, stored_name};
use crate::model::state::{Grant, Name, Role};

/// The text in `version` that asks for the rules of the second generation.
const V2: &str = "v2";

pub(super) async fn operate(
    service: &Service,
    caller: &Caller,
    request: OperatePrivilegeRequest,
) -> Answer<common::Status> {
    let command = operate_command(service, caller, request).await;
    service.change(caller, command, Some(ErrorCode::OperatePrivilegeFailure)).await
}

pub(super) async fn operate_command(
    service: &Service,
    caller: &Caller,
    request: OperatePrivilegeRequest,
) -> Result<Command, Error> {
    let operation = operation(caller, request);
    resolved(service, caller, operation).await.map(Command::OperatePrivilege)
}

pub(super) async fn operate_v2(
    service: &Service,
    caller: &Caller,
    request: OperatePrivilegeV2Request,
) -> Answer<common::Status> {
    let command = operate_v2_command(service, caller, request).await;
    service.change(caller, command, Some(ErrorCode::OperatePrivilegeFailure)).await
}

pub(super) async fn operate_v2_command(
    service: &Service,
    caller: &Caller,
    request: OperatePrivilegeV2Request,
) -> Result<Command, Error> {
    let operation = operation_v2(caller, request);
    resolved(service, caller, operation).await.map(Command::OperatePrivilege)
}

/// The grants on a collection go or move with it.
pub(super) async fn follow_collection(
    service: &Service,
    caller: &Caller,
    request: MoveGrantsRequest,
) -> Answer<common::Status> {
    if request.collection.is_empty() {
        return reply(caller, common::Status::default());
    }
    service.change(caller, Ok(request.into()), None).await
}

impl From<MoveGrantsRequest> for Command {
    fn from(request: MoveGrantsRequest) -> Self {
        let MoveGrantsRequest { database, collection, new_database, new_collection } = request;
        if new_collection.is_empty() {
            return Self::CollectionDropped { database, collection };
        }
        Self::CollectionRenamed { database, collection, new_database, new_collection }
    }
}

/// The operation on the collection that an alias stands for. A grant that was made on the alias
/// itself, while nobody could tell, is revoked by that name.
async fn resolved(
    service: &Service,
    caller: &Caller,
    operation: Result<PrivilegeOperation, Error>,
) -> Result<PrivilegeOperation, Error> {
    let mut operation = operation?;
    let Some(aliases) = &service.behind.aliases else {
        return Ok(operation);
    };
    let name = match &mut operation.target {
        Target::V2 { collection } => collection,
        Target::V1 { object_type, object } if object_type == ObjectType::Collection.name() => {
            object
        }
        Target::V1 { .. } => return Ok(operation),
    };
    let revoke = operation.operation == Ok(MemberOperation::Remove);
    let role = caller.snapshot().state.roles.get(operation.role.as_str());
    let privilege = stored_name(&operation.privilege);
    let held = |role: &Role| role.held_at(&operation.database, name, &privilege).next().is_some();
    let stored = role.is_some_and(held);
    if name != ANY && operation.database != ANY && !(revoke && stored) {
        *name = aliases.resolve(&operation.database, name).await.to_string();
    }
    Ok(operation)
}

fn nil(what: &str) -> impl FnOnce() -> Error {
    move || Error::invalid(format_args!("{what} is nil"))
}

/// Grant or revoke; other numbers are refused by the command, or here for v2.
fn kind(number: i32) -> Result<MemberOperation, i32> {
    match OperatePrivilegeType::try_from(number) {
        Ok(OperatePrivilegeType::Grant) => Ok(MemberOperation::Add),
        Ok(OperatePrivilegeType::Revoke) => Ok(MemberOperation::Remove),
        Err(_) => Err(number),
    }
}

fn operation(
    caller: &Caller,
    request: OperatePrivilegeRequest,
) -> Result<PrivilegeOperation, Error> {
    let entity = request.entity.ok_or_else(nil("the entity in the request"))?;
    let grantor = entity.grantor.ok_or_else(nil("the grantor entity in the grant entity"))?;
    let privilege =
        grantor.privilege.ok_or_else(nil("the privilege entity in the grantor entity"))?.name;
    name::check(Kind::Privilege, &privilege)?;
    let object_type =
        entity.object.ok_or_else(nil("the resource entity in the grant entity"))?.name;
    name::check(Kind::ObjectType, &object_type)?;
    name::check(Kind::Object, &entity.object_name)?;
    let role = entity.role.ok_or_else(nil("the object entity in the grant entity"))?.name;
    name::check(Kind::Role, &role)?;
    let database = caller.database_or_own(entity.db_name);
    // Milvus takes any text here, and what it then stores cannot be read back.
    name::check_grant_database(&database)?;
    let object = entity.object_name;
    let target = if request.version == V2 {
        Target::V2 { collection: object }
    } else {
        Target::V1 { object_type, object }
    };
    Ok(PrivilegeOperation {
        operation: kind(request.r#type),
        role,
        grantor: caller.user().to_owned(),
        privilege,
        database,
        target,
    })
}

fn operation_v2(
    caller: &Caller,
    request: OperatePrivilegeV2Request,
) -> Result<PrivilegeOperation, Error> {
    let role = request.role.ok_or_else(nil("the role in the request"))?.name;
    name::check(Kind::Role, &role)?;
    let privilege = request
        .grantor
        .ok_or_else(nil("the grantor entity in the request"))?
        .privilege
        .ok_or_else(nil("the privilege entity in the grantor entity"))?
        .name;
    name::check(Kind::Privilege, &privilege)?;
    let operation = kind(request.r#type);
    if operation.is_err() {
        return Err(Error::invalid("the type in the request not grant or revoke"));
    }
    let database = caller.database_or_own(request.db_name);
    name::check_grant_database(&database)?;
    name::check(Kind::Collection, &request.collection_name)?;
    Ok(PrivilegeOperation {
        operation,
        role,
        grantor: caller.user().to_owned(),
        privilege,
        database,
        target: Target::V2 { collection: request.collection_name },
    })
}

pub(super) async fn select(
    service: &Service,
    caller: &Caller,
    mut request: SelectGrantRequest,
) -> Answer<SelectGrantResponse> {
    if let (Some(aliases), Some(entity)) = (&service.behind.aliases, &mut request.entity)
        && entity.object.as_ref().is_some_and(|o| o.name == ObjectType::Collection.name())
        && entity.object_name != ANY
    {
        let database = caller.database_or_own(entity.db_name.clone());
        entity.object_name = aliases.resolve(&database, &entity.object_name).await.to_string();
    }
    let (status, entities) = match selected(caller, request) {
        Ok(entities) => (status::ok(), entities),
        Err((e, legacy)) => (Some(status::refused(&e, legacy)?), Vec::new()),
    };
    reply(caller, SelectGrantResponse { status, entities })
}

fn selected(
    caller: &Caller,
    request: SelectGrantRequest,
) -> Result<Vec<GrantEntity>, (Error, Option<ErrorCode>)> {
    let form = |e: Error| (e, None);
    let found = |e: Error| (e, Some(ErrorCode::SelectGrantFailure));
    let entity = request.entity.ok_or_else(nil("the grant entity in the request")).map_err(form)?;
    // Node sends an empty object where it means none.
    let object =
        entity.object.filter(|object| !object.name.is_empty() || !entity.object_name.is_empty());
    if let Some(object) = &object {
        name::check(Kind::ObjectType, &object.name).map_err(form)?;
        name::check(Kind::Object, &entity.object_name).map_err(form)?;
    }
    let role =
        entity.role.ok_or_else(nil("the role entity in the grant entity")).map_err(form)?.name;
    name::check(Kind::Role, &role).map_err(form)?;

    let (role_name, role) =
        caller.snapshot().state.roles.get_key_value(role.as_str()).ok_or_else(|| {
            found(Error::invalid(format_args!("the role \"{role}\" does not exist")))
        })?;
    let object_type = object
        .map(|object| {
            ObjectType::named(&object.name).ok_or_else(|| {
                let name = object.name;
                found(Error::invalid(format_args!(
                    "not found the object type[name: {name}], supported the object types: [Collection, Global, User]"
                )))
            })
        })
        .transpose()?;
    let database = caller.database_or_own(entity.db_name);
    let filter = Filter {
        database: &database,
        object: object_type.map(|object_type| (object_type, entity.object_name.as_str())),
    };
    Ok(grants::select(role, filter)
        .map(|(grant, grantor)| grant_entity(role_name, grant, grantor))
        .collect())
}

/// A grant as clients see it.
pub(super) fn grant_entity(role: &Name, grant: &Grant, grantor: &Name) -> GrantEntity {
    GrantEntity {
        role: Some(RoleEntity { name: role.to_string(), ..RoleEntity::default() }),
        object: Some(ObjectEntity { name: grant.object_type.name().to_owned() }),
        object_name: grant.object.to_string(),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity { name: grantor.to_string() }),
            privilege: Some(PrivilegeEntity { name: api_name(&grant.privilege).to_owned() }),
        }),
        db_name: grant.database.to_string(),
    }
}
