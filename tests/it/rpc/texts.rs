//! Sections 4.3 and 4.4: passwords and descriptions, with their boundaries.

use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    PASSWORD, alter_role, change_password, create_role, create_user, describe_user, described_role,
    select_role, select_user,
};
use super::{World, p};
use crate::support::encoded;

#[tokio::test]
async fn passwords() {
    let w = World::new().await;
    w.changes(create_user("u1", PASSWORD)).await;
    for length in [0, 1, 5, 73, 1000] {
        let text = format!(
            "invalid password length: invalid parameter[{length} out of range 6 <= value <= 72]"
        );
        w.refuses(create_user("u2", &"x".repeat(length)), p(text.clone())).await;
        // An empty new password means that there is none.
        let text = if length > 0 {
            text
        } else {
            "must update either password or description: invalid parameter".to_owned()
        };
        w.refuses(change_password("u1", PASSWORD, &"x".repeat(length)), p(text)).await;
    }
    // Bytes count.
    w.refuses(
        create_user("u2", &"é".repeat(37)),
        p("invalid password length: invalid parameter[74 out of range 6 <= value <= 72]"),
    )
    .await;
    let longest = "é".repeat(36);
    for (i, password) in
        ["6bytes", "ééé", ":a:b::", &longest, "      ", "a\0b\0c\0"].iter().enumerate()
    {
        let name = format!("p{i}");
        w.changes(create_user(&name, password)).await;
        assert!(w.logs_in(&name, password).await, "{password:?}");
        // bcrypt alone would look at 72 bytes and no further.
        assert!(!w.logs_in(&name, &format!("{password}x")).await, "{password:?}");
        w.changes(change_password("u1", PASSWORD, password)).await;
        w.changes(change_password("u1", password, PASSWORD)).await;
    }
    for (text, at) in
        [("!", 0), ("YWJjZGVm!", 8), ("YWJj ZGVm", 4), ("YWJj-GVm", 4), ("YW=j", 2), ("abc", 0)]
    {
        let rest = format!("illegal base64 data at input byte {at}");
        let with = |old: &str, new: &str| UpdateCredentialRequest {
            old_password: old.to_owned(),
            new_password: new.to_owned(),
            ..describe_user("u1", "d")
        };
        let create = CreateCredentialRequest { password: text.to_owned(), ..create_user("u2", "") };
        w.refuses(create, p(format!("decode password fail: {rest}"))).await;
        let (old, new) = (encoded(PASSWORD), encoded("another"));
        w.refuses(with(text, &new), p(format!("decode old password failed: {rest}"))).await;
        w.refuses(with(&old, text), p(format!("decode password failed: {rest}"))).await;
        w.refuses(with(text, text), p(format!("decode old password failed: {rest}"))).await;
    }
    assert!(w.logs_in("u1", PASSWORD).await);
}

#[tokio::test]
async fn descriptions() {
    let w = World::new().await;
    w.changes(create_user("u1", PASSWORD)).await;
    w.changes(create_role("r1")).await;
    let with = |name: &str, d: &str| CreateCredentialRequest {
        description: Some(d.to_owned()),
        ..create_user(name, PASSWORD)
    };
    let described = |name: &str, d: &str| CreateRoleRequest {
        entity: Some(described_role(name, d)),
        ..Default::default()
    };
    for (text, length) in [("d".repeat(1025), 1025), ("é".repeat(513), 1026)] {
        let user = format!(
            "invalid user description with length {length}, the length of user description must be less than or equal to 1024: invalid parameter"
        );
        let role = format!(
            "the length of role description must be not greater than limit: invalid parameter[{length} out of range 0 <= value <= 1024]"
        );
        w.refuses(with("u2", &text), p(user.clone())).await;
        w.refuses(describe_user("u1", &text), p(user)).await;
        w.refuses(described("r2", &text), p(role.clone())).await;
        w.refuses(alter_role("r1", &text), p(role)).await;
    }
    for (i, text) in ["d".repeat(1024), "é".repeat(512), " a\nb ".to_owned()].iter().enumerate() {
        let (user, role) = (format!("v{i}"), format!("s{i}"));
        w.changes(with(&user, text)).await;
        w.changes(describe_user("u1", text)).await;
        w.changes(described(&role, text)).await;
        w.changes(alter_role("r1", text)).await;
        for name in [&user, "u1"] {
            let found = w.gets(select_user(name)).await.results;
            assert_eq!(found.iter().map(|u| &u.description).collect::<Vec<_>>(), [text]);
        }
        for name in [&role, "r1"] {
            let found = w.gets(select_role(name)).await.results;
            assert_eq!(
                found.iter().filter_map(|r| r.role.clone()).collect::<Vec<_>>(),
                [described_role(name, text)]
            );
        }
    }
}
