//! `/privilege_groups/*`.

use serde_json::json;

use super::{Answered, ask, change};
use crate::rest::body::Body;
use crate::rest::call::Call;
use crate::rest::envelope::{Answer, check};
use crate::rpc::proto::service::milvus_service_server::MilvusService as _;
use crate::rpc::proto::service::*;

fn name(body: &Body) -> String {
    body.text("privilegeGroupName").to_owned()
}

pub(super) async fn create(call: &Call<'_>, body: &Body) -> Answered {
    let request = CreatePrivilegeGroupRequest { group_name: name(body), ..Default::default() };
    change!(call, "CreatePrivilegeGroup", create_privilege_group, request)
}

pub(super) async fn drop(call: &Call<'_>, body: &Body) -> Answered {
    let request = DropPrivilegeGroupRequest { group_name: name(body), ..Default::default() };
    change!(call, "DropPrivilegeGroup", drop_privilege_group, request)
}

pub(super) async fn list(call: &Call<'_>) -> Answered {
    let request = ListPrivilegeGroupsRequest::default();
    let (groups, _) = ask!(call, "ListPrivilegeGroups", list_privilege_groups, request)?;
    check(groups.status)?;
    let group = |group: PrivilegeGroupInfo| {
        // One text, not a list: so does Milvus.
        let privileges: Vec<_> = group.privileges.into_iter().map(|p| p.name).collect();
        json!({"privilegeGroupName": group.group_name, "privileges": privileges.join(",")})
    };
    let groups: Vec<_> = groups.privilege_groups.into_iter().map(group).collect();
    Ok(Answer::data(json!({"privilegeGroups": groups})))
}

pub(super) async fn operate(call: &Call<'_>, body: &Body, add: bool) -> Answered {
    let operation = if add {
        OperatePrivilegeGroupType::AddPrivilegesToGroup
    } else {
        OperatePrivilegeGroupType::RemovePrivilegesFromGroup
    };
    let privileges = body.texts("privileges").into_iter().map(|name| PrivilegeEntity { name });
    let request = OperatePrivilegeGroupRequest {
        group_name: name(body),
        privileges: privileges.collect(),
        r#type: operation.into(),
        ..Default::default()
    };
    change!(call, "OperatePrivilegeGroup", operate_privilege_group, request)
}
