//! Sections 6.11 and 6.12: what OperatePrivilege and OperatePrivilegeV2 refuse, and in which order;
//! the levels of groups; and `version: v2`.

use milvus_rbac::rpc::proto::service::*;

use super::grants::{ALL, C1, listed, world};
use super::requests::{add_members, create_group, grant, grant_v2, revoke, revoke_v2, role};
use super::{Refusal, p, r};

const COMMON: &str = "failed to operate privilege common check: ";

fn nil(what: &str) -> Refusal {
    p(format!("{what} is nil: invalid parameter"))
}

fn empty(what: &str) -> Refusal {
    p(format!("{what} should be not empty: invalid parameter[expected=not empty][actual=]"))
}

#[tokio::test]
async fn checks_of_v1_requests_in_order() {
    let w = world().await;
    // Everything is wrong; then one mistake less with every row.
    let mut request = OperatePrivilegeRequest { r#type: 7, ..Default::default() };
    w.refuses(request.clone(), nil("the entity in the request")).await;
    let mut entity = GrantEntity { db_name: "1".to_owned(), ..Default::default() };
    let with = |request: &OperatePrivilegeRequest, entity: &GrantEntity| OperatePrivilegeRequest {
        entity: Some(entity.clone()),
        ..request.clone()
    };
    w.refuses(with(&request, &entity), nil("the grantor entity in the grant entity")).await;
    entity.grantor = Some(GrantorEntity::default());
    w.refuses(with(&request, &entity), nil("the privilege entity in the grantor entity")).await;
    let privilege = |name: &str| {
        let privilege = Some(PrivilegeEntity { name: name.to_owned() });
        Some(GrantorEntity { user: None, privilege })
    };
    entity.grantor = privilege("");
    w.refuses(with(&request, &entity), empty("Privilege")).await;
    entity.grantor = privilege("Unknown");
    w.refuses(with(&request, &entity), nil("the resource entity in the grant entity")).await;
    entity.object = Some(ObjectEntity::default());
    w.refuses(with(&request, &entity), empty("ObjectType")).await;
    entity.object = Some(ObjectEntity { name: "Unknown".to_owned() });
    w.refuses(with(&request, &entity), empty("object name")).await;
    entity.object_name = "c1".to_owned();
    w.refuses(with(&request, &entity), nil("the object entity in the grant entity")).await;
    entity.role = Some(RoleEntity::default());
    w.refuses(with(&request, &entity), empty("role name")).await;
    entity.role = Some(role("r2"));
    let text = "the first character of a database name must be an underscore or letter: invalid database name[database=1]";
    w.refuses(with(&request, &entity), Refusal::new(802, 1, text).input()).await;
    entity.db_name = String::new();
    for number in [7, -1] {
        request.r#type = number;
        let text = format!(
            "{COMMON}invalid operate privilege type, current type: {number}, valid value: [Grant, Revoke]: invalid parameter"
        );
        w.refuses(with(&request, &entity), r(41, text)).await;
    }
    for kind in [OperatePrivilegeType::Grant, OperatePrivilegeType::Revoke] {
        request.r#type = kind.into();
        let mut entity = entity.clone();
        let text = format!(
            "{COMMON}the object entity in the request is nil or invalid: invalid parameter"
        );
        w.refuses(with(&request, &entity), r(41, text)).await;
        entity.object = Some(ObjectEntity { name: "Collection".to_owned() });
        let text = format!("{COMMON}the role \"r2\" does not exist: invalid parameter");
        w.refuses(with(&request, &entity), r(41, text)).await;
        entity.role = Some(role("r1"));
        let text = "not found the privilege name[Unknown] in object[Collection]: invalid parameter";
        w.refuses(with(&request, &entity), r(41, text)).await;
        entity.grantor = privilege("readers");
        let text = "can not operate the custom privilege group [readers]: invalid parameter";
        w.refuses(with(&request, &entity), r(41, text)).await;
        entity.grantor = privilege("Search");
        w.gets(with(&request, &entity)).await;
    }
    assert!(listed(&w).await.is_empty(), "granted and revoked");
}

#[tokio::test]
async fn checks_of_v2_requests_in_order() {
    let w = world().await;
    let mut request = OperatePrivilegeV2Request {
        r#type: 7,
        db_name: "1".to_owned(),
        collection_name: "1".to_owned(),
        ..Default::default()
    };
    w.refuses(request.clone(), nil("the role in the request")).await;
    request.role = Some(RoleEntity::default());
    w.refuses(request.clone(), empty("role name")).await;
    request.role = Some(role("r2"));
    w.refuses(request.clone(), nil("the grantor entity in the request")).await;
    request.grantor = Some(GrantorEntity::default());
    w.refuses(request.clone(), nil("the privilege entity in the grantor entity")).await;
    let complete = grant_v2("r2", "", ("", ""));
    request.grantor = complete.grantor;
    w.refuses(request.clone(), empty("Privilege")).await;
    request.grantor = grant_v2("r2", "Unknown", ("", "")).grantor;
    for number in [7, 2, -1] {
        request.r#type = number;
        w.refuses(
            request.clone(),
            p("the type in the request not grant or revoke: invalid parameter"),
        )
        .await;
    }
    for kind in [OperatePrivilegeType::Grant, OperatePrivilegeType::Revoke] {
        let mut request = OperatePrivilegeV2Request { r#type: kind.into(), ..request.clone() };
        let text = "the first character of a database name must be an underscore or letter: invalid database name[database=1]";
        w.refuses(request.clone(), Refusal::new(802, 1, text).input()).await;
        request.db_name = String::new();
        let text = "the first character of collection name must be an underscore or letter: invalid parameter[expected=95][actual=49]";
        w.refuses(request.clone(), p(text)).await;
        request.collection_name = String::new();
        w.refuses(request.clone(), empty("collection name")).await;
        request.collection_name = "c1".to_owned();
        let text = format!("{COMMON}the role \"r2\" does not exist: invalid parameter");
        w.refuses(request.clone(), r(41, text)).await;
        request.role = Some(role("r1"));
        w.refuses(
            request.clone(),
            r(41, "not found the privilege name[Unknown]: invalid parameter"),
        )
        .await;
        request.grantor = grant_v2("", "PrivilegeSearch", ("", "")).grantor;
        w.refuses(
            request.clone(),
            r(41, "not found the privilege name[PrivilegeSearch]: invalid parameter"),
        )
        .await;
    }
    assert!(listed(&w).await.is_empty());
}

#[tokio::test]
async fn groups_are_granted_at_their_level() {
    let w = world().await;
    for (name, member) in [
        ("clusterish", "ListDatabases"),
        ("databasish", "ShowCollections"),
        ("nested", "ReadOnly"),
        ("all", "All"),
    ] {
        w.changes(create_group(name)).await;
        w.changes(add_members(name, &[member])).await;
    }
    let everywhere = [("*", "*"), ("*", "c1"), ("", "*"), ("db1", "*"), ("db1", "c1")];
    let cluster = "dbName and collectionName should be * for the cluster level privilege: ";
    let database = "collectionName should be * for the database level privilege: ";
    let collection = "please specify database name for the collection level privilege: ";
    // (group, the text of its refusals, whether each of `everywhere` is allowed)
    let rows = [
        ("ClusterReadOnly", cluster, [true, false, false, false, false]),
        ("ClusterReadWrite", cluster, [true, false, false, false, false]),
        ("ClusterAdmin", cluster, [true, false, false, false, false]),
        ("clusterish", cluster, [true, false, false, false, false]),
        ("DatabaseReadOnly", database, [true, false, true, true, false]),
        ("DatabaseReadWrite", database, [true, false, true, true, false]),
        ("DatabaseAdmin", database, [true, false, true, true, false]),
        ("databasish", database, [true, false, true, true, false]),
        ("CollectionReadOnly", collection, [true, false, true, true, true]),
        ("CollectionReadWrite", collection, [true, false, true, true, true]),
        ("CollectionAdmin", collection, [true, false, true, true, true]),
        ("readers", collection, [true, false, true, true, true]),
        ("nested", "", [false; 5]),
        ("all", "", [false; 5]),
        ("empty", "", [true; 5]),
    ];
    for (group, text, allowed) in rows {
        let text = match text {
            "" => "not found the privilege level: invalid parameter".to_owned(),
            text => format!("{text}{group}: invalid parameter"),
        };
        for (on, allowed) in everywhere.into_iter().zip(allowed) {
            if allowed {
                w.changes(grant_v2("r1", group, on)).await;
                w.changes(revoke_v2("r1", group, on)).await;
            } else {
                w.refuses(grant_v2("r1", group, on), r(41, text.as_str())).await;
                w.refuses(revoke_v2("r1", group, on), r(41, text.as_str())).await;
            }
        }
    }
}

#[tokio::test]
async fn version_v2_through_v1() {
    let w = world().await;
    let versioned = |version: &str, request: OperatePrivilegeRequest| OperatePrivilegeRequest {
        version: version.to_owned(),
        ..request
    };
    let v2 = |request| versioned("v2", request);
    // The object type is looked up; the one sent must only look like one.
    w.changes(v2(grant("r1", ("Nonsense", "c1"), "Search", ""))).await;
    w.changes(v2(grant("r1", ("Collection", "c1"), "CreateCollection", ""))).await;
    w.changes(v2(grant("r1", ("Collection", "*"), "ClusterAdmin", "*"))).await;
    w.changes(v2(grant("r1", C1, "readers", ""))).await;
    assert_eq!(
        listed(&w).await,
        [
            "Collection default.c1 Search by root",
            "Global *.* ClusterAdmin by root",
            "Global default.c1 CreateCollection by root",
            "Global default.c1 readers by root",
        ]
    );
    w.changes(v2(revoke("r1", C1, "readers", ""))).await;
    w.changes(v2(grant("r1", C1, "Flush", "db2"))).await;
    w.changes(v2(revoke("r1", ("User", "c1"), "Flush", "db2"))).await;
    let text = "dbName and collectionName should be * for the cluster level privilege: ClusterAdmin: invalid parameter";
    w.refuses(v2(grant("r1", ALL, "ClusterAdmin", "db1")), r(41, text)).await;
    w.refuses(
        v2(grant("r1", C1, "Nonsense", "")),
        r(41, "not found the privilege name[Nonsense]: invalid parameter"),
    )
    .await;
    w.refuses(v2(grant("r1", ("", "c1"), "Search", "")), empty("ObjectType")).await;
    let bad_type = OperatePrivilegeRequest { r#type: 9, ..v2(grant("r1", C1, "Search", "")) };
    w.refuses(bad_type, r(41, format!("{COMMON}invalid operate privilege type, current type: 9, valid value: [Grant, Revoke]: invalid parameter"))).await;
    // All other texts are v1.
    for version in ["", "v1", "V2", "2", " v2"] {
        let text = "can not operate the custom privilege group [readers]: invalid parameter";
        w.refuses(versioned(version, grant("r1", C1, "readers", "")), r(41, text)).await;
    }
}
