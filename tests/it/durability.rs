//! Each commit makes the disk keep it before it is acknowledged, watched by strace; and nothing is
//! kept where sled does not sync.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::common::KeyValuePair;
use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;

use crate::support::{Client, LIMIT, Server, missing, signal, wait};

/// Attaches strace to a server. It has begun once its log exists and has grown.
pub(crate) fn strace(server: &Server, flags: &[&str], log: &Path) -> Child {
    Command::new("strace")
        .args(["-f", "-y", "-q"])
        .args(flags)
        .arg("-o")
        .arg(log)
        .args(["-p", &server.pid().to_string()])
        .spawn()
        .unwrap()
}

fn log_of(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// A change; returns its code.
async fn describe_root(client: &mut Client, description: String) -> i32 {
    let request = UpdateCredentialRequest {
        username: "root".to_owned(),
        description: Some(description),
        ..Default::default()
    };
    client.update_credential(request).await.unwrap().into_inner().code
}

/// Makes changes until strace has seen one.
async fn until_seen(client: &mut Client, log: &Path) {
    let until = Instant::now() + LIMIT;
    for i in 0.. {
        assert!(Instant::now() < until, "strace saw nothing");
        describe_root(client, format!("warm-up {i}")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if log_of(log).contains("fdatasync(") {
            return;
        }
    }
}

#[tokio::test]
async fn each_commit_ends_in_an_fdatasync_and_is_answered_after_it() {
    const COMMITS: usize = 25;
    if missing("strace") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let server = Server::on_sled(&folder.path().join("store"));
    let mut root = server.root().await;
    let log = folder.path().join("strace");
    let calls = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg";
    let mut strace = strace(&server, &["-e", calls], &log);
    until_seen(&mut root, &log).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = log_of(&log).len();
    for i in 0..COMMITS {
        assert_eq!(describe_root(&mut root, format!("{i}")).await, 0);
    }
    signal(strace.id(), "INT");
    wait(&mut strace);

    let text = log_of(&log);
    let (mut syncs, mut unsynced) = (0, false);
    for line in text.get(before..).unwrap().lines() {
        if line.contains("/store/db>") {
            unsynced = line.contains("pwrite64");
            syncs += usize::from(line.contains("fdatasync("));
        }
        let answers = line.contains("TCP:[");
        assert!(!(unsynced && answers), "answered before the sync: {line}");
    }
    assert_eq!(syncs, COMMITS, "{syncs} fdatasyncs for {COMMITS} commits");
}

/// sled puts large values into files of their own, and never syncs those. What counts is the size
/// of a leaf, which holds several values next to each other.
#[tokio::test(flavor = "multi_thread")]
async fn no_value_grows_into_a_file_that_is_not_synced() {
    let folder = TempDir::new().unwrap();
    let server = Server::on_sled(folder.path());
    let mut root = server.root().await;
    // The largest records that the rules allow, one by one and many at once, written twice.
    for i in 0..60 {
        let properties = vec![KeyValuePair { key: "k".to_owned(), value: "v".repeat(4000) }];
        let db_name = format!("d{i}");
        let request = CreateDatabaseRequest { db_name, properties, ..Default::default() };
        assert_eq!(root.create_database(request).await.unwrap().into_inner().code, 0);
    }
    let members: Vec<_> = (0..16).map(|i| format!("{}{i:02}", "g".repeat(250))).collect();
    let groups: Vec<_> = (0..400).map(|i| format!("large{i}")).collect();
    for names in [&members, &groups] {
        let create = names.iter().map(|name| {
            let request =
                CreatePrivilegeGroupRequest { group_name: name.clone(), ..Default::default() };
            let mut root = root.clone();
            tokio::spawn(async move { root.create_privilege_group(request).await })
        });
        for created in create.collect::<Vec<_>>() {
            assert_eq!(created.await.unwrap().unwrap().into_inner().code, 0);
        }
    }
    let privileges: Vec<_> =
        members.iter().map(|name| PrivilegeEntity { name: name.clone() }).collect();
    let fill = groups.iter().map(|name| {
        let request = OperatePrivilegeGroupRequest {
            group_name: name.clone(),
            privileges: privileges.clone(),
            ..Default::default()
        };
        let mut root = root.clone();
        tokio::spawn(async move { root.operate_privilege_group(request).await })
    });
    for filled in fill.collect::<Vec<_>>() {
        assert_eq!(filled.await.unwrap().unwrap().into_inner().code, 0);
    }
    for i in 0..60 {
        let properties = vec![KeyValuePair { key: "k".to_owned(), value: "w".repeat(4000 - i) }];
        let db_name = format!("d{i}");
        let request = AlterDatabaseRequest { db_name, properties, ..Default::default() };
        assert_eq!(root.alter_database(request).await.unwrap().into_inner().code, 0);
    }
    let blobs: Vec<_> = fs::read_dir(folder.path().join("blobs")).unwrap().collect();
    assert!(blobs.is_empty(), "{blobs:?}");
}
