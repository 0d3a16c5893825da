//! Databases: create, drop, alter, describe, list; and who sees which.

use std::collections::BTreeSet;

use milvus_rbac::rpc::proto::common::KeyValuePair;
use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    bind, create_database, create_role, describe_database, drop_database, grant, grant_v2, revoke,
};
use super::{Refusal, World, gets, p};
use crate::support::{Client, Metadata};

fn missing(name: &str) -> Refusal {
    Refusal::new(800, 1, format!("database not found[database={name}]"))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValuePair> {
    let pair = |(key, value): &(&str, &str)| KeyValuePair {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    pairs.iter().map(pair).collect()
}

fn alter(name: &str, set: &[(&str, &str)], unset: &[&str]) -> AlterDatabaseRequest {
    AlterDatabaseRequest {
        db_name: name.to_owned(),
        properties: pairs(set),
        delete_keys: unset.iter().map(|key| (*key).to_owned()).collect(),
        ..Default::default()
    }
}

async fn listed(client: &Client) -> Vec<String> {
    gets(client, ListDatabasesRequest::default()).await.db_names
}

#[tokio::test]
async fn creating_and_dropping() {
    let w = World::new().await;
    assert_eq!(listed(&w.root).await, ["default"]);
    for name in ["db2", "db1", "DB1"] {
        w.changes(create_database(name)).await;
    }
    let list = w.gets(ListDatabasesRequest::default()).await;
    assert_eq!(list.db_names, ["DB1", "db1", "db2", "default"]);
    assert_eq!((list.created_timestamp.len(), list.db_ids.len()), (4, 4));
    assert_eq!(list.db_ids.last(), Some(&1), "the id of `default`");
    assert_eq!(list.db_ids.iter().collect::<BTreeSet<_>>().len(), 4);
    assert!(list.created_timestamp.iter().all(|time| *time > 1 << 58), "{list:?}");

    for name in ["db1", "default"] {
        w.refuses(
            create_database(name),
            p(format!("database already exist: {name}: invalid parameter")),
        )
        .await;
    }
    w.refuses(drop_database("default"), p("can not drop default database: invalid parameter"))
        .await;
    w.changes(drop_database("db1")).await;
    for name in ["db1", "Default"] {
        w.refuses(drop_database(name), missing(name)).await;
    }
    assert_eq!(listed(&w.root).await, ["DB1", "db2", "default"]);
    // Created again it is another database.
    w.changes(create_database("db1")).await;
    let again = w.gets(describe_database("db1")).await;
    assert!(!list.db_ids.contains(&again.db_id));
}

#[tokio::test]
async fn at_most_64_beside_default() {
    let w = World::new().await;
    for i in 1..=64 {
        w.changes(create_database(&format!("db{i}"))).await;
    }
    let full = || Refusal::new(801, 1, "exceeded the limit number of database[limit=64]");
    w.refuses(create_database("more"), full()).await;
    w.refuses(create_database("db1"), p("database already exist: db1: invalid parameter")).await;
    w.changes(drop_database("db1")).await;
    w.changes(create_database("more")).await;
    w.refuses(create_database("db1"), full()).await;
}

#[tokio::test]
async fn properties() {
    let w = World::new().await;
    let request = CreateDatabaseRequest {
        properties: pairs(&[("b", "2"), ("a", "1"), ("b", "3")]),
        ..create_database("db1")
    };
    w.changes(request).await;
    let of_db1 = async || w.gets(describe_database("db1")).await.properties;
    assert_eq!(of_db1().await, pairs(&[("a", "1"), ("b", "3")]));
    w.changes(alter("db1", &[("c", ""), ("a", "9")], &["b"])).await;
    assert_eq!(of_db1().await, pairs(&[("a", "9"), ("c", "")]));
    w.keeps(alter("db1", &[("a", "9")], &["b", "z"])).await;
    w.keeps(alter("db1", &[], &[])).await;
    w.changes(alter("", &[("x", "y")], &[])).await;
    let found = w.gets(describe_database("")).await;
    assert_eq!((found.db_name, found.properties), ("default".to_owned(), pairs(&[("x", "y")])));
    for name in ["db2", "a/b", "*"] {
        w.refuses(alter(name, &[("a", "1")], &[]), missing(name)).await;
        w.refuses(describe_database(name), missing(name)).await;
    }
    // All properties together are bounded, however they came.
    let too_large =
        p("the properties of a database take 4097 bytes, more than 4096: invalid parameter");
    let value = "v".repeat(4080 - "xy".len());
    w.refuses(alter("", &[("k", &"v".repeat(4094))], &[]), too_large.clone()).await;
    w.changes(alter("", &[("k", &value)], &[])).await;
    w.refuses(alter("", &[("l", &"v".repeat(20))], &[]), p("the properties").leading()).await;
    let large = CreateDatabaseRequest {
        properties: pairs(&[("k", &"v".repeat(4096))]),
        ..create_database("db3")
    };
    w.refuses(large, too_large).await;
}

/// Users see the databases that the grants of their roles name.
#[tokio::test]
async fn visibility() {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    for name in ["db1", "db2", "db3"] {
        w.changes(create_database(name)).await;
    }
    for name in ["r1", "r2", "r3"] {
        w.changes(create_role(name)).await;
    }
    let c1 = ("Collection", "c1");
    w.changes(grant("r1", c1, "Search", "db1")).await;
    w.changes(grant("r1", c1, "Search", "nowhere")).await;
    w.changes(grant_v2("r2", "DatabaseAdmin", ("db2", "*"))).await;
    w.changes(grant("r2", c1, "Search", "")).await;
    w.changes(grant("r3", c1, "Search", "*")).await;
    // What is granted to everybody shows nothing, and a binding to `public` changes nothing.
    w.changes(grant("public", c1, "Search", "db3")).await;
    w.changes(bind("u1", "public")).await;
    assert!(listed(&u1).await.is_empty());
    w.changes(bind("u1", "r1")).await;
    assert_eq!(listed(&u1).await, ["db1"]);
    w.changes(bind("u1", "r2")).await;
    assert_eq!(listed(&u1).await, ["db1", "db2", "default"]);
    w.changes(revoke("r2", c1, "Search", "")).await;
    assert_eq!(listed(&u1).await, ["db1", "db2"]);
    let u2 = w.user("u2").await;
    for role in ["r3", "admin"] {
        assert!(listed(&u2).await.is_empty());
        w.changes(bind("u2", role)).await;
        assert_eq!(listed(&u2).await, ["db1", "db2", "db3", "default"]);
        w.changes(super::requests::unbind("u2", role)).await;
    }
}

#[tokio::test]
async fn describing_what_is_not_seen() {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    for name in ["db1", "db2"] {
        w.changes(create_database(name)).await;
    }
    w.changes(create_role("r1")).await;
    w.changes(bind("u1", "r1")).await;
    w.changes(grant_v2("r1", "DescribeDatabase", ("db1", "*"))).await;
    w.changes(grant("public", ("Global", "*"), "DescribeDatabase", "*")).await;
    let found = gets(&u1, describe_database("db1")).await;
    assert_eq!(found.db_name, "db1");
    for name in ["db2", "default", "nowhere"] {
        let text =
            format!("not allowed to access database, db name: {name}: privilege not permitted");
        w.refuses_to(&u1, describe_database(name), Refusal::new(1401, 1, text).input()).await;
    }
    let db1 = w.gets(ListDatabasesRequest::default()).await;
    let at = db1.db_names.iter().position(|name| name == "db1").unwrap();
    assert_eq!(db1.db_ids.get(at), Some(&found.db_id));
    assert_eq!(db1.created_timestamp.get(at), Some(&found.created_timestamp));
}

#[tokio::test]
async fn no_collections_are_listed() {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    for client in [&w.root, &u1] {
        let none = gets(client, ShowCollectionsRequest::default()).await;
        assert_eq!(none, ShowCollectionsResponse::default());
    }
}

#[tokio::test]
async fn connecting_to_a_database() {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    w.user("u1").await;
    w.changes(create_database("db1")).await;
    let to = async |user: &str, password: &str, name: &str| {
        w.server.connect(Metadata::login(user, password).with("dbname", name)).await
    };
    // Every database counts, whatever the caller may see.
    for name in ["", "default", "db1"] {
        for (user, password) in [("root", "Milvus"), ("u1", super::requests::PASSWORD)] {
            let answer = gets(&to(user, password, name).await, ConnectRequest::default()).await;
            assert!(answer.identifier > 1 << 58, "{answer:?}");
            assert!(answer.server_info.is_some());
        }
    }
    for name in ["nowhere", "*", "a/b"] {
        let client = to("u1", super::requests::PASSWORD, name).await;
        w.refuses_to(&client, ConnectRequest::default(), missing(name).input()).await;
    }
}
