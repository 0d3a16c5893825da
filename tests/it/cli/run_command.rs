//! `run-command` and its REST route: MongoDB's documented examples, word for word.

use milvus_rbac::rpc::proto::service::*;
use serde_json::{Value, json};

use super::{as_root, as_user};
use crate::rest::{post, post_as};
use crate::rpc::calls::Call as _;
use crate::rpc::requests::{create_role, create_user, grants_of};
use crate::support::Server;

/// The four commands of MongoDB's page on revokePrivilegesFromRole.
const ONE_COLLECTION_BOTH: &str = r#"
   use products
   db.runCommand(
       {
         revokePrivilegesFromRole: "accountRole",
         privileges:
           [
             {
               resource : {
                   db : "products",
                   collection : "gadgets"
               },
               actions : [
                   "find",
                   "update"
               ]
             }
           ]
       }
   )
"#;
const ONE_COLLECTION_FIND: &str = r#"
   db.runCommand(
       {
         revokePrivilegesFromRole: "accountRole",
         privileges:
           [
             {
               resource : {
                   db : "products",
                   collection : "gadgets"
               },
               actions : [
                   "find"
               ]
             }
           ]
       }
   )
"#;
const FIND: &str = r#"
   use products
   db.runCommand(
       {
         revokePrivilegesFromRole: "accountRole",
         privileges:
           [
             {
               resource : {
                   db : "products",
                   collection : ""
               },
               actions : [
                   "find"
               ]
             }
           ]
       }
   )
"#;
const ASSOCIATE: &str = r#"
   use products
   db.runCommand(
      {
        revokePrivilegesFromRole: "associate",
        privileges:
         [
           {
             resource: { db: "products", collection: "" },
             actions: [ "createCollection", "createIndex", "find" ]
           },
           {
             resource: { db: "products", collection: "orders" },
             actions: [ "insert" ]
           }
         ],
        writeConcern: { w: "majority" }
      }
   )
"#;

fn run(server: &Server, command: &str) -> Value {
    let said = as_root(server, &["run-command", command]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.out))
}

fn privileges_of(server: &Server, role: &str) -> Value {
    let info = run(server, &format!("{{ rolesInfo: '{role}', showPrivileges: true }}"));
    info["roles"][0]["privileges"].clone()
}

#[tokio::test]
async fn the_documented_examples_run_as_written() {
    let server = Server::start(&[]);
    let root = server.root().await;
    for role in ["accountRole", "associate"] {
        create_role(role).send(&root).await.unwrap();
    }
    let granted = run(
        &server,
        r#"{ grantPrivilegesToRole: "accountRole", privileges: [
             { "resource" : { "db" : "products", "collection" : "" }, "actions" : [ "find", "update" ] } ] }"#,
    );
    assert_eq!(granted["nModified"], 2);
    let both =
        json!([{"resource": {"db": "products", "collection": ""}, "actions": ["Query", "Upsert"]}]);
    assert_eq!(privileges_of(&server, "accountRole"), both);

    for unchanged in [ONE_COLLECTION_BOTH, ONE_COLLECTION_FIND] {
        let told = run(&server, unchanged);
        assert_eq!(told, json!({"ok": 1, "nModified": 0, "revision": granted["revision"]}));
        assert_eq!(privileges_of(&server, "accountRole"), both);
    }
    let told = run(&server, FIND);
    assert_eq!((&told["ok"], &told["nModified"]), (&json!(1), &json!(1)));
    let left = json!([{"resource": {"db": "products", "collection": ""}, "actions": ["Upsert"]}]);
    assert_eq!(privileges_of(&server, "accountRole"), left);

    // What the last one revokes, and something beside it.
    run(
        &server,
        r#"{ grantPrivilegesToRole: "associate", privileges: [
             { resource: { db: "products", collection: "" }, actions: [ "createCollection", "createIndex", "find", "search" ] },
             { resource: { db: "products", collection: "orders" }, actions: [ "insert", "remove" ] } ] }"#,
    );
    let before = root_revision(&root).await;
    let told = run(&server, ASSOCIATE);
    assert_eq!(told, json!({"ok": 1, "nModified": 4, "revision": before + 1}));
    let left = json!([
        {"resource": {"db": "products", "collection": ""}, "actions": ["Search"]},
        {"resource": {"db": "products", "collection": "orders"}, "actions": ["Delete"]},
    ]);
    assert_eq!(privileges_of(&server, "associate"), left);
}

async fn root_revision(root: &crate::support::Client) -> u64 {
    crate::support::revision(&ListCredUsersRequest::default().send(root).await.unwrap())
}

#[tokio::test]
async fn a_refused_command_changes_nothing_and_says_why() {
    let server = Server::start(&[]);
    let root = server.root().await;
    create_role("r").send(&root).await.unwrap();
    create_user("u", "passw0rd").send(&root).await.unwrap();
    let before = root_revision(&root).await;
    let good = r#"{ resource: { db: "d", collection: "" }, actions: ["find"] }"#;
    let bad = r#"{ resource: { db: "d", collection: "" }, actions: ["find", "bypassDocumentValidation"] }"#;
    let command = format!("{{ grantPrivilegesToRole: 'r', privileges: [ {good}, {bad} ] }}");
    let said = as_root(&server, &["run-command", &command]);
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&told["ok"], &told["code"]), (&json!(0), &json!(1100)));
    let text = told["errmsg"].as_str().unwrap();
    assert!(
        text.starts_with("privileges[1].actions[1]: `bypassDocumentValidation` is no privilege")
    );

    let unknown = "{ grantPrivilegesToRole: 'r', privileges: [], ordered: true }";
    let said = as_root(&server, &["run-command", unknown]);
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("error: ordered is not known here"), "{}", said.err);

    let command = format!("{{ grantPrivilegesToRole: 'r', privileges: [ {good} ] }}");
    let said = as_user(&server, "u:passw0rd", &["run-command", &command]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("PrivilegeManageOwnership: permission deny to u"), "{}", said.err);

    // The first of several that fails is the last.
    let fails = "{ grantPrivilegesToRole: 'nobody', privileges: [] }";
    let said = as_root(&server, &["run-command", &format!("{fails} {command}")]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains(r#"the role \"nobody\" does not exist"#), "{}", said.out);
    assert_eq!(root_revision(&root).await, before);
    assert_eq!(grants_of("r", "*").send(&root).await.unwrap().into_inner().entities, []);
}

#[tokio::test]
async fn the_route_takes_the_same_as_json() {
    let server = Server::start(&[]);
    let root = server.root().await;
    create_role("r").send(&root).await.unwrap();
    create_user("u", "passw0rd").send(&root).await.unwrap();
    let path = "/roles/run_command";
    let command = |name: &str, collection: &str| {
        let resource = json!({"db": "d", "collection": collection});
        let privileges = json!([{"resource": resource, "actions": ["find", "insert"]}]);
        json!({name: "r", "privileges": privileges, "comment": "why"}).to_string()
    };
    let before = root_revision(&root).await;
    let answer = post(&server, path, &command("grantPrivilegesToRole", ""));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"ok": 1, "nModified": 2, "revision": before + 1}));
    assert_eq!(answer.header("milvus-rbac-revision"), Some((before + 1).to_string().as_str()));
    let answer = post(&server, path, &command("revokePrivilegesFromRole", "c"));
    assert_eq!(answer.json()["nModified"], 0);
    let answer = post(&server, path, r#"{"rolesInfo": ["r"], "showPrivileges": true}"#);
    let privileges =
        json!([{"resource": {"db": "d", "collection": ""}, "actions": ["Insert", "Query"]}]);
    let role = json!({"role": "r", "isBuiltin": false, "roles": [], "privileges": privileges});
    assert_eq!(answer.json(), json!({"ok": 1, "roles": [role]}));
    let answer = post(&server, path, r#"{"rolesInfo": 1}"#);
    assert_eq!(answer.json()["roles"].as_array().unwrap().len(), 1);
    let answer = post(&server, path, r#"{"rolesInfo": 1, "showBuiltinRoles": true}"#);
    assert_eq!(answer.json()["roles"].as_array().unwrap().len(), 3);

    // Without waiting for it.
    let mut unacknowledged: Value =
        serde_json::from_str(&command("revokePrivilegesFromRole", "")).unwrap();
    unacknowledged["writeConcern"] = json!({"w": 0});
    let answer = post(&server, path, &unacknowledged.to_string());
    assert_eq!(answer.json(), json!({"ok": 1}));
    let gone = async {
        while root_revision(&root).await < before + 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::LIMIT, gone).await.unwrap();

    for (body, status, code) in [
        ("", 200, 1801),
        ("{", 200, 1801),
        ("{}", 200, 1100),
        (r#"{"grantPrivilegesToRole": "r"}"#, 200, 1100),
        (r#"{"grantPrivilegesToRole": "x", "privileges": []}"#, 200, 1100),
        (r#"{"rolesInfo": "x"}"#, 200, 1100),
    ] {
        let answer = post(&server, path, body);
        let told = answer.json();
        assert_eq!((answer.status, told["ok"].clone()), (status, json!(0)), "{body}: {told}");
        assert_eq!(told["code"], code, "{body}: {told}");
        assert!(told["errmsg"].as_str().is_some_and(|text| !text.is_empty()), "{body}: {told}");
    }
    let answer = post_as(&server, "u:passw0rd", path, &command("grantPrivilegesToRole", ""));
    assert_eq!((answer.status, answer.json()["ok"].clone()), (403, json!(0)));
    let answer = post_as(&server, "u:wrong", path, &command("grantPrivilegesToRole", ""));
    assert_eq!((answer.status, answer.json()["ok"].clone()), (401, json!(0)));
}
