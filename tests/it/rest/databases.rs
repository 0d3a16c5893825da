//! `/databases/*` of a sidecar: answered by the Milvus behind it, over gRPC.

use std::net::TcpListener;

use super::upstream::{Called, Grpc};
use super::{ROOT, expect, post, post_as, request};
use crate::support::{Server, encoded};

fn called(name: &'static str, database: &str, dbname: Option<&str>) -> Called {
    let dbname = dbname.map(str::to_owned);
    Called { name, database: database.to_owned(), dbname, authorization: None }
}

#[test]
fn the_upstream_answers_and_what_it_shows_is_filtered() {
    let (grpc, url) = Grpc::start();
    let server = Server::start(&["--upstream", &url]);
    expect(&post(&server, "/databases/list", "{}"), r#"{"code":0,"data":["db1","default"]}"#);
    assert_eq!(grpc.take(), [called("ListDatabases", "", None)]);
    expect(
        &post(&server, "/databases/describe", r#"{"dbName":"db1"}"#),
        r#"{"code":0,"data":{"dbID":7,"dbName":"db1","properties":[{"key":"k","value":"v"}]}}"#,
    );
    expect(&post(&server, "/databases/create", r#"{"dbName":"db9"}"#), r#"{"code":0,"data":{}}"#);
    let (described, created) = ("DescribeDatabase", "CreateDatabase");
    assert_eq!(
        grpc.take(),
        [called(described, "db1", Some("db1")), called(created, "db9", Some("db9"))]
    );
    for (name, code, text) in [("full", 801, "too many"), ("old", 65535, "no")] {
        let failed = post(&server, "/databases/create", &format!(r#"{{"dbName":"{name}"}}"#));
        assert_eq!((failed.status, failed.code(), failed.message().as_str()), (200, code, text));
    }
    // What the upstream does not have.
    let unknown = post(&server, "/databases/drop", r#"{"dbName":"db9"}"#);
    assert_eq!((unknown.status, unknown.code()), (400, 65535));
    grpc.take();

    post(&server, "/users/create", r#"{"userName":"u1","password":"passw0rd"}"#);
    post(&server, "/roles/create", r#"{"roleName":"r1"}"#);
    post(&server, "/users/grant_role", r#"{"userName":"u1","roleName":"r1"}"#);
    let as_user = |path: &str, body: &str| post_as(&server, "u1:passw0rd", path, body);
    expect(&as_user("/databases/list", "{}"), r#"{"code":0,"data":[]}"#);
    let grant = r#"{"roleName":"r1","privilege":"Search","collectionName":"c1","dbName":"db1"}"#;
    expect(&post(&server, "/roles/grant_privilege_v2", grant), r#"{"code":0,"data":{}}"#);
    expect(&as_user("/databases/list", "{}"), r#"{"code":0,"data":["db1"]}"#);
    grpc.take();
    assert_eq!(as_user("/databases/create", r#"{"dbName":"db2"}"#).status, 403);
    let path = post(&server, "/databases/create", r#"{"dbName":"../db2"}"#);
    assert_eq!(path.status, 400);
    assert_eq!(grpc.take(), []);
}

#[test]
fn the_upstream_is_shown_the_credentials_that_it_should_see() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("login");
    std::fs::write(&file, "them:secret\n").unwrap();
    let file = format!("file:{}", file.display());
    for (how, login) in [
        ("none", None),
        ("passthrough", Some(encoded("root:Milvus"))),
        (&file, Some(encoded("them:secret"))),
    ] {
        let (grpc, url) = Grpc::start();
        let server = Server::start(&["--upstream", &url, "--upstream-auth", how]);
        let headers = [ROOT, "DB-Name: db1"];
        let answer = request(&server, "POST", "/v2/vectordb/databases/list", &headers, "{}");
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut wanted = called("ListDatabases", "", Some("db1"));
        wanted.authorization = login;
        assert_eq!(grpc.take(), [wanted], "{how}");
    }
}

#[test]
fn an_upstream_that_is_down_is_told() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let server = Server::start(&["--upstream", &url]);
    expect(
        &super::Answer { status: 200, ..post(&server, "/databases/list", "{}") },
        r#"{"code":2,"message":"the upstream Milvus does not answer"}"#,
    );
    assert_eq!(post(&server, "/databases/list", "{}").status, 503);
    assert_eq!(post(&server, "/roles/list", "{}").status, 200);
}
