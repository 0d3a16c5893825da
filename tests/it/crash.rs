//! kill -9 at random moments, while changes and restores are under way and while the store is
//! opened: what was acknowledged is there afterwards, what was refused is not, a restore is there
//! whole or not at all, and no revision is given out twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milvus_rbac::rpc::proto::service::*;
use milvus_rbac::storage::sled::SledStore;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use crate::audit;
use crate::support::{Client, Server, command, encoded, revision, rounds, sled_url};

/// Room for any number of roles, and for no user beside `root`.
pub(crate) const FLAGS: [&str; 4] = ["--max-roles", "0", "--max-users", "1"];
/// Concurrent writers in each round.
const WRITERS: usize = 8;

/// What the writers were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) acknowledged: BTreeSet<String>,
    pub(crate) refused: BTreeSet<String>,
    /// What may have happened, as the server itself said.
    pub(crate) unknown: BTreeSet<String>,
    revisions: BTreeMap<u64, String>,
}

impl Told {
    /// Fails if the server does not hold what it said.
    pub(crate) fn check(&self, present: &BTreeSet<String>, reached: u64) {
        let lost: Vec<_> = self.acknowledged.difference(present).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let undead: Vec<_> = self.refused.intersection(present).collect();
        assert!(undead.is_empty(), "refused, and there: {undead:?}");
        let newest = self.revisions.keys().next_back().copied().unwrap_or_default();
        assert!(reached >= newest, "revision {newest} was acknowledged, {reached} is there");
    }
}

/// Creates roles until the server dies, and users, for whom there is no room.
pub(crate) async fn write(mut client: Client, writer: String, told: Arc<Mutex<Told>>) {
    for i in 0.. {
        let name = format!("{}{writer}_{i}", if i % 5 == 4 { "u" } else { "r" });
        let answer = if name.starts_with('u') {
            let (username, password) = (name.clone(), encoded("password"));
            let request = CreateCredentialRequest { username, password, ..Default::default() };
            client.create_credential(request).await
        } else {
            let entity = Some(RoleEntity { name: name.clone(), ..Default::default() });
            client.create_role(CreateRoleRequest { entity, base: None }).await
        };
        let response = match answer {
            Ok(response) => response,
            // Nothing is decided for now, so nothing was done.
            Err(refused) if refused.message().contains("not been heard of") => {
                told.lock().unwrap().refused.insert(name);
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(_) => return,
        };
        let mut told = told.lock().unwrap();
        if response.get_ref().code == 0 {
            let before = told.revisions.insert(revision(&response), name.clone());
            assert_eq!(before, None, "a revision was given out twice");
            told.acknowledged.insert(name);
        } else if response.get_ref().reason.contains("not known") {
            told.unknown.insert(name);
        } else {
            told.refused.insert(name);
        }
    }
}

/// The roles of one restore.
fn restored(round: usize) -> BTreeSet<String> {
    (0..300).map(|i| format!("restored{round}_{i}")).collect()
}

/// Restores roles with a grant each, as one change.
async fn restore(mut client: Client, round: usize) -> bool {
    let entity = |name| Some(RoleEntity { name, ..Default::default() });
    let grant = |role| GrantEntity {
        role: entity(role),
        object: Some(ObjectEntity { name: "Collection".to_owned() }),
        object_name: "c".to_owned(),
        db_name: "default".to_owned(),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity { name: "root".to_owned() }),
            privilege: Some(PrivilegeEntity { name: "Search".to_owned() }),
        }),
    };
    let meta = RbacMeta {
        roles: restored(round).into_iter().filter_map(entity).collect(),
        grants: restored(round).into_iter().map(grant).collect(),
        ..Default::default()
    };
    let request = RestoreRbacMetaRequest { rbac_meta: Some(meta), ..Default::default() };
    let answer = client.restore_rbac(request).await;
    answer.is_ok_and(|status| {
        let status = status.into_inner();
        assert_eq!(status.code, 0, "{}", status.reason);
        true
    })
}

/// The names of all roles and users, and the revision.
pub(crate) async fn present(client: &mut Client) -> (BTreeSet<String>, u64) {
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
    let mut restores = 0;
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
            writers.push(tokio::spawn(write(client, format!("{round}_{writer}"), told.clone())));
        }
        let restore = tokio::spawn(restore(server.root().await, round));
        tokio::time::sleep(millis(1..250)).await;
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }

        // The trail is whole, and leads to what there is.
        let events = audit::trail::check(&mut SledStore::open(folder.path()).unwrap()).unwrap();
        assert!(events.len() > round);

        let server = Server::run(command(&store).args(FLAGS));
        let (present, reached) = present(&mut server.root().await).await;
        told.lock().unwrap().check(&present, reached);
        let there = restored(round).intersection(&present).count();
        assert!([0, restored(round).len()].contains(&there), "{there} roles of a restore");
        if restore.await.unwrap() {
            restores += 1;
            assert_ne!(there, 0, "a restore was acknowledged, and lost");
        }
        server.kill();
    }
    let told = told.lock().unwrap();
    assert!(told.acknowledged.len() > rounds, "the writers wrote next to nothing");
    assert!(!told.refused.is_empty());
    println!("{} changes and {restores} restores acknowledged", told.acknowledged.len());
}
