//! What is acknowledged only when it is in force at all instances.

use std::time::{Duration, Instant};

use milvus_rbac::engine::{Engine, WriterThread};
use milvus_rbac::model::command::{Command, MemberOperation};
use milvus_rbac::model::error::ErrorKind;
use milvus_rbac::model::state::Name;
use milvus_rbac::storage::News;

use super::followed::{Shared, until};
use super::{create, has};

fn drop_role(name: &str) -> Command {
    Command::DropRole { name: name.to_owned(), force: false }
}

fn create_user(name: &str) -> Command {
    let name = name.to_owned();
    Command::CreateUser { name, password_hash: "h".into(), description: String::new() }
}

fn operate(user: &str, operation: MemberOperation) -> Command {
    let (user, role) = (user.to_owned(), "r".to_owned());
    Command::OperateUserRole { user, role, operation: Some(operation) }
}

fn bound(engine: &Engine) -> bool {
    engine.snapshot().state.users["u"].roles.contains_key(&Name::from("r"))
}

/// The first with strict revokes; role `r` is bound to user `u`, and both know it.
async fn bound_at_two(shared: &Shared) -> [(Engine, WriterThread); 2] {
    let both = [shared.start_strict(), shared.start()];
    both[0].0.execute(create("r")).await.unwrap();
    both[0].0.execute(create_user("u")).await.unwrap();
    let reached = both[0].0.execute(operate("u", MemberOperation::Add)).await.unwrap();
    both[1].0.wait_for(reached, Duration::from_secs(10)).await.unwrap();
    both
}

#[tokio::test]
async fn a_strict_revoke_is_acknowledged_when_it_is_in_force_at_all() {
    let shared = Shared::default();
    let [(one, _one), (other, _other)] = bound_at_two(&shared).await;
    for _ in 0..50 {
        one.execute(operate("u", MemberOperation::Remove)).await.unwrap();
        assert!(!bound(&other));
        let reached = one.execute(operate("u", MemberOperation::Add)).await.unwrap();
        other.wait_for(reached, Duration::from_secs(10)).await.unwrap();
    }
    // What the other has taken away by itself may be known to it alone: it is told of by a commit.
    let gone = other.execute(operate("u", MemberOperation::Remove)).await.unwrap();
    one.wait_for(gone, Duration::from_secs(10)).await.unwrap();
    assert_eq!(shared.center().strict, gone - 2);
    assert_eq!(one.execute(operate("u", MemberOperation::Remove)).await, Ok(gone + 1));
    assert_eq!(shared.center().strict, gone + 1);
}

#[tokio::test]
async fn an_instance_that_hears_nothing_holds_strict_revokes_back_and_nothing_else() {
    let shared = Shared::default();
    let [(one, _one), (other, _other)] = bound_at_two(&shared).await;
    shared.center().deaf.push(1);
    let mut revokes = Vec::new();
    let engine = one.clone();
    revokes.push(tokio::spawn(async move {
        engine.execute(operate("u", MemberOperation::Remove)).await
    }));
    until(|| !bound(&one)).await;
    // Gone already, and not everywhere; as are the grants on a collection that never had any.
    let engine = one.clone();
    revokes.push(tokio::spawn(async move {
        engine.execute(operate("u", MemberOperation::Remove)).await
    }));
    until(|| one.snapshot().revision == 5).await;
    let engine = one.clone();
    revokes.push(tokio::spawn(async move {
        let (database, collection) = ("default".to_owned(), "c".to_owned());
        engine.execute(Command::CollectionDropped { database, collection }).await
    }));
    until(|| one.snapshot().revision == 6).await;
    for role in ["a", "b", "c"] {
        one.execute(create(role)).await.unwrap();
    }
    let engine = one.clone();
    revokes.push(tokio::spawn(async move { engine.execute(drop_role("a")).await }));
    until(|| !has(&one, "a")).await;
    one.execute(create("d")).await.unwrap();
    assert!(bound(&other), "it has heard");
    assert!(revokes.iter().all(|revoke| !revoke.is_finished()));
    shared.center().forget(1);
    for (revoke, revision) in revokes.into_iter().zip([4, 5, 6, 10]) {
        assert_eq!(revoke.await.unwrap(), Ok(revision));
    }
}

/// They wait for it no longer.
#[tokio::test]
async fn an_instance_that_the_others_do_not_see_decides_nothing() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    one.current().unwrap();
    shared.center().watchers[&0](News::Unseen);
    until(|| one.current().is_err()).await;
    shared.center().watchers[&0](News::UpToDate(Instant::now()));
    until(|| one.current().is_ok()).await;
}

#[tokio::test]
async fn a_strict_revoke_waits_for_an_instance_that_comes_back() {
    let shared = Shared::default();
    let [(one, _one), (other, _other)] = bound_at_two(&shared).await;
    shared.center().deaf.push(1);
    let engine = one.clone();
    let revoke =
        tokio::spawn(async move { engine.execute(operate("u", MemberOperation::Remove)).await });
    until(|| !bound(&one)).await;
    assert!(bound(&other) && !revoke.is_finished());
    shared.reconnect(1);
    assert_eq!(revoke.await.unwrap(), Ok(4));
    assert!(!bound(&other));
}

#[tokio::test]
async fn a_strict_revoke_is_waited_for_within_bounds() {
    let shared = Shared::default();
    let [(one, _one), _other] = bound_at_two(&shared).await;
    shared.center().deaf.push(1);
    let waits = Instant::now();
    let held = one.execute(operate("u", MemberOperation::Remove)).await.unwrap_err();
    assert!(waits.elapsed() < Duration::from_secs(30));
    assert_eq!(held.kind(), ErrorKind::Unavailable);
    assert!(held.text().contains("is stored and in force here"), "{held}");
    assert!(!bound(&one));
}

/// What strict revokes are for.
#[tokio::test]
async fn without_strict_revokes_others_may_act_on_what_is_revoked() {
    let shared = Shared::default();
    let [(other, _other), (one, _one)] = bound_at_two(&shared).await;
    shared.center().deaf.push(0);
    assert_eq!(one.execute(operate("u", MemberOperation::Remove)).await, Ok(4));
    assert!(other.current().unwrap().state.users["u"].roles.contains_key(&Name::from("r")));
}
