//! The "new enemy" on real servers: who was shut out at one instance asks another, which hears of it
//! late, for what was written since.

use std::pin::pin;
use std::sync::Arc;

use milvus_rbac::rpc::proto::service::OperateUserRoleType;

use super::proxy::Proxy;
use super::server::Etcd;
use super::strict::{admin, becomes, create_user, is_allowed};
use crate::support::{Metadata, Server, command, revision};

/// An instance that makes the change, and one that can be made deaf to it.
struct Two {
    _etcd: Arc<Etcd>,
    proxy: Proxy,
    one: Server,
    other: Server,
}

impl Two {
    /// User `u` is an admin, and both know it.
    async fn start(root: &str, max_staleness: &str, flags: &[&str]) -> Self {
        let etcd = Etcd::shared();
        let proxy = Proxy::to(etcd.address());
        let run = |address: &str, flags: &[&str]| {
            let url = format!("etcd://{address}/{root}/meta");
            Server::run(command(&url).args(["--max-staleness", max_staleness]).args(flags))
        };
        let (one, other) = (run(&etcd.address(), flags), run(&proxy.address, &[]));
        let two = Self { _etcd: etcd, proxy, one, other };
        create_user(&mut two.one.root().await).await;
        two.operate(OperateUserRoleType::AddUserToRole).await;
        becomes(&mut two.other.client("u", "password").await, true).await;
        two
    }

    /// Returns the revision once it is acknowledged.
    async fn operate(&self, operation: OperateUserRoleType) -> u64 {
        let answer = self.one.root().await.operate_user_role(admin(operation)).await.unwrap();
        assert_eq!(answer.get_ref().code, 0, "{answer:?}");
        revision(&answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_enemy_is_let_in_where_nobody_asks_for_more() {
    let two = Two::start("enemy", "30", &[]).await;
    let mut enemy = two.other.client("u", "password").await;
    two.proxy.mute(true);
    let revoked = two.operate(OperateUserRoleType::RemoveUserFromRole).await;
    assert!(!is_allowed(&mut two.one.client("u", "password").await).await);
    assert!(is_allowed(&mut enemy).await, "what it is about is not shown");

    // Whoever writes what the enemy must not see keeps the revision with it, and it is asked for.
    let seen =
        Metadata::login("u", "password").with("milvus-rbac-min-revision", &revoked.to_string());
    let mut asked = two.other.connect(seen).await;
    assert!(!is_allowed(&mut asked).await);
    assert!(is_allowed(&mut enemy).await, "the other has heard of it: nothing was shown");
    two.proxy.mute(false);
    becomes(&mut enemy, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_enemy_is_kept_out_by_strict_revokes() {
    let two = Two::start("no-enemy", "2", &["--strict-revokes"]).await;
    let mut enemy = two.other.client("u", "password").await;
    two.proxy.mute(true);
    let mut revoke = pin!(two.operate(OperateUserRoleType::RemoveUserFromRole));
    let mut meanwhile = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut revoke => break,
            allowed = is_allowed(&mut enemy) => meanwhile += u32::from(allowed),
        }
    }
    assert!(!is_allowed(&mut enemy).await);
    assert!(meanwhile > 0, "the other was never behind: nothing was shown");
}
