//! The methods whose requests carry no privilege option: each with just its stated privilege.

use milvus_rbac::rpc::proto::service::DescribeCollectionRequest;
use tonic::Code;

use super::fields::{number, text};
use super::upstream::Reply;
use super::{Grant, Sidecar};
use crate::rpc::raw::{Raw, frame};
use crate::rpc::requests::bind;

/// A method, its privilege, and the fields that name database and collection.
const ON_COLLECTIONS: [(&str, &str, u32, u32); 6] = [
    // As a single privilege DescribeCollection covers a whole database; `*` stays where it is.
    ("HasCollection", "*", 2, 3),
    ("GetReplicas", "GetLoadState", 5, 4),
    ("GetPersistentSegmentInfo", "GetStatistics", 2, 3),
    ("GetQuerySegmentInfo", "GetStatistics", 2, 3),
    ("ListImportTasks", "ListImport", 3, 1),
    ("ListRefreshExternalCollectionJobs", "RefreshExternalCollection", 2, 3),
];

const ON_THE_INSTANCE: [(&str, &str); 5] = [
    ("GetMetrics", "ListResourceGroups"),
    ("ReplicateMessage", "UpdateReplicateConfiguration"),
    ("GetReplicateInfo", "UpdateReplicateConfiguration"),
    ("CreateReplicateStream", "UpdateReplicateConfiguration"),
    ("DumpMessages", "ManageOwnership"),
];

const ANYWHERE: [(&str, &[&str]); 7] = [
    ("GetImportState", &["Import"]),
    ("GetCompactionState", &["Compaction"]),
    ("GetCompactionStateWithPlans", &["Compaction"]),
    ("GetFlushAllState", &["Flush", "FlushAll"]),
    ("DescribePrewarmTask", &["Load"]),
    ("GetRestoreSnapshotState", &["RestoreSnapshot"]),
    ("GetRefreshExternalCollectionProgress", &["RefreshExternalCollection"]),
];

const ADMINISTRATORS: [&str; 4] =
    ["Dummy", "RegisterLink", "ListIndexedSegment", "DescribeSegmentIndexData"];

async fn closed() -> Sidecar {
    let w = Sidecar::new().await;
    w.close_public().await;
    w
}

#[tokio::test]
async fn a_privilege_on_the_named_collection() {
    let w = closed().await;
    for (method, privilege, database, collection) in ON_COLLECTIONS {
        let names = |d: &str, c: &str| [text(database, d), text(collection, c)].concat();
        let user = |suffix: &str| format!("{method}_{suffix}").chars().rev().take(32).collect();
        let name: String = user("one");
        let one = w.user(&name, &[(privilege, "default", "c1")]).await;
        w.allows(&one, method, &text(collection, "c1")).await;
        w.allows(&one, method, &names("default", "c1")).await;
        let denied = w.denies(&one, method, &text(collection, "c2")).await;
        let privilege_name = if privilege == "*" { "DescribeCollection" } else { privilege };
        assert_eq!(
            denied,
            format!(
                "Privilege{privilege_name}: permission deny to {name} in the `default` database"
            )
        );
        w.denies(&one, method, &names("db2", "c1")).await;
        w.denies(&one, method, &[]).await;
        w.denies(&one, method, &text(database, "default")).await;

        let name: String = user("all");
        let all = w.user(&name, &[(privilege, "default", "*")]).await;
        w.allows(&all, method, &text(collection, "c1")).await;
        w.allows(&all, method, &[]).await;
        w.denies(&all, method, &text(database, "db2")).await;

        let name: String = user("other");
        let other = w.user(&name, &[("Query", "*", "*"), ("Search", "*", "*")]).await;
        w.denies(&other, method, &text(collection, "c1")).await;
        w.denies(&other, method, &[]).await;
    }
}

#[tokio::test]
async fn an_id_needs_the_privilege_on_every_database_unless_it_is_that_of_the_name() {
    let w = closed().await;
    // The upstream knows c1 alone, by 7.
    w.upstream.answers("DescribeCollection", |call| {
        let request: DescribeCollectionRequest = call.message();
        let known = request.collection_name == "c1" && request.db_name == "default";
        Reply::ok(if known { &[0x18, 7] } else { &[] })
    });
    let row = async |method: &str, privilege: &str, id: Vec<u8>, name: Vec<u8>| {
        let user = |suffix: &str| format!("{}_{suffix}", method.to_lowercase());
        let one = w.user(&user("one"), &[(privilege, "default", "c1")]).await;
        let here = w.user(&user("here"), &[(privilege, "default", "*")]).await;
        let all = w.user(&user("all"), &[(privilege, "*", "*")]).await;
        w.denies(&one, method, &id).await;
        w.denies(&here, method, &id).await;
        w.allows(&all, method, &id).await;
        w.allows(&one, method, &[&id[..], &name].concat()).await;
        w.allows(&one, method, &name).await;
        let with = |value: u8| -> Vec<u8> {
            id.iter().map(|byte| if *byte == 7 { value } else { *byte }).collect()
        };
        // Some versions of Milvus look at the id alone.
        w.denies(&one, method, &[&with(8)[..], &name].concat()).await;
        w.denies(&one, method, &[&id[..], &with(8), &name].concat()).await;
        w.allows(&all, method, &[&with(8)[..], &name].concat()).await;
        // 0 is none.
        w.allows(&here, method, &with(0)).await;
    };
    row("GetReplicas", "GetLoadState", number(2, 7), text(4, "c1")).await;
    row("ManualCompaction", "Compaction", number(1, 7), text(4, "c1")).await;
    row("DescribeCollection", "*", number(4, 7), text(3, "c1")).await;
    // Where names and ids both repeat, either may be what is meant.
    let one = w.user("batch", &[("*", "default", "c1")]).await;
    w.allows(&one, "BatchDescribeCollection", &text(2, "c1")).await;
    w.denies(&one, "BatchDescribeCollection", &[text(2, "c1"), number(3, 7)].concat()).await;
    w.denies(&one, "BatchDescribeCollection", &[text(2, "c1"), text(3, [7, 8])].concat()).await;
    w.denies(&one, "BatchDescribeCollection", &[text(2, "c1"), text(2, "c2")].concat()).await;
}

#[tokio::test]
async fn a_privilege_on_the_instance() {
    let w = closed().await;
    for (i, (method, privilege)) in ON_THE_INSTANCE.into_iter().enumerate() {
        let holder = w.user(&format!("holder{i}"), &[(privilege, "*", "*")]).await;
        w.allows(&holder, method, &[]).await;
        let all: Vec<Grant<'_>> = ON_THE_INSTANCE
            .iter()
            .filter(|(_, other)| *other != privilege)
            .map(|(_, other)| (*other, "*", "*"))
            .chain([("CollectionAdmin", "*", "*"), ("DatabaseAdmin", "*", "*")])
            .collect();
        let other = w.user(&format!("other{i}"), &dedup(all)).await;
        let denied = w.denies(&other, method, &[]).await;
        assert_eq!(
            denied,
            format!("Privilege{privilege}: permission deny to other{i} in the `*` database")
        );
    }
}

/// A grant can be made only once.
fn dedup(mut grants: Vec<Grant<'_>>) -> Vec<Grant<'_>> {
    grants.sort_unstable();
    grants.dedup();
    grants
}

#[tokio::test]
async fn a_privilege_anywhere() {
    let w = closed().await;
    for (i, (method, privileges)) in ANYWHERE.into_iter().enumerate() {
        for (j, privilege) in privileges.iter().enumerate() {
            let at = if *privilege == "FlushAll" { ("*", "*") } else { ("db9", "c9") };
            let name = format!("holder{i}_{j}");
            let holder = w.user(&name, &[(privilege, at.0, at.1)]).await;
            w.allows(&holder, method, &[]).await;
            w.revoke(&name, (privilege, at.0, at.1)).await;
            w.denies(&holder, method, &[]).await;
        }
        let none: Vec<_> = ["Query", "Search", "Insert", "Delete", "GetStatistics"]
            .map(|other| (other, "*", "*"))
            .into();
        let other = w.user(&format!("other{i}"), &none).await;
        let denied = w.denies(&other, method, &[]).await;
        assert!(denied.starts_with(&format!("Privilege{}", privileges[0])), "{denied}");
    }
}

#[tokio::test]
async fn administrators_alone() {
    let w = closed().await;
    let groups =
        [("ClusterAdmin", "*", "*"), ("DatabaseAdmin", "*", "*"), ("CollectionAdmin", "*", "*")];
    let user = w.user("u1", &groups).await;
    let admin = w.user("a1", &[]).await;
    w.does(bind("a1", "admin")).await;
    let root = Raw::root(&w.server).await;
    for method in ADMINISTRATORS {
        let denied = w.denies(&user, method, &[]).await;
        assert_eq!(denied, format!("{method}: permission deny to u1, it is for root and admin"));
        w.allows(&admin, method, &[]).await;
        w.allows(&root, method, &[]).await;
    }
    // Telemetry of clients is a service of its own.
    for method in ["GetClientTelemetry", "PushClientCommand", "DeleteClientCommand"] {
        let path = format!("/milvus.proto.milvus.ClientTelemetryService/{method}");
        assert_eq!(user.unary(&path, frame(&[])).await.code, Code::PermissionDenied);
        assert_eq!(admin.unary(&path, frame(&[])).await.code, Code::Ok);
    }
    let path = "/milvus.proto.milvus.ClientTelemetryService/ClientHeartbeat";
    assert_eq!(user.unary(path, frame(&[])).await.code, Code::Ok);
    let nobody = Raw::anonymous(&w.server).await;
    assert_eq!(nobody.unary(path, frame(&[])).await.code, Code::Unauthenticated);
    assert!(w.upstream.calls().is_empty());
}

#[tokio::test]
async fn an_analyzer_is_free_until_it_names_a_collection() {
    let w = closed().await;
    let none = w.user("u1", &[]).await;
    let one = w.user("u2", &[("Search", "default", "c1")]).await;
    for caller in [&none, &one] {
        w.allows(caller, "RunAnalyzer", &[]).await;
        w.allows(caller, "RunAnalyzer", &text(6, "db2")).await;
        w.denies(caller, "RunAnalyzer", &text(7, "c2")).await;
        w.denies(caller, "RunAnalyzer", &[text(6, "db2"), text(7, "c1")].concat()).await;
    }
    w.denies(&none, "RunAnalyzer", &text(7, "c1")).await;
    w.allows(&one, "RunAnalyzer", &text(7, "c1")).await;
}
