//! Sections 6.14 to 6.17: CreatePrivilegeGroup, DropPrivilegeGroup, ListPrivilegeGroups,
//! OperatePrivilegeGroup; and the file that overrides built-in groups.

use std::fs;

use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    add_members, bind, create_group, create_role, drop_group, drop_role, grant_v2, grants_of,
    privileges, remove_members, revoke_v2,
};
use super::{Refusal, World, gets, p, r};
use crate::support::{Client, command, wait};

const ALTER: &str = "failed to check if privilege group alterable: ";

/// The custom groups with their members.
async fn custom(w: &World) -> Vec<(String, Vec<String>)> {
    let meta = w.gets(BackupRbacMetaRequest::default()).await.rbac_meta.unwrap();
    let group =
        |g: PrivilegeGroupInfo| (g.group_name, g.privileges.into_iter().map(|p| p.name).collect());
    meta.privilege_groups.into_iter().map(group).collect()
}

#[tokio::test]
async fn creation() {
    let w = World::new().await;
    let prefix = "failed to check if privilege group creatable: privilege group name";
    w.changes(create_group("g1")).await;
    let text = format!("{prefix} [g1] is defined by users: invalid parameter");
    w.refuses(create_group("g1"), r(58, text)).await;
    for name in [
        "Search",
        "All",
        "Expr",
        "ClusterAdmin",
        "CollectionReadOnly",
        "ReadOnly",
        "Admin",
        "GroupReadOnly",
        "GroupClusterAdmin",
        "ImportBinlog",
    ] {
        let text = format!(
            "{prefix} [{name}] is defined by built in privileges or privilege groups in system: invalid parameter"
        );
        w.refuses(create_group(name), r(58, text)).await;
    }
    for name in ["search", "PrivilegeSearch", "G1"] {
        w.changes(create_group(name)).await;
    }
    let groups = custom(&w).await;
    let names: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["G1", "PrivilegeSearch", "g1", "search"]);
    assert!(groups.iter().all(|(_, members)| members.is_empty()));
}

#[tokio::test]
async fn dropping() {
    let w = World::new().await;
    for name in ["nothing", "ClusterAdmin", "Search", "ReadOnly"] {
        w.keeps(drop_group(name)).await;
    }
    for name in ["g1", "outer"] {
        w.changes(create_group(name)).await;
    }
    w.changes(add_members("outer", &["g1"])).await;
    for role in ["z", "b"] {
        w.changes(create_role(role)).await;
        w.changes(grant_v2(role, "g1", ("db1", "c1"))).await;
    }
    let used = |role: &str| {
        r(
            59,
            format!(
                "failed to check if privilege group dropable: privilege group [g1] is used by role [{role}], Use REVOKE API to revoke it first: invalid parameter"
            ),
        )
    };
    w.refuses(drop_group("g1"), used("b")).await;
    w.changes(revoke_v2("b", "g1", ("db1", "c1"))).await;
    w.refuses(drop_group("g1"), used("z")).await;
    w.changes(drop_role("z", true)).await;
    // A group that merely holds it does not stand in the way.
    w.changes(drop_group("g1")).await;
    w.keeps(drop_group("g1")).await;
    assert_eq!(custom(&w).await, [("outer".to_owned(), vec!["g1".to_owned()])]);
}

/// Section 8.2.
const CLUSTER: [&str; 3] = [
    "ListDatabases SelectOwnership SelectUser DescribeResourceGroup ListResourceGroups \
     ListPrivilegeGroups GetReplicateConfiguration ListFileResources",
    " FlushAll TransferNode TransferReplica UpdateResourceGroups AddFileResource \
     RemoveFileResource PinSnapshotData UnpinSnapshotData",
    " BackupRBAC RestoreRBAC CreateDatabase DropDatabase CreateOwnership DropOwnership \
     ManageOwnership CreateResourceGroup DropResourceGroup UpdateUser CreatePrivilegeGroup \
     DropPrivilegeGroup OperatePrivilegeGroup UpdateReplicateConfiguration Expr \
     RestoreExternalSnapshot ExportSnapshot ImportBinlog",
];
const DATABASE: [&str; 3] = [
    "ShowCollections DescribeDatabase",
    " AlterDatabase",
    " CreateCollection DropCollection RenameCollection",
];
const COLLECTION: [&str; 3] = [
    "Query Search IndexDetail GetFlushState GetLoadState GetLoadingProgress HasPartition \
     ShowPartitions DescribeCollection DescribeAlias GetStatistics ListAliases GetImportProgress \
     ListImport DescribeSnapshot ListSnapshots",
    " Load Release Insert Delete Upsert Import Flush Compaction LoadBalance CreateIndex DropIndex \
     CreatePartition DropPartition AddCollectionField AlterCollectionSchema \
     RefreshExternalCollection CreateSnapshot DropSnapshot",
    " CreateAlias DropAlias RestoreSnapshot ViewRLS SkipRLS ManageRLS",
];

#[tokio::test]
async fn listing() {
    let w = World::new().await;
    let info = |name: &str, members: &str| PrivilegeGroupInfo {
        group_name: name.to_owned(),
        privileges: privileges(&members.split_whitespace().collect::<Vec<_>>()),
    };
    let mut built_in = Vec::new();
    for (family, [read, write, admin]) in
        [("Cluster", CLUSTER), ("Database", DATABASE), ("Collection", COLLECTION)]
    {
        built_in.push(info(&format!("{family}ReadOnly"), read));
        built_in.push(info(&format!("{family}ReadWrite"), &[read, write].concat()));
        built_in.push(info(&format!("{family}Admin"), &[read, write, admin].concat()));
    }
    let list = ListPrivilegeGroupsRequest::default;
    assert_eq!(w.gets(list()).await.privilege_groups, built_in);
    for (name, members) in [("z", "Search"), ("Z", "Query"), ("_", "Query Insert Search")] {
        w.changes(create_group(name)).await;
        w.changes(add_members(name, &members.split(' ').collect::<Vec<_>>())).await;
    }
    let mut all = vec![info("Z", "Query"), info("_", "Insert Query Search"), info("z", "Search")];
    all.extend(built_in);
    assert_eq!(w.gets(list()).await.privilege_groups, all);
}

#[tokio::test]
async fn checks_of_members_in_order() {
    let w = World::new().await;
    w.changes(create_group("g1")).await;
    for name in ["g2", "ClusterAdmin", "ReadOnly", "Search", "G1"] {
        for request in [add_members(name, &[]), remove_members(name, &["Nonsense"])] {
            let text = format!(
                "{ALTER}there is no privilege group name [{name}] defined in system to operate: invalid parameter"
            );
            w.refuses(request, r(61, text)).await;
        }
    }
    let none = || {
        r(
            61,
            format!("{ALTER}privileges is empty when alter the privilege group: invalid parameter"),
        )
    };
    let numbered = |members: &[&str], number: i32| OperatePrivilegeGroupRequest {
        r#type: number,
        ..add_members("g1", members)
    };
    for number in [0, 1, 2] {
        w.refuses(numbered(&[], number), none()).await;
        for name in ["Nonsense", "*", "search", "PrivilegeSearch", " Search"] {
            let text = format!(
                "{ALTER}there is no privilege name or privilege group name [{name}] defined in system to operate: invalid parameter"
            );
            w.refuses(numbered(&["Search", name], number), r(61, text)).await;
        }
        let empty = "Privilege should be not empty: invalid parameter[expected=not empty][actual=]";
        w.refuses(numbered(&["Search", ""], number), p(empty)).await;
    }
    for number in [2, -1, i32::MIN] {
        for members in [&["Search"][..], &["Search", "All"]] {
            w.refuses(
                numbered(members, number),
                Refusal::new(65535, 61, "invalid operate privilege group type"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn members() {
    let w = World::new().await;
    for name in ["g1", "g2"] {
        w.changes(create_group(name)).await;
    }
    let of_g1 = async || {
        custom(&w).await.into_iter().find(|(name, _)| name == "g1").map(|(_, m)| m).unwrap()
    };
    w.changes(add_members("g1", &["Search", "Query", "Search"])).await;
    assert_eq!(of_g1().await, ["Query", "Search"]);
    w.keeps(add_members("g1", &["Search"])).await;
    w.keeps(remove_members("g1", &["Insert", "ListDatabases"])).await;
    let mixed =
        || r(61, format!("{ALTER}privileges are not the same privilege level: invalid parameter"));
    for member in
        ["ListDatabases", "ShowCollections", "All", "ReadOnly", "CollectionReadOnly", "g2", "g1"]
    {
        w.refuses(add_members("g1", &[member]), mixed()).await;
        w.refuses(add_members("g1", &["Insert", member]), mixed()).await;
        w.refuses(add_members("g2", &["Insert", member]), mixed()).await;
    }
    w.changes(add_members("g1", &["Search", "CreateAlias"])).await;
    w.changes(remove_members("g1", &["Query", "All", "CreateAlias"])).await;
    assert_eq!(of_g1().await, ["Search"]);
    w.changes(remove_members("g1", &["Search"])).await;
    assert!(of_g1().await.is_empty());
    // Empty, it takes another level; and names without a level are one of their own.
    w.changes(add_members("g1", &["ListDatabases"])).await;
    w.changes(remove_members("g1", &["ListDatabases"])).await;
    w.changes(add_members(
        "g1",
        &["All", "ReadOnly", "Admin", "ClusterAdmin", "g2", "g1", "GroupReadOnly"],
    ))
    .await;
    w.refuses(add_members("g1", &["Search"]), mixed()).await;
}

/// A client of `u1`, who holds `r1`.
async fn holder(w: &World) -> Client {
    let u1 = w.user("u1").await;
    w.changes(create_role("r1")).await;
    w.changes(bind("u1", "r1")).await;
    u1
}

const DENIED: &str = "PrivilegeSelectOwnership: permission deny to u1 in the `*` database";

#[tokio::test]
async fn a_change_of_members_reaches_grants_at_once() {
    let w = World::new().await;
    let u1 = holder(&w).await;
    let list = ListCredUsersRequest::default;
    for name in ["g1", "outer"] {
        w.changes(create_group(name)).await;
        w.changes(grant_v2("r1", name, ("*", "*"))).await;
    }
    w.denies(&u1, list(), DENIED).await;
    w.changes(add_members("g1", &["SelectOwnership"])).await;
    gets(&u1, list()).await;
    w.changes(remove_members("g1", &["SelectOwnership"])).await;
    w.denies(&u1, list(), DENIED).await;
    // The grants are listed by the group's name throughout.
    assert_eq!(w.gets(grants_of("r1", "*")).await.entities.len(), 2);
    // A group within a group counts for nothing.
    w.changes(add_members("outer", &["g1", "ClusterReadOnly"])).await;
    w.changes(revoke_v2("r1", "g1", ("*", "*"))).await;
    w.changes(add_members("g1", &["SelectOwnership"])).await;
    w.denies(&u1, list(), DENIED).await;
    // The built-in groups permit what they list.
    w.changes(grant_v2("r1", "ClusterReadOnly", ("*", "*"))).await;
    gets(&u1, list()).await;
    w.denies(
        &u1,
        BackupRbacMetaRequest::default(),
        "PrivilegeBackupRBAC: permission deny to u1 in the `*` database",
    )
    .await;
}

#[tokio::test]
async fn built_in_groups_can_be_overridden() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("groups.yaml");
    let flag = "--builtin-groups-file";
    fs::write(&file, "ClusterReadOnly: [BackupRBAC, ListDatabases]\nDatabaseAdmin: []\n").unwrap();
    let w = World::with(&[flag, file.to_str().unwrap()]).await;
    let groups = w.gets(ListPrivilegeGroupsRequest::default()).await.privilege_groups;
    let sizes: Vec<_> = groups.iter().map(|g| g.privileges.len()).collect();
    assert_eq!(sizes, [2, 16, 34, 2, 3, 0, 16, 34, 40]);
    let first = groups.first().unwrap();
    assert_eq!(first.privileges, privileges(&["BackupRBAC", "ListDatabases"]));

    let u1 = holder(&w).await;
    w.changes(grant_v2("r1", "ClusterReadOnly", ("*", "*"))).await;
    gets(&u1, BackupRbacMetaRequest::default()).await;
    w.denies(&u1, ListCredUsersRequest::default(), DENIED).await;
    // Without members there is no level to hold to.
    w.changes(grant_v2("r1", "DatabaseAdmin", ("db1", "c1"))).await;

    for text in [
        "Nonsense: [Search]",
        "ClusterAdmin: [Nonsense]",
        "ClusterAdmin: [ReadOnly]",
        "[",
        "ClusterAdmin: Search",
    ] {
        fs::write(&file, text).unwrap();
        let mut child = command("memory:").arg(flag).arg(&file).spawn().unwrap();
        assert_eq!(wait(&mut child).code(), Some(2), "{text}");
    }
}
