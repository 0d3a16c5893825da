//! Strict revokes: what is acknowledged holds at all instances, at one that was stopped meanwhile as
//! well.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::{
    CreateCredentialRequest, CreateRoleRequest, ListCredUsersRequest, OperateUserRoleRequest,
    OperateUserRoleType, RoleEntity,
};
use milvus_rbac::storage::etcd::EtcdStore;
use milvus_rbac::storage::{Batch, Revision, Store as _};

use super::server::Etcd;
use super::watch::Told;
use super::{LIMIT, batch, open, role};
use crate::support::{Client, Server, command, encoded, signal};

fn watched(etcd: &Etcd, root: &str) -> (EtcdStore, Told) {
    let mut store = open(etcd, root);
    store.load().unwrap();
    let told = Told::by(&mut store);
    (store, told)
}

/// Between these are the records of instances.
fn keys(root: &str) -> [String; 2] {
    ["instances/", "instances0"].map(|end| STANDARD.encode(format!("{root}/milvus-rbac/{end}")))
}

/// The instances that the others see.
fn seen(etcd: &Etcd, root: &str) -> String {
    let [key, end] = keys(root);
    etcd.post("kv/range", &format!("{{\"key\":\"{key}\",\"range_end\":\"{end}\"}}"))
}

/// The same, once there are so many.
fn sees(etcd: &Etcd, root: &str, count: usize) -> String {
    let until = Instant::now() + LIMIT;
    loop {
        let found = seen(etcd, root);
        if found.matches("\"lease\":").count() == count {
            return found;
        }
        assert!(Instant::now() < until, "{found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn strict(expected: Revision) -> Batch {
    Batch { strict: true, ..batch(expected, u128::from(expected) + 1, vec![]) }
}

#[test]
fn what_is_in_force_is_told_when_the_last_instance_has_it_or_is_gone() {
    let etcd = Etcd::shared();
    let (mut one, told) = watched(&etcd, "strict");
    let (mut two, _two) = watched(&etcd, "strict");
    sees(&etcd, "strict", 2);
    one.commit(&batch(0, 9, vec![role("a")])).unwrap();
    assert_eq!(told.next().0, 1);
    one.commit(&strict(1)).unwrap();
    one.in_force(2);
    told.is_quiet_for(2);
    two.in_force(1);
    told.is_quiet_for(2);
    two.in_force(2);
    assert_eq!(told.in_force(), 2);

    // What is not strict is not told of, and the last strict one is not forgotten over it.
    one.commit(&batch(2, 8, vec![role("b")])).unwrap();
    assert_eq!(told.next().0, 3);
    one.in_force(3);
    two.in_force(3);
    told.is_quiet_for(2);
    one.commit(&strict(3)).unwrap();
    one.in_force(4);
    told.is_quiet_for(2);
    Box::new(two).close().unwrap();
    assert_eq!(told.in_force(), 4);
    sees(&etcd, "strict", 1);
}

#[test]
fn an_instance_whose_lease_is_lost_takes_another_before_it_is_up_to_date() {
    let etcd = Etcd::start(&[]);
    let (mut store, told) = watched(&etcd, "lease");
    told.is_quiet();
    let shown = sees(&etcd, "lease", 1);
    let lease = shown.split("\"lease\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let lease = lease.unwrap();
    let gone = etcd.post("lease/revoke", &format!("{{\"ID\":\"{lease}\"}}"));
    assert!(gone.contains("200 OK"), "{gone}");
    told.is_unseen_and_comes_back();
    let shown = seen(&etcd, "lease");
    assert!(shown.contains("\"lease\":") && !shown.contains(lease), "{shown}");
    // It is the one that is kept.
    store.commit(&strict(0)).unwrap();
    store.in_force(1);
    assert_eq!(told.in_force(), 1);

    // The record alone goes, and the lease stays.
    let [key, end] = keys("lease");
    etcd.post("kv/deleterange", &format!("{{\"key\":\"{key}\",\"range_end\":\"{end}\"}}"));
    told.is_unseen_and_comes_back();
    assert!(seen(&etcd, "lease").contains("\"lease\":"));
    etcd.post("kv/deleterange", &format!("{{\"key\":\"{key}\",\"range_end\":\"{end}\"}}"));
    // Whether the watch or the load finds out, nothing is loaded unseen.
    assert!((0..3).any(|_| store.load().is_ok()));
    assert!(seen(&etcd, "lease").contains("\"lease\":"));
}

/// Makes user `u`.
pub(super) async fn create_user(client: &mut Client) {
    let user = CreateCredentialRequest {
        username: "u".to_owned(),
        password: encoded("password"),
        ..Default::default()
    };
    let created = client.create_credential(user).await.unwrap().into_inner();
    assert_eq!(created.code, 0, "{created:?}");
}

/// Gives `u` all rights, or takes them away.
pub(super) fn admin(operation: OperateUserRoleType) -> OperateUserRoleRequest {
    OperateUserRoleRequest {
        username: "u".to_owned(),
        role_name: "admin".to_owned(),
        r#type: operation.into(),
        ..Default::default()
    }
}

async fn set_admin(client: &mut Client, operation: OperateUserRoleType) -> Status {
    client.operate_user_role(admin(operation)).await.unwrap().into_inner()
}

/// Whether a call is answered that takes those rights.
pub(super) async fn is_allowed(client: &mut Client) -> bool {
    let answer = client.list_cred_users(ListCredUsersRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status.is_some_and(|status| status.code == 0))
}

pub(super) async fn becomes(client: &mut Client, allowed: bool) {
    let until = Instant::now() + LIMIT;
    while is_allowed(client).await != allowed {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_strictly_is_allowed_nowhere_not_even_by_one_that_was_stopped() {
    const STALENESS: &str = "2";
    let etcd = Etcd::shared();
    let url = format!("etcd://{}/stopped/meta", etcd.address());
    let start = |flags: &[&str]| {
        Server::run(command(&url).args(["--max-staleness", STALENESS]).args(flags))
    };
    let (one, other) = (start(&["--strict-revokes"]), start(&[]));
    let mut root = one.root().await;
    create_user(&mut root).await;
    let mut u = other.client("u", "password").await;
    for _ in 0..10 {
        let added = set_admin(&mut root, OperateUserRoleType::AddUserToRole).await;
        assert_eq!(added.code, 0, "{added:?}");
        becomes(&mut u, true).await;
        let removed = set_admin(&mut root, OperateUserRoleType::RemoveUserFromRole).await;
        assert_eq!(removed.code, 0, "{removed:?}");
        assert!(!is_allowed(&mut u).await);
    }
    set_admin(&mut root, OperateUserRoleType::AddUserToRole).await;
    becomes(&mut u, true).await;

    signal(other.pid(), "STOP");
    let stopped = Instant::now();
    // Asked while nobody listens, and answered once it goes on.
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let mut u = u.clone();
            tokio::spawn(async move { is_allowed(&mut u).await })
        })
        .collect();
    let mut revoker = root.clone();
    let revoke = tokio::spawn(async move {
        set_admin(&mut revoker, OperateUserRoleType::RemoveUserFromRole).await
    });
    let mut here = one.client("u", "password").await;
    becomes(&mut here, false).await;
    for name in ["a", "b", "c"] {
        let entity = RoleEntity { name: name.to_owned(), ..Default::default() };
        let request = CreateRoleRequest { entity: Some(entity), ..Default::default() };
        assert_eq!(root.create_role(request).await.unwrap().into_inner().code, 0);
    }
    assert!(!revoke.is_finished());
    let revoked = revoke.await.unwrap();
    let took = stopped.elapsed();
    assert_eq!(revoked.code, 0, "after {took:?}: {revoked:?}");
    // The lease lasts 7 s, and was last renewed about a second before at most.
    assert!(took > Duration::from_secs(4), "{took:?}");

    signal(other.pid(), "CONT");
    let until = Instant::now() + LIMIT;
    let mut root_there = other.root().await;
    // Until it has caught up it denies everybody.
    while !is_allowed(&mut root_there).await {
        assert!(!is_allowed(&mut u).await);
        assert!(Instant::now() < until);
    }
    assert!(!is_allowed(&mut u).await);
    for asked in asked {
        assert!(!asked.await.unwrap(), "it was allowed by the one that was stopped");
    }
}
