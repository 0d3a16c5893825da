//! What a caller without the privilege reads, in which database it is looked for, and the callers
//! who need none. Tables B.4, B.8, B.11 of `spec/enforcement.md`.

use milvus_rbac::rpc::proto::service::*;

use super::calls::Call;
use super::requests::{
    PASSWORD, add_members, alter_role, bind, change_password, create_database, create_group,
    create_role, create_user, delete_user, describe_database, describe_user, drop_database,
    drop_group, drop_role, grant, grant_v2, grants_of, restore, revoke, select_role, select_user,
    unbind,
};
use super::{World, gets};
use crate::support::{Client, Metadata};

/// A server with `u1`, who holds `r1`, which permits nothing.
async fn world() -> (World, Client) {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    w.changes(create_role("r1")).await;
    w.changes(bind("u1", "r1")).await;
    (w, u1)
}

/// Denied with the text of a cluster-level privilege; allowed when it is granted, whatever the
/// database of the grant; denied again when it is revoked.
async fn needs<C: Call>(w: &World, u1: &Client, privilege: &str, request: impl Fn() -> C) {
    let text = format!("Privilege{privilege}: permission deny to u1 in the `*` database");
    let user = matches!(privilege, "UpdateUser" | "SelectUser");
    let object = (if user { "User" } else { "Global" }, "*");
    for database in ["*", "", "db1"] {
        w.denies(u1, request(), &text).await;
        w.changes(grant("r1", object, privilege, database)).await;
        request().send(u1).await.unwrap();
        w.changes(revoke("r1", object, privilege, database)).await;
    }
    w.denies(u1, request(), &text).await;
}

#[tokio::test]
async fn every_call_needs_its_privilege() {
    let (w, u1) = world().await;
    let (w, u1) = (&w, &u1);
    // What is asked for fails or changes nothing: the privilege alone is looked at.
    needs(w, u1, "CreateOwnership", || create_user("u1", PASSWORD)).await;
    needs(w, u1, "UpdateUser", || change_password("root", "wrong!", "another")).await;
    needs(w, u1, "DropOwnership", || delete_user("nobody")).await;
    needs(w, u1, "SelectOwnership", ListCredUsersRequest::default).await;
    needs(w, u1, "SelectUser", || select_user("root")).await;
    needs(w, u1, "SelectUser", SelectUserRequest::default).await;
    needs(w, u1, "CreateOwnership", || create_role("r1")).await;
    needs(w, u1, "CreateOwnership", || alter_role("r9", "")).await;
    needs(w, u1, "DropOwnership", || drop_role("r9", true)).await;
    needs(w, u1, "ManageOwnership", || unbind("u9", "r1")).await;
    needs(w, u1, "SelectOwnership", SelectRoleRequest::default).await;
    needs(w, u1, "SelectOwnership", || select_role("r1")).await;
    needs(w, u1, "ManageOwnership", || revoke("r1", ("Global", "*"), "All", "db9")).await;
    needs(w, u1, "ManageOwnership", || grant_v2("r9", "All", ("db9", "*"))).await;
    needs(w, u1, "SelectOwnership", || grants_of("admin", "")).await;
    needs(w, u1, "SelectOwnership", SelectGrantRequest::default).await;
    needs(w, u1, "BackupRBAC", BackupRbacMetaRequest::default).await;
    needs(w, u1, "RestoreRBAC", || restore(RbacMeta::default())).await;
    needs(w, u1, "CreatePrivilegeGroup", || create_group("Search")).await;
    needs(w, u1, "DropPrivilegeGroup", || drop_group("g9")).await;
    needs(w, u1, "ListPrivilegeGroups", ListPrivilegeGroupsRequest::default).await;
    needs(w, u1, "OperatePrivilegeGroup", || add_members("g9", &[])).await;
    needs(w, u1, "CreateDatabase", || create_database("default")).await;
    needs(w, u1, "DropDatabase", || drop_database("db9")).await;
    needs(w, u1, "UpdateUser", AddUserTagsRequest::default).await;
    needs(w, u1, "UpdateUser", DeleteUserTagsRequest::default).await;
    needs(w, u1, "SelectUser", GetUserTagsRequest::default).await;
    needs(w, u1, "SelectUser", ListUsersWithTagRequest::default).await;
}

/// The denial of a privilege that is looked for in `database`.
fn text(privilege: &str, database: &str) -> String {
    format!("Privilege{privilege}: permission deny to u1 in the `{database}` database")
}

#[tokio::test]
async fn the_database_is_that_of_the_request_or_the_connection() {
    let (w, plain) = world().await;
    let db1 = Metadata::login("u1", PASSWORD).with("dbname", "db1");
    let db1 = w.server.connect(db1).await;
    for name in ["db1", "db2"] {
        w.changes(create_database(name)).await;
    }
    let describe = describe_database;
    let alter =
        |name: &str| AlterDatabaseRequest { db_name: name.to_owned(), ..Default::default() };
    let policies = |name: &str| ListRowPoliciesRequest {
        db_name: name.to_owned(),
        collection_name: "c1".to_owned(),
        ..Default::default()
    };
    // (client, database of the request, database of the denial)
    let rows = [
        (&plain, "", "default"),
        (&plain, "db2", "db2"),
        (&db1, "", "db1"),
        (&db1, "db2", "db2"),
        (&db1, "*", "*"),
    ];
    for (client, named, shown) in rows {
        w.denies(client, describe(named), &text("DescribeDatabase", shown)).await;
        w.denies(client, alter(named), &text("AlterDatabase", shown)).await;
        w.denies(client, policies(named), &text("ViewRLS", shown)).await;
    }
    for privilege in ["DescribeDatabase", "AlterDatabase", "ViewRLS"] {
        w.changes(grant_v2("r1", privilege, ("db1", "*"))).await;
    }
    for (client, named) in [(&plain, "db1"), (&db1, ""), (&db1, "db1")] {
        assert_eq!(gets(client, describe(named)).await.db_name, "db1");
        gets(client, alter(named)).await;
        policies(named).send(client).await.unwrap();
    }
    for (client, named, shown) in rows {
        if shown != "db1" {
            w.denies(client, describe(named), &text("DescribeDatabase", shown)).await;
            w.denies(client, policies(named), &text("ViewRLS", shown)).await;
        }
    }
    // Cluster-level privileges name `*`, whatever the request and the connection name.
    for client in [&plain, &db1] {
        w.denies(client, create_database("db2"), &text("CreateDatabase", "*")).await;
        w.denies(client, grant("r1", ("Global", "*"), "All", "db2"), &text("ManageOwnership", "*"))
            .await;
        w.denies(client, grants_of("admin", "db2"), &text("SelectOwnership", "*")).await;
    }
    // All in a database is everything there, and nothing of the instance.
    w.changes(grant("r1", ("Global", "*"), "All", "db2")).await;
    gets(&db1, describe("db2")).await;
    w.denies(&db1, ListCredUsersRequest::default(), &text("SelectOwnership", "*")).await;
    w.denies(&db1, describe("default"), &text("DescribeDatabase", "default")).await;
    w.changes(grant("r1", ("Global", "*"), "All", "*")).await;
    gets(&db1, ListCredUsersRequest::default()).await;
    gets(&db1, describe("default")).await;
}

#[tokio::test]
async fn the_collection_of_the_request_counts() {
    let (w, u1) = world().await;
    let policies = |collection: &str| ListRowPoliciesRequest {
        db_name: "db1".to_owned(),
        collection_name: collection.to_owned(),
        ..Default::default()
    };
    w.changes(grant_v2("r1", "ViewRLS", ("db1", "c1"))).await;
    policies("c1").send(&u1).await.unwrap();
    for name in ["c2", "C1", "", "*", "c1 "] {
        w.denies(&u1, policies(name), &text("ViewRLS", "db1")).await;
    }
    let elsewhere = ListRowPoliciesRequest { db_name: "db2".to_owned(), ..policies("c1") };
    w.denies(&u1, elsewhere, &text("ViewRLS", "db2")).await;
}

#[tokio::test]
async fn oneself_and_others() {
    let (w, u1) = world().await;
    for name in ["u2", "u3"] {
        w.changes(create_user(name, PASSWORD)).await;
    }
    // Oneself: the password, the description, looking; nothing else.
    w.changes_by(&u1, describe_user("u1", "me")).await;
    w.changes_by(&u1, change_password("u1", PASSWORD, "another")).await;
    let u1 = w.server.client("u1", "another").await;
    assert_eq!(gets(&u1, select_user("u1")).await.results.len(), 1);
    w.denies(&u1, delete_user("u1"), &text("DropOwnership", "*")).await;
    w.denies(&u1, bind("u1", "admin"), &text("ManageOwnership", "*")).await;
    for name in ["u2", "root", "U1", " u1", "", "*"] {
        w.denies(&u1, describe_user(name, "x"), &text("UpdateUser", "*")).await;
        w.denies(&u1, select_user(name), &text("SelectUser", "*")).await;
    }
    w.denies(&u1, SelectUserRequest::default(), &text("SelectUser", "*")).await;
    // A grant on one user covers that one.
    w.changes(grant("r1", ("User", "u2"), "UpdateUser", "")).await;
    w.changes(grant("r1", ("User", "u2"), "SelectUser", "")).await;
    w.changes_by(&u1, describe_user("u2", "x")).await;
    assert_eq!(gets(&u1, select_user("u2")).await.results.len(), 1);
    for name in ["u3", "root", ""] {
        w.denies(&u1, describe_user(name, "x"), &text("UpdateUser", "*")).await;
    }
    w.denies(&u1, SelectUserRequest::default(), &text("SelectUser", "*")).await;
    w.denies(&u1, ListUsersWithTagRequest::default(), &text("SelectUser", "*")).await;
}

#[tokio::test]
async fn grants_of_own_roles_are_shown() {
    let (w, u1) = world().await;
    w.changes(create_role("r2")).await;
    for (role, count) in [("r1", 0), ("public", 3)] {
        for database in ["", "*", "db1"] {
            assert_eq!(gets(&u1, grants_of(role, database)).await.entities.len(), count);
        }
    }
    for role in ["r2", "admin", "r9", " r1", "", "R1"] {
        w.denies(&u1, grants_of(role, ""), &text("SelectOwnership", "*")).await;
    }
    // Selecting the role itself is another matter, also one's own.
    w.denies(&u1, select_role("r1"), &text("SelectOwnership", "*")).await;
    w.changes(unbind("u1", "r1")).await;
    w.denies(&u1, grants_of("r1", ""), &text("SelectOwnership", "*")).await;
    // Lookups are grants too.
    let lookup = super::requests::grants_on("public", ("Collection", "*"), "");
    assert_eq!(gets(&u1, lookup).await.entities.len(), 1);
}

#[tokio::test]
async fn admins_need_nothing_else() {
    let (w, u1) = world().await;
    let denial = text("BackupRBAC", "*");
    w.denies(&u1, BackupRbacMetaRequest::default(), &denial).await;
    w.changes(bind("u1", "admin")).await;
    gets(&u1, BackupRbacMetaRequest::default()).await;
    w.changes_by(&u1, create_role("r2")).await;
    w.changes_by(&u1, create_database("db1")).await;
    gets(&u1, describe_database("db1")).await;
    // They may even take it from themselves.
    w.changes_by(&u1, unbind("u1", "admin")).await;
    w.denies(&u1, BackupRbacMetaRequest::default(), &denial).await;
    // root needs no role, and cannot lose what it can do.
    w.keeps(unbind("root", "admin")).await;
    w.changes(create_role("r3")).await;
}
