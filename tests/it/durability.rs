//! Each commit makes the disk keep it: counted in the system calls of a running server.

use std::fs;
use std::process::Command;
use std::time::Duration;

use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;

use crate::support::{LIMIT, Server, missing, signal, wait};

#[tokio::test]
async fn each_commit_ends_in_an_fdatasync() {
    const COMMITS: usize = 25;
    if missing("strace") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let server = Server::on_sled(&folder.path().join("store"));
    let mut root = server.root().await;
    root.list_cred_users(ListCredUsersRequest::default()).await.unwrap();
    let log = folder.path().join("strace");
    let mut strace = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=pwrite64,fdatasync", "-o"])
        .arg(&log)
        .args(["-p", &server.pid().to_string()])
        .spawn()
        .unwrap();
    // Attached once it sees a commit.
    let count = |call: &str| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.lines().filter(|l| l.contains(call) && l.contains("/store/db")).count()
    };
    let mut describe = async |description: &str| {
        let request = UpdateCredentialRequest {
            username: "root".to_owned(),
            description: Some(description.to_owned()),
            ..Default::default()
        };
        assert_eq!(root.update_credential(request).await.unwrap().into_inner().code, 0);
    };
    let until = std::time::Instant::now() + LIMIT;
    while count("fdatasync(") == 0 {
        assert!(std::time::Instant::now() < until, "strace saw nothing");
        describe("warm-up").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = count("fdatasync(");
    for i in 0..COMMITS {
        describe(&format!("{i}")).await;
    }
    signal(strace.id(), "INT");
    wait(&mut strace);
    let syncs = count("fdatasync(") - before;
    assert_eq!(syncs, COMMITS, "{syncs} fdatasyncs for {COMMITS} commits");
    // The last thing that happens to the file is the sync, not a write.
    let text = fs::read_to_string(&log).unwrap();
    let last = text.lines().rfind(|l| l.contains("/store/db") && !l.contains("<unfinished"));
    assert!(last.unwrap().contains("fdatasync"), "{last:?}");
}
