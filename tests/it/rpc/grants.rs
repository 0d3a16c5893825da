//! Sections 6.11 and 6.12: OperatePrivilege and OperatePrivilegeV2: which privileges there are, what
//! is stored, and what comes with it.

use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    add_members, bind, create_group, create_role, create_user, grant, grant_v2, grants_of, line,
    revoke, revoke_v2,
};
use super::{Refusal, World, r};
use crate::support::{Metadata, brief};

pub(super) const C1: (&str, &str) = ("Collection", "c1");
pub(super) const ALL: (&str, &str) = ("Global", "*");

/// A server with role `r1` and groups `empty` and `readers`, of collection level.
pub(super) async fn world() -> World {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    w.changes(create_group("empty")).await;
    w.changes(create_group("readers")).await;
    w.changes(add_members("readers", &["Search", "Query"])).await;
    w
}

/// All grants of `r1`.
pub(super) async fn listed(w: &World) -> Vec<String> {
    w.gets(grants_of("r1", "*")).await.entities.iter().map(line).collect()
}

/// The names of section 8.1, by the object type of v1 grants.
const V1_COLLECTION: &str = "Load Release Compaction Insert Delete GetStatistics CreateIndex \
    IndexDetail DropIndex Search Flush Query LoadBalance Import Upsert GetLoadingProgress \
    GetLoadState CreatePartition DropPartition ShowPartitions HasPartition GetFlushState ReadOnly \
    ReadWrite GetImportProgress ListImport AddCollectionField CreateSnapshot DropSnapshot \
    DescribeSnapshot ListSnapshots RestoreSnapshot AlterCollectionSchema RefreshExternalCollection \
    SkipRLS ViewRLS ManageRLS";
const V1_GLOBAL: &str = "All CreateCollection DropCollection DescribeCollection ShowCollections \
    CreateOwnership DropOwnership SelectOwnership ManageOwnership CreateResourceGroup \
    DropResourceGroup DescribeResourceGroup ListResourceGroups TransferNode TransferReplica \
    RenameCollection CreateDatabase DropDatabase ListDatabases FlushAll CreateAlias DropAlias \
    DescribeAlias ListAliases UpdateResourceGroups AlterDatabase DescribeDatabase BackupRBAC \
    RestoreRBAC Admin CreatePrivilegeGroup DropPrivilegeGroup ListPrivilegeGroups \
    OperatePrivilegeGroup UpdateReplicateConfiguration PinSnapshotData UnpinSnapshotData \
    RestoreExternalSnapshot ExportSnapshot ImportBinlog";
const V1_USER: &str = "UpdateUser SelectUser";
const V1_NONE: &str =
    "AddFileResource RemoveFileResource ListFileResources GetReplicateConfiguration";
const BUILT_IN: &str = "ClusterReadOnly ClusterReadWrite ClusterAdmin DatabaseReadOnly \
    DatabaseReadWrite DatabaseAdmin CollectionReadOnly CollectionReadWrite CollectionAdmin";

#[tokio::test]
async fn every_privilege_has_its_object_types() {
    let w = world().await;
    let lists =
        [("Collection", V1_COLLECTION), ("Global", V1_GLOBAL), ("User", V1_USER), ("", V1_NONE)];
    assert_eq!(lists.iter().map(|(_, list)| list.split_whitespace().count()).sum::<usize>(), 83);
    let mut root = w.root.clone();
    for (own_type, list) in lists {
        for name in list.split_whitespace() {
            for object_type in ["Collection", "Global", "User"] {
                let request = grant("r1", (object_type, "o"), name, "");
                let status = root.operate_privilege(request).await.unwrap().into_inner();
                if object_type == own_type {
                    assert_eq!(brief(&status), (0, 0, ""), "{name} on {object_type}");
                } else {
                    let text = format!(
                        "not found the privilege name[{name}] in object[{object_type}]: invalid parameter"
                    );
                    assert_eq!(brief(&status), (1100, 41, text.as_str()));
                }
            }
            // v2 takes each, and finds the type itself.
            let stored = if own_type.is_empty() { "Global" } else { own_type };
            w.changes(grant_v2("r1", name, ("db1", "o"))).await;
            assert!(listed(&w).await.contains(&format!("{stored} db1.o {name} by root")), "{name}");
            w.changes(revoke_v2("r1", name, ("db1", "o"))).await;
        }
    }
    for name in BUILT_IN.split_whitespace() {
        let text =
            format!("can not operate the built-in privilege group [{name}]: invalid parameter");
        for object_type in ["Collection", "Global", "User"] {
            w.refuses(grant("r1", (object_type, "*"), name, "*"), r(41, text.as_str())).await;
            w.refuses(revoke("r1", (object_type, "*"), name, "*"), r(41, text.as_str())).await;
        }
    }
    // Old grants of Expr can be revoked; new ones are refused.
    let text = "the privilege [Expr] is deprecated and can only be revoked: invalid parameter";
    w.refuses(grant("r1", ALL, "Expr", ""), r(41, text)).await;
    w.refuses(grant_v2("r1", "Expr", ("*", "*")), r(41, text)).await;
    w.keeps(revoke("r1", ALL, "Expr", "")).await;
    w.keeps(revoke_v2("r1", "Expr", ("*", "*"))).await;
}

#[tokio::test]
async fn what_is_stored() {
    let w = world().await;
    // (request, what is listed)
    let rows = [
        (grant("r1", C1, "Search", ""), "Collection default.c1 Search by root"),
        (grant("r1", ("Collection", "*"), "Search", "*"), "Collection *.* Search by root"),
        (grant("r1", C1, "Search", "*"), "Collection *.c1 Search by root"),
        (grant("r1", C1, "ReadOnly", "db1"), "Collection db1.c1 ReadOnly by root"),
        (grant("r1", ("Collection", " c1 "), "Query", ""), "Collection default. c1  Query by root"),
        (
            grant("r1", ("Global", "c1"), "CreateCollection", ""),
            "Global default.* CreateCollection by root",
        ),
        (grant("r1", ("Global", "c1"), "All", ""), "Global default.* All by root"),
        (grant("r1", ("Global", "c1"), "Admin", ""), "Global default.c1 Admin by root"),
        (grant("r1", ("User", "u1"), "UpdateUser", ""), "User default.u1 UpdateUser by root"),
        (grant("r1", ("User", "u1"), "*", ""), "User default.u1 * by root"),
        (grant("r1", ("Collection", "c1"), "*", ""), "Collection default.c1 * by root"),
        (grant("r1", ("Global", "c1"), "*", ""), "Global default.* * by root"),
    ];
    for (request, stored) in rows {
        w.changes(request.clone()).await;
        assert_eq!(listed(&w).await, [stored]);
        w.keeps(request.clone()).await;
        let kind = OperatePrivilegeType::Revoke.into();
        let request = OperatePrivilegeRequest { r#type: kind, ..request };
        w.changes(request.clone()).await;
        assert!(listed(&w).await.is_empty(), "{stored}");
        w.keeps(request).await;
    }
    let rows = [
        ("Search", ("", "c1"), "Collection default.c1 Search by root"),
        ("CreateDatabase", ("db1", "c1"), "Global db1.c1 CreateDatabase by root"),
        ("SelectUser", ("*", "u1"), "User *.u1 SelectUser by root"),
        ("*", ("db1", "c1"), "Global db1.c1 * by root"),
        ("readers", ("", "c1"), "Global default.c1 readers by root"),
        ("empty", ("*", "c1"), "Global *.c1 empty by root"),
        ("CollectionAdmin", ("db1", "c1"), "Global db1.c1 CollectionAdmin by root"),
        ("ReadOnly", ("*", "c1"), "Collection *.c1 ReadOnly by root"),
        ("GroupReadOnly", ("", "c1"), "Global default.c1 ReadOnly by root"),
    ];
    for (privilege, on, stored) in rows {
        w.changes(grant_v2("r1", privilege, on)).await;
        assert_eq!(listed(&w).await, [stored]);
        w.keeps(grant_v2("r1", privilege, on)).await;
        w.changes(revoke_v2("r1", privilege, on)).await;
        assert!(listed(&w).await.is_empty(), "{stored}");
        w.keeps(revoke_v2("r1", privilege, on)).await;
    }
}

#[tokio::test]
async fn revokes_match_exactly() {
    let w = world().await;
    w.changes(grant("r1", C1, "Search", "")).await;
    w.changes(grant("r1", ("Collection", "*"), "Query", "*")).await;
    for (object, privilege, database) in [
        (("Collection", "*"), "Search", ""),
        (C1, "*", ""),
        (C1, "Search", "*"),
        (C1, "Search", "db1"),
        (C1, "Query", "*"),
        (("Collection", "*"), "Query", ""),
        (("Collection", "c2"), "Search", ""),
    ] {
        w.keeps(revoke("r1", object, privilege, database)).await;
    }
    w.keeps(revoke_v2("r1", "*", ("", "c1"))).await;
    // A v1 grant of a collection's privilege is the v2 one.
    w.changes(revoke_v2("r1", "Search", ("default", "c1"))).await;
    w.changes(revoke_v2("r1", "Query", ("*", "*"))).await;
    assert!(listed(&w).await.is_empty());
    // No role is protected.
    for name in ["public", "admin"] {
        w.changes(grant(name, C1, "Search", "")).await;
        w.changes(revoke(name, C1, "Search", "")).await;
    }
}

#[tokio::test]
async fn load_and_flush_bring_their_relatives() {
    let w = world().await;
    let load = ["GetLoadState", "GetLoadingProgress", "Load"];
    let flush = ["Flush", "GetFlushState"];
    for (privilege, all) in [("Load", &load[..]), ("Flush", &flush[..])] {
        let lines: Vec<_> =
            all.iter().map(|name| format!("Collection default.c1 {name} by root")).collect();
        w.changes(grant("r1", C1, privilege, "")).await;
        assert_eq!(listed(&w).await, lines);
        w.keeps(grant_v2("r1", privilege, ("", "c1"))).await;
        w.changes(revoke_v2("r1", privilege, ("", "c1"))).await;
        assert!(listed(&w).await.is_empty());
        // Also where the relative had been granted on its own.
        let relative = all.iter().find(|name| **name != privilege).unwrap();
        w.changes(grant("r1", C1, relative, "")).await;
        w.changes(grant_v2("r1", privilege, ("", "c1"))).await;
        assert_eq!(listed(&w).await, lines);
        w.changes(revoke("r1", C1, relative, "")).await;
        assert_eq!(listed(&w).await.len(), lines.len() - 1);
        w.changes(grant("r1", C1, privilege, "")).await;
        w.changes(revoke("r1", C1, privilege, "")).await;
        assert!(listed(&w).await.is_empty());
    }
}

#[tokio::test]
async fn the_grantor_is_the_caller() {
    let w = world().await;
    let u1 = w.user("u1").await;
    w.changes(create_user("u2", "another")).await;
    w.changes(create_role("granters")).await;
    w.changes(grant("granters", ALL, "ManageOwnership", "*")).await;
    w.changes(bind("u1", "granters")).await;
    let mut request = grant("r1", C1, "Search", "");
    if let Some(grantor) = request.entity.as_mut().and_then(|entity| entity.grantor.as_mut()) {
        grantor.user = Some(UserEntity { name: "u2".to_owned() });
    }
    w.changes_by(&u1, request).await;
    w.changes_by(&u1, grant_v2("r1", "Load", ("", "c1"))).await;
    let search = "Collection default.c1 Search by u1";
    assert!(listed(&w).await.iter().all(|line| line.ends_with(" by u1")));
    // It stays when somebody else grants the same.
    w.keeps(grant("r1", C1, "Search", "")).await;
    w.keeps(grant_v2("r1", "Search", ("", "c1"))).await;
    assert!(listed(&w).await.contains(&search.to_owned()));
}

#[tokio::test]
async fn the_database_of_the_connection_stands_in() {
    let w = world().await;
    let in_database = async |name: &str| {
        w.server.connect(Metadata::login("root", "Milvus").with("dbname", name)).await
    };
    let db7 = in_database("db7").await;
    w.changes_by(&db7, grant("r1", C1, "Search", "")).await;
    w.changes_by(&db7, grant_v2("r1", "Query", ("", "c1"))).await;
    w.changes_by(&db7, grant("r1", C1, "Insert", "db8")).await;
    w.changes_by(&in_database("").await, grant_v2("r1", "Delete", ("", "c1"))).await;
    assert_eq!(
        listed(&w).await,
        [
            "Collection db7.c1 Query by root",
            "Collection db7.c1 Search by root",
            "Collection db8.c1 Insert by root",
            "Collection default.c1 Delete by root",
        ]
    );
    let bad = in_database("d-b").await;
    let text = "database name can only contain numbers, letters and underscores: invalid database name[database=d-b]";
    w.refuses_to(&bad, grant("r1", C1, "Upsert", ""), Refusal::new(802, 1, text).input()).await;
    w.refuses_to(&bad, grant_v2("r1", "Upsert", ("", "c1")), Refusal::new(802, 1, text).input())
        .await;
}
