//! `serve --policy`: a document that is kept true.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;

use crate::support::{self, Client, LIMIT, Server, http_get};

/// A folder that is exchanged as a whole, as Kubernetes mounts one.
struct Mounted(TempDir, u32);

impl Mounted {
    fn new(document: &str) -> Self {
        let mut mounted = Self(tempfile::tempdir().unwrap(), 0);
        mounted.put(document);
        symlink("..data/policy.yaml", mounted.0.path().join("policy.yaml")).unwrap();
        symlink("..data/password", mounted.0.path().join("password")).unwrap();
        mounted
    }

    fn put(&mut self, document: &str) {
        self.put_with(document, "of alice");
    }

    fn put_with(&mut self, document: &str, password: &str) {
        self.1 += 1;
        let (root, name) = (self.0.path(), format!("..{}", self.1));
        fs::create_dir(root.join(&name)).unwrap();
        fs::write(root.join(&name).join("policy.yaml"), document).unwrap();
        fs::write(root.join(&name).join("password"), password).unwrap();
        symlink(&name, root.join("..new")).unwrap();
        fs::rename(root.join("..new"), root.join("..data")).unwrap();
    }

    fn file(&self) -> String {
        self.0.path().join("policy.yaml").display().to_string()
    }
}

const ALICE: &str = "roles: {r: {grants: [{privilege: Search, database: d, collection: c}]}}
users: {alice: {password_file: password, roles: [r]}}";

async fn roles(client: &mut Client) -> Vec<String> {
    let asked = SelectRoleRequest::default();
    let results = client.select_role(asked).await.unwrap().into_inner().results;
    results.into_iter().filter_map(|result| result.role).map(|role| role.name).collect()
}

/// Waits until something is so.
async fn wait(mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so().await {
        assert!(Instant::now() < until, "it does not become so");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn create_role(client: &mut Client, name: &str) {
    let entity = Some(RoleEntity { name: name.into(), ..Default::default() });
    let status = client.create_role(CreateRoleRequest { entity, ..Default::default() }).await;
    assert_eq!(status.unwrap().into_inner().code, 0);
}

fn metric(server: &Server, name: &str) -> Option<String> {
    let (_, metrics) = http_get(&format!("http://{}/metrics", server.admin));
    metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).map(str::to_owned)
}

#[tokio::test]
async fn a_document_is_true_from_the_start_and_when_it_changes() {
    let mut mounted = Mounted::new(ALICE);
    let server = Server::start(&["--policy", &mounted.file(), "--policy-prune"]);
    let mut root = server.root().await;
    assert_eq!(roles(&mut root).await, ["admin", "public", "r"]);
    let login = async |password| {
        let mut alice = server.client("alice", password).await;
        alice.connect(ConnectRequest::default()).await.is_ok()
    };
    assert!(login("of alice").await);
    mounted.put(&ALICE.replace("{r:", "{s: {}, r:"));
    wait(async || roles(&mut root).await == ["admin", "public", "r", "s"]).await;
    assert!(login("of alice").await);

    // A bad one changes nothing; it is counted, and the server goes on.
    mounted.put("roles: {t: {}, u: []}\nusers: {bob: {}}");
    wait(async || metric(&server, "milvus_rbac_policy_failures_total").as_deref() == Some("1"))
        .await;
    assert_eq!(metric(&server, "milvus_rbac_policy_in_force").as_deref(), Some("0"));
    assert_eq!(roles(&mut root).await, ["admin", "public", "r", "s"]);
    assert_eq!(http_get(&format!("http://{}/readyz", server.admin)).0, 200);

    // And it goes on from there; a password that alone is new is heard of too.
    mounted.put_with(ALICE, "another of alice");
    wait(async || login("another of alice").await).await;
    assert!(!login("of alice").await);
    assert_eq!(roles(&mut root).await, ["admin", "public", "r"]);
    assert_eq!(metric(&server, "milvus_rbac_policy_in_force").as_deref(), Some("1"));
}

#[tokio::test]
async fn what_others_change_is_put_back() {
    let mounted = Mounted::new(ALICE);
    let file = mounted.file();
    let server = Server::start(&["--policy", &file, "--policy-prune", "--policy-interval", "1"]);
    let mut root = server.root().await;
    create_role(&mut root, "other").await;
    let drop = DropRoleRequest { role_name: "r".into(), force_drop: true, ..Default::default() };
    assert_eq!(root.drop_role(drop).await.unwrap().into_inner().code, 0);
    wait(async || roles(&mut root).await == ["admin", "public", "r"]).await;
    // Once it holds nothing is changed any more.
    let revision = async || {
        let mut root = server.root().await;
        support::revision(&root.select_role(SelectRoleRequest::default()).await.unwrap())
    };
    let settled = revision().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(revision().await, settled);
}

/// Without pruning, what it does not say is nobody's business.
#[tokio::test]
async fn what_a_document_does_not_say_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut mounted = Mounted::new(ALICE);
    let file = mounted.file();
    let flags = ["--policy", &file, "--policy-interval", "1"];
    let start = || Server::run(support::command(&support::sled_url(folder.path())).args(flags));
    let server = start();
    let mut root = server.root().await;
    create_role(&mut root, "other").await;
    mounted.put("roles: {s: {}}");
    wait(async || roles(&mut root).await == ["admin", "other", "public", "r", "s"]).await;
    drop(root);
    assert!(server.stop().success());
    let server = start();
    assert_eq!(roles(&mut server.root().await).await, ["admin", "other", "public", "r", "s"]);
}

/// Editors, and `cp`, empty a file before they write it.
#[tokio::test]
async fn an_emptied_file_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, "roles: {r: {}}").unwrap();
    let server = Server::start(&["--policy", file.to_str().unwrap(), "--policy-prune"]);
    let mut root = server.root().await;
    fs::write(&file, "").unwrap();
    let failures = || metric(&server, "milvus_rbac_policy_failures_total");
    wait(async || failures().as_deref() == Some("1")).await;
    assert_eq!(roles(&mut root).await, ["admin", "public", "r"]);
    fs::write(&file, "users: {}").unwrap();
    wait(async || roles(&mut root).await == ["admin", "public"]).await;
}

/// A text counts when two looks in a row see it.
#[tokio::test]
async fn what_is_still_being_written_is_not_applied() {
    let mut mounted = Mounted::new("roles: {r: {}}");
    let server = Server::start(&["--policy", &mounted.file(), "--policy-prune"]);
    let mut root = server.root().await;
    let asked = SelectRoleRequest::default;
    let start = support::revision(&root.select_role(asked()).await.unwrap());
    // Several looks, none of which sees what the one before saw.
    let until = Instant::now() + Duration::from_secs(7);
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        mounted.put(&format!("roles: {{r{number}: {{}}}}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = format!("r{number}");
    wait(async || roles(&mut root).await == ["admin", "public", &last]).await;
    assert_eq!(support::revision(&root.select_role(asked()).await.unwrap()), start + 1);
}

#[test]
fn a_server_does_not_start_with_a_bad_document() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, "roles: {r: [], s: {grant: 5}}\n").unwrap();
    let started = |file: &Path, more: &[&str]| {
        let mut command = support::command("memory:");
        command.arg("--policy").arg(file).args(more).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let code = support::wait(&mut child).code();
        (code, String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap())
    };
    let (code, told) = started(&file, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("policy.yaml:1:12: ") && told.contains("policy.yaml:1:20: "), "{told}");
    let (code, told) = started(&folder.path().join("none"), &[]);
    assert_eq!(code, Some(1), "{told}");
    let (code, told) = started(&file, &["--store", "follow://127.0.0.1:1"]);
    assert_eq!(code, Some(2), "{told}");
}
