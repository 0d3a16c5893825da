//! REST of the data plane: what reaches the upstream, as what, and what does not.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::upstream::{Grpc, Reached, Rest};
use super::{Answer, ROOT, expect, post, post_as, request};
use crate::support::Server;

const LOGIN: &str = "Authorization: Bearer u1:passw0rd";
const SEARCH: &str = "/v2/vectordb/entities/search";
/// Nobody listens there: the tests of names alone need no gRPC.
pub(super) const NOWHERE: &str = "http://127.0.0.1:1";

/// Where a privilege is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Collection,
    Database,
    Everything,
}
use On::{Collection, Database, Everything};

/// Every route that a privilege guards.
const GUARDED: &[(&str, &str, On)] = &[
    ("/collections/has", "DescribeCollection", Collection),
    ("/collections/describe", "DescribeCollection", Collection),
    ("/collections/get_stats", "GetStatistics", Collection),
    ("/collections/get_load_state", "GetLoadState", Collection),
    ("/collections/create", "CreateCollection", Database),
    ("/collections/drop", "DropCollection", Database),
    ("/collections/truncate", "DropCollection", Database),
    ("/collections/rename", "RenameCollection", Database),
    ("/collections/load", "Load", Collection),
    ("/collections/refresh_load", "Load", Collection),
    ("/collections/release", "Release", Collection),
    ("/collections/alter_properties", "CreateCollection", Database),
    ("/collections/drop_properties", "CreateCollection", Database),
    ("/collections/add_function", "CreateCollection", Database),
    ("/collections/alter_function", "CreateCollection", Database),
    ("/collections/drop_function", "CreateCollection", Database),
    ("/collections/add_function_field", "AlterCollectionSchema", Collection),
    ("/collections/drop_function_field", "AlterCollectionSchema", Collection),
    ("/collections/compact", "Compaction", Collection),
    ("/collections/get_compaction_state", "Compaction", Collection),
    ("/collections/flush", "Flush", Collection),
    ("/collections/fields/alter_properties", "CreateCollection", Database),
    ("/collections/fields/add", "AlterCollectionSchema", Collection),
    ("/collections/fields/drop", "AlterCollectionSchema", Collection),
    ("/collections/struct_fields/add", "AddCollectionField", Collection),
    ("/entities/query", "Query", Collection),
    ("/entities/get", "Query", Collection),
    ("/entities/delete", "Delete", Collection),
    ("/entities/insert", "Insert", Collection),
    ("/entities/upsert", "Upsert", Collection),
    ("/entities/search", "Search", Collection),
    ("/entities/hybrid_search", "Search", Collection),
    ("/entities/advanced_search", "Search", Collection),
    ("/partitions/list", "ShowPartitions", Collection),
    ("/partitions/has", "HasPartition", Collection),
    ("/partitions/get_stats", "GetStatistics", Collection),
    ("/partitions/create", "CreatePartition", Collection),
    ("/partitions/drop", "DropPartition", Collection),
    ("/partitions/load", "Load", Collection),
    ("/partitions/release", "Release", Collection),
    ("/indexes/list", "IndexDetail", Collection),
    ("/indexes/describe", "IndexDetail", Collection),
    ("/indexes/create", "CreateIndex", Collection),
    ("/indexes/drop", "DropIndex", Collection),
    ("/indexes/alter_properties", "CreateIndex", Collection),
    ("/indexes/drop_properties", "CreateIndex", Collection),
    ("/aliases/list", "ListAliases", Collection),
    ("/aliases/describe", "DescribeAlias", Database),
    ("/aliases/create", "CreateAlias", Collection),
    ("/aliases/drop", "DropAlias", Database),
    ("/aliases/alter", "CreateAlias", Collection),
    ("/jobs/import/list", "ListImport", Collection),
    ("/jobs/import/create", "Import", Collection),
    ("/jobs/import/describe", "Import", Collection),
    ("/jobs/import/get_progress", "Import", Collection),
    ("/jobs/import/commit", "Import", Everything),
    ("/jobs/import/abort", "Import", Everything),
    ("/jobs/snapshot/restore_external", "RestoreExternalSnapshot", Everything),
    ("/jobs/snapshot/export", "ExportSnapshot", Everything),
    ("/jobs/snapshot/describe", "RestoreSnapshot", Collection),
    ("/jobs/snapshot/list", "RestoreSnapshot", Collection),
    ("/jobs/external_collection/refresh", "RefreshExternalCollection", Collection),
    ("/jobs/external_collection/describe", "RefreshExternalCollection", Collection),
    ("/jobs/external_collection/list", "RefreshExternalCollection", Collection),
    ("/resource_groups/create", "CreateResourceGroup", Everything),
    ("/resource_groups/drop", "DropResourceGroup", Everything),
    ("/resource_groups/alter", "UpdateResourceGroups", Everything),
    ("/resource_groups/describe", "DescribeResourceGroup", Everything),
    ("/resource_groups/list", "ListResourceGroups", Everything),
    ("/resource_groups/transfer_replica", "TransferReplica", Everything),
    ("/file_resources/add", "AddFileResource", Everything),
    ("/file_resources/remove", "RemoveFileResource", Everything),
    ("/file_resources/list", "ListFileResources", Everything),
    ("/common/run_analyzer", "Search", Collection),
];
const ADMINISTRATORS: [&str; 2] = ["/segments/describe", "/quotacenter/describe"];

const BODY: &str = r#" { "collectionName":"c1", "partitionName":"p1","partitionNames":["p1"],
    "aliasName":"a1", "newCollectionName":"c2","jobId":"1","schema":{"fields":[{"x":1.50}]} } "#;

pub(super) fn change(server: &Server, path: &str, body: &Value) {
    expect(&post(server, path, &body.to_string()), r#"{"code":0,"data":{}}"#);
}

/// A server whose `public` may nothing, with `u1` who holds the empty `r1`.
pub(super) fn prepared(flags: &[&str]) -> Server {
    let server = Server::start(flags);
    change(&server, "/users/create", &json!({"userName": "u1", "password": "passw0rd"}));
    change(&server, "/roles/create", &json!({"roleName": "r1"}));
    change(&server, "/users/grant_role", &json!({"userName": "u1", "roleName": "r1"}));
    let grants = post(&server, "/roles/describe", r#"{"roleName":"public","dbName":"*"}"#).json();
    for grant in grants["data"].as_array().unwrap() {
        let mut revoke = grant.clone();
        revoke["roleName"] = json!("public");
        change(&server, "/roles/revoke_privilege", &revoke);
    }
    server
}

fn operate(server: &Server, what: &str, privilege: &str, database: &str, collection: &str) {
    change(
        server,
        &format!("/roles/{what}_privilege_v2"),
        &json!({"roleName": "r1", "privilege": privilege, "dbName": database, "collectionName": collection}),
    );
}

fn grant(server: &Server, privilege: &str, database: &str, collection: &str) {
    operate(server, "grant", privilege, database, collection);
}

pub(super) fn sidecar() -> (Server, Rest) {
    let rest = Rest::start();
    let server = prepared(&[
        "--upstream",
        NOWHERE,
        "--upstream-rest",
        &rest.url,
        "--resolve-aliases",
        "off",
    ]);
    (server, rest)
}

fn user(server: &Server, path: &str, body: &str) -> Answer {
    post_as(server, "u1:passw0rd", path, body)
}

fn search(server: &Server, headers: &[&str], body: &str) -> Answer {
    request(server, "POST", SEARCH, &[&[LOGIN], headers].concat(), body)
}

#[test]
fn each_route_needs_its_privilege() {
    let (server, rest) = sidecar();
    for (path, privilege, on) in GUARDED {
        let (database, collection) = match on {
            Collection => ("default", "c1"),
            Database => ("default", "*"),
            Everything => ("*", "*"),
        };
        let denied = user(&server, path, BODY);
        assert_eq!((denied.status, denied.code()), (403, 65535), "{path}: {denied:?}");
        let message = denied.message();
        let text = "rpc error: code = PermissionDenied desc = ";
        assert!(message.starts_with(text) && message.contains("permission deny to u1"), "{path}");
        assert_eq!(rest.take(), [], "{path}");
        grant(&server, privilege, database, collection);
        let allowed = user(&server, path, BODY);
        assert_eq!(allowed.status, 200, "{path}: {allowed:?}");
        let reached = rest.one();
        assert_eq!(reached.path, format!("/v2/vectordb{path}"));
        assert_eq!(reached.body, BODY, "{path}");
        assert_eq!(reached.header("db-name"), Some("default"), "{path}");
        operate(&server, "revoke", privilege, database, collection);
    }
    for path in ADMINISTRATORS {
        assert_eq!(user(&server, path, BODY).status, 403, "{path}");
        assert_eq!(rest.take(), [], "{path}");
        assert_eq!(post(&server, path, BODY).status, 200, "{path}");
        assert_eq!(rest.take().len(), 1, "{path}");
    }
    // Without a collection an analyzer is everybody's.
    assert_eq!(user(&server, "/common/run_analyzer", "{}").status, 200);
}

#[test]
fn without_an_upstream_calls_are_decided_and_not_served() {
    for flags in [&[][..], &["--upstream", NOWHERE, "--resolve-aliases", "off"]] {
        let server = prepared(flags);
        let paths = GUARDED.iter().map(|(path, ..)| *path).chain(ADMINISTRATORS);
        for path in paths.chain(["/collections/list"]) {
            let answer = post(&server, path, BODY);
            assert_eq!((answer.status, answer.code()), (501, 501), "{path}: {answer:?}");
            let missing =
                if flags.is_empty() { "--upstream and --upstream-rest" } else { "--upstream-rest" };
            let text = format!("this route is answered by a Milvus: give {missing}");
            assert_eq!(answer.message(), text, "{path}");
            if path != "/collections/list" {
                assert_eq!(user(&server, path, BODY).status, 403, "{path}");
            }
            let stranger = post_as(&server, "u1:wrong", path, BODY);
            assert_eq!((stranger.status, stranger.code()), (401, 1800), "{path}");
            let whole = format!("/v2/vectordb{path}");
            assert_eq!(request(&server, "GET", &whole, &[ROOT], "").status, 404, "{path}");
        }
        let preflight = request(&server, "OPTIONS", SEARCH, &[], "");
        assert_eq!(preflight.status, 204);
    }
}

#[test]
fn bodies_that_can_be_read_in_two_ways_are_refused() {
    let (server, rest) = sidecar();
    for body in [
        "",
        "null",
        "[]",
        r#"{"collectionName":"c1"}{"collectionName":"c2"}"#,
        r#"{"collectionName":"c1"} x"#,
        r#"{"collectionName":"c1","collectionName":"c2"}"#,
        r#"{"collectionName":"c1","COLLECTIONNAME":"c2"}"#,
        r#"{"collectionName":"c1","\u0063ollectionName":"c2"}"#,
        r#"{"collectionName":"c1","data":1,"Data":2}"#,
        "{\"collectionName\":\"c1\",\"par\u{17f}e\":1}",
        r#"{"collectionName":"c1","\u212aey":1}"#,
        r#"{"collectionName":["c1"]}"#,
        r#"{"collectionName":1}"#,
        r#"{"dbName":{},"collectionName":"c1"}"#,
        r#"{"collectionName":"c1","partitionNames":"p1"}"#,
        r#"{"collectionName":"c1","partitionNames":["p1",null]}"#,
        r#"{"collectionName":"c1","newDbName":5}"#,
        r#"{"collectionName":"c1",}"#,
        r#"{"collectionName":"c1"#,
    ] {
        let answer = post(&server, "/entities/search", body);
        assert_eq!((answer.status, answer.code()), (200, 1801), "{body}: {answer:?}");
        let text = "can only accept json format request, ";
        assert!(answer.message().starts_with(text), "{body}: {answer:?}");
    }
    // Names that some upstream would take for paths.
    for key in ["dbName", "collectionName", "partitionName", "newCollectionName", "aliasName"] {
        for name in ["../x", "a/b", "a\\b", "..", "a\nb"] {
            let answer = post(&server, "/collections/rename", &json!({key: name}).to_string());
            assert_eq!((answer.status, answer.code()), (400, 65535), "{key} {name}: {answer:?}");
        }
    }
    let answer = search(&server, &["DB-Name: a/b"], "{}");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(rest.take(), []);

    // Keys in any case are the same keys.
    grant(&server, "Search", "db1", "c1");
    let body = r#"{"DBNAME":"db1","collectionname":"c1"}"#;
    assert_eq!(search(&server, &[], body).status, 200);
    assert_eq!(rest.one().body, body);
    // None is all of them.
    for body in ["{}", r#"{"collectionName":null}"#, r#"{"collectionName":""}"#] {
        assert_eq!(search(&server, &["DB-Name: db1"], body).status, 403, "{body}");
    }
    assert_eq!(rest.take(), []);
}

#[test]
fn the_database_is_the_bodys_else_the_headers_else_the_default_one() {
    let (server, rest) = sidecar();
    grant(&server, "Search", "db1", "c1");
    let (named, unnamed) =
        (r#"{"collectionName":"c1","dbName":"db1"}"#, r#"{"collectionName":"c1"}"#);
    let reached = |headers: &[&str], body: &str| -> Reached {
        let answer = search(&server, headers, body);
        assert_eq!(answer.status, 200, "{headers:?} {body}: {answer:?}");
        let reached = rest.one();
        assert_eq!(reached.header("db-name"), Some("db1"));
        assert_eq!(reached.headers.iter().filter(|(key, _)| key == "db-name").count(), 1);
        reached
    };
    let denied = |headers: &[&str], body: &str| {
        assert_eq!(search(&server, headers, body).status, 403, "{headers:?} {body}");
        assert_eq!(rest.take(), []);
    };
    assert_eq!(reached(&[], named).body, named);
    assert_eq!(reached(&["DB-Name: db2"], named).body, named);
    // Not every Milvus looks at the header.
    let added = r#"{"collectionName":"c1","dbName":"db1"}"#;
    assert_eq!(reached(&["DB-Name: db1"], unnamed).body, added);
    assert_eq!(reached(&["DB-Name: db1", "DB-Name: db2"], &format!("{unnamed}\n")).body, added);
    let empty = r#"{"dbName":"","collectionName":"c1"}"#;
    let added = r#"{"dbName":"","collectionName":"c1","dbName":"db1"}"#;
    assert_eq!(reached(&["DB-Name: db1"], empty).body, added);
    denied(&[], unnamed);
    denied(&["DB-Name: db2"], unnamed);
    denied(&["DB-Name: db1"], r#"{"collectionName":"c1","dbName":"db2"}"#);
    denied(&["DB-Name: db1"], r#"{"collectionName":"c2"}"#);

    // Into another database only with the privilege on every one.
    grant(&server, "RenameCollection", "default", "*");
    let rename = |target: &str| {
        let body = json!({"collectionName": "c1", "newCollectionName": "c2", "newDbName": target});
        user(&server, "/collections/rename", &body.to_string()).status
    };
    assert_eq!([rename(""), rename("default"), rename("db1")], [200, 200, 403]);
    grant(&server, "RenameCollection", "*", "*");
    assert_eq!(rename("db1"), 200);
}

#[test]
fn creating_with_an_index_needs_what_it_does_besides() {
    let (server, rest) = sidecar();
    let plain = r#"{"collectionName":"c1","schema":{"fields":[{}]}}"#;
    let indexed = [
        r#"{"collectionName":"c1","dimension":4}"#,
        r#"{"collectionName":"c1","schema":{"fields":[]}}"#,
        r#"{"collectionName":"c1","schema":{"fields":[{}]},"indexParams":[{}]}"#,
    ];
    let create = |body: &str| user(&server, "/collections/create", body).status;
    grant(&server, "CreateCollection", "default", "*");
    assert_eq!(create(plain), 200);
    for privilege in ["CreateIndex", "Load"] {
        assert_eq!(indexed.map(create), [403; 3]);
        grant(&server, privilege, "default", "c1");
    }
    assert_eq!(indexed.map(create), [200; 3]);
    assert_eq!(rest.take().len(), 4);
    let twice = r#"{"collectionName":"c1","schema":{"fields":[{}],"Fields":[]}}"#;
    let answer = user(&server, "/collections/create", twice);
    assert_eq!(answer.code(), 1801, "{answer:?}");
}

#[test]
fn answers_show_what_the_caller_may_see() {
    let (server, rest) = sidecar();
    expect(&user(&server, "/collections/list", "{}"), r#"{"code":0,"data":[]}"#);
    grant(&server, "Search", "db1", "c1");
    grant(&server, "Search", "default", "c2");
    expect(&user(&server, "/collections/list", "{}"), r#"{"code":0,"data":["c2"]}"#);
    let db1 = r#"{"dbName":"db1"}"#;
    expect(&user(&server, "/collections/list", db1), r#"{"code":0,"data":["c1"]}"#);
    expect(&post(&server, "/collections/list", db1), r#"{"code":0,"data":["c1","c2","c3"]}"#);

    grant(&server, "DescribeCollection", "default", "c1");
    grant(&server, "IndexDetail", "default", "c1");
    let described = user(&server, "/collections/describe", BODY);
    let message = described.message();
    for text in ["PrivilegeGetLoadState: permission", "PrivilegeListAliases: permission"] {
        assert!(message.contains(text), "{message}");
    }
    assert!(!message.contains("IndexDetail"));
    assert_eq!(
        described.json()["data"],
        json!({"aliases": [], "collectionID": 9007199254740993u64, "indexes": [{"indexName": "i1"}], "load": ""})
    );
    let whole = post(&server, "/collections/describe", BODY);
    assert_eq!(whole.json()["data"]["load"], "LoadStateLoaded");
    assert_eq!(rest.take().len(), 6);
}

#[test]
fn headers_and_answers_go_through_but_for_what_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("login");
    std::fs::write(&file, "them:secret\n").unwrap();
    let file = format!("file:{}", file.display());
    for (how, login) in [
        ("none", None),
        ("passthrough", Some("Bearer root:Milvus")),
        (&file, Some("Bearer them:secret")),
    ] {
        let rest = Rest::start();
        let server = Server::start(&[
            "--upstream",
            NOWHERE,
            "--upstream-rest",
            &rest.url,
            "--upstream-auth",
            how,
        ]);
        let headers = [
            ROOT,
            "sourceid: QG1pbHZ1cy1tZW1iZXJAOg==",
            "X-Mine: 1",
            "Accept-Type-Allow-Int64: true",
            "Connection: X-Hop",
            "X-Hop: 1",
            "TE: trailers",
        ];
        let answer = request(&server, "POST", "/v2/vectordb/entities/query", &headers, BODY);
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"data":{ },"code":0}"#));
        assert_eq!((answer.header("x-theirs"), answer.header("x-hop")), (Some("1"), None));
        assert!(answer.header("milvus-rbac-revision").is_some());
        let reached = rest.one();
        assert_eq!(reached.header("authorization"), login, "{how}");
        assert_eq!(reached.header("x-mine"), Some("1"));
        assert_eq!(reached.header("accept-type-allow-int64"), Some("true"));
        for name in ["sourceid", "x-hop", "te", "connection"] {
            assert_eq!(reached.header(name), None, "{name}");
        }
        assert_eq!(post(&server, "/collections/flush", BODY).body, "not JSON");
    }
}

#[test]
fn an_upstream_that_is_down_is_told_and_refusals_go_on() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let server = prepared(&["--upstream", NOWHERE, "--upstream-rest", &url]);
    let answer = post(&server, "/entities/search", BODY);
    assert_eq!((answer.status, answer.code()), (503, 2));
    assert_eq!(answer.message(), "the upstream Milvus does not answer");
    assert_eq!(user(&server, "/entities/search", BODY).status, 403);
    assert_eq!(post(&server, "/roles/list", "{}").status, 200);
}

#[test]
fn large_bodies_go_on_and_larger_ones_do_not() {
    let (server, rest) = sidecar();
    let body =
        |bytes: usize| format!(r#"{{"collectionName":"c1","data":"{}"}}"#, "x".repeat(bytes));
    let large = body(20 << 20);
    assert_eq!(post(&server, "/entities/insert", &large).status, 200);
    assert!(rest.one().body == large);
    let answer = post(&server, "/entities/insert", &body(64 << 20));
    assert_eq!((answer.status, answer.code()), (413, 413));
    assert_eq!(rest.take(), []);
}

#[test]
fn aliases_stand_for_collections_and_are_forgotten_with_each_change() {
    let (grpc, url) = Grpc::start();
    let rest = Rest::start();
    let server = prepared(&["--upstream", &url, "--upstream-rest", &rest.url]);
    grant(&server, "Search", "default", "c1");
    "c1".clone_into(&mut grpc.alias.lock().unwrap());
    let search = || user(&server, "/entities/search", r#"{"collectionName":"a1"}"#).status;
    for round in 0..20 {
        assert_eq!(search(), 200, "{round}");
        "c2".clone_into(&mut grpc.alias.lock().unwrap());
        let alter = r#"{"collectionName":"c2","aliasName":"a1"}"#;
        assert_eq!(post(&server, "/aliases/alter", alter).status, 200);
        assert_eq!(search(), 403, "{round}");
        "c1".clone_into(&mut grpc.alias.lock().unwrap());
        assert_eq!(post(&server, "/aliases/drop", r#"{"aliasName":"a1"}"#).status, 200);
    }
}

#[test]
fn what_is_only_recorded_reaches_the_upstream() {
    let rest = Rest::start();
    let server = prepared(&["--upstream", NOWHERE, "--upstream-rest", &rest.url, "--audit-only"]);
    assert_eq!(user(&server, "/entities/search", BODY).status, 200);
    assert_eq!(post_as(&server, "u1:wrong", "/entities/search", BODY).status, 200);
    let listed = user(&server, "/collections/list", "{}");
    expect(&listed, r#"{"code":0,"data":["c1","c2","c3"]}"#);
    assert_eq!(rest.take().len(), 3);
    assert_eq!(user(&server, "/roles/create", r#"{"roleName":"r2"}"#).status, 403);
    assert_eq!(post_as(&server, "u1:wrong", "/roles/list", "{}").status, 401);

    // Databases are that Milvus' too.
    let (grpc, url) = Grpc::start();
    let server = prepared(&["--upstream", &url, "--audit-only"]);
    for login in ["u1:passw0rd", "u1:wrong"] {
        let create = post_as(&server, login, "/databases/create", r#"{"dbName":"db1"}"#);
        expect(&create, r#"{"code":0,"data":{}}"#);
        let listed = post_as(&server, login, "/databases/list", "{}");
        expect(&listed, r#"{"code":0,"data":["db1","default"]}"#);
        let called: Vec<_> = grpc.take().iter().map(|called| called.name).collect();
        assert_eq!(called, ["CreateDatabase", "ListDatabases"]);
    }
    // Where there is none they are ours, and guarded.
    let server = Server::start(&[]);
    assert_eq!(post_as(&server, "u1:wrong", "/databases/list", "{}").status, 401);
}
