//! The grants on a collection that is dropped or renamed by REST.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use milvus_rbac::clock::Clock;
use milvus_rbac::gate::Credentials;
use milvus_rbac::model::command::Command;
use milvus_rbac::passwords::Passwords;
use milvus_rbac::rest::{RestUpstream, router};
use milvus_rbac::rpc::{Behind, Service};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::data::{change, sidecar};
use super::upstream::Rest;
use super::{expect, post, request};
use crate::engine::{Fault, Faulty};
use crate::support::Server;

const OK: &str = r#"{"code":0,"data":{}}"#;

fn grants(server: &Server) -> Vec<String> {
    let all = post(server, "/roles/describe", r#"{"roleName":"r1","dbName":"*"}"#).json();
    let line = |grant: &Value| {
        let text = |key: &str| grant[key].as_str().unwrap().to_owned();
        format!("{}.{} {}", text("dbName"), text("objectName"), text("privilege"))
    };
    all["data"].as_array().unwrap().iter().map(line).collect()
}

fn grant(server: &Server, database: &str, collection: &str) {
    let body = json!({"roleName": "r1", "privilege": "Search", "dbName": database, "collectionName": collection});
    change(server, "/roles/grant_privilege_v2", &body);
}

#[test]
fn grants_go_and_move_with_their_collection_alone() {
    let (server, rest) = sidecar();
    let others = ["db1.* Search", "db1.c2 Search", "db2.c1 Search", "default.c1 Search"];
    let (drop, rename) = ("/collections/drop", "/collections/rename");
    let c1 = json!({"dbName": "db1", "collectionName": "c1"});
    let from_header = json!({"collectionName": "c1"});
    let to = |database: &str| json!({"dbName": "db1", "collectionName": "c1", "newCollectionName": "c3", "newDbName": database});
    let all = Some("db1.c1 Search");
    let moved = Some("db1.c3 Search");
    let rows = [
        (drop, "", &c1, OK, None),
        // Of a 2.4.
        (drop, "", &c1, r#"{"code":200,"data":{}}"#, None),
        (drop, "db1", &from_header, OK, None),
        (drop, "db2", &c1, OK, None),
        (drop, "", &c1, r#"{"code":100,"message":"no"}"#, all),
        (drop, "", &c1, r#"{"code":"0"}"#, all),
        (drop, "", &c1, "{}", all),
        (drop, "", &c1, "not JSON", all),
        (drop, "", &c1, "", all),
        ("/collections/truncate", "", &c1, OK, all),
        (rename, "", &to(""), OK, moved),
        (rename, "", &to("db1"), OK, moved),
        (rename, "", &to(""), r#"{"code":65535,"message":"no"}"#, all),
        // Nobody tells where it is now.
        (rename, "", &to("db2"), OK, None),
    ];
    for (path, header, body, answer, left) in rows {
        let row = format!("{path} {header} {body} {answer}");
        for (database, collection) in
            [("db1", "*"), ("db1", "c2"), ("db2", "c1"), ("default", "c1"), ("db1", "c1")]
        {
            grant(&server, database, collection);
        }
        let headers: Vec<String> =
            if header.is_empty() { Vec::new() } else { vec![format!("DB-Name: {header}")] };
        let mut lines = vec![super::ROOT];
        lines.extend(headers.iter().map(String::as_str));
        rest.answer(answer);
        let whole = format!("/v2/vectordb{path}");
        let told = request(&server, "POST", &whole, &lines, &body.to_string());
        if matches!(answer, "" | "not JSON") {
            assert!(told.body.contains("the upstream's answer cannot be read"), "{row} {told:?}");
        } else {
            assert_eq!((told.status, told.body.as_str()), (200, answer), "{row}");
        }
        let mut expected: Vec<_> = others.iter().copied().chain(left).collect();
        expected.sort_unstable();
        assert_eq!(grants(&server), expected, "{row}");
        if left == moved {
            change(
                &server,
                "/roles/revoke_privilege_v2",
                &json!({"roleName": "r1", "privilege": "Search", "dbName": "db1", "collectionName": "c3"}),
            );
        }
    }
    // Larger than such calls are.
    let large = json!({"collectionName": "c1", "x": "x".repeat(64 << 10)}).to_string();
    assert_eq!(post(&server, drop, &large).status, 413);
    expect(&post(&server, "/roles/list", "{}"), r#"{"code":0,"data":["admin","public","r1"]}"#);
}

#[tokio::test]
async fn a_success_that_could_not_be_followed_is_none() {
    let (rest, store) = (Rest::start(), Faulty::new());
    rest.answer(OK);
    let (engine, _writer) = crate::engine::start(&store);
    let grant = crate::sidecar::fate::grant("r1", "c1");
    let seed = Command::Seed { root_password_hash: "x".into(), created: 1 };
    let role = Command::CreateRole { name: "r1".to_owned(), description: String::new() };
    for command in [seed, role, grant] {
        engine.execute(command).await.unwrap();
    }
    let gate = Arc::new(crate::sidecar::fate::gate(engine.clone(), "127.0.0.1:1"));
    let passwords = Passwords::new(4).unwrap();
    let (groups, clock) = (Arc::default(), Arc::<Clock>::default());
    let service = Service::new(engine.clone(), passwords, groups, clock, Behind::default());
    let authority = rest.url.strip_prefix("http://").unwrap().parse().unwrap();
    let app = router(gate, service, Some(RestUpstream::new(authority, None, Credentials::None)));
    let ask = async || {
        let body = Body::from(r#"{"collectionName":"c1"}"#);
        let request = Request::post("/v2/vectordb/collections/drop").body(body).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    store.then(&[Fault::RefuseCommit]);
    let message = "collection c1 is dropped, but the grants on it may still be there: drop it once more, \
                   or revoke them: the store failed, nothing was changed: service unavailable";
    assert_eq!(ask().await, json!({"code": 2, "message": message}));
    assert_eq!(engine.snapshot().state.roles["r1"].grants.len(), 1);
    assert_eq!(ask().await, json!({"code": 0, "data": {}}));
    assert_eq!(engine.snapshot().state.roles["r1"].grants.len(), 0);
}
