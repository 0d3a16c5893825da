//! Random requests over a few names, so that things exist and collide.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use crate::oracle::{
    ADD, Backup, BackupGrant, BackupGroup, BackupRole, BackupUser, GrantOp, Op, REMOVE, Target,
};

// Pools of names that occur, or nearly. Each has some that differ in case, in blanks, or in being
// the beginning of another.
pub(crate) const USERS: [&str; 7] = ["root", "a", "A", "a_", "a-b", "a.b", " a"];
pub(crate) const ROLES: [&str; 7] = ["r", "R", "r_", "r$x", " r", "public", "admin"];
pub(crate) const DATABASES: [&str; 4] = ["default", "db", "DB", "*"];
pub(crate) const COLLECTIONS: [&str; 6] = ["c", "C", "c_", " c", "a", "*"];
const GROUPS: [&str; 3] = ["g", "G", "g_"];

const LONG: &str = match std::str::from_utf8(&[b'a'; 256]) {
    Ok(text) => text,
    Err(_) => "",
};
const BAD_USERS: [&str; 7] = ["", " ", "1a", "a b", "é", "a12345678901234567890123456789012", LONG];
const BAD_NAMES: [&str; 8] = ["", " ", "1c", "c-x", "c.x", "c*", "cé", LONG];
const BAD_DATABASES: [&str; 5] = ["1db", "d-b", " db", "db$", LONG];
const BAD_GROUPS: [&str; 9] =
    ["", "1g", "g$", " g", "Search", "ReadOnly", "ClusterAdmin", "GroupReadOnly", LONG];

/// Of every kind, type and level.
const PRIVILEGES: [&str; 28] = [
    "Search",
    "Load",
    "Flush",
    "GetLoadState",
    "GetFlushState",
    "ManageRLS",
    "DescribeAlias",
    "CreateAlias",
    "ShowCollections",
    "CreateCollection",
    "CreateDatabase",
    "FlushAll",
    "ListFileResources",
    "Expr",
    "SelectUser",
    "UpdateUser",
    "All",
    "ReadOnly",
    "ReadWrite",
    "Admin",
    "GroupReadOnly",
    "GroupClusterReadOnly",
    "ClusterReadOnly",
    "ClusterAdmin",
    "DatabaseReadOnly",
    "DatabaseAdmin",
    "CollectionReadOnly",
    "CollectionAdmin",
];
const BAD_PRIVILEGES: [&str; 6] = ["Nope", "search", " Search", "PrivilegeSearch", "", "Se-arch"];

/// A password's hash; only the last of them has no bcrypt form.
pub(crate) fn hash(password: u8) -> String {
    match password {
        0..3 => format!("$2b$10${}", password.to_string().repeat(53)),
        _ => "no hash".to_owned(),
    }
}

/// One move.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Some requests at once.
    Perform(Vec<Op>),
    Compare,
    Restart,
}

/// What every run begins with, so that it does not spend itself on what does not exist.
pub(crate) fn first_requests() -> Vec<Op> {
    let mut ops = vec![Op::CreateGroup { name: "g".to_owned() }];
    for (user, role) in [("a", "r"), ("A", "R")] {
        let (user, role) = (user.to_owned(), role.to_owned());
        let description = String::new;
        ops.push(Op::CreateUser { name: user.clone(), hash: hash(1), description: description() });
        ops.push(Op::CreateRole { name: role.clone(), description: description() });
        ops.push(Op::OperateUserRole { user, role, number: ADD });
    }
    ops
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        50 => request().prop_map(|op| Step::Perform(vec![op])),
        8 => prop::collection::vec(request(), 2..8).prop_map(Step::Perform),
        3 => Just(Step::Compare),
        2 => Just(Step::Restart),
    ]
}

/// Mostly a name of `good`, now and then one of `bad`.
fn name(good: &'static [&'static str], bad: &'static [&'static str]) -> BoxedStrategy<String> {
    let one_of = |pool| select(pool).prop_map(str::to_owned);
    prop_oneof![30 => one_of(good), 1 => one_of(bad)].boxed()
}

/// The few names that come often, so that requests meet.
fn often(
    few: &'static [&'static str],
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> BoxedStrategy<String> {
    prop_oneof![2 => select(few).prop_map(str::to_owned), 1 => name(good, bad)].boxed()
}

fn user() -> BoxedStrategy<String> {
    often(&["a", "A"], &USERS, &BAD_USERS)
}

fn role() -> BoxedStrategy<String> {
    often(&["r", "R"], &ROLES, &BAD_NAMES)
}

fn group() -> BoxedStrategy<String> {
    often(&["g"], &GROUPS, &BAD_GROUPS)
}

fn object() -> BoxedStrategy<String> {
    name(&COLLECTIONS, &BAD_NAMES)
}

fn privilege() -> BoxedStrategy<String> {
    prop_oneof![
        12 => name(&PRIVILEGES, &BAD_PRIVILEGES),
        6 => often(&["g"], &GROUPS, &BAD_PRIVILEGES),
        2 => Just("*".to_owned()),
    ]
    .boxed()
}

fn description() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just(String::new()),
        6 => Just("d \"q\" \\".to_owned()),
        1 => Just("d".repeat(1025)),
    ]
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![20 => Just(ADD), 8 => Just(REMOVE), 1 => Just(7)]
}

fn a_hash() -> impl Strategy<Value = String> {
    (0_u8..3).prop_map(hash)
}

fn request() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => on_users(),
        7 => on_roles(),
        8 => (user(), role(), number())
            .prop_map(|(user, role, number)| Op::OperateUserRole { user, role, number }),
        24 => on_grants().prop_map(Op::OperatePrivilege),
        10 => on_groups(),
        2 => backup().prop_map(Op::Restore),
        2 => on_databases(),
    ]
}

fn on_users() -> impl Strategy<Value = Op> {
    let hashes = prop::option::of((a_hash(), a_hash()));
    prop_oneof![
        5 => (user(), a_hash(), description()).prop_map(|(name, hash, description)| {
            Op::CreateUser { name, hash, description }
        }),
        2 => (user(), hashes, prop::option::of(description())).prop_map(
            |(name, hashes, description)| Op::UpdateUser { name, hashes, description }
        ),
        1 => user().prop_map(|name| Op::DeleteUser { name }),
    ]
}

fn on_roles() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (role(), description())
            .prop_map(|(name, description)| Op::CreateRole { name, description }),
        1 => (role(), description())
            .prop_map(|(name, description)| Op::AlterRole { name, description }),
        1 => (role(), any::<bool>()).prop_map(|(name, force)| Op::DropRole { name, force }),
    ]
}

fn on_grants() -> impl Strategy<Value = GrantOp> {
    // The wire layers let no other number than these through for v2.
    let v1 = (v1_privilege(), object(), number(), grant_database()).prop_map(
        |((object_type, privilege), object, number, database)| {
            (Target::V1 { object_type, object }, privilege, number, database)
        },
    );
    let add_or_remove = prop_oneof![3 => Just(ADD), 1 => Just(REMOVE)];
    let v2 = (object(), privilege(), add_or_remove, grant_database()).prop_map(
        |(collection, privilege, number, database)| {
            (Target::V2 { collection }, privilege, number, database)
        },
    );
    let grantor = prop_oneof![8 => Just("root".to_owned()), 1 => user()];
    (role(), grantor, prop_oneof![v1, v2]).prop_map(|(role, grantor, request)| {
        let (target, privilege, number, database) = request;
        GrantOp { number, role, grantor, privilege, database, target }
    })
}

fn grant_database() -> BoxedStrategy<String> {
    prop_oneof![20 => name(&DATABASES, &BAD_DATABASES), 1 => Just(String::new())].boxed()
}

/// An object type and a privilege, mostly of that type.
fn v1_privilege() -> impl Strategy<Value = (String, String)> {
    let of_type = |object_type: &'static str, privileges: &'static [&'static str]| {
        let privilege = select(privileges).prop_map(str::to_owned);
        privilege.prop_map(move |privilege| (object_type.to_owned(), privilege))
    };
    prop_oneof![
        4 => of_type("Collection", &["Search", "Load", "Flush", "GetLoadState", "ReadOnly", "*"]),
        4 => of_type("Global", &["DescribeAlias", "CreateDatabase", "Admin", "All", "Expr", "*"]),
        1 => of_type("User", &["SelectUser", "UpdateUser", "*"]),
        3 => (object_type(), privilege()),
    ]
}

fn object_type() -> BoxedStrategy<String> {
    name(&["Collection", "Global", "User"], &["collection", "Database", ""])
}

fn on_groups() -> impl Strategy<Value = Op> {
    // Those of one level, which alone can come together, and any.
    let level = |names: &'static [&'static str]| {
        prop::collection::vec(select(names).prop_map(str::to_owned), 1..3)
    };
    let members = prop_oneof![
        2 => level(&["Search", "Load", "ManageRLS", "DescribeAlias"]),
        1 => level(&["CreateDatabase", "SelectUser", "Expr"]),
        1 => level(&["ShowCollections", "CreateCollection"]),
        2 => level(&["All", "ReadOnly", "Admin", "GroupReadWrite", "ClusterAdmin", "g", "g_"]),
        1 => prop::collection::vec(privilege(), 0..3),
    ];
    prop_oneof![
        3 => group().prop_map(|name| Op::CreateGroup { name }),
        1 => group().prop_map(|name| Op::DropGroup { name }),
        6 => (group(), members, number()).prop_map(|(name, privileges, number)| {
            Op::OperateGroup { name, privileges, number }
        }),
    ]
}

fn on_databases() -> impl Strategy<Value = Op> {
    let database = || name(&["db", "DB", "default"], &BAD_DATABASES);
    let key = || select(&["k", "l"][..]).prop_map(str::to_owned);
    let set = prop::collection::btree_map(key(), key(), 0..2);
    let unset = prop::collection::vec(key(), 0..2);
    prop_oneof![
        database().prop_map(|name| Op::CreateDatabase { name }),
        (database(), set, unset).prop_map(|(name, set, unset): (_, BTreeMap<_, _>, _)| {
            Op::AlterDatabase { name, set, unset }
        }),
        database().prop_map(|name| Op::DropDatabase { name }),
    ]
}

/// Mostly of names that are rare elsewhere, since a backup must not meet what exists.
fn backup() -> impl Strategy<Value = Backup> {
    let few = 0..3_usize;
    let hash = prop_oneof![15 => a_hash(), 1 => Just(hash(3))];
    let user = || prop_oneof![8 => name(&["a-b", "a.b"], &BAD_USERS), 1 => user()];
    let role = || prop_oneof![8 => name(&["r_", "r$x", " r"], &BAD_NAMES), 1 => role()];
    let group = prop_oneof![8 => name(&["g_", "G"], &BAD_GROUPS), 1 => group()];
    let holder = prop_oneof![role(), select(&["r", "R", "public"][..]).prop_map(str::to_owned)];
    let users = (user(), hash, prop::collection::vec(role(), 0..2))
        .prop_map(|(name, hash, roles)| BackupUser { name, hash, roles });
    let roles =
        (role(), description()).prop_map(|(name, description)| BackupRole { name, description });
    let groups = (group, prop::collection::vec(privilege(), 0..3))
        .prop_map(|(name, privileges)| BackupGroup { name, privileges });
    let grantor = prop_oneof![4 => Just("root".to_owned()), 1 => Just(String::new()), 1 => user()];
    let grants = (holder, object_type(), object(), grant_database(), privilege(), grantor)
        .prop_map(|(role, object_type, object, database, privilege, grantor)| BackupGrant {
            role,
            object_type,
            object,
            database,
            privilege,
            grantor,
        });
    (
        prop::collection::vec(users, few.clone()),
        prop::collection::vec(roles, few.clone()),
        prop::collection::vec(grants, few.clone()),
        prop::collection::vec(groups, few),
    )
        .prop_map(|(users, roles, grants, groups)| Backup { users, roles, grants, groups })
}
