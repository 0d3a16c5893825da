//! Section 6.13: SelectGrant.

use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    create_group, create_role, grant, grant_v2, grants_of, grants_on, line, role,
};
use super::{Refusal, World, p, r};
use crate::support::Metadata;

async fn lines(w: &World, request: SelectGrantRequest) -> Vec<String> {
    w.gets(request).await.entities.iter().map(line).collect()
}

#[tokio::test]
async fn checks_in_order() {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    let nil = |what: &str| p(format!("{what} is nil: invalid parameter"));
    let empty = |what: &str| {
        p(format!("{what} should be not empty: invalid parameter[expected=not empty][actual=]"))
    };
    let with = |entity: &GrantEntity| SelectGrantRequest {
        entity: Some(entity.clone()),
        ..Default::default()
    };
    w.refuses(SelectGrantRequest::default(), nil("the grant entity in the request")).await;
    let mut entity = GrantEntity::default();
    w.refuses(with(&entity), nil("the role entity in the grant entity")).await;
    entity.object = Some(ObjectEntity::default());
    entity.object_name = "c1".to_owned();
    w.refuses(with(&entity), empty("ObjectType")).await;
    entity.object = Some(ObjectEntity { name: "Nonsense".to_owned() });
    entity.object_name = String::new();
    w.refuses(with(&entity), empty("object name")).await;
    entity.object_name = "c1".to_owned();
    w.refuses(with(&entity), nil("the role entity in the grant entity")).await;
    entity.role = Some(RoleEntity::default());
    w.refuses(with(&entity), empty("role name")).await;
    entity.role = Some(role("r2"));
    w.refuses(with(&entity), r(42, "the role \"r2\" does not exist: invalid parameter")).await;
    entity.role = Some(role("r1"));
    let text = "not found the object type[name: Nonsense], supported the object types: [Collection, Global, User]: invalid parameter";
    w.refuses(with(&entity), r(42, text)).await;
    entity.object = Some(ObjectEntity { name: "Collection".to_owned() });
    assert!(lines(&w, with(&entity)).await.is_empty());
    // An unknown object or database is no error, and neither is a grantor.
    for database in ["nowhere", "*", "", "1-/"] {
        assert!(lines(&w, grants_on("r1", ("User", "nobody"), database)).await.is_empty());
        assert!(lines(&w, grants_of("r1", database)).await.is_empty());
    }
    // An object without a name and type means none: a client sends that for a listing.
    entity.object = Some(ObjectEntity::default());
    entity.object_name = String::new();
    assert!(lines(&w, with(&entity)).await.is_empty());
}

/// `r1` with grants in several databases, and what is listed, in order.
async fn world() -> (World, Vec<&'static str>) {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    w.changes(create_role("r2")).await;
    w.changes(create_group("group1")).await;
    let grants = [
        (("User", "u1"), "SelectUser", ""),
        (("Global", "*"), "DescribeCollection", "db1"),
        (("Global", "*"), "All", "*"),
        (("Global", "*"), "CreateCollection", "*"),
        (("Global", "*"), "Admin", "*"),
        (("Collection", "c1"), "Search", "db1"),
        (("Collection", "c1"), "Search", "*"),
        (("Collection", "c1"), "*", ""),
        (("Collection", "c1"), "Search", ""),
        (("Collection", "c1"), "Insert", ""),
        (("Collection", "c1"), "ReadOnly", ""),
        (("Collection", "c10"), "Search", ""),
        (("Collection", "C1"), "Search", ""),
        (("Collection", "*"), "Search", ""),
        (("Collection", "*"), "Search", "*"),
        (("Collection", "c1"), "Search", "db10"),
        (("Collection", "c1"), "Search", "db_1"),
    ];
    for (object, privilege, database) in grants {
        w.changes(grant("r1", object, privilege, database)).await;
    }
    w.changes(grant_v2("r1", "group1", ("*", "*"))).await;
    w.changes(grant_v2("r1", "CollectionReadOnly", ("", "c1"))).await;
    w.changes(grant("r2", ("Collection", "c1"), "Query", "")).await;
    let listed = vec![
        "Collection *.* Search by root",
        "Collection *.c1 Search by root",
        "Collection db1.c1 Search by root",
        "Collection db10.c1 Search by root",
        "Collection db_1.c1 Search by root",
        "Collection default.* Search by root",
        "Collection default.C1 Search by root",
        "Collection default.c1 * by root",
        "Collection default.c1 ReadOnly by root",
        "Collection default.c1 Insert by root",
        "Collection default.c1 Search by root",
        "Collection default.c10 Search by root",
        // By stored name: PrivilegeAll, PrivilegeCreateCollection, PrivilegeGroup….
        "Global *.* All by root",
        "Global *.* CreateCollection by root",
        "Global *.* Admin by root",
        "Global *.* group1 by root",
        "Global db1.* DescribeCollection by root",
        "Global default.c1 CollectionReadOnly by root",
        "User default.u1 SelectUser by root",
    ];
    (w, listed)
}

#[tokio::test]
async fn list_mode() {
    let (w, all) = world().await;
    assert_eq!(lines(&w, grants_of("r1", "*")).await, all);
    let within = |database: &str| -> Vec<_> {
        let (own, any) = (format!(" {database}."), " *.");
        all.iter().filter(|l| l.contains(&own) || l.contains(any)).copied().collect()
    };
    for database in ["db1", "db10", "default", "nowhere"] {
        assert_eq!(lines(&w, grants_of("r1", database)).await, within(database), "{database}");
    }
    assert_eq!(lines(&w, grants_of("r1", "")).await, within("default"));
    // The connection's database stands in for none.
    let metadata = Metadata::login("root", "Milvus").with("dbname", "db1");
    let db1 = w.server.connect(metadata).await;
    let found = super::gets(&db1, grants_of("r1", "")).await.entities;
    assert_eq!(found.iter().map(line).collect::<Vec<_>>(), within("db1"));
    // An object's name without a type is ignored.
    let mut request = grants_of("r1", "db1");
    if let Some(entity) = &mut request.entity {
        entity.object_name = "c1".to_owned();
    }
    assert_eq!(lines(&w, request).await, within("db1"));
    // The whole of one entity: the role without a description.
    let found = w.gets(grants_of("r2", "")).await.entities;
    let entity = grant("r2", ("Collection", "c1"), "Query", "default").entity;
    assert_eq!(found, entity.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn lookup_mode() {
    let (w, _) = world().await;
    // (type, object, database, what is found, of `default` unless told)
    let rows: [(&str, &str, &str, &[&str]); 11] = [
        (
            "Collection",
            "c1",
            "",
            &[
                "*.c1 Search",
                "default.c1 *",
                "default.c1 ReadOnly",
                "default.c1 Insert",
                "default.c1 Search",
            ],
        ),
        (
            "Collection",
            "c1",
            "default",
            &[
                "*.c1 Search",
                "default.c1 *",
                "default.c1 ReadOnly",
                "default.c1 Insert",
                "default.c1 Search",
            ],
        ),
        ("Collection", "c1", "db1", &["*.c1 Search", "db1.c1 Search"]),
        ("Collection", "c1", "nowhere", &["*.c1 Search"]),
        ("Collection", "c1", "*", &["*.c1 Search"]),
        ("Collection", "*", "", &["*.* Search", "default.* Search"]),
        ("Collection", "c10", "", &["default.c10 Search"]),
        ("Collection", "c2", "", &[]),
        (
            "Global",
            "*",
            "db1",
            &[
                "*.* All",
                "*.* CreateCollection",
                "*.* Admin",
                "*.* group1",
                "db1.* DescribeCollection",
            ],
        ),
        ("Global", "c1", "", &["default.c1 CollectionReadOnly"]),
        ("User", "c1", "", &[]),
    ];
    for (object_type, object, database, found) in rows {
        let wanted: Vec<_> = found.iter().map(|l| format!("{object_type} {l} by root")).collect();
        let request = grants_on("r1", (object_type, object), database);
        assert_eq!(lines(&w, request).await, wanted, "{object_type} {object} in {database:?}");
    }
}

#[tokio::test]
async fn the_seed_of_public() {
    let w = World::new().await;
    let seed = [
        "Collection *.* IndexDetail by root",
        "Global *.* DescribeCollection by root",
        "Global *.* ListAliases by root",
    ];
    for database in ["", "*", "db1"] {
        assert_eq!(lines(&w, grants_of("public", database)).await, seed);
        assert!(lines(&w, grants_of("admin", database)).await.is_empty());
    }
    let text = "the role \"root\" does not exist: invalid parameter";
    w.refuses(grants_of("root", ""), Refusal::new(1100, 42, text).input()).await;
}
