//! `backup` and `restore`: what a file brings back, and what is refused.

use std::fs;
use std::path::Path;

use milvus_rbac::rpc::proto::service::*;
use serde_json::{Value, json};

use super::{Said, as_root, as_user};
use crate::rpc::calls::Call as _;
use crate::rpc::requests::{create_role, create_user};
use crate::support::{Client, Server, revision};

async fn filled() -> (Server, Client) {
    let server = Server::start(&[]);
    let root = server.root().await;
    let run = |command: &str| {
        let said = as_root(&server, &["run-command", command]);
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    };
    create_user("alice", "passw0rd").send(&root).await.unwrap();
    create_user("bob", "passw1rd").send(&root).await.unwrap();
    let update = UpdateCredentialRequest {
        username: "alice".to_owned(),
        description: Some("the first".to_owned()),
        ..Default::default()
    };
    update.send(&root).await.unwrap();
    create_role("reader").send(&root).await.unwrap();
    let bind = OperateUserRoleRequest {
        username: "alice".to_owned(),
        role_name: "reader".to_owned(),
        ..Default::default()
    };
    bind.send(&root).await.unwrap();
    let group = CreatePrivilegeGroupRequest { group_name: "g".to_owned(), ..Default::default() };
    group.send(&root).await.unwrap();
    let members = OperatePrivilegeGroupRequest {
        group_name: "g".to_owned(),
        privileges: vec![PrivilegeEntity { name: "Query".to_owned() }],
        ..Default::default()
    };
    members.send(&root).await.unwrap();
    run("{ grantPrivilegesToRole: 'reader', privileges: [
           { resource: { db: 'd', collection: 'c' }, actions: [ 'search', 'g' ] },
           { resource: { cluster: true }, actions: [ 'ListDatabases' ] } ] }");
    // What everybody may at first is closed.
    run("{ revokePrivilegesFromRole: 'public', privileges: [
           { resource: { anyResource: true }, actions: [ 'DescribeCollection' ] } ] }");
    (server, root)
}

/// What clients see of users, roles, grants and groups, and the hashes.
async fn picture(root: &Client) -> (SelectUserResponse, RbacMeta, Vec<GrantEntity>) {
    let users = SelectUserRequest { include_role_info: true, ..Default::default() };
    let users = users.send(root).await.unwrap().into_inner();
    let backup = BackupRbacMetaRequest::default().send(root).await.unwrap().into_inner();
    let public = crate::rpc::requests::grants_of("public", "*").send(root).await.unwrap();
    (users, backup.rbac_meta.unwrap(), public.into_inner().entities)
}

async fn now(root: &Client) -> u64 {
    revision(&ListCredUsersRequest::default().send(root).await.unwrap())
}

fn backup(server: &Server, file: &Path) {
    let said = as_root(server, &["backup", "-o", file.to_str().unwrap()]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

fn restore(server: &Server, file: &Path, flags: &[&str]) -> Said {
    as_root(server, &[&["restore", file.to_str().unwrap()], flags].concat())
}

#[tokio::test]
async fn a_new_server_becomes_the_old_one_in_one_change() {
    let (old, old_root) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.json");
    backup(&old, &file);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let new = Server::start(&[]);
    let root = new.root().await;
    let before = now(&root).await;
    let said = restore(&new, &file, &["--dry-run"]);
    assert!(said.code == 0 && said.out.contains("alice"), "{} {}", said.out, said.err);
    assert_eq!(now(&root).await, before);
    let said = restore(&new, &file, &[]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.starts_with("restored at revision "), "{}", said.out);
    assert_eq!(now(&root).await, before + 1);
    assert_eq!(picture(&root).await, picture(&old_root).await);
    new.client("alice", "passw0rd").await;

    // A second time it is not empty any more, and nothing is missing.
    let said = restore(&new, &file, &[]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("2 users, 1 roles and 1 groups of its own already"), "{}", said.err);
    let said = restore(&new, &file, &["--merge"]);
    assert!(said.code == 0 && said.out.starts_with("restored: no change"), "{}", said.out);
    assert_eq!(now(&root).await, before + 1);
}

#[tokio::test]
async fn a_merge_adds_what_is_missing_and_changes_nothing_else() {
    let (old, _) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.json");
    backup(&old, &file);

    let new = Server::start(&[]);
    let root = new.root().await;
    create_user("alice", "her new one").send(&root).await.unwrap();
    create_user("carol", "passw0rd").send(&root).await.unwrap();
    create_role("writer").send(&root).await.unwrap();
    let (_, _, public) = picture(&root).await;
    let before = now(&root).await;
    let said = restore(&new, &file, &["--merge"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.contains("note: 1 users were there already"), "{}", said.out);
    assert_eq!(now(&root).await, before + 1);
    let (users, meta, still_public) = picture(&root).await;
    assert_eq!(still_public, public);
    let names: Vec<_> = users.results.iter().map(|r| &*r.user.as_ref().unwrap().name).collect();
    assert_eq!(names, ["alice", "bob", "carol", "root"]);
    assert_eq!(users.results[0].roles[0].name, "reader");
    assert_eq!(users.results[0].description, "");
    assert_eq!(meta.roles.len(), 2);
    new.client("alice", "her new one").await;
    new.client("bob", "passw1rd").await;
}

#[tokio::test]
async fn what_others_wrote_is_restored_and_what_is_broken_is_not() {
    let (old, old_root) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.json");
    backup(&old, &file);
    let whole: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();

    let new = Server::start(&[]);
    let root = new.root().await;
    let before = now(&root).await;
    let mut changed = whole.clone();
    changed["content"]["rbac_meta"]["users"][0]["user"] = json!("mallory");
    let mut unfit = whole["content"].clone();
    unfit["rbac_meta"]["users"][0]["roles"][0]["name"] = json!("nobody");
    let mut bad_hash = whole["content"].clone();
    bad_hash["rbac_meta"]["users"][1]["password"] = json!("plain text");
    for (content, why) in [
        (changed, "its checksum is another one"),
        (json!({"status": {}, "rbac_meta": unfit["rbac_meta"]}), "role [nobody] does not exist"),
        (json!({"rbac_meta": bad_hash["rbac_meta"]}), "is not a bcrypt hash"),
        (json!({"x": 1}), "it holds no users, roles or grants"),
    ] {
        fs::write(&file, content.to_string()).unwrap();
        let said = restore(&new, &file, &[]);
        assert!(said.code == 1 && said.err.contains(why), "{why}: {} {}", said.out, said.err);
        assert_eq!(now(&root).await, before);
    }
    assert_eq!(restore(&new, Path::new("/nonexistent"), &[]).code, 1);

    let foreign = json!({"name": "b", "rbac_meta": whole["content"]["rbac_meta"]});
    fs::write(&file, foreign.to_string()).unwrap();
    let said = restore(&new, &file, &[]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert_eq!(picture(&root).await.1, picture(&old_root).await.1);

    // Who may not take a backup gets none.
    let said = as_user(&old, "bob:passw1rd", &["backup"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("permission deny"), "{}", said.err);
}
