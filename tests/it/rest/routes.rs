//! What each route answers, and that the document describes just these routes.

use serde_json::{Value, json};

use super::{ROOT, expect, post, post_as, request};
use crate::support::Server;

const DONE: &str = r#"{"code":0,"data":{}}"#;

#[test]
fn users() {
    let server = Server::start(&[]);
    expect(&post(&server, "/users/create", r#"{"userName":"u1","password":"passw0rd"}"#), DONE);
    expect(
        &post(
            &server,
            "/users/create",
            r#"{"userName":"u2","password":"passw0rd","description":"second"}"#,
        ),
        DONE,
    );
    expect(&post(&server, "/users/list", "{}"), r#"{"code":0,"data":["root","u1","u2"]}"#);
    expect(&post(&server, "/roles/create", r#"{"roleName":"r1"}"#), DONE);
    let bind = r#"{"userName":"u2","roleName":"r1"}"#;
    expect(&post(&server, "/users/grant_role", bind), DONE);
    let describe =
        |name: &str| post(&server, "/users/describe", &json!({"userName": name}).to_string());
    expect(&describe("u2"), r#"{"code":0,"data":["r1"],"description":"second"}"#);
    expect(&describe("nobody"), r#"{"code":0,"data":[],"description":""}"#);
    expect(&post(&server, "/users/revoke_role", bind), DONE);
    expect(&describe("u2"), r#"{"code":0,"data":[],"description":"second"}"#);

    let change = r#"{"userName":"u1","password":"passw0rd","newPassword":"passw1rd"}"#;
    expect(&post_as(&server, "u1:passw0rd", "/users/update_password", change), DONE);
    assert_eq!(post_as(&server, "u1:passw0rd", "/databases/list", "{}").status, 401);
    assert_eq!(post_as(&server, "u1:passw1rd", "/databases/list", "{}").status, 200);
    let change = r#"{"userName":"u1","description":"described"}"#;
    expect(&post(&server, "/users/update_password", change), DONE);
    expect(&describe("u1"), r#"{"code":0,"data":[],"description":"described"}"#);
    expect(&post(&server, "/users/drop", r#"{"userName":"u1"}"#), DONE);
    expect(&post(&server, "/users/list", "null"), r#"{"code":0,"data":["root","u2"]}"#);
}

#[test]
fn roles_and_grants_of_both_generations() {
    let server = Server::start(&[]);
    expect(&post(&server, "/roles/create", r#"{"roleName":"r1","description":"first"}"#), DONE);
    expect(&post(&server, "/roles/list", "{}"), r#"{"code":0,"data":["admin","public","r1"]}"#);
    let v1 = |database: &str| {
        json!({"roleName": "r1", "objectType": "Collection", "objectName": "c1",
            "privilege": "Search", "dbName": database})
        .to_string()
    };
    let v2 = |database: Value| {
        let mut body =
            json!({"roleName": "r1", "privilege": "CollectionAdmin", "collectionName": "*"});
        if !database.is_null() {
            body["dbName"] = database;
        }
        body.to_string()
    };
    expect(&post(&server, "/roles/grant_privilege", &v1("db1")), DONE);
    expect(&post(&server, "/roles/grant_privilege_v2", &v2(json!("db2"))), DONE);
    expect(
        &post(&server, "/roles/describe", r#"{"roleName":"r1","dbName":"*"}"#),
        concat!(
            r#"{"code":0,"data":["#,
            r#"{"dbName":"db1","grantor":"root","objectName":"c1","objectType":"Collection","privilege":"Search"},"#,
            r#"{"dbName":"db2","grantor":"root","objectName":"*","objectType":"Global","privilege":"CollectionAdmin"}"#,
            r#"],"description":"first"}"#
        ),
    );
    // The database: the body's, else the header's, else `default`.
    let in_database = |body: &str, header: &str| {
        let headers = [ROOT, header];
        let answer = request(&server, "POST", "/v2/vectordb/roles/describe", &headers, body).json();
        let data = answer["data"].as_array().unwrap().clone();
        data.iter().map(|grant| grant["dbName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(in_database(r#"{"roleName":"r1"}"#, "DB-Name: db2"), ["db2"]);
    assert_eq!(in_database(r#"{"roleName":"r1","dbName":"db1"}"#, "DB-Name: db2"), ["db1"]);
    assert!(in_database(r#"{"roleName":"r1"}"#, "X: y").is_empty());
    // A v2 grant takes the body's alone.
    let path = "/v2/vectordb/roles/grant_privilege_v2";
    let answer = request(&server, "POST", path, &[ROOT, "DB-Name: db3"], &v2(Value::Null));
    expect(&answer, DONE);
    assert_eq!(in_database(r#"{"roleName":"r1"}"#, "DB-Name: default"), ["default"]);
    assert!(in_database(r#"{"roleName":"r1"}"#, "DB-Name: db3").is_empty());

    expect(&post(&server, "/roles/revoke_privilege", &v1("db1")), DONE);
    expect(&post(&server, "/roles/revoke_privilege_v2", &v2(json!("db2"))), DONE);
    let in_use = post(&server, "/roles/drop", r#"{"roleName":"r1"}"#);
    assert_eq!(in_use.code(), 1100);
    assert!(in_use.message().contains("it has privileges"), "{in_use:?}");
    expect(&post(&server, "/roles/revoke_privilege_v2", &v2(Value::Null)), DONE);
    expect(&post(&server, "/roles/alter", r#"{"roleName":"r1","description":""}"#), DONE);
    expect(
        &post(&server, "/roles/describe", r#"{"roleName":"r1","dbName":"*"}"#),
        r#"{"code":0,"data":[],"description":""}"#,
    );
    expect(&post(&server, "/roles/drop", r#"{"roleName":"r1"}"#), DONE);
}

#[test]
fn privilege_groups() {
    let server = Server::start(&[]);
    let group = |path: &str, privileges: &[&str]| {
        let body = json!({"privilegeGroupName": "g1", "privileges": privileges}).to_string();
        post(&server, &format!("/privilege_groups/{path}"), &body)
    };
    expect(&group("create", &[]), DONE);
    expect(&group("add_privileges_to_group", &["Search", "Query"]), DONE);
    let groups = post(&server, "/privilege_groups/list", "{}").json();
    let groups = groups["data"]["privilegeGroups"].as_array().unwrap().clone();
    assert_eq!(groups.len(), 10);
    assert_eq!(groups[0], json!({"privilegeGroupName": "g1", "privileges": "Query,Search"}));
    assert_eq!(groups[1]["privilegeGroupName"], "ClusterReadOnly");
    expect(&group("remove_privileges_from_group", &["Search"]), DONE);
    let groups = post(&server, "/privilege_groups/list", "{}").json();
    assert_eq!(groups["data"]["privilegeGroups"][0]["privileges"], "Query");
    expect(&group("drop", &[]), DONE);
}

#[test]
fn databases() {
    let server = Server::start(&[]);
    let create = r#"{"dbName":"d1","properties":{"a":"x","b":1000000,"c":true,"d":0.5,"e":17}}"#;
    expect(&post(&server, "/databases/create", create), DONE);
    expect(&post(&server, "/databases/list", "{}"), r#"{"code":0,"data":["d1","default"]}"#);
    let describe = || post(&server, "/databases/describe", r#"{"dbName":"d1"}"#);
    let id = describe().json()["data"]["dbID"].as_u64().unwrap();
    let pair = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":"{value}"}}"#);
    let described = |pairs: &[String]| {
        let pairs = pairs.join(",");
        format!(r#"{{"code":0,"data":{{"dbID":{id},"dbName":"d1","properties":[{pairs}]}}}}"#)
    };
    let all = [pair("a", "x"), pair("b", "1e+06"), pair("c", "true"), pair("d", "0.5")];
    expect(&describe(), &described(&[&all[..], &[pair("e", "17")]].concat()));
    for path in ["/databases/alter", "/databases/alter_properties"] {
        let body = json!({"dbName": "d1", "properties": {"a": path}}).to_string();
        expect(&post(&server, path, &body), DONE);
        assert_eq!(describe().json()["data"]["properties"][0]["value"], path);
    }
    let drop = r#"{"dbName":"d1","propertyKeys":["a","b","c","d","e"]}"#;
    expect(&post(&server, "/databases/drop_properties", drop), DONE);
    expect(&describe(), &described(&[]));
    expect(&post(&server, "/databases/drop", r#"{"dbName":"d1"}"#), DONE);
    assert_eq!(describe().code(), 800);
}

#[test]
fn answers_carry_the_revision_and_wait_for_one() {
    let server = Server::start(&[]);
    let revision = |answer: &super::Answer| -> u64 {
        answer.header("milvus-rbac-revision").unwrap().parse().unwrap()
    };
    let before = revision(&post(&server, "/users/list", "{}"));
    let created = post(&server, "/roles/create", r#"{"roleName":"r1"}"#);
    assert_eq!(revision(&created), before + 1);
    let path = "/v2/vectordb/roles/list";
    let wanted = format!("milvus-rbac-min-revision: {}", before + 1);
    assert_eq!(request(&server, "POST", path, &[ROOT, &wanted], "{}").status, 200);
    let wanted = format!("milvus-rbac-min-revision: {}", before + 2);
    let late = request(&server, "POST", path, &[ROOT, &wanted, "Request-Timeout: 1"], "{}");
    assert_eq!((late.status, late.code()), (408, 10001));
}

#[test]
fn what_an_answer_shows_is_the_state_of_the_revision_that_it_tells() {
    let server = Server::start(&[]);
    let listed = || {
        let answer = post(&server, "/roles/list", "{}");
        let revision = answer.header("milvus-rbac-revision").unwrap().parse::<u64>().unwrap();
        (revision, answer.body.contains("\"r1\""))
    };
    let (before, _) = listed();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..100 {
                expect(&post(&server, "/roles/create", r#"{"roleName":"r1"}"#), DONE);
                expect(&post(&server, "/roles/drop", r#"{"roleName":"r1"}"#), DONE);
            }
        });
        while !writer.is_finished() {
            let (revision, there) = listed();
            assert_eq!(there, (revision - before) % 2 == 1, "at {revision}, {before} at first");
        }
    });
}

/// A value that satisfies a property's schema.
fn sample(schema: &Value) -> Value {
    let kind = &schema["type"];
    match kind.as_str().or_else(|| kind[0].as_str()).unwrap() {
        "string" => json!("x1"),
        "array" => json!([]),
        "object" => json!({}),
        other => panic!("{other}"),
    }
}

#[test]
fn the_document_tells_the_truth() {
    let server = Server::start(&[]);
    let document = request(&server, "GET", "/v2/openapi.json", &[], "").json();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 29);
    // Its body and its answers are MongoDB's; see `cli/run_command.rs`.
    let own = paths.iter().filter(|(path, _)| !path.ends_with("/run_command"));
    for (path, operations) in own {
        let schema = &operations["post"]["requestBody"]["content"]["application/json"]["schema"];
        let properties = schema["properties"].as_object().unwrap();
        let full: Value =
            properties.iter().map(|(key, schema)| (key.clone(), sample(schema))).collect();
        let answer = request(&server, "POST", path, &[ROOT], &full.to_string());
        assert!(![1801, 1802].contains(&answer.code()), "{path} refuses {full}: {answer:?}");
        // Each required key is required, each type is checked.
        for key in schema["required"].as_array().into_iter().flatten() {
            let mut partial = full.clone();
            partial.as_object_mut().unwrap().remove(key.as_str().unwrap());
            let answer = request(&server, "POST", path, &[ROOT], &partial.to_string());
            assert_eq!(answer.code(), 1802, "{path} without {key}: {answer:?}");
        }
        for key in properties.keys() {
            let mut wrong = full.clone();
            wrong[key] = json!(1);
            let answer = request(&server, "POST", path, &[ROOT], &wrong.to_string());
            assert_eq!(answer.code(), 1801, "{path} with a number as {key}: {answer:?}");
        }
    }
}
