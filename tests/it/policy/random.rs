//! Random states: what is exported leads back to them, from wherever one starts.

use milvus_rbac::model::command::{Rules, same_level};
use milvus_rbac::model::load::Loader;
use milvus_rbac::model::privilege::{ANY, ObjectType, Privilege, PrivilegeKind};
use milvus_rbac::model::state::{Change, Grant, Group, Name, State};
use milvus_rbac::policy::difference::difference;
use milvus_rbac::policy::export::export;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::cli::Cli;
use super::{after, asked_for, new_state, steps_of};
use crate::support::{Server, rounds};

const HASHES: [&str; 2] = [
    "$2a$10$VSPur1WzZN0uFHHQE9xLR..I/xnDLohsJBndEszWNCspP6VxZrI8u",
    "$2b$04$VSPur1WzZN0uFHHQE9xLR..I/xnDLohsJBndEszWNCspP6VxZrI8v",
];
const GROUPS: [&str; 3] = ["g", "null", "_x"];
const ROLES: [&str; 5] = ["r", "true", "a$b", " r ", "on"];
const USERS: [&str; 4] = ["u", "yes", "a.b-c", "n"];

type Privileges = std::collections::BTreeSet<Name>;
type Parts = (
    Vec<Option<Privileges>>,
    Vec<Option<(String, Vec<Grant>)>>,
    Vec<Option<(Index, String, Vec<Index>)>>,
    Vec<Index>,
);

/// Members that a group may have together.
fn members() -> impl Strategy<Value = Privileges> {
    // No call makes one of several levels, and RestoreRBAC does.
    let any = Privilege::all().filter(|p| p.kind() != PrivilegeKind::BuiltInGroup);
    let any = any.map(|p| Name::from(p.name())).collect::<Vec<_>>();
    let of_level = |index: usize| {
        let wanted =
            Privilege::named(["Search", "CreateCollection", "ListDatabases", "All"][index])
                .unwrap();
        let same = Privilege::all().filter(|p| p.kind() != PrivilegeKind::BuiltInGroup);
        let same = same.filter(|p| p.level() == wanted.level()).map(|p| Name::from(p.name()));
        btree_set(select(same.collect::<Vec<_>>()), 0..4)
    };
    prop_oneof![4 => (0usize..4).prop_flat_map(of_level), 1 => btree_set(select(any), 2..4)]
}

/// Any that can be stored, of groups that may not be there.
fn grant() -> impl Strategy<Value = Grant> {
    let mut privileges: Vec<Name> = Privilege::all().map(|p| p.stored_name().into()).collect();
    privileges.extend(GROUPS.map(|group| Name::from(format!("PrivilegeGroup{group}"))));
    privileges.push(ANY.into());
    let often =
        select(vec!["PrivilegeLoad", "PrivilegeGetLoadState", "PrivilegeFlush", "PrivilegeSearch"]);
    let privilege = prop_oneof![select(privileges), often.prop_map(Name::from)];
    let object_type = select(ObjectType::ALL.to_vec());
    (object_type, select(vec!["default", "db", ANY]), select(vec!["c", "alice", ANY]), privilege)
        .prop_map(|(object_type, database, object, privilege)| Grant {
            object_type,
            database: database.into(),
            object: object.into(),
            privilege,
        })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("text".to_owned()),
        any::<String>(),
        "[ \\n\\t:#\"'\\\\-]{0,8}"
    ]
}

pub(super) fn parts() -> impl Strategy<Value = Parts> {
    (
        vec(option::of(members()), GROUPS.len()),
        vec(option::of((text(), vec(grant(), 0..8))), ROLES.len()),
        vec(option::of((any::<Index>(), text(), vec(any::<Index>(), 0..3))), USERS.len()),
        vec(any::<Index>(), 0..3),
    )
}

/// A state of what can be said in a document.
pub(super) fn state((groups, roles, users, of_root): Parts) -> State {
    let start = new_state();
    let mut loader = Loader::default();
    let mut add = |change| loader.add(change).unwrap();
    let named = |index: &Name| index.clone();
    let mut there = Vec::new();
    for (name, members) in GROUPS.iter().zip(groups) {
        let Some(members) = members else { continue };
        let group = Group { privileges: members.into_iter().collect() };
        there.push(Name::from(format!("PrivilegeGroup{name}")));
        add(Change::PutGroup { name: (*name).into(), group });
    }
    let mut role_names: Vec<Name> = Vec::new();
    for (name, role) in start.roles.iter() {
        add(Change::PutRole { name: named(name), description: Name::new() });
        for (grant, grantor) in role.grants.iter() {
            let (role, grant, grantor) = (named(name), grant.clone(), grantor.clone());
            add(Change::Grant { role, grant, grantor });
        }
    }
    for (name, role) in ROLES.iter().zip(roles) {
        let Some((description, grants)) = role else { continue };
        let name = Name::from(*name);
        let description = description.chars().take(200).collect::<String>().into();
        add(Change::PutRole { name: name.clone(), description });
        let known = |grant: &Grant| {
            Privilege::stored_as(&grant.privilege).is_some()
                || *grant.privilege == *ANY
                || there.contains(&grant.privilege)
        };
        for grant in grants.into_iter().filter(known) {
            add(Change::Grant { role: name.clone(), grant, grantor: "root".into() });
        }
        role_names.push(name);
    }
    let root = &start.users["root"];
    let description = root.description.clone();
    add(Change::PutUser {
        name: "root".into(),
        password_hash: root.password_hash.clone(),
        description,
    });
    let mut bind = Vec::new();
    for (name, user) in USERS.iter().zip(users) {
        let Some((hash, description, roles)) = user else { continue };
        let description = description.chars().take(200).collect::<String>().into();
        add(Change::PutUser {
            name: (*name).into(),
            password_hash: (*hash.get(&HASHES)).into(),
            description,
        });
        bind.extend(roles.into_iter().map(|role| (*name, role)));
    }
    bind.extend(of_root.into_iter().map(|role| ("root", role)));
    for (user, role) in bind.into_iter().filter(|_| !role_names.is_empty()) {
        add(Change::Bind { user: user.into(), role: role.get(&role_names).clone() });
    }
    State { databases: start.databases, ..loader.state() }
}

/// Whether there is a group that gets members and is to mix levels: no call does that.
pub(super) fn leads_nowhere(from: &State, to: &State) -> bool {
    to.groups.iter().any(|(name, group)| {
        from.groups.get(name).is_some_and(|held| {
            !group.privileges.is_subset(&held.privileges)
                && same_level(group.privileges.iter().map(|member| &**member)).is_err()
        })
    })
}

pub(super) fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(u32::try_from(rounds("POLICY_CASES", 200)).unwrap())
}

/// The same by way of servers.
#[tokio::test]
async fn what_is_exported_leads_back_at_a_server() {
    let mut runner = TestRunner::deterministic();
    let server = Server::start(&["--max-users", "0", "--max-roles", "0"]);
    let mut before = new_state();
    for _ in 0..5 {
        let state = state(parts().new_tree(&mut runner).unwrap().current());
        if leads_nowhere(&before, &state) {
            continue;
        }
        // One who is not named is left alone.
        let text = match export(&state, &Rules::default(), true) {
            text if text.contains("\n  root:") => text,
            text if text.ends_with("users: {}\n") => {
                text.replace("users: {}", "users:\n  root: {}")
            }
            text => text.replace("\nusers:\n", "\nusers:\n  root: {}\n"),
        };
        let cli = Cli::of(&server).file("d.yaml", &text);
        let applied = cli.run(&["apply", "-f", "d.yaml", "--yes", "--prune"]);
        assert!(applied.status.success(), "{text}\n{applied:?}");
        let exported = super::cli::text(&cli.run(&["export", "--with-password-hashes"]));
        assert_eq!(exported, export(&state, &Rules::default(), true));
        let again = cli.run(&["plan", "-f", "d.yaml", "--prune"]);
        assert_eq!(again.status.code(), Some(0), "{again:?}");
        before = state;
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_exported_leads_back_from_wherever_one_starts(from in parts(), to in parts()) {
        let (from, to) = (state(from), state(to));
        let rules = Rules::default();
        let document = export(&to, &rules, true);
        // One that holds no role is not named, so what it held is nobody's business.
        let named = !to.users["root"].roles.is_empty();
        for start in [new_state(), from] {
            if !named && !start.users["root"].roles.is_empty() {
                continue;
            }
            if leads_nowhere(&start, &to) {
                continue;
            }
            let steps = steps_of(&document, &start, true);
            let reached = after(start, &steps);
            prop_assert_eq!(difference(&reached, &to), Vec::new(), "{}", document);
            prop_assert_eq!(steps_of(&document, &reached, true), Vec::new(), "{}", document);
            prop_assert_eq!(&export(&reached, &rules, true), &document);
        }
    }

    #[test]
    fn without_pruning_nothing_goes(from in parts(), to in parts()) {
        let (from, to) = (state(from), state(to));
        let document = export(&to, &Rules::default(), true);
        let (_, problems) = milvus_rbac::policy::document::Document::read(&document);
        prop_assert!(problems.none().is_ok());
        // What is added to a group may be of another level than what is there, or than its grants.
        prop_assume!(asked_for(&document, &from, false).is_ok());
        let reached = after(from.clone(), &steps_of(&document, &from, false));
        for (name, group) in &from.groups {
            prop_assert!(group.privileges.is_subset(&reached.groups[name].privileges));
        }
        for (name, role) in &from.roles {
            prop_assert!(role.grants.keys().all(|g| reached.roles[name].grants.contains_key(g)));
        }
        for (name, user) in &from.users {
            prop_assert!(user.roles.keys().all(|role| reached.users[name].roles.contains_key(role)));
        }
        prop_assert_eq!(steps_of(&document, &reached, false), Vec::new());
    }
}
