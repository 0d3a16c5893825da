//! What is changed at the centre holds at the follower; what is changed through the follower holds
//! there when it is acknowledged.

use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::step::Step as Call;
use milvus_rbac::rpc::proto::access::{Step, TransactRequest};
use milvus_rbac::rpc::proto::service::*;
use tonic::Code;

use super::*;
use crate::rest::post_as;
use crate::support::Metadata;

#[tokio::test]
async fn grants_and_revokes_at_the_centre_decide_at_the_follower() {
    let (_folder, center, follower) = pair();
    let (mut root, mut there) = (center.root().await, follower.root().await);
    make_user(&mut root, "u").await;
    let mut user = follower.client("u", PASSWORD).await;
    for round in 0..3 {
        let given =
            root.operate_privilege_v2(grant_v2("u", "CreateOwnership", ("*", "*"))).await.unwrap();
        assert_eq!(given.get_ref().code, 0, "{}", given.get_ref().reason);
        until(async || {
            there
                .select_role(select_role("u"))
                .await
                .ok()
                .filter(|a| revision(a) >= revision(&given))
        })
        .await;
        // It is refused for what it is at the centre, not for a missing privilege at the follower.
        let name = format!("by_u{round}");
        let made = user.create_role(create_role(&name)).await.unwrap();
        assert_eq!(made.get_ref().code, 0, "{}", made.get_ref().reason);
        assert!(roles(&mut there).await.contains(&name));
        let taken =
            root.operate_privilege_v2(revoke_v2("u", "CreateOwnership", ("*", "*"))).await.unwrap();
        until(async || {
            there
                .select_role(select_role("u"))
                .await
                .ok()
                .filter(|a| revision(a) >= revision(&taken))
        })
        .await;
        let refused = user.create_role(create_role("no")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
}

#[tokio::test]
async fn a_transaction_through_the_follower_is_one_at_the_centre() {
    let (_folder, center, follower) = pair();
    let before = {
        let answer = follower.root().await.select_role(SelectRoleRequest::default()).await.unwrap();
        revision(&answer)
    };
    let channel = follower.endpoint().connect().await.unwrap();
    let login = Metadata::login("root", "Milvus");
    let mut access = AccessServiceClient::with_interceptor(channel, login);
    let step = |name: &str| Step { step: Some(Call::CreateRole(create_role(name))) };
    let steps = vec![step("a"), step("b")];
    let only_at_revision = Some(before);
    let asked = TransactRequest { steps, only_at_revision, ..Default::default() };
    let answer = access.transact(asked.clone()).await.unwrap().into_inner();
    assert_eq!((answer.status.unwrap().reason.as_str(), answer.revision), ("", before + 1));
    for server in [&follower, &center] {
        assert_eq!(roles(&mut server.root().await).await, ["a", "admin", "b", "public"]);
    }
    let again = access.transact(asked).await.unwrap().into_inner();
    assert!(again.status.unwrap().reason.ends_with("nothing was changed"));
}

#[tokio::test]
async fn a_change_through_the_follower_is_in_force_there_when_it_is_acknowledged() {
    let (_folder, center, follower) = pair();
    let mut there = follower.root().await;
    for round in 0..20 {
        let name = format!("grpc{round}");
        let reached = make(&mut there, &name).await;
        let answer = there.select_role(SelectRoleRequest::default()).await.unwrap();
        assert!(revision(&answer) >= reached);
        assert!(roles(&mut there).await.contains(&name));

        let name = format!("rest{round}");
        let body = format!(r#"{{"roleName":"{name}"}}"#);
        let answer = post_as(&follower, "root:Milvus", "/roles/create", &body);
        assert_eq!(answer.code(), 0, "{answer:?}");
        assert!(roles(&mut there).await.contains(&name));
    }
    let mut root = center.root().await;
    assert_eq!(roles(&mut root).await.len(), 42);
    // Passwords, databases and restores too.
    let made = there.create_credential(create_user("u", PASSWORD)).await.unwrap();
    assert_eq!(made.into_inner().code, 0);
    let mut user = follower.client("u", PASSWORD).await;
    let changed = user.update_credential(change_password("u", PASSWORD, "another")).await.unwrap();
    assert_eq!(changed.into_inner().code, 0);
    let mut user = follower.client("u", "another").await;
    user.select_user(select_user("u")).await.unwrap();
    let made = there.create_database(create_database("db")).await.unwrap();
    assert_eq!(made.into_inner().code, 0);
    there.describe_database(describe_database("db")).await.unwrap();
    let meta = RbacMeta { roles: vec![role("restored")], ..Default::default() };
    let restored = there.restore_rbac(restore(meta)).await.unwrap();
    assert_eq!(restored.into_inner().code, 0);
    assert!(roles(&mut there).await.contains(&"restored".to_owned()));
}

/// The centre's refusals arrive as they are, and what is denied here does not reach it.
#[tokio::test]
async fn refusals_of_the_centre_are_those_of_the_follower() {
    let (_folder, center, follower) = pair();
    let (mut root, mut there) = (center.root().await, follower.root().await);
    make(&mut there, "r").await;
    let here = root.create_role(create_role("r")).await.unwrap().into_inner();
    let through = there.create_role(create_role("r")).await.unwrap().into_inner();
    assert_ne!(here.code, 0);
    assert_eq!(here, through);
    let made = there.create_credential(create_user("u", PASSWORD)).await.unwrap();
    assert_eq!(made.into_inner().code, 0);
    let mut user = follower.client("u", PASSWORD).await;
    let denied = user.create_role(create_role("no")).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert!(!roles(&mut root).await.contains(&"no".to_owned()));
}

#[tokio::test]
async fn a_follower_can_be_followed() {
    let (folder, center, follower) = pair();
    let login = login_file(folder.path(), "root:Milvus");
    let last = Server::run(&mut following(&follower.address, &login));
    let mut there = last.root().await;
    make(&mut there, "r").await;
    assert!(roles(&mut there).await.contains(&"r".to_owned()));
    assert!(roles(&mut center.root().await).await.contains(&"r".to_owned()));
}

#[tokio::test]
async fn twenty_thousand_grants_arrive() {
    const GRANTS: usize = 20_000;
    let center = Server::start(&FLAGS);
    let mut root = center.root().await;
    let grant = |number: usize| {
        let mut entity = entity("big", ("Collection", "c"), "Search", "default");
        entity.object_name = format!("collection_{number}");
        entity
    };
    let grants = (0..GRANTS).map(grant).collect();
    let meta = RbacMeta { roles: vec![role("big")], grants, ..Default::default() };
    let restored = root.restore_rbac(restore(meta)).await.unwrap().into_inner();
    assert_eq!(restored.code, 0, "{}", restored.reason);
    let folder = TempDir::new().unwrap();
    let login = login_file(folder.path(), "root:Milvus");
    let follower = Server::run(&mut following(&center.address, &login));
    let mut there = follower.root().await;
    let mut here = root.select_grant(grants_of("big", "*")).await.unwrap().into_inner();
    let arrived = there.select_grant(grants_of("big", "*")).await.unwrap().into_inner();
    assert_eq!(here.entities.len(), GRANTS);
    assert_eq!(std::mem::take(&mut here.entities), arrived.entities);
}
