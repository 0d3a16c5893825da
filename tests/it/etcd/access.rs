//! An etcd that asks who is calling.

use std::fs;
use std::path::PathBuf;

use milvus_rbac::storage::etcd::{EtcdStore, Target};
use milvus_rbac::storage::{Store as _, StoreError};
use milvus_rbac::tls::TlsFiles;
use tempfile::TempDir;

use super::server::Etcd;
use super::{STALENESS, batch, role, target};
use crate::certificates::Certificates;

fn refusal(target: Target) -> String {
    match EtcdStore::open(target, STALENESS) {
        Err(StoreError::Unavailable(text)) => text,
        opened => panic!("{opened:?}"),
    }
}

#[test]
fn a_user_gets_in_with_the_password_alone() {
    let etcd = Etcd::start(&[]);
    for (path, json) in [
        ("auth/user/add", r#"{"name":"root","password":"secret:1"}"#),
        ("auth/user/grant", r#"{"user":"root","role":"root"}"#),
        ("auth/enable", "{}"),
    ] {
        let answer = etcd.post(path, json);
        assert!(answer.contains("200 OK"), "{path}: {answer}");
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("login");
    let login = |text: &str| {
        fs::write(&file, text).unwrap();
        Target { login_file: Some(file.clone()), ..target(etcd.address(), "guarded") }
    };
    let text = refusal(login("root:wrong"));
    assert!(text.contains("authentication failed, invalid user ID or password"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    let text = refusal(target(etcd.address(), "guarded"));
    assert!(text.contains("--store-login-file"), "{text}");

    let mut store = EtcdStore::open(login("root:secret:1\n"), STALENESS).unwrap();
    store.commit(&batch(0, 1, vec![role("a")])).unwrap();
    // It forgets the tokens, and the store does not.
    etcd.kill();
    assert!(etcd.run());
    assert_eq!(store.load().unwrap().revision, 1);
    // Any change of users makes the tokens of before useless.
    let login = etcd.post("auth/authenticate", r#"{"name":"root","password":"secret:1"}"#);
    let token = login.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let token = format!("Authorization: {}\r\n", token.unwrap());
    let added = etcd.post_with(&token, "auth/user/add", r#"{"name":"u","password":"p"}"#);
    assert!(added.contains("200 OK"), "{added}");
    store.commit(&batch(1, 2, vec![role("b")])).unwrap();
}

#[test]
fn tls_is_mutual_and_lets_no_stranger_in() {
    let (ours, strange) = (Certificates::new(), Certificates::new());
    let (certificate, key) = ours.issue("member");
    let ca = ours.ca();
    let [certificate, key, ca_file] = [&certificate, &key, &ca].map(|file| file.to_str().unwrap());
    let etcd = Etcd::start(&[
        "--cert-file",
        certificate,
        "--key-file",
        key,
        "--client-cert-auth",
        "--trusted-ca-file",
        ca_file,
    ]);
    let with = |ca: PathBuf, own| Target {
        tls: Some(TlsFiles { ca: Some(ca), own }),
        ..target(etcd.address(), "tls")
    };
    let mut store = EtcdStore::open(with(ca.clone(), Some(ours.issue("us"))), STALENESS).unwrap();
    store.commit(&batch(0, 1, vec![role("a")])).unwrap();
    assert_eq!(store.load().unwrap().revision, 1);

    let text = refusal(with(strange.ca(), Some(ours.issue("us"))));
    assert!(text.contains("invalid peer certificate"), "{text}");
    refusal(with(ca.clone(), None));
    refusal(with(ca, Some(strange.issue("us"))));
    refusal(target(etcd.address(), "tls"));
}
