//! Sections 6.5 to 6.9: CreateRole, AlterRole, DropRole, OperateUserRole, SelectRole.

use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    PASSWORD, alter_role, bind, create_role, create_user, described_role, drop_role, grant,
    grant_v2, grants_of, revoke, role, select_role, select_user, unbind,
};
use super::{Refusal, World, p, r};

const NO_ROLE: &str = "not found the role, maybe the role isn't existed or internal system error: \
                       invalid parameter";

fn described(name: &str, description: &str) -> CreateRoleRequest {
    CreateRoleRequest { entity: Some(described_role(name, description)), ..Default::default() }
}

#[tokio::test]
async fn creation() {
    let w = World::new().await;
    w.changes(described("r1", "first")).await;
    assert_eq!(
        w.gets(select_role("r1")).await.results,
        [RoleResult { role: Some(described_role("r1", "first")), users: Vec::new() }]
    );
    for name in ["r1", "admin", "public"] {
        let text = format!("role [name:\"{name}\"] already exists: invalid parameter");
        w.refuses(create_role(name), r(35, text)).await;
    }
    let text = "role [name:\"r1\" description:\"a \\\"d\\\"\"] already exists: invalid parameter";
    w.refuses(described("r1", "a \"d\""), r(35, text)).await;
    // The name is kept as sent, white space included.
    w.changes(create_role(" r1 ")).await;
    let names: Vec<_> = w
        .gets(SelectRoleRequest::default())
        .await
        .results
        .into_iter()
        .filter_map(|r| r.role)
        .collect();
    assert_eq!(names, [role(" r1 "), role("admin"), role("public"), described_role("r1", "first")]);
    // The form is checked before existence, the name before the description.
    let long = "d".repeat(1025);
    w.refuses(
        described("", &long),
        p("role name should be not empty: invalid parameter[expected=not empty][actual=]"),
    )
    .await;
    w.refuses(described("r1", &long), p("the length of role description must be not greater than limit: invalid parameter[1025 out of range 0 <= value <= 1024]")).await;
}

#[tokio::test]
async fn the_number_of_roles_is_limited() {
    let full = |limit: usize| {
        Refusal::new(
            9,
            35,
            format!(
                "failed to check if create role: quota exceeded[reason=unable to create role because the number of roles has reached the limit][limit={limit}]"
            ),
        )
    };
    let w = World::with(&["--max-roles", "3"]).await;
    w.changes(create_role("r1")).await;
    w.refuses(create_role("r2"), full(3)).await;
    w.refuses(create_role("r1"), r(35, "role [name:\"r1\"] already exists: invalid parameter"))
        .await;
    w.changes(drop_role("r1", false)).await;
    w.changes(create_role("r2")).await;

    let (standard, unlimited) = (World::with(&[]).await, World::with(&["--max-roles", "0"]).await);
    for i in 1..=8 {
        standard.changes(create_role(&format!("r{i}"))).await;
        unlimited.changes(create_role(&format!("r{i}"))).await;
    }
    standard.refuses(create_role("more"), full(10)).await;
    unlimited.changes(create_role("more")).await;
}

#[tokio::test]
async fn changing() {
    let w = World::new().await;
    w.changes(described("r1", "first")).await;
    w.changes(grant("r1", ("Global", "*"), "All", "")).await;
    w.changes(bind("root", "r1")).await;
    for name in ["admin", "public"] {
        let text = format!(
            "the role[{name}] is a default role, which can't be altered: privilege not permitted"
        );
        w.refuses(alter_role(name, "d"), Refusal::new(1401, 1, text).input()).await;
    }
    for name in ["r2", " r1"] {
        let text = "failed to check if alter role: role not exists";
        w.refuses(alter_role(name, "d"), Refusal::new(65535, 1, text)).await;
    }
    // The description is checked before the default roles are.
    w.refuses(alter_role("admin", &"d".repeat(1025)), p("the length of role description must be not greater than limit: invalid parameter[1025 out of range 0 <= value <= 1024]")).await;
    for text in ["second", ""] {
        w.changes(alter_role("r1", text)).await;
        let users = vec![UserEntity { name: "root".to_owned() }];
        let result = RoleResult { role: Some(described_role("r1", text)), users };
        assert_eq!(w.gets(select_role("r1")).await.results, [result]);
        assert_eq!(w.gets(grants_of("r1", "*")).await.entities.len(), 1);
    }
}

#[tokio::test]
async fn dropping() {
    let w = World::new().await;
    let denied = |name: &str| {
        let text = format!(
            "the role[{name}] is a default role, which can't be dropped: privilege not permitted"
        );
        Refusal::new(1401, 1, text).input()
    };
    for force in [false, true] {
        for name in ["admin", "public"] {
            w.refuses(drop_role(name, force), denied(name)).await;
        }
        for name in ["r1", " admin", "Admin"] {
            w.refuses(drop_role(name, force), r(36, NO_ROLE)).await;
        }
    }
    let u1 = w.user("u1").await;
    let held = || {
        r(
            36,
            "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to revoke privileges: invalid parameter",
        )
    };
    let grants = [
        (("Collection", "c1"), "Search", ""),
        (("Global", "*"), "All", "db1"),
        (("User", "u1"), "UpdateUser", "*"),
    ];
    for (object, privilege, database) in grants {
        w.changes(create_role("r1")).await;
        w.changes(grant("r1", object, privilege, database)).await;
        w.refuses(drop_role("r1", false), held()).await;
        w.changes(revoke("r1", object, privilege, database)).await;
        w.changes(drop_role("r1", false)).await;
    }
    // Users who are bound do not stand in the way; force takes the grants along.
    for force in [false, true] {
        w.changes(create_role("r1")).await;
        w.changes(bind("u1", "r1")).await;
        if force {
            w.changes(grant_v2("r1", "ClusterAdmin", ("*", "*"))).await;
            super::gets(&u1, ListCredUsersRequest::default()).await;
        }
        w.changes(drop_role("r1", force)).await;
        assert_eq!(w.gets(select_role("r1")).await.results, []);
        assert!(w.gets(select_user("u1")).await.results.iter().all(|u| u.roles.is_empty()));
        w.denies(
            &u1,
            ListCredUsersRequest::default(),
            "PrivilegeSelectOwnership: permission deny to u1 in the `*` database",
        )
        .await;
        w.refuses(drop_role("r1", force), r(36, NO_ROLE)).await;
    }
    // A new role of that name starts with nothing.
    w.changes(create_role("r1")).await;
    assert_eq!(w.gets(grants_of("r1", "*")).await.entities, []);
    w.changes(drop_role("r1", false)).await;
}

#[tokio::test]
async fn bindings() {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    w.changes(create_user("u1", PASSWORD)).await;
    let no_user = |name: &str| {
        r(
            37,
            format!(
                "failed to check if operate user role: user \"{name}\" not found: invalid parameter"
            ),
        )
    };
    let numbered = |user: &str, role: &str, number: i32| OperateUserRoleRequest {
        r#type: number,
        ..bind(user, role)
    };
    w.refuses(bind("", ""), p("username must be not empty: invalid parameter")).await;
    w.refuses(
        bind("u1", ""),
        p("role name should be not empty: invalid parameter[expected=not empty][actual=]"),
    )
    .await;
    for (user, role) in [("u1", "r2"), ("nobody", "r2"), ("u1", " r1")] {
        w.refuses(bind(user, role), r(37, NO_ROLE)).await;
        w.refuses(unbind(user, role), r(37, NO_ROLE)).await;
        w.refuses(numbered(user, role, 2), r(37, NO_ROLE)).await;
    }
    for user in ["nobody", " u1"] {
        w.refuses(bind(user, "r1"), no_user(user)).await;
        w.refuses(numbered(user, "r1", 2), no_user(user)).await;
        w.keeps(unbind(user, "r1")).await;
    }
    for number in [2, -1, i32::MAX] {
        w.refuses(
            numbered("u1", "r1", number),
            Refusal::new(65535, 37, "invalid operate user role type"),
        )
        .await;
    }
    w.keeps(unbind("u1", "r1")).await;
    // No user and no role is protected.
    for (user, role) in
        [("u1", "r1"), ("u1", "admin"), ("u1", "public"), ("root", "admin"), ("root", "r1")]
    {
        w.changes(bind(user, role)).await;
        w.keeps(bind(user, role)).await;
        w.changes(unbind(user, role)).await;
        w.keeps(unbind(user, role)).await;
    }
}

#[tokio::test]
async fn listings() {
    let w = World::new().await;
    let result = |entity: RoleEntity, users: &[&str]| RoleResult {
        role: Some(entity),
        users: users.iter().map(|name| UserEntity { name: (*name).to_owned() }).collect(),
    };
    let all = |include_user_info| SelectRoleRequest { include_user_info, ..Default::default() };
    assert_eq!(
        w.gets(all(true)).await.results,
        [result(role("admin"), &[]), result(role("public"), &[])]
    );
    for name in ["z", "Z", "r$1", "r1", "_r"] {
        w.changes(described(name, &format!("I am {name}"))).await;
    }
    for name in ["b", "a", "a.b", "a-b", "a0", "a_b", "B"] {
        w.changes(create_user(name, PASSWORD)).await;
        w.changes(bind(name, "r1")).await;
    }
    w.changes(bind("b", "public")).await;
    // By storage key `<user>/<role>`.
    let users = ["B", "a-b", "a.b", "a", "a0", "a_b", "b"];
    let own = |name: &str| described_role(name, &format!("I am {name}"));
    assert_eq!(
        w.gets(all(true)).await.results,
        [
            result(own("Z"), &[]),
            result(own("_r"), &[]),
            result(role("admin"), &[]),
            result(role("public"), &["b"]),
            result(own("r$1"), &[]),
            result(own("r1"), &users),
            result(own("z"), &[]),
        ]
    );
    assert!(w.gets(all(false)).await.results.iter().all(|r| r.users.is_empty()));
    assert_eq!(w.gets(select_role("r1")).await.results, [result(own("r1"), &users)]);
    let without = SelectRoleRequest { include_user_info: false, ..select_role("r1") };
    assert_eq!(w.gets(without).await.results, [result(own("r1"), &[])]);
    for name in ["r2", " r1", "R1"] {
        assert_eq!(w.gets(select_role(name)).await.results, []);
    }
    let empty = SelectRoleRequest { role: Some(RoleEntity::default()), ..Default::default() };
    w.refuses(
        empty,
        p("role name should be not empty: invalid parameter[expected=not empty][actual=]"),
    )
    .await;
}
