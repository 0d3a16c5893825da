//! Random records in random order, and random commands on what they make up.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use proptest::prelude::*;
use proptest::sample::select;

use super::fake::{Fake, apply};
use super::values::encode_group;
use crate::model::command::{Command, MemberOperation, PrivilegeOperation, Rules, Target};
use crate::model::restore::{Backup, BackupGrant, BackupRole, BackupUser};
use crate::model::state::{Group, Name, State};
use crate::storage::StoreError;

const USERS: [&str; 3] = ["u", "u.v", "root"];
const ROLES: [&str; 3] = ["r", "s", "public"];
const OBJECTS: [&str; 2] = ["c", "*"];
const DATABASES: [&str; 3] = ["default", "db", "*"];
const PRIVILEGES: [&str; 5] = ["Search", "Load", "SelectUser", "g", "*"];

fn one(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_owned)
}

const GRANTEES: &str = "root-coord/credential/grantee-privileges/";

/// Scopes in both forms, few enough that they meet.
fn grantee() -> impl Strategy<Value = String> {
    let object = one(&["c", "default.c", "db.c", "*.*", "default.*", "*", "db.a.b", ".c", "db."]);
    let object_type = one(&["Collection", "Collection", "Global", "User", "Odd"]);
    (one(&ROLES), object_type, object).prop_map(|(role, t, o)| format!("{GRANTEES}{role}/{t}/{o}"))
}

fn own_id(grantee: &str) -> String {
    format!("{:x}", Md5::digest(grantee))
}

fn short_id(grantee: &str) -> String {
    own_id(grantee).get(8..24).unwrap().to_owned()
}

/// A grantee's id in one of its forms, or an odd one. Short ones may be shared.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => grantee().prop_map(|key| own_id(&key)),
        4 => grantee().prop_map(|key| short_id(&key)),
        1 => one(&["0123456789abcdef", "odd", "", "a/b"]),
    ]
}

/// A grantee with an id that is its own, or any.
fn grantee_record() -> impl Strategy<Value = (String, Vec<u8>)> {
    (grantee(), 0..12_u8, id()).prop_map(|(key, form, any)| {
        let id = match form {
            0..6 => own_id(&key),
            6..11 => short_id(&key),
            _ => any,
        };
        (key, id.into_bytes())
    })
}

fn group(members: &[&str]) -> Vec<u8> {
    let privileges = members.iter().map(|member| Name::from(*member)).collect();
    encode_group("g", &Group { privileges })
}

/// A record as some Milvus, or nobody, would write it.
fn record() -> impl Strategy<Value = (String, Vec<u8>)> {
    let user = (
        one(&USERS),
        one(&[
            "",
            "{\"encrypted_password\":\"h\"}",
            "{\"encrypted_password\":\"i\",\"time_tick\":9,\"x\":[]}",
            "{",
        ]),
    )
        .prop_map(|(user, value)| {
            (format!("root-coord/credential/users/{user}"), value.into_bytes())
        });
    let role = (one(&ROLES), one(&["", "{\"description\":\"\"}", "{\"description\":\"d\"}", "]"]))
        .prop_map(|(role, value)| {
            (format!("root-coord/credential/roles/{role}"), value.into_bytes())
        });
    let binding = (one(&USERS), one(&ROLES)).prop_map(|(user, role)| {
        (format!("root-coord/credential/user-role-mapping/{user}/{role}"), Vec::new())
    });
    let privileges =
        one(&["PrivilegeSearch", "PrivilegeGroupg", "*", "PrivilegeOfTomorrow", "a/b"]);
    let grant = (id(), privileges, one(&["root", "u"])).prop_map(|(id, privilege, grantor)| {
        (format!("root-coord/credential/grantee-id/{id}/{privilege}"), grantor.into_bytes())
    });
    let groups = select(vec![group(&[]), group(&["Search", "Load"]), vec![0xff]])
        .prop_map(|value| ("root-coord/privilege-group/g".to_owned(), value));
    let database = one(&["{\"id\":1,\"created\":2,\"properties\":{\"k\":\"v\"}}"])
        .prop_map(|value| ("milvus-rbac/databases/db".to_owned(), value.into_bytes()));
    let odd = one(&[
        "root-coord/credential/users/",
        "root-coord/credential/users/u/v",
        "root-coord/credential/roles//r",
        "root-coord/credential/user-role-mapping/u",
        "root-coord/credential/something/new",
        "root-coord/privilege-group/",
        "milvus-rbac/other",
    ])
    .prop_map(|key| (key, Vec::new()));
    prop_oneof![
        3 => user, 3 => role, 3 => binding, 8 => grantee_record(), 8 => grant, 1 => groups,
        1 => database, 1 => odd,
    ]
}

fn records() -> impl Strategy<Value = Fake> {
    let records = prop::collection::btree_map(any::<u16>(), record(), 0..60);
    records.prop_map(|records| Fake(records.into_values().collect::<BTreeMap<_, _>>()))
}

#[derive(Debug, Clone)]
enum Event {
    Put(String, Vec<u8>),
    /// One of the records that are there, by chance.
    Delete(prop::sample::Index),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => record().prop_map(|(key, value)| Event::Put(key, value)),
        2 => any::<prop::sample::Index>().prop_map(Event::Delete),
    ]
}

fn operation() -> impl Strategy<Value = MemberOperation> {
    prop_oneof![3 => Just(MemberOperation::Add), 2 => Just(MemberOperation::Remove)]
}

fn on_grants() -> impl Strategy<Value = Command> {
    let v1 = (one(&["Collection", "Global", "User"]), one(&OBJECTS))
        .prop_map(|(object_type, object)| Target::V1 { object_type, object });
    let v2 = one(&OBJECTS).prop_map(|collection| Target::V2 { collection });
    let target = prop_oneof![v1, v2];
    (one(&ROLES), one(&PRIVILEGES), one(&DATABASES), operation(), target).prop_map(
        |(role, privilege, database, operation, target)| {
            Command::OperatePrivilege(PrivilegeOperation {
                operation: Ok(operation),
                role,
                grantor: "root".to_owned(),
                privilege,
                database,
                target,
            })
        },
    )
}

fn restore() -> impl Strategy<Value = Command> {
    (one(&USERS), one(&ROLES), one(&OBJECTS)).prop_map(|(user, role, object)| {
        let users = vec![BackupUser {
            name: user,
            password_hash: format!("$2a$10${}", ".".repeat(53)),
            roles: vec![role.clone()],
        }];
        let grants = vec![BackupGrant {
            role: role.clone(),
            object_type: "Collection".to_owned(),
            object,
            database: String::new(),
            privilege: "Search".to_owned(),
            grantor: String::new(),
        }];
        let roles = vec![BackupRole { name: role, description: "restored".to_owned() }];
        Command::Restore(Backup { users, roles, grants, groups: Vec::new() })
    })
}

fn command() -> impl Strategy<Value = Command> {
    let collection = || (one(&["default", "db"]), one(&["c", "d"]));
    prop_oneof![
        1 => Just(Command::Seed { root_password_hash: "seed".into(), created: 7 }),
        3 => one(&USERS).prop_map(|name| Command::CreateUser {
            name, password_hash: "new".into(), description: "\"n\"\n".to_owned(),
        }),
        1 => (one(&USERS), one(&["", "é"])).prop_map(|(name, description)| Command::UpdateUser {
            name, password: None, description: Some(description),
        }),
        2 => one(&USERS).prop_map(|name| Command::DeleteUser { name }),
        3 => one(&ROLES).prop_map(|name| Command::CreateRole { name, description: String::new() }),
        1 => one(&ROLES).prop_map(|name| Command::AlterRole { name, description: "a".to_owned() }),
        3 => one(&ROLES).prop_map(|name| Command::DropRole { name, force: true }),
        4 => (one(&USERS), one(&ROLES), operation()).prop_map(|(user, role, operation)| {
            Command::OperateUserRole { user, role, operation: Some(operation) }
        }),
        12 => on_grants(),
        1 => Just(Command::CreateGroup { name: "g".to_owned() }),
        1 => Just(Command::DropGroup { name: "g".to_owned() }),
        2 => (one(&["Search", "Load"]), operation()).prop_map(|(member, operation)| {
            Command::OperateGroup {
                name: "g".to_owned(), privileges: vec![member], operation: Some(operation),
            }
        }),
        1 => restore(),
        1 => one(&["k", "l"]).prop_map(|key| Command::CreateDatabase {
            name: "db".to_owned(), created: 8, properties: [(key, "v".to_owned())].into(),
        }),
        1 => Just(Command::DropDatabase { name: "db".to_owned() }),
        1 => collection().prop_map(|(database, collection)| {
            Command::CollectionDropped { database, collection }
        }),
        1 => (collection(), collection()).prop_map(|(from, to)| Command::CollectionRenamed {
            database: from.0, collection: from.1, new_database: to.0, new_collection: to.1,
        }),
    ]
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_mirror_that_is_kept_shows_what_a_new_one_does(
        mut etcd in records(),
        steps in prop::collection::vec(prop::collection::vec(event(), 1..4), 0..40),
    ) {
        let (mut mirror, mut state) = (etcd.mirror(), State::default());
        for events in steps {
            let changes = mirror.changes(&state);
            let expected = etcd.state();
            prop_assert_eq!(changes.is_err(), expected.is_err(), "{:?} {:?}", changes, expected);
            if let (Ok(changes), Ok(expected)) = (changes, expected) {
                apply(&mut state, &changes);
                prop_assert_eq!(&state, &expected);
                prop_assert_eq!(mirror.changes(&state), Ok(Vec::new()));
            }
            for event in events {
                match event {
                    Event::Put(key, value) => {
                        mirror.put(&key, &value);
                        etcd.0.insert(key, value);
                    }
                    Event::Delete(which) if !etcd.0.is_empty() => {
                        let key = which.get(&etcd.0.keys().collect::<Vec<_>>()).to_string();
                        etcd.0.remove(&key);
                        mirror.delete(&key);
                    }
                    Event::Delete(_) => {}
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_what_the_changes_say(
        mut etcd in records(),
        batches in prop::collection::vec(prop::collection::vec(command(), 1..5), 1..20),
    ) {
        let (mut mirror, mut state) = (etcd.mirror(), State::default());
        let Ok(changes) = mirror.changes(&state) else { return Ok(()) };
        apply(&mut state, &changes);
        for (now, commands) in (0..).zip(batches) {
            let (mut next, mut batch) = (state.clone(), Vec::new());
            for command in commands {
                let changes = command.plan(&next, &Rules::default()).unwrap_or_default();
                apply(&mut next, &changes);
                batch.extend(changes);
            }
            let writes = match mirror.writes(&batch, now) {
                // Somebody's grantee holds the id of one that would be made: nothing is written.
                Err(StoreError::Damaged(text)) if text.contains("shared legacy") => continue,
                writes => writes.unwrap(),
            };
            etcd.commit(&writes, &mut mirror);
            prop_assert_eq!(&etcd.state().unwrap(), &next, "{:?} {:?}", batch, writes);
            let changes = mirror.changes(&state).unwrap();
            apply(&mut state, &changes);
            prop_assert_eq!(&state, &next);
        }
    }
}
