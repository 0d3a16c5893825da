//! `/roles/*`.

use serde_json::{Value, json};

use super::{Answered, ask, change};
use crate::model::state::DEFAULT_DATABASE;
use crate::rest::body::Body;
use crate::rest::call::Call;
use crate::rest::envelope::{Answer, check};
use crate::rpc::proto::service::milvus_service_server::MilvusService as _;
use crate::rpc::proto::service::*;

pub(super) async fn list(call: &Call<'_>) -> Answered {
    let (roles, _) = ask!(call, "SelectRole", select_role, SelectRoleRequest::default())?;
    check(roles.status)?;
    let names = roles.results.into_iter().filter_map(|result| Some(result.role?.name));
    Ok(Answer::data(names.collect::<Vec<_>>().into()))
}

/// The right to see the grants is the right to see the description, which Milvus asks for by a call
/// of its own that holders of the role may not make.
pub(super) async fn describe(call: &Call<'_>, body: &Body) -> Answered {
    let name = body.text("roleName");
    let entity = Some(GrantEntity { role: role(name), ..Default::default() });
    let request = SelectGrantRequest { entity, ..Default::default() };
    let (grants, caller) = ask!(call, "SelectGrant", select_grant, request)?;
    check(grants.status)?;
    let description = caller.snapshot().state.roles.get(name).map(|r| r.description.to_string());
    Ok(Answer {
        data: grants.entities.into_iter().map(grant).collect(),
        description: Some(description.unwrap_or_default()),
    })
}

fn grant(entity: GrantEntity) -> Value {
    let grantor = entity.grantor.unwrap_or_default();
    json!({
        "dbName": entity.db_name,
        "grantor": grantor.user.unwrap_or_default().name,
        "objectName": entity.object_name,
        "objectType": entity.object.unwrap_or_default().name,
        "privilege": grantor.privilege.unwrap_or_default().name,
    })
}

fn role(name: &str) -> Option<RoleEntity> {
    Some(RoleEntity { name: name.to_owned(), ..Default::default() })
}

fn grantor(body: &Body) -> Option<GrantorEntity> {
    let privilege = Some(PrivilegeEntity { name: body.text("privilege").to_owned() });
    Some(GrantorEntity { user: None, privilege })
}

fn operation(grant: bool) -> i32 {
    let operation = if grant { OperatePrivilegeType::Grant } else { OperatePrivilegeType::Revoke };
    operation.into()
}

pub(super) async fn create(call: &Call<'_>, body: &Body) -> Answered {
    let name = body.text("roleName").to_owned();
    let entity = Some(RoleEntity { name, description: body.text("description").to_owned() });
    change!(call, "CreateRole", create_role, CreateRoleRequest { entity, ..Default::default() })
}

pub(super) async fn alter(call: &Call<'_>, body: &Body) -> Answered {
    let request = AlterRoleRequest {
        role_name: body.text("roleName").to_owned(),
        description: body.text("description").to_owned(),
        ..Default::default()
    };
    change!(call, "AlterRole", alter_role, request)
}

pub(super) async fn drop(call: &Call<'_>, body: &Body) -> Answered {
    let role_name = body.text("roleName").to_owned();
    change!(call, "DropRole", drop_role, DropRoleRequest { role_name, ..Default::default() })
}

pub(super) async fn operate(call: &Call<'_>, body: &Body, grant: bool) -> Answered {
    let entity = GrantEntity {
        role: role(body.text("roleName")),
        object: Some(ObjectEntity { name: body.text("objectType").to_owned() }),
        object_name: body.text("objectName").to_owned(),
        grantor: grantor(body),
        // Empty: the database of the call, which is the body's if it names one.
        db_name: String::new(),
    };
    let request = OperatePrivilegeRequest {
        entity: Some(entity),
        r#type: operation(grant),
        ..Default::default()
    };
    change!(call, "OperatePrivilege", operate_privilege, request)
}

pub(super) async fn operate_v2(call: &Call<'_>, body: &Body, grant: bool) -> Answered {
    // The header's database is not the target's.
    let database = body.optional("dbName").filter(|name| !name.is_empty());
    let request = OperatePrivilegeV2Request {
        role: role(body.text("roleName")),
        grantor: grantor(body),
        r#type: operation(grant),
        db_name: database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned()),
        collection_name: body.text("collectionName").to_owned(),
        ..Default::default()
    };
    change!(call, "OperatePrivilegeV2", operate_privilege_v2, request)
}
