//! kill -9 at random moments, while changes are under way and while the store is opened: what was
//! acknowledged is there afterwards, what was refused is not, and no revision is given out twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milvus_rbac::rpc::proto::service::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use crate::support::{Client, Server, command, encoded, revision, rounds, sled_url};

/// Room for any number of roles, and for no user beside `root`.
const FLAGS: [&str; 4] = ["--max-roles", "0", "--max-users", "1"];
/// Concurrent writers in each round.
const WRITERS: usize = 8;

/// What the writers were told.
#[derive(Debug, Default)]
struct Told {
    acknowledged: BTreeSet<String>,
    refused: BTreeSet<String>,
    revisions: BTreeMap<u64, String>,
}

/// Creates roles until the server dies, and users, for whom there is no room.
async fn write(mut client: Client, round: usize, writer: usize, told: Arc<Mutex<Told>>) {
    for i in 0.. {
        let name = format!("{}{round}_{writer}_{i}", if i % 5 == 4 { "u" } else { "r" });
        let answer = if name.starts_with('u') {
            let (username, password) = (name.clone(), encoded("password"));
            let request = CreateCredentialRequest { username, password, ..Default::default() };
            client.create_credential(request).await
        } else {
            let entity = Some(RoleEntity { name: name.clone(), ..Default::default() });
            client.create_role(CreateRoleRequest { entity, base: None }).await
        };
        let Ok(response) = answer else { return };
        let mut told = told.lock().unwrap();
        if response.get_ref().code == 0 {
            let before = told.revisions.insert(revision(&response), name.clone());
            assert_eq!(before, None, "a revision was given out twice");
            told.acknowledged.insert(name);
        } else {
            told.refused.insert(name);
        }
    }
}

/// The names of all roles and users, and the revision.
async fn present(client: &mut Client) -> (BTreeSet<String>, u64) {
    let response = client.select_role(SelectRoleRequest::default()).await.unwrap();
    let revision = revision(&response);
    let results = response.into_inner().results;
    let users = client.list_cred_users(ListCredUsersRequest::default()).await.unwrap();
    let roles = results.into_iter().map(|r| r.role.unwrap().name);
    (roles.chain(users.into_inner().usernames).collect(), revision)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let folder = TempDir::new().unwrap();
    let told = Arc::new(Mutex::new(Told::default()));
    let mut random = TestRunner::default();
    let mut millis = |range: std::ops::Range<u64>| {
        Duration::from_millis(range.new_tree(&mut random).unwrap().current())
    };
    let store = sled_url(folder.path());
    let start = || command(&store).args(FLAGS).spawn().unwrap();
    let rounds = rounds("MILVUS_RBAC_CRASH_ROUNDS", 8);
    for round in 0..rounds {
        // Killed while opening.
        let mut child = start();
        tokio::time::sleep(millis(0..60)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // Killed while writing.
        let server = Server::run(command(&store).args(FLAGS));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let client = server.root().await;
            writers.push(tokio::spawn(write(client, round, writer, told.clone())));
        }
        tokio::time::sleep(millis(1..250)).await;
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }

        let server = Server::run(command(&store).args(FLAGS));
        let (present, reached) = present(&mut server.root().await).await;
        let told = told.lock().unwrap();
        let lost: Vec<_> = told.acknowledged.difference(&present).collect();
        assert!(lost.is_empty(), "lost after round {round}: {lost:?}");
        assert!(told.refused.is_disjoint(&present), "a refused change is present");
        let newest = told.revisions.keys().next_back().copied().unwrap_or_default();
        assert!(reached >= newest, "revision {newest} was acknowledged, {reached} is there");
        server.kill();
    }
    let told = told.lock().unwrap();
    assert!(told.acknowledged.len() > rounds, "the writers wrote next to nothing");
    assert!(!told.refused.is_empty());
}
