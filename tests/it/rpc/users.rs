//! Sections 6.1 to 6.4 and 6.10: CreateCredential, UpdateCredential, DeleteCredential,
//! ListCredUsers, SelectUser.

use std::slice;

use milvus_rbac::rpc::proto::service::*;

use super::calls::Call;
use super::requests::{
    PASSWORD, bind, change_password, create_role, create_user, delete_user, describe_user, grant,
    grants_of, role, select_role, select_user,
};
use super::{Refusal, World, p, r};
use crate::support::encoded;

fn not_authenticated(user: &str) -> Refusal {
    Refusal::new(1400, 1, format!("old password not correct for {user}: not authenticated")).input()
}

#[tokio::test]
async fn creation() {
    let w = World::new().await;
    w.changes(create_user(" u1\t", PASSWORD)).await;
    assert_eq!(w.gets(ListCredUsersRequest::default()).await.usernames, ["root", "u1"]);
    assert!(w.logs_in("u1", PASSWORD).await);
    assert!(!w.logs_in(" u1\t", PASSWORD).await, "logins are not trimmed");
    for name in ["u1", " u1", "root", "root "] {
        let text = format!("user already exists: {}: invalid parameter", name.trim());
        w.refuses(create_user(name, "another"), r(29, text)).await;
    }
    assert!(w.logs_in("u1", PASSWORD).await);
    // The order of the checks: name, description, base64, length, existence.
    let request = |name: &str, description: &str, password: &str| CreateCredentialRequest {
        username: name.to_owned(),
        description: Some(description.to_owned()),
        password: password.to_owned(),
        ..Default::default()
    };
    let long = "d".repeat(1025);
    w.refuses(request("", &long, "!"), p("username must be not empty: invalid parameter")).await;
    w.refuses(request("root", &long, "!"), p("invalid user description with length 1025, the length of user description must be less than or equal to 1024: invalid parameter")).await;
    w.refuses(
        request("root", "", "!"),
        p("decode password fail: illegal base64 data at input byte 0"),
    )
    .await;
    w.refuses(
        request("root", "", ""),
        p("invalid password length: invalid parameter[0 out of range 6 <= value <= 72]"),
    )
    .await;
}

#[tokio::test]
async fn the_number_of_users_is_limited() {
    let w = World::with(&["--max-users", "3"]).await;
    w.changes(create_user("u1", PASSWORD)).await;
    w.changes(create_user("u2", PASSWORD)).await;
    let full = || {
        Refusal::new(
            9,
            29,
            "failed to check if add credential: quota exceeded[reason=unable to add user because the number of users has reached the limit][limit=3]",
        )
    };
    w.refuses(create_user("u3", PASSWORD), full()).await;
    w.refuses(create_user("u1", PASSWORD), r(29, "user already exists: u1: invalid parameter"))
        .await;
    w.changes(delete_user("u1")).await;
    w.changes(create_user("u3", PASSWORD)).await;
    w.refuses(create_user("u4", PASSWORD), full()).await;

    // Milvus' own limit is the default, and 0 is none.
    let (standard, unlimited) = (World::with(&[]).await, World::with(&["--max-users", "0"]).await);
    for i in 1..100 {
        standard.changes(create_user(&format!("u{i}"), PASSWORD)).await;
        unlimited.changes(create_user(&format!("u{i}"), PASSWORD)).await;
    }
    standard.refuses(create_user("more", PASSWORD), Refusal::new(9, 29, "failed to check if add credential: quota exceeded[reason=unable to add user because the number of users has reached the limit][limit=100]")).await;
    unlimited.changes(create_user("more", PASSWORD)).await;
}

#[tokio::test]
async fn password_changes() {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    w.refuses(change_password("u1", "wrong!", "another"), not_authenticated("u1")).await;
    w.refuses(change_password("u1", "", "another"), not_authenticated("u1")).await;
    w.refuses(change_password("nobody", PASSWORD, "another"), not_authenticated("nobody")).await;
    w.refuses(change_password(" u1", PASSWORD, "another"), not_authenticated(" u1")).await;
    w.refuses(change_password("", PASSWORD, "another"), not_authenticated("")).await;
    w.refuses_to(&u1, change_password("u1", "wrong!", "another"), not_authenticated("u1")).await;
    assert!(w.logs_in("u1", PASSWORD).await);

    w.changes(bind("u1", "public")).await;
    w.changes(describe_user("u1", "kept")).await;
    w.changes_by(&u1, change_password("u1", PASSWORD, "another")).await;
    assert!(!w.logs_in("u1", PASSWORD).await, "the old password is forgotten at once");
    assert!(w.logs_in("u1", "another").await);
    let found = w.gets(select_user("u1")).await.results;
    let kept = UserResult {
        user: Some(UserEntity { name: "u1".to_owned() }),
        roles: vec![role("public")],
        description: "kept".to_owned(),
    };
    assert_eq!(found, slice::from_ref(&kept));
    // The same password again, and another user's by root, who must know the old one too.
    w.changes(change_password("u1", "another", "another")).await;
    w.changes(change_password("u1", "another", PASSWORD)).await;
    assert!(w.logs_in("u1", PASSWORD).await);
    // Both at once: the description counts only with the password.
    let both = |old: &str| UpdateCredentialRequest {
        old_password: encoded(old),
        new_password: encoded("another"),
        ..describe_user("u1", "changed")
    };
    w.refuses(both("wrong!"), not_authenticated("u1")).await;
    w.changes(both(PASSWORD)).await;
    let changed = UserResult { description: "changed".to_owned(), ..kept };
    assert_eq!(w.gets(select_user("u1")).await.results, [changed]);
    // root's own.
    change_password("root", "Milvus", "another").send(&w.root).await.unwrap();
    assert!(!w.logs_in("root", "Milvus").await);
    assert!(w.logs_in("root", "another").await);
}

/// Of several changes that start from the same password, one wins; the others come too late.
#[tokio::test]
async fn password_changes_at_once() {
    let w = World::new().await;
    w.changes(create_user("u1", PASSWORD)).await;
    let new: Vec<_> = (0..16).map(|i| format!("another{i:02}")).collect();
    let calls = new.iter().map(|new| {
        let (client, request) = (w.root.clone(), change_password("u1", PASSWORD, new));
        tokio::spawn(async move { request.send(&client).await.unwrap().into_inner() })
    });
    let calls: Vec<_> = calls.collect();
    let mut winners = Vec::new();
    for (call, new) in calls.into_iter().zip(&new) {
        let status = call.await.unwrap();
        if status.code == 0 {
            winners.push(new);
        } else {
            not_authenticated("u1").check(&status, new);
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    for password in &new {
        assert_eq!(w.logs_in("u1", password).await, winners.contains(&password));
    }
    assert!(!w.logs_in("u1", PASSWORD).await);
}

#[tokio::test]
async fn descriptions() {
    let w = World::new().await;
    w.changes(create_user("u1", PASSWORD)).await;
    let nothing = UpdateCredentialRequest { username: "u1".to_owned(), ..Default::default() };
    let text = "must update either password or description: invalid parameter";
    w.refuses(nothing.clone(), p(text)).await;
    let old_only = UpdateCredentialRequest { old_password: encoded(PASSWORD), ..nothing };
    w.refuses(old_only, p(text)).await;
    let missing =
        || Refusal::new(65535, 30, "failed to check if update credential: user not found");
    w.refuses(describe_user("nobody", "d"), missing()).await;
    w.refuses(describe_user("1/\0", "d"), missing()).await;

    let description = async || w.gets(select_user("u1")).await.results.pop().unwrap().description;
    w.changes(describe_user(" u1 ", "first")).await;
    assert_eq!(description().await, "first");
    w.changes(describe_user("u1", "")).await;
    assert_eq!(description().await, "");
    assert!(w.logs_in("u1", PASSWORD).await);
    w.changes(describe_user("root", "boss")).await;
    assert!(w.logs_in("root", "Milvus").await);
    // With no new password, the old one is not looked at.
    let ignored = UpdateCredentialRequest {
        old_password: "not base64!".to_owned(),
        ..describe_user("u1", "second")
    };
    w.changes(ignored).await;
    assert_eq!(description().await, "second");
}

#[tokio::test]
async fn deletion() {
    let w = World::new().await;
    let root =
        || Refusal::new(1401, 1, "root user cannot be deleted: privilege not permitted").input();
    for name in ["root", " root", "root\t"] {
        w.refuses(delete_user(name), root()).await;
    }
    for name in ["", "  "] {
        let text = "failed to check if delete credential: username is empty: invalid parameter";
        w.refuses(delete_user(name), r(31, text)).await;
    }
    for name in ["nobody", "1", "a/b", "\0", &"n".repeat(100)] {
        w.keeps(delete_user(name)).await;
    }

    w.changes(create_role("r1")).await;
    let u1 = w.user("u1").await;
    w.changes(bind("u1", "admin")).await;
    w.changes(bind("u1", "r1")).await;
    w.changes_by(&u1, grant("r1", ("Collection", "c1"), "Search", "")).await;
    w.changes(delete_user(" u1 ")).await;
    assert_eq!(w.gets(ListCredUsersRequest::default()).await.usernames, ["root"]);
    assert!(!w.logs_in("u1", PASSWORD).await);
    assert!(w.gets(select_role("r1")).await.results.iter().all(|r| r.users.is_empty()));
    // What the user granted stays, with the name.
    let grants = w.gets(grants_of("r1", "*")).await.entities;
    let grantors: Vec<_> = grants.iter().filter_map(|g| g.grantor.clone()?.user).collect();
    assert_eq!(grantors, [UserEntity { name: "u1".to_owned() }]);
    w.keeps(delete_user("u1")).await;
    // The bindings do not come back with the name.
    w.changes(create_user("u1", "another")).await;
    assert!(w.gets(select_user("u1")).await.results.iter().all(|u| u.roles.is_empty()));
    assert!(!w.logs_in("u1", PASSWORD).await);
    assert!(w.logs_in("u1", "another").await);
}

#[tokio::test]
async fn listings() {
    let w = World::new().await;
    assert_eq!(w.gets(ListCredUsersRequest::default()).await.usernames, ["root"]);
    w.changes(create_role("r1")).await;
    for name in ["b", "a", "a.b", "a-b", "B", "zz", "a_b", "a0"] {
        w.changes(create_user(name, PASSWORD)).await;
        w.changes(describe_user(name, &format!("I am {name}"))).await;
    }
    for role in ["r1", "public", "admin"] {
        w.changes(bind("a", role)).await;
    }
    let order = ["B", "a", "a-b", "a.b", "a0", "a_b", "b", "root", "zz"];
    assert_eq!(w.gets(ListCredUsersRequest::default()).await.usernames, order);

    let result = |name: &str, roles: &[&str]| UserResult {
        user: Some(UserEntity { name: name.to_owned() }),
        roles: roles.iter().map(|name| role(name)).collect(),
        description: if name == "root" { String::new() } else { format!("I am {name}") },
    };
    let all = |include_role_info| SelectUserRequest { include_role_info, ..Default::default() };
    let plain: Vec<_> = order.iter().map(|name| result(name, &[])).collect();
    assert_eq!(w.gets(all(false)).await.results, plain);
    let roles = ["admin", "public", "r1"];
    let with_roles: Vec<_> =
        order.iter().map(|n| result(n, if *n == "a" { &roles } else { &[] })).collect();
    assert_eq!(w.gets(all(true)).await.results, with_roles);
    assert_eq!(w.gets(select_user("a")).await.results, [result("a", &roles)]);
    let without = SelectUserRequest { include_role_info: false, ..select_user("a") };
    assert_eq!(w.gets(without).await.results, [result("a", &[])]);
    // The name is trimmed for the check alone.
    for name in ["nobody", " a"] {
        assert_eq!(w.gets(select_user(name)).await.results, []);
    }
    let empty = SelectUserRequest { user: Some(UserEntity::default()), ..Default::default() };
    w.refuses(empty, p("username must be not empty: invalid parameter")).await;
}
