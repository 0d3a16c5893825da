//! What is refused, with which HTTP status, code and message.

use super::{ROOT, basic, expect, post, post_as, request};
use crate::support::Server;

#[test]
fn credentials_are_taken_in_three_forms_and_refused_alike() {
    let server = Server::start(&[]);
    let list =
        |headers: &[&str]| request(&server, "POST", "/v2/vectordb/users/list", headers, "{}");
    let refused = r#"{"code":1800,"message":"user hasn't authenticated"}"#;
    for headers in [
        &[][..],
        &["Authorization: Bearer root:wrong"],
        &["Authorization: Bearer nobody:Milvus"],
        &["Authorization: Bearer an-api-key"],
        &["Authorization: Basic !!!"],
        &["Authorization:"],
    ] {
        let answer = list(headers);
        assert_eq!((answer.status, answer.body.as_str()), (401, refused), "{headers:?}");
    }
    for header in [ROOT, "Authorization: root:Milvus", &basic("root:Milvus")] {
        let answer = list(&[header]);
        expect(&answer, r#"{"code":0,"data":["root"]}"#);
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.is_some(), header.contains("Basic"), "{header}");
    }
    let off = Server::start(&["--authorization", "off"]);
    let answer = request(&off, "POST", "/v2/vectordb/roles/create", &[], r#"{"roleName":"r"}"#);
    expect(&answer, r#"{"code":0,"data":{}}"#);
}

#[test]
fn a_missing_privilege_is_403_and_oneself_is_free() {
    let server = Server::start(&[]);
    post(&server, "/users/create", r#"{"userName":"u1","password":"passw0rd"}"#);
    post(&server, "/roles/create", r#"{"roleName":"mine"}"#);
    post(&server, "/users/grant_role", r#"{"userName":"u1","roleName":"mine"}"#);
    let as_user = |path: &str, body: &str| post_as(&server, "u1:passw0rd", path, body);
    let denied = as_user("/roles/create", r#"{"roleName":"r2"}"#);
    assert_eq!((denied.status, denied.code()), (403, 65535));
    assert_eq!(
        denied.message(),
        "rpc error: code = PermissionDenied desc = PrivilegeCreateOwnership: permission deny to u1 in the `*` database"
    );
    for path in ["/users/list", "/roles/list", "/privilege_groups/list"] {
        assert_eq!(as_user(path, "{}").status, 403, "{path}");
    }
    assert_eq!(as_user("/users/describe", r#"{"userName":"root"}"#).status, 403);
    let own = as_user("/users/describe", r#"{"userName":"u1"}"#);
    expect(&own, r#"{"code":0,"data":["mine"],"description":""}"#);
    expect(
        &as_user("/roles/describe", r#"{"roleName":"mine"}"#),
        r#"{"code":0,"data":[],"description":""}"#,
    );
    assert_eq!(as_user("/roles/describe", r#"{"roleName":"admin"}"#).status, 403);
    // Listings are filtered, not refused.
    expect(&as_user("/databases/list", "{}"), r#"{"code":0,"data":[]}"#);
}

#[test]
fn bodies_are_bound_as_milvus_binds_them() {
    let server = Server::start(&[]);
    let missing = |body: &str, names: &[&str]| {
        let lines: Vec<_> = names
            .iter()
            .map(|name| {
                format!("Key: 'PasswordReq.{name}' Error:Field validation for '{name}' failed on the 'required' tag")
            })
            .collect();
        let answer = post(&server, "/users/create", body);
        assert_eq!((answer.status, answer.code()), (200, 1802), "{body}");
        let text = format!("missing required parameters, error: {}", lines.join("\n"));
        assert_eq!(answer.message(), text);
    };
    missing("{}", &["UserName", "Password"]);
    missing("null", &["UserName", "Password"]);
    missing(r#"{"userName":"u1"}"#, &["Password"]);
    missing(r#"{"userName":"u1","password":null}"#, &["Password"]);
    missing(r#"{"userName":"u1","password":""}"#, &["Password"]);
    for (body, text) in [
        ("", "the request body should be nil, however {} is valid"),
        ("{", "error: "),
        ("[]", "error: "),
        ("\"x\"", "error: "),
        (r#"{"userName":"u1",}"#, "error: "),
        ("{} {}", "error: "),
        (
            r#"{"userName":5}"#,
            "error: json: cannot unmarshal number into Go struct field PasswordReq.userName of type string",
        ),
    ] {
        let answer = post(&server, "/users/create", body);
        assert_eq!((answer.status, answer.code()), (200, 1801), "{body}");
        let text = format!("can only accept json format request, {text}");
        assert!(answer.message().starts_with(&text), "{answer:?}");
    }
    // Keys count in any case, unknown ones not at all, and the content type does not matter.
    let body = r#"{"USERNAME":"u1","Password":"passw0rd","more":[1,{}]}"#;
    let headers = [ROOT, "Content-Type: text/plain"];
    let answer = request(&server, "POST", "/v2/vectordb/users/create", &headers, body);
    expect(&answer, r#"{"code":0,"data":{}}"#);
}

#[test]
fn rules_are_told_with_http_200_and_their_codes() {
    let server = Server::start(&["--max-roles", "3"]);
    for (path, body, code, text) in [
        (
            "/users/create",
            r#"{"userName":"root","password":"passw0rd"}"#,
            1100,
            "user already exists: root",
        ),
        (
            "/users/create",
            r#"{"userName":"u1","password":"short"}"#,
            1100,
            "invalid password length",
        ),
        ("/users/drop", r#"{"userName":"root"}"#, 1401, "root user cannot be deleted"),
        (
            "/users/update_password",
            r#"{"userName":"root","password":"wrong!","newPassword":"passw0rd"}"#,
            1400,
            "old password not correct for root",
        ),
        (
            "/users/update_password",
            r#"{"userName":"root"}"#,
            1100,
            "must update either password or description",
        ),
        (
            "/users/grant_role",
            r#"{"userName":"root","roleName":"none"}"#,
            1100,
            "not found the role",
        ),
        ("/roles/describe", r#"{"roleName":"none"}"#, 1100, "the role \"none\" does not exist"),
        ("/roles/drop", r#"{"roleName":"admin"}"#, 1401, "can't be dropped"),
        ("/roles/alter", r#"{"roleName":"none"}"#, 65535, "role not exists"),
        (
            "/roles/grant_privilege_v2",
            r#"{"roleName":"public","privilege":"Search"}"#,
            1100,
            "collection name should be not empty",
        ),
        (
            "/roles/grant_privilege",
            r#"{"roleName":"public","objectType":"Global","objectName":"*","privilege":"Search"}"#,
            1100,
            "not found the privilege name[Search] in object[Global]",
        ),
        (
            "/privilege_groups/create",
            r#"{"privilegeGroupName":"1"}"#,
            1402,
            "invalid privilege group name",
        ),
        (
            "/privilege_groups/create",
            r#"{"privilegeGroupName":"Search"}"#,
            1100,
            "is defined by built in",
        ),
        ("/databases/drop", r#"{"dbName":"default"}"#, 1100, "can not drop default database"),
        ("/databases/describe", r#"{"dbName":"none"}"#, 800, "database not found[database=none]"),
    ] {
        let answer = post(&server, path, body);
        assert_eq!((answer.status, answer.code()), (200, code), "{path} {body}: {answer:?}");
        assert!(answer.message().contains(text), "{answer:?}");
        assert_eq!(answer.json().as_object().unwrap().len(), 2, "{answer:?}");
    }
    post(&server, "/roles/create", r#"{"roleName":"r1"}"#);
    let full = post(&server, "/roles/create", r#"{"roleName":"r2"}"#);
    assert_eq!(full.code(), 9);
    assert!(full.message().contains("the number of roles has reached the limit"), "{full:?}");
}

#[test]
fn other_paths_and_methods_are_404_in_json() {
    let server = Server::start(&[]);
    for (method, path) in [
        ("POST", "/v2/vectordb/collections/nonsense"),
        ("POST", "/v2/vectordb/collections/list/"),
        ("POST", "/v2/vectordb"),
        ("POST", "/v2/vectordb/users/list/"),
        ("POST", "/v2/vectordb/users/../users/list"),
        ("POST", "/"),
        ("GET", "/v2/vectordb/users/list"),
        ("PUT", "/v2/vectordb/users/list"),
        ("GET", "/api/v1/credential/users"),
    ] {
        let answer = request(&server, method, path, &[ROOT], "{}");
        assert_eq!((answer.status, answer.code()), (404, 404), "{method} {path}: {answer:?}");
    }
    let preflight = request(&server, "OPTIONS", "/v2/vectordb/users/list", &[], "");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn the_time_a_client_gives_is_kept() {
    let server = Server::start(&["--bcrypt-cost", "14"]);
    let path = "/v2/vectordb/users/list";
    for seconds in ["0", "-1"] {
        let header = format!("Request-Timeout: {seconds}");
        let answer = request(&server, "POST", path, &[ROOT, &header], "{}");
        let timeout = r#"{"code":10001,"message":"request timeout"}"#;
        assert_eq!((answer.status, answer.body.as_str()), (408, timeout));
    }
    for header in ["Request-Timeout: 20", "Request-Timeout: soon"] {
        assert_eq!(request(&server, "POST", path, &[ROOT, header], "{}").status, 200, "{header}");
    }
}
