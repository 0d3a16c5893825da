//! Centres that end, come back, or are others; followers that stand still.

use prost::Message as _;
use tonic::Code;

use super::*;
use crate::rpc::raw::{Raw, SERVICE, frame};
use crate::support::{signal, sled_url};

/// A centre on disk at a given address.
fn center_at(address: &str, store: &Path) -> Server {
    Server::run(command(&sled_url(store)).args(FLAGS).args(["--listen", address]))
}

#[tokio::test]
async fn a_killed_centre_is_gone_for_changes_alone_and_followed_again() {
    let folder = TempDir::new().unwrap();
    let (address, store) = (free_address(), folder.path().join("store"));
    let login = login_file(folder.path(), "root:Milvus");
    let center = center_at(&address, &store);
    let follower = Server::run(&mut following(&address, &login));
    let mut there = follower.root().await;
    make(&mut there, "before").await;
    center.kill();
    assert!(roles(&mut there).await.contains(&"before".to_owned()));
    let refused = there.create_role(create_role("meanwhile")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("central instance, which does not answer"), "{refused}");

    let center = center_at(&address, &store);
    let reached = make(&mut center.root().await, "after").await;
    until(async || roles(&mut there).await.contains(&"after".to_owned()).then_some(())).await;
    assert!(!roles(&mut there).await.contains(&"meanwhile".to_owned()));
    let made = until(async || there.create_role(create_role("through")).await.ok()).await;
    assert!(made.get_ref().code == 0 && revision(&made) > reached);
    assert_eq!(follower.stop().code(), Some(0));
    assert_eq!(center.stop().code(), Some(0));
}

#[tokio::test]
async fn a_follower_that_stood_still_denies_before_it_decides() {
    let (_folder, center, follower) = pair();
    drop(follower);
    let login = login_file(_folder.path(), "root:Milvus");
    let mut start = following(&center.address, &login);
    let follower = Server::run(start.args(["--max-staleness", "2"]));
    let mut root = center.root().await;
    make_user(&mut root, "u").await;
    let given =
        root.operate_privilege_v2(grant_v2("u", "SelectOwnership", ("*", "*"))).await.unwrap();
    let mut user = follower.client("u", PASSWORD).await;
    until(async || user.select_role(SelectRoleRequest::default()).await.ok()).await;
    assert_eq!(given.into_inner().code, 0);

    signal(follower.pid(), "STOP");
    let taken =
        root.operate_privilege_v2(revoke_v2("u", "SelectOwnership", ("*", "*"))).await.unwrap();
    assert_eq!(taken.into_inner().code, 0);
    // The call is there already when it goes on.
    let call = tokio::spawn(async move {
        let answer = user.select_role(SelectRoleRequest::default()).await;
        (answer, user)
    });
    tokio::time::sleep(Duration::from_secs(4)).await;
    signal(follower.pid(), "CONT");
    let (answer, mut user) = call.await.unwrap();
    let refused = answer.unwrap_err();
    assert!(matches!(refused.code(), Code::Unavailable | Code::PermissionDenied), "{refused}");
    let refused = until(async || {
        let refused = user.select_role(SelectRoleRequest::default()).await.unwrap_err();
        (refused.code() == Code::PermissionDenied).then_some(refused)
    });
    refused.await;
}

/// A follower that hears nothing refuses, and says so to whoever asks how it does.
#[tokio::test]
async fn a_follower_whose_centre_stands_still_denies_within_the_bound() {
    let (folder, center, follower) = pair();
    drop(follower);
    let login = login_file(folder.path(), "root:Milvus");
    let mut start = following(&center.address, &login);
    let follower = Server::run(start.args(["--max-staleness", "2"]));
    let mut there = follower.root().await;
    roles(&mut there).await;
    let hasty = Raw::root(&follower).await.with("grpc-timeout", b"0000000300m");
    hasty.unary(&format!("{SERVICE}CreateRole"), frame(&[])).await;
    signal(center.pid(), "STOP");
    let began = Instant::now();
    let role = frame(&create_role("late").encode_to_vec());
    let late = hasty.unary(&format!("{SERVICE}CreateRole"), role).await;
    assert_eq!(late.code, Code::DeadlineExceeded, "{}", late.text);
    assert!(late.text.contains("central instance, which did not answer in time"), "{}", late.text);
    let refused = until(async || there.select_role(SelectRoleRequest::default()).await.err()).await;
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("--max-staleness allows 2 s"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let ready = format!("http://{}/readyz", follower.admin);
    until(async || (http_get(&ready).0 == 503).then_some(())).await;
    signal(center.pid(), "CONT");
    until(async || there.select_role(SelectRoleRequest::default()).await.ok()).await;
}

/// One change that is too large to be remembered, and many small ones, while the follower is deaf.
#[tokio::test]
async fn more_than_is_remembered_is_told_anew() {
    const GRANTS: usize = 40_000;
    let (_folder, center, follower) = pair();
    let (mut root, mut there) = (center.root().await, follower.root().await);
    make(&mut there, "before").await;
    signal(follower.pid(), "STOP");
    let long = "x".repeat(100);
    let grants = (0..GRANTS).map(|number| {
        let mut entity = entity("big", ("Collection", "c"), "Search", "default");
        entity.object_name = format!("collection_{long}_{number}");
        entity
    });
    let meta =
        RbacMeta { roles: vec![role("big")], grants: grants.collect(), ..Default::default() };
    let restored = root.restore_rbac(restore(meta)).await.unwrap().into_inner();
    assert_eq!(restored.code, 0, "{}", restored.reason);
    make(&mut root, "after").await;
    signal(follower.pid(), "CONT");
    until(async || {
        let answer = there.select_role(SelectRoleRequest::default()).await.ok()?.into_inner();
        answer.results.iter().any(|r| r.role.as_ref().unwrap().name == "after").then_some(())
    })
    .await;
    let found = there.select_grant(grants_of("big", "*")).await.unwrap().into_inner();
    assert_eq!(found.entities.len(), GRANTS);
    make(&mut there, "through").await;
}

#[tokio::test]
async fn another_store_at_the_centre_replaces_all_that_was_known() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let login = login_file(folder.path(), "root:Milvus");
    let center = center_at(&address, &folder.path().join("one"));
    let follower = Server::run(&mut following(&address, &login));
    let mut there = follower.root().await;
    for number in 0..10 {
        make(&mut there, &format!("old{number}")).await;
    }
    center.kill();
    // Its revision is lower.
    let center = center_at(&address, &folder.path().join("two"));
    make(&mut center.root().await, "new").await;
    let found = until(async || {
        // The root of the other store has another hash: a login may be under way when it comes.
        let found = listed(&mut there).await?;
        let old = found.iter().filter(|name| name.starts_with("old")).count();
        let new = found.contains(&"new".to_owned());
        assert!(old == 10 && !new || old == 0, "a mixture: {found:?}");
        new.then_some(found)
    });
    assert_eq!(found.await, ["admin", "new", "public"]);
    make(&mut there, "through").await;
}
