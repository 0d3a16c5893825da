//! Instances that share an etcd keep the same document true, and do not undo each other's work. The
//! document is more than an etcd takes in one transaction.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::{BackupRbacMetaRequest, DropRoleRequest, RbacMeta};

use super::LIMIT;
use super::server::Etcd;
use crate::support::{self, Server, command};

const ROLES: usize = 60;

fn document() -> String {
    let mut text = "roles:\n".to_owned();
    for role in 0..ROLES {
        let grant = |c| format!("{{privilege: Search, database: d, collection: c{c}}}");
        let _ = writeln!(text, "  r{role}: {{grants: [{}, {}]}}", grant(1), grant(2));
    }
    text
}

/// Everything, with its revision.
async fn backup(server: &Server) -> (u64, RbacMeta) {
    let answer = server.root().await.backup_rbac(BackupRbacMetaRequest::default()).await.unwrap();
    (support::revision(&answer), answer.into_inner().rbac_meta.unwrap())
}

async fn settled(servers: &[&Server]) -> u64 {
    let until = Instant::now() + LIMIT;
    let mut last = (0, Instant::now());
    loop {
        let mut revisions = Vec::new();
        for server in servers {
            let (revision, meta) = backup(server).await;
            let whole = meta.roles.len() == ROLES && meta.grants.len() == ROLES * 2;
            revisions.push(if whole { revision } else { 0 });
        }
        let first = revisions[0];
        if revisions.iter().any(|r| *r != first || *r == 0) || first != last.0 {
            last = (first, Instant::now());
        }
        // Several intervals, in each of which one who finds something to do would do it.
        if first != 0 && last.1.elapsed() > Duration::from_secs(4) {
            return first;
        }
        assert!(Instant::now() < until, "{revisions:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn instances_that_keep_the_same_document_do_not_fight() {
    let etcd = Etcd::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, document()).unwrap();
    let store = format!("etcd://{}/policy", etcd.address());
    let start = || {
        let mut command = command(&store);
        command.args(["--max-roles", "0", "--policy-prune", "--policy-interval", "1"]);
        Server::run(command.arg("--policy").arg(&file))
    };
    let (one, two) = (start(), start());
    let before = settled(&[&one, &two]).await;
    let drop = DropRoleRequest { role_name: "r7".into(), force_drop: true, ..Default::default() };
    let dropped = two.root().await.drop_role(drop).await.unwrap();
    assert_eq!(dropped.get_ref().code, 0, "{}", dropped.get_ref().reason);
    // It went, and came back once.
    assert_eq!(settled(&[&one, &two]).await, before + 2);
}
