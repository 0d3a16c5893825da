//! Stores that move, as a user moves them.

use std::process::Command;

use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;

use super::server::Etcd;
use crate::support::{Server, command, revision, sled_url};

pub(super) fn copying(from: &str, to: &str) -> Command {
    let mut copy = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
    copy.args(["store", "copy", "--from", from, "--to", to]);
    copy
}

/// `milvus-rbac store copy`; whether it succeeded, and what it said.
pub(super) fn copy(from: &str, to: &str) -> (bool, String) {
    let told = copying(from, to).output().unwrap();
    let text = [told.stdout, told.stderr].concat();
    (told.status.success(), String::from_utf8(text).unwrap())
}

async fn filled(server: &Server) -> u64 {
    let mut root = server.root().await;
    let mut reached = 0;
    for number in 0..150 {
        let name = format!("r{number}");
        let entity = RoleEntity { name, ..Default::default() };
        let request = CreateRoleRequest { entity: Some(entity), ..Default::default() };
        let answer = root.create_role(request).await.unwrap();
        assert_eq!(answer.get_ref().code, 0, "{answer:?}");
        reached = revision(&answer);
    }
    reached
}

async fn shown(server: &Server) -> (String, u64) {
    let mut root = server.root().await;
    let roles = root.select_role(SelectRoleRequest::default()).await.unwrap();
    let at = revision(&roles);
    let entity = GrantEntity {
        role: Some(RoleEntity { name: "public".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let request = SelectGrantRequest { entity: Some(entity), ..Default::default() };
    let grants = root.select_grant(request).await.unwrap();
    (format!("{:?} {:?}", roles.get_ref(), grants.get_ref()), at)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_etcd_and_back() {
    let (etcd, folders) = (Etcd::shared(), TempDir::new().unwrap());
    let first = sled_url(&folders.path().join("first"));
    let second = sled_url(&folders.path().join("second"));
    let there = format!("etcd://{}/copied/meta", etcd.address());
    let flags = ["--max-roles", "0"];
    let server = Server::run(command(&first).args(flags));
    let reached = filled(&server).await;
    let before = shown(&server).await;
    let (moved, told) = copy(&first, &there);
    assert!(!moved && told.contains("in use"), "{told}");
    assert!(server.stop().success());

    let (moved, told) = copy(&first, &there);
    assert!(moved && told.contains(&format!("revision {reached}")), "{told}");
    let (moved, told) = copy(&first, &there);
    assert!(!moved && told.contains("the target is not empty"), "{told}");
    let server = Server::run(command(&there).args(flags));
    assert_eq!(shown(&server).await, before);
    assert!(server.stop().success());

    let (moved, told) = copy(&there, &second);
    assert!(moved, "{told}");
    let server = Server::run(command(&second).args(flags));
    assert_eq!(shown(&server).await, before);

    // Records of a Milvus alone are enough, and stay alone.
    etcd.put("milvus/meta/root-coord/credential/roles/r", "");
    let foreign = format!("etcd://{}/milvus/meta", etcd.address());
    let (moved, told) = copy(&foreign, &sled_url(&folders.path().join("taken")));
    assert!(moved && told.contains("1 records copied and checked, revision 1"), "{told}");
    assert_eq!(etcd.get("milvus/meta/milvus-rbac/head"), None);

    // Neither end is made where there is nothing to copy.
    let (typo, third) = (folders.path().join("typo"), folders.path().join("third"));
    let nothing = format!("etcd://{}/nothing/meta", etcd.address());
    for from in [&nothing, &sled_url(&typo)] {
        let (moved, told) = copy(from, &sled_url(&third));
        assert!(!moved && told.contains("--from: nothing is stored at "), "{told}");
        assert!(told.contains("nothing/meta") || told.contains("/typo"), "{told}");
    }
    assert_eq!(etcd.get("nothing/meta/milvus-rbac/head"), None);
    assert!(!typo.exists() && !third.exists());
    for (from, to, text) in [
        ("memory:", "sled:x", "--from: `memory:`"),
        ("sled:x", "follow://127.0.0.1:1", "--to: `follow://127.0.0.1:1`"),
        ("sled:x", "etcd://", "--to: "),
    ] {
        let (moved, told) = copy(from, to);
        assert!(!moved && told.contains(text), "{told}");
    }

    // What is not copied is told.
    etcd.put("odd/meta/root-coord/credential/roles/r", "");
    etcd.put("odd/meta/root-coord/credential/roles/r/s", "");
    let odd = format!("etcd://{}/odd/meta", etcd.address());
    let (moved, told) = copy(&odd, &sled_url(&folders.path().join("even")));
    assert!(moved && told.contains("1 records copied"), "{told}");
    assert!(
        told.contains("a malformed key is passed over") && told.contains("roles/r/s"),
        "{told}"
    );
}

/// What is meant for one etcd is not shown to another.
#[test]
fn two_etcds_do_not_share_a_login() {
    let here = "etcds://127.0.0.1:1/a";
    for (from, to, flags, text) in [
        (
            "etcd://h:1/a",
            "etcd://g:1/a",
            &["--store-login-file", "x"][..],
            "--store-login-file is for",
        ),
        (here, "etcd://g:1/a", &["--store-login-file", "x"], "--store-login-file is for one etcd"),
        (here, "etcds://g:1/a", &["--store-cert", "x"], "--store-cert is for one etcd"),
        (here, "etcds://g:1/a", &["--store-ca", "x"], "--store-ca is for one etcd"),
        (here, "etcd://g:1/a", &["--store-cert", "x"], "--store-cert needs --store-key"),
        ("etcd://h:1/a", here, &["--store-key", "x"], "--store-key needs --store-cert"),
        ("etcd://h:1/a", "sled:x", &["--store-ca", "x"], "--store-ca needs a store with TLS"),
    ] {
        let told = copying(from, to).args(flags).output().unwrap();
        assert_eq!(told.status.code(), Some(2), "{from} {to} {flags:?}");
        let told = String::from_utf8(told.stderr).unwrap();
        assert!(told.contains(text), "{from} {to} {flags:?}: {told}");
    }
}
