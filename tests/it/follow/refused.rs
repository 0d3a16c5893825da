//! Who may not follow is told why, and whoever may not any more is cut off.

use super::*;
use crate::lifecycle::fails;

#[tokio::test]
async fn a_wrong_login_and_a_missing_privilege_are_told() {
    let folder = TempDir::new().unwrap();
    let center = Server::start(&FLAGS);
    make_user(&mut center.root().await, "u").await;
    let login = |login: &str| login_file(folder.path(), login);
    let wrong = login("root:wrong");
    fails(&mut following(&center.address, &wrong), 1, "refuses the login that --store-login-file");
    let unprivileged = login(&format!("u:{PASSWORD}"));
    fails(&mut following(&center.address, &unprivileged), 1, "BackupRBAC on `*`");
    let without = format!("follow://{}", center.address);
    fails(&mut command(&without), 1, "name a file with user:password by --store-login-file");
    for half in ["root:", ":Milvus", "root"] {
        fails(&mut following(&center.address, &login(half)), 2, "does not hold user:password");
    }
    fails(&mut following(&free_address(), &wrong), 1, "does not answer: ");
    fails(&mut following(&free_address(), &wrong), 1, "its data port be HOST:PORT of --store");
    fails(&mut following("somewhere", &wrong), 2, "follow://HOST:PORT");
    fails(command("follow://h:1").args(["--store-ca", "x"]), 2, "etcds:// or follows://");
    fails(command("follows://h:1").args(["--store-ca", "Cargo.toml"]), 2, "holds no certificate");
    fails(command("follows://h:1").args(["--store-cert", "x"]), 2, "needs --store-key");
    fails(
        command("memory:").arg("--store-login-file").arg(&wrong),
        2,
        "--store-login-file is for a store that asks",
    );
}

#[tokio::test]
async fn whoever_loses_the_privilege_or_the_login_is_cut_off_and_denies_soon() {
    let folder = TempDir::new().unwrap();
    let center = Server::start(&FLAGS);
    let mut root = center.root().await;
    make_user(&mut root, "u").await;
    let give = grant_v2("u", "BackupRBAC", ("*", "*"));
    assert_eq!(root.operate_privilege_v2(give.clone()).await.unwrap().into_inner().code, 0);
    let login = login_file(folder.path(), &format!("u:{PASSWORD}"));
    let mut start = following(&center.address, &login);
    let follower = Server::run(start.args(["--max-staleness", "2"]));
    let mut there = follower.root().await;
    until(async || (metric(&center, "milvus_rbac_followers") == 1.0).then_some(())).await;

    let take = revoke_v2("u", "BackupRBAC", ("*", "*"));
    assert_eq!(root.operate_privilege_v2(take).await.unwrap().into_inner().code, 0);
    make(&mut root, "secret").await;
    until(async || (metric(&center, "milvus_rbac_followers") == 0.0).then_some(())).await;
    // It was not told of what came after.
    until(async || there.select_role(SelectRoleRequest::default()).await.err()).await;
    // Once it may again, it goes on.
    assert_eq!(root.operate_privilege_v2(give).await.unwrap().into_inner().code, 0);
    until(async || there.select_role(select_role("secret")).await.ok()).await;

    let gone = root.delete_credential(delete_user("u")).await.unwrap();
    assert_eq!(gone.into_inner().code, 0);
    until(async || (metric(&center, "milvus_rbac_followers") == 0.0).then_some(())).await;
    until(async || there.select_role(SelectRoleRequest::default()).await.err()).await;
}
