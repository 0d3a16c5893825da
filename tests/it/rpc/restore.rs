//! Sections 6.18 and 6.19: BackupRBAC and RestoreRBAC.

use milvus_rbac::rpc::proto::service::*;

use super::requests::{
    PASSWORD, add_members, bind, create_group, create_role, create_user, describe_user,
    described_role, entity, grant, grant_v2, grants_of, line, privileges, restore, role,
    select_user,
};
use super::{Refusal, World, p, r};

const C1: (&str, &str) = ("Collection", "c1");
/// bcrypt of "secret", cost 4.
const HASH: &str = "$2a$04$xfXq1p1R4zsr9izfjLxjyOT96C6cnuxbj94NB7YdeWL3v1k1GoIEy";

fn user(name: &str, password: &str, roles: &[&str]) -> UserInfo {
    let roles = roles.iter().map(|name| role(name)).collect();
    UserInfo { user: name.to_owned(), password: password.to_owned(), roles }
}

fn group(name: &str, members: &[&str]) -> PrivilegeGroupInfo {
    PrivilegeGroupInfo { group_name: name.to_owned(), privileges: privileges(members) }
}

/// A server with something of everything.
async fn world() -> World {
    let w = World::new().await;
    for (name, description) in [("r2", ""), ("r1", "first")] {
        let entity = Some(described_role(name, description));
        w.changes(CreateRoleRequest { entity, ..Default::default() }).await;
    }
    w.changes(create_group("readers")).await;
    w.changes(add_members("readers", &["Search", "Query"])).await;
    w.changes(create_group("empty")).await;
    w.changes(grant("r1", C1, "Search", "db1")).await;
    w.changes(grant("r1", ("Global", "*"), "All", "")).await;
    w.changes(grant("r1", ("User", "*"), "*", "*")).await;
    w.changes(grant_v2("r2", "readers", ("db1", "c1"))).await;
    w.changes(grant_v2("r2", "ClusterAdmin", ("*", "*"))).await;
    for name in ["public", "admin"] {
        w.changes(grant(name, C1, "Insert", "db1")).await;
    }
    for name in ["u2", "u1"] {
        w.changes(create_user(name, &format!("{PASSWORD} {name}"))).await;
        w.changes(describe_user(name, "a person")).await;
    }
    for role in ["r2", "r1", "admin"] {
        w.changes(bind("u1", role)).await;
    }
    w
}

async fn backup(w: &World) -> RbacMeta {
    w.gets(BackupRbacMetaRequest::default()).await.rbac_meta.unwrap()
}

#[tokio::test]
async fn round_trip() {
    let w = world().await;
    let meta = backup(&w).await;
    let hashes: Vec<_> = meta.users.iter().map(|u| u.password.clone()).collect();
    assert!(hashes.iter().all(|hash| hash.starts_with("$2a$04$") && hash.len() == 60));
    let [first, second] = hashes.as_slice() else { panic!("{hashes:?}") };
    let wanted = RbacMeta {
        users: vec![user("u1", first, &["admin", "r1", "r2"]), user("u2", second, &[])],
        roles: vec![described_role("r1", "first"), role("r2")],
        grants: vec![
            entity("r1", C1, "Search", "db1"),
            entity("r1", ("Global", "*"), "All", "default"),
            entity("r1", ("User", "*"), "*", "*"),
            entity("r2", ("Global", "*"), "ClusterAdmin", "*"),
            entity("r2", ("Global", "c1"), "readers", "db1"),
        ],
        privilege_groups: vec![group("empty", &[]), group("readers", &["Query", "Search"])],
    };
    assert_eq!(meta, wanted);

    // The limits are not looked at.
    let other = World::with(&["--max-users", "1", "--max-roles", "2"]).await;
    other.changes(restore(meta.clone())).await;
    assert_eq!(backup(&other).await, meta);
    for name in ["u1", "u2"] {
        assert!(other.logs_in(name, &format!("{PASSWORD} {name}")).await);
        let found = other.gets(select_user(name)).await.results;
        assert!(found.iter().all(|u| u.description.is_empty()), "{found:?}");
    }
    for name in ["r1", "r2"] {
        let grants = grants_of(name, "*");
        assert_eq!(other.gets(grants.clone()).await, w.gets(grants).await);
    }
    // What came back counts.
    let u1 = other.server.client("u1", "secret u1").await;
    assert_eq!(
        super::gets(&u1, BackupRbacMetaRequest::default()).await.rbac_meta,
        Some(meta.clone())
    );
    let text = "failed to check if rbac restorable: role [r1] already exists: invalid parameter";
    other.refuses(restore(meta), r(41, text)).await;
}

#[tokio::test]
async fn nothing_to_restore() {
    let w = world().await;
    w.keeps(RestoreRbacMetaRequest::default()).await;
    w.keeps(restore(RbacMeta::default())).await;
    let empty = World::new().await;
    assert_eq!(backup(&empty).await, RbacMeta::default());
}

fn unrestorable(text: &str) -> Refusal {
    r(41, format!("failed to check if rbac restorable: {text}: invalid parameter"))
}

#[tokio::test]
async fn checks_in_order_and_all_or_nothing() {
    let w = world().await;
    // Everything is wrong; then one mistake less with every row. Good entries are around them.
    let long = "d".repeat(1025);
    let mut meta = RbacMeta {
        roles: vec![role("n1"), described_role("r1", &long), role("n2")],
        privilege_groups: vec![group("n1", &["Search"]), group("readers", &[])],
        grants: vec![entity("n1", C1, "Search", "db1"), entity("r9", C1, "Nonsense", "db1")],
        users: vec![user("n1", HASH, &["n1"]), user("u1", HASH, &["r8"])],
    };
    let text = "the length of role description must be not greater than limit: invalid parameter[1025 out of range 0 <= value <= 1024]";
    w.refuses(restore(meta.clone()), p(text)).await;
    for name in ["r1", "admin", "public"] {
        meta.roles = vec![role("n1"), role(name)];
        w.refuses(restore(meta.clone()), unrestorable(&format!("role [{name}] already exists")))
            .await;
    }
    meta.roles.pop();
    w.refuses(restore(meta.clone()), unrestorable("privilege group [readers] already exists"))
        .await;
    meta.privilege_groups.pop();
    w.refuses(restore(meta.clone()), unrestorable("privilege [Nonsense] does not exist")).await;
    let last_grant = |meta: &mut RbacMeta, grant: GrantEntity| {
        meta.grants.pop();
        meta.grants.push(grant);
    };
    last_grant(&mut meta, entity("r9", C1, "Query", "db1"));
    for name in ["u1", "root"] {
        meta.users = vec![user("n1", HASH, &["n1"]), user(name, HASH, &["r8"])];
        w.refuses(restore(meta.clone()), unrestorable(&format!("user [{name}] already exists")))
            .await;
    }
    meta.users = vec![user("n1", HASH, &["n1"]), user("n2", HASH, &["admin", "r8"])];
    w.refuses(restore(meta.clone()), unrestorable("role [r8] does not exist")).await;
    meta.users.pop();
    // From here on ours: Milvus would store it.
    w.refuses(restore(meta.clone()), unrestorable("role [r9] does not exist")).await;
    last_grant(&mut meta, entity("n1", C1, "n1", "db1"));
    w.changes(restore(meta)).await;
    assert!(w.logs_in("n1", PASSWORD).await);
}

#[tokio::test]
async fn forms_are_checked() {
    let w = world().await;
    let refused = async |meta: RbacMeta, refusal: Refusal| {
        let mut meta = meta;
        meta.users.insert(0, user("good", HASH, &["r1"]));
        w.refuses(restore(meta), refusal).await;
    };
    let prefixed = |refusal: Refusal| {
        let text = format!("failed to check if rbac restorable: {}", refusal.status.reason);
        let status = milvus_rbac::rpc::proto::common::Status {
            error_code: 41,
            detail: text.clone(),
            reason: text,
            ..refusal.status
        };
        Refusal { status, leading: true }
    };
    let bad = "can only contain numbers, letters, underscores, and allowed characters ($), found / at 1: invalid parameter";
    let empty = "should be not empty: invalid parameter[expected=not empty][actual=]";
    for (name, text) in [("", format!("role name {empty}")), ("a/b", format!("role name {bad}"))] {
        refused(RbacMeta { roles: vec![role(name)], ..Default::default() }, prefixed(p(text)))
            .await;
    }
    let not_group = |text| prefixed(Refusal::new(1402, 41, text).input());
    for (name, refusal) in [
        (
            "",
            not_group(
                "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
            ),
        ),
        ("1", not_group("1: invalid privilege group name[privilegeGroup=the first character")),
        (
            "g-",
            prefixed(p(
                "privilege group name g- can only contain numbers, letters and underscores: invalid parameter",
            )),
        ),
        ("Search", unrestorable("privilege group [Search] already exists")),
    ] {
        let privilege_groups = vec![group(name, &[])];
        refused(RbacMeta { privilege_groups, ..Default::default() }, refusal).await;
    }
    for (name, text) in [
        ("", "username must be not empty: invalid parameter"),
        ("1u", "invalid user name 1u, the first character"),
        ("u/", "invalid user name u/, username must contain only"),
        (&"u".repeat(33), "invalid username uuu"),
    ] {
        let users = vec![user(name, HASH, &[])];
        refused(RbacMeta { users, ..Default::default() }, prefixed(p(text))).await;
    }
    let wrong_cost = HASH.replace("$04$", "$31$");
    for hash in
        ["", "secret", "$2a$04$short", &HASH.replace('$', "x"), &wrong_cost, &format!("{HASH}0")]
    {
        let users = vec![user("n1", hash, &[])];
        let text = "the password of user [n1] is not a bcrypt hash";
        refused(RbacMeta { users, ..Default::default() }, prefixed(p(text))).await;
    }
    let no_database = "database name can only contain numbers, letters and underscores: invalid database name[database=d-b]";
    for (grant, refusal) in [
        (entity("r1", ("", "c1"), "Search", ""), prefixed(p(format!("ObjectType {empty}")))),
        (
            entity("r1", ("Nonsense", "c1"), "Search", ""),
            prefixed(p("not found the object type[name: Nonsense]")),
        ),
        (
            entity("r1", ("Collection", "c/"), "Search", ""),
            prefixed(p(format!("object name {bad}"))),
        ),
        (entity("r1", C1, "Search", "d-b"), prefixed(Refusal::new(802, 41, no_database).input())),
        (entity("r9", C1, "Search", ""), unrestorable("role [r9] does not exist")),
        (entity("", C1, "Search", ""), unrestorable("role [] does not exist")),
        (GrantEntity::default(), unrestorable("privilege [] does not exist")),
    ] {
        refused(RbacMeta { grants: vec![grant], ..Default::default() }, refusal).await;
    }
    for meta in [
        RbacMeta { roles: vec![role("n1"), role("n1")], ..Default::default() },
        RbacMeta {
            privilege_groups: vec![group("n1", &[]), group("n1", &[])],
            ..Default::default()
        },
        RbacMeta { privilege_groups: vec![group("n1", &["Nonsense"])], ..Default::default() },
        RbacMeta {
            users: vec![user("n1", HASH, &[]), user("n1", HASH, &[])],
            ..Default::default()
        },
        RbacMeta { users: vec![UserInfo::default()], ..Default::default() },
        RbacMeta { users: vec![user(" n1", HASH, &[])], ..Default::default() },
    ] {
        refused(meta, r(41, "failed to check if rbac restorable: ").leading()).await;
    }
}

#[tokio::test]
async fn grants_of_existing_roles() {
    let w = world().await;
    let before = w.gets(grants_of("r1", "*")).await.entities;
    // Held already, by another grantor; twice; and new.
    let mut held = entity("r1", C1, "Search", "db1");
    if let Some(grantor) = &mut held.grantor {
        grantor.user = Some(UserEntity { name: "somebody".to_owned() });
    }
    let new = entity("r1", C1, "Query", "");
    let meta = |grants: Vec<GrantEntity>| restore(RbacMeta { grants, ..Default::default() });
    w.keeps(meta(vec![held.clone(), held.clone()])).await;
    w.changes(meta(vec![new.clone(), held, new])).await;
    let lines: Vec<_> = w.gets(grants_of("r1", "*")).await.entities.iter().map(line).collect();
    let mut wanted: Vec<_> = before.iter().map(line).collect();
    wanted.push("Collection default.c1 Query by root".to_owned());
    wanted.sort();
    assert_eq!(lines, wanted);
    // Groups and `*` are privileges too; an empty group is restored as one.
    let all = RbacMeta {
        roles: vec![role("n1")],
        privilege_groups: vec![group("n2", &["n2", "All"])],
        grants: vec![
            entity("n1", ("Global", "*"), "n2", "*"),
            entity("n1", ("Global", "*"), "*", "db1"),
            entity("n1", ("Global", "*"), "Expr", "db1"),
            entity("public", C1, "ReadOnly", "db1"),
        ],
        users: vec![user("n1", HASH, &["n1", "public", "n1"])],
    };
    w.changes(restore(all)).await;
    assert!(w.logs_in("n1", PASSWORD).await);
    assert_eq!(w.gets(grants_of("n1", "*")).await.entities.len(), 3);
    w.changes(create_role("n3")).await;
}
