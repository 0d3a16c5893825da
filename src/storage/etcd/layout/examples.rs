//! The layout as tables: exact keys and values, and what they mean.

use super::fake::{Fake, apply};
use super::mirror::Touched;
use super::values::{Credential, encode_group};
use super::{HEAD, Head, Mirror, Write};
use crate::model::privilege::ObjectType;
use crate::model::state::{Change, Database, Grant, Group, Name, State};
use crate::storage::StoreError;

const C: ObjectType = ObjectType::Collection;
const USERS: &str = "root-coord/credential/users/";
const ROLES: &str = "root-coord/credential/roles/";
const BINDINGS: &str = "root-coord/credential/user-role-mapping/";
const GRANTEES: &str = "root-coord/credential/grantee-privileges/";
const GRANTS: &str = "root-coord/credential/grantee-id/";
const GROUPS: &str = "root-coord/privilege-group/";

// By `printf KEY | md5sum` of `GRANTEES` and r/Collection/db1.c1, r/Collection/c1,
// r/Collection/default.c1.
const DB1_C1: &str = "5f8f5c8eb4c5482b034826b972124dcf";
const OLD_C1: &str = "9a046f317e01bd4b58953fbdd0c8f919";
const DEFAULT_C1: &str = "99a0d5a497b0b9fc1a8b0f35de591317";

fn short(id: &str) -> &str {
    id.get(8..24).unwrap()
}

type Row<'a> = (String, &'a [u8]);

fn fake(rows: &[Row<'_>]) -> Fake {
    Fake(rows.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect())
}

fn state(rows: &[Row<'_>]) -> State {
    fake(rows).state().unwrap()
}

fn role(name: &str) -> Row<'static> {
    (format!("{ROLES}{name}"), b"{\"description\":\"\"}")
}

fn user(name: &str) -> Row<'static> {
    (format!("{USERS}{name}"), b"{\"encrypted_password\":\"h\"}")
}

fn binding(user: &str, role: &str) -> Row<'static> {
    (format!("{BINDINGS}{user}/{role}"), b"")
}

fn grantee<'a>(rest: &str, id: &'a str) -> Row<'a> {
    (format!("{GRANTEES}{rest}"), id.as_bytes())
}

fn granted(id: &str, privilege: &str) -> Row<'static> {
    (format!("{GRANTS}{id}/{privilege}"), b"root")
}

fn grant(object_type: ObjectType, database: &str, object: &str, privilege: &str) -> Grant {
    Grant {
        object_type,
        database: database.into(),
        object: object.into(),
        privilege: privilege.into(),
    }
}

fn add(database: &str, object: &str, privilege: &str) -> Change {
    let grant = grant(C, database, object, privilege);
    Change::Grant { role: "r".into(), grant, grantor: "g".into() }
}

fn take(database: &str, object: &str, privilege: &str) -> Change {
    Change::Revoke { role: "r".into(), grant: grant(C, database, object, privilege) }
}

/// The grants of role `r`: type, database, object, privilege, grantor.
fn shown(rows: &[Row<'_>]) -> Vec<String> {
    let state = state(rows);
    let grants = state.roles["r"].grants.iter();
    grants
        .map(|(grant, grantor)| {
            let Grant { object_type, database, object, privilege } = grant;
            format!("{} {database} {object} {privilege} {grantor}", object_type.name())
        })
        .collect()
}

fn put(key: String, value: &str) -> Write {
    Write::Put { key, value: value.into() }
}

fn delete(key: String) -> Write {
    Write::Delete { key }
}

fn prefix(prefix: String) -> Write {
    Write::DeletePrefix { prefix }
}

/// What those changes write to a layout of those records, at time 0.
fn writes(rows: &[Row<'_>], changes: &[Change]) -> Vec<Write> {
    fake(rows).mirror().writes(changes, 0).unwrap()
}

#[test]
fn users_are_read_in_every_form() {
    let cases: [(&[u8], &str, &str); 10] = [
        (b"{\"encrypted_password\":\"h\"}", "h", ""),
        (b"{\"encrypted_password\":\"h\",\"time_tick\":457}", "h", ""),
        (b"{\"encrypted_password\":\"h\",\"time_tick\":457,\"description\":\"d\"}", "h", "d"),
        (
            b"{\"username\":\"x\",\"is_super\":true,\"encrypted_password\":\"h\",\"new\":[{}]}",
            "h",
            "",
        ),
        (b"{\"encrypted_password\":null,\"description\":\"\\u003c\"}", "", "<"),
        // There, but no password fits.
        (b"", "", ""),
        (b"{", "", ""),
        (b"{\"encrypted_password\":7,\"description\":\"d\"}", "", ""),
        (b"{\"encrypted_password\":\"h\",\"time_tick\":-1}", "", ""),
        (b"\xff\xfe", "", ""),
    ];
    for (value, password_hash, description) in cases {
        let user = state(&[(format!("{USERS}a.b"), value)]).users["a.b"].clone();
        assert_eq!((&*user.password_hash, &*user.description), (password_hash, description));
    }
}

#[test]
fn users_are_written_in_the_newest_form_and_their_time_rises() {
    let cases: [(Option<&[u8]>, u64, &str, &str); 5] = [
        (
            None,
            5,
            "d",
            "{\"encrypted_password\":\"h\",\"time_tick\":1310720,\"description\":\"d\"}",
        ),
        (None, 5, "", "{\"encrypted_password\":\"h\",\"time_tick\":1310720}"),
        (
            Some(b"{\"username\":\"u\",\"time_tick\":1310719,\"x\":1}"),
            5,
            "",
            "{\"encrypted_password\":\"h\",\"time_tick\":1310720}",
        ),
        (
            Some(b"{\"time_tick\":9007199254740993}"),
            5,
            "\"",
            "{\"encrypted_password\":\"h\",\"time_tick\":9007199254740994,\"description\":\"\\\"\"}",
        ),
        (Some(b"?"), 0, "", "{\"encrypted_password\":\"h\",\"time_tick\":1}"),
    ];
    for (before, now, description, value) in cases {
        let key = format!("{USERS}u");
        let rows: Vec<Row<'_>> = before.map(|before| (key.clone(), before)).into_iter().collect();
        let (password_hash, description) = ("h".into(), description.into());
        let change = Change::PutUser { name: "u".into(), password_hash, description };
        let written = fake(&rows).mirror().writes(&[change], now).unwrap();
        assert_eq!(written, [put(key, value)]);
        assert!(Credential::decode(value.as_bytes()).is_some());
    }
}

#[test]
fn roles_are_read_in_every_form() {
    let cases: [(&[u8], &str); 7] = [
        (b"", ""),
        (b"{\"description\":\"\"}", ""),
        (b"{\"description\":\"d \\\"q\\\"\"}", "d \"q\""),
        (b"{}", ""),
        (b"{\"description\":7}", ""),
        (b"text", ""),
        (b"\xff", ""),
    ];
    for (value, description) in cases {
        let roles = state(&[(format!("{ROLES} r$"), value)]).roles;
        assert_eq!(&*roles[" r$"].description, description);
    }
    let change =
        |description: &str| [Change::PutRole { name: "r".into(), description: description.into() }];
    let key = || format!("{ROLES}r");
    assert_eq!(writes(&[], &change("")), [put(key(), "{\"description\":\"\"}")]);
    assert_eq!(writes(&[role("r")], &change("\"")), [put(key(), "{\"description\":\"\\\"\"}")]);
}

#[test]
fn groups_are_protobuf() {
    // group_name `g`; entities `Load` and `Search`.
    let value = b"\x0a\x01g\x12\x06\x0a\x04Load\x12\x08\x0a\x06Search";
    let members =
        |names: &[&str]| Group { privileges: names.iter().map(|n| Name::from(*n)).collect() };
    let group = members(&["Search", "Load"]);
    assert_eq!(encode_group("g", &group), value);
    let key = || format!("{GROUPS}g");
    let rows: [Row<'_>; 1] = [(key(), value)];
    assert_eq!(state(&rows).groups["g"], group);
    // The key names it; unknown fields, members and an odd order change nothing.
    let other: [Row<'_>; 1] =
        [(key(), b"\x12\x05\x0a\x03New\x12\x06\x0a\x04Load\x18\x07\x0a\x01h")];
    assert_eq!(state(&other).groups["g"], members(&["Load", "New"]));
    let broken: [Row<'_>; 1] = [(key(), b"\xff")];
    assert_eq!(state(&broken).groups["g"], members(&[]));
    let changes = [Change::PutGroup { name: "g".into(), group }];
    assert_eq!(writes(&broken, &changes), [Write::Put { key: key(), value: value.to_vec() }]);
    assert_eq!(writes(&rows, &[Change::DeleteGroup { name: "g".into() }]), [delete(key())]);
}

#[test]
fn grants_are_read_in_every_form() {
    let search = ["Collection default c1 PrivilegeSearch root"];
    let cases: [(&str, &str, &[&str], &[&str]); 12] = [
        ("default.c1", DEFAULT_C1, &[DEFAULT_C1], &search),
        ("default.c1", short(DEFAULT_C1), &[short(DEFAULT_C1)], &search),
        ("c1", OLD_C1, &[OLD_C1], &search),
        ("c1", short(OLD_C1), &[short(OLD_C1)], &search),
        // The id is what is stored, even if it is no id at all.
        ("default.c1", "some-id", &["some-id"], &search),
        ("default.c1", DB1_C1, &[DB1_C1, DEFAULT_C1], &search),
        // A move that has not come to its end.
        ("default.c1", short(DEFAULT_C1), &[DEFAULT_C1], &search),
        ("default.c1", "", &[DEFAULT_C1], &search),
        ("default.c1", "a/b", &[DEFAULT_C1], &search),
        ("default.c1", DEFAULT_C1, &[short(DEFAULT_C1)], &[]),
        ("c1", OLD_C1, &[DEFAULT_C1], &[]),
        ("*.*", "x", &["x"], &["Collection * * PrivilegeSearch root"]),
    ];
    for (place, id, kept, expected) in cases {
        let mut rows = vec![role("r"), grantee(&format!("r/Collection/{place}"), id)];
        rows.extend(kept.iter().map(|id| granted(id, "PrivilegeSearch")));
        assert_eq!(shown(&rows), expected, "{place} {id}");
    }
}

#[test]
fn privileges_are_kept_as_they_are_stored() {
    let stored =
        ["*", "PrivilegeAll", "PrivilegeGroupReadOnly", "PrivilegeGroupg", "Search", "new"];
    let mut rows = vec![role("r"), grantee("r/Global/*.*", "x")];
    rows.extend(stored.iter().map(|privilege| granted("x", privilege)));
    let expected = stored.map(|privilege| format!("Global * * {privilege} root"));
    assert_eq!(shown(&rows), expected);
    assert_eq!(state(&rows).roles_using(&"g".into()).collect::<Vec<_>>(), ["r"]);
}

#[test]
fn malformed_and_foreign_keys_are_passed_over() {
    let keys = [
        USERS.to_owned(),
        format!("{USERS}a/b"),
        format!("{USERS}/a"),
        format!("{USERS}a/"),
        ROLES.to_owned(),
        format!("{ROLES}a/b"),
        format!("{BINDINGS}u"),
        format!("{BINDINGS}u/"),
        format!("{BINDINGS}/r"),
        format!("{BINDINGS}u/r/x"),
        format!("{GRANTEES}r"),
        format!("{GRANTEES}r/Collection"),
        format!("{GRANTEES}r/Collection/"),
        format!("{GRANTEES}r//default.c"),
        format!("{GRANTEES}r/Collection/default.c/d"),
        format!("{GRANTEES}r/Collection/.c"),
        format!("{GRANTEES}r/Collection/default."),
        format!("{GRANTEES}r/Partition/default.c"),
        format!("{GRANTS}x"),
        format!("{GRANTS}x/"),
        format!("{GRANTS}x/*/y"),
        GROUPS.to_owned(),
        format!("{GROUPS}a/b"),
        "root-coord/credential/userss/a".to_owned(),
        "root-coord/database/db-info/1".to_owned(),
        "milvus-rbac/databases/".to_owned(),
        "milvus-rbac/head/x".to_owned(),
        String::new(),
    ];
    let mut rows = vec![user("u"), role("r"), grantee("r/Global/*.*", "x")];
    let expected = state(&rows);
    rows.extend(keys.iter().map(|key| (key.clone(), &b"x"[..])));
    assert_eq!(state(&rows), expected);
    let mut mirror = fake(&rows).mirror();
    mirror.changes(&State::default()).unwrap();
    keys.iter().for_each(|key| mirror.delete(key));
    assert_eq!(mirror.changes(&expected), Ok(Vec::new()));
}

#[test]
fn an_object_is_never_taken_for_another() {
    // A Milvus that reads it sees user `a` in its place.
    let rows = [role("r"), grantee("r/User/default.a.b", "x"), granted("x", "PrivilegeUpdateUser")];
    assert_eq!(shown(&rows), ["User default a.b PrivilegeUpdateUser root"]);
    let grant = grant(ObjectType::User, "default", "a.b", "PrivilegeUpdateUser");
    let revoke = Change::Revoke { role: "r".into(), grant };
    let mut fake = fake(&rows);
    fake.change(&[revoke], 0).unwrap();
    assert_eq!(fake.state().unwrap(), state(&[role("r")]));
}

#[test]
fn ids_that_two_grantees_share_are_refused() {
    let id = "0123456789abcdef";
    let (a, b) = ("r/Collection/db1.c1", "s/Collection/db1.c2");
    let rows =
        [role("r"), role("s"), grantee(a, id), grantee(b, id), granted(id, "PrivilegeSearch")];
    let refusal = || {
        Err(StoreError::Damaged(format!(
            "IO failed: shared legacy grantee id {id} is referenced by both {GRANTEES}{a} and {GRANTEES}{b}"
        )))
    };
    let mut mirror = fake(&rows).mirror();
    assert_eq!(mirror.changes(&State::default()), refusal());
    assert_eq!(mirror.changes(&State::default()), refusal());
    assert_eq!(
        mirror.writes(&[add("db1", "c1", "PrivilegeLoad")], 0).map(drop),
        refusal().map(drop)
    );
    // Whether or not there is a role, or a grant.
    assert_eq!(fake(&rows[2..4]).state().map(drop), refusal().map(drop));
    // A dropped role leaves what another one's grantee leads to.
    let dropped = mirror.writes(&[Change::DeleteRole { name: "r".into() }], 0).unwrap();
    assert_eq!(dropped, [prefix(format!("{GRANTEES}r/")), delete(format!("{ROLES}r"))]);
    // Once one of them is gone, all is well.
    mirror.delete(&format!("{GRANTEES}{a}"));
    assert_eq!(mirror.changes(&State::default()).map(|c| c.len()), Ok(3));
    // So is an id that another falls back to.
    let rows = [role("r"), grantee("r/Collection/db1.c1", ""), grantee("r/Collection/c1", DB1_C1)];
    assert!(matches!(fake(&rows).state(), Err(StoreError::Damaged(_))));
}

#[test]
fn grants_are_written_as_milvus_writes_them() {
    let key = |id: &str, privilege: &str| format!("{GRANTS}{id}/{privilege}");
    let (full, old) =
        (format!("{GRANTEES}r/Collection/default.c1"), format!("{GRANTEES}r/Collection/c1"));
    let load = || [add("default", "c1", "PrivilegeLoad")];
    // The first grant makes the grantee.
    let mut rows = vec![role("r")];
    let expected = [put(key(DEFAULT_C1, "PrivilegeLoad"), "g"), put(full.clone(), DEFAULT_C1)];
    assert_eq!(writes(&rows, &load()), expected);
    let expected = [
        put(key(DB1_C1, "PrivilegeLoad"), "g"),
        put(format!("{GRANTEES}r/Collection/db1.c1"), DB1_C1),
    ];
    assert_eq!(writes(&rows, &[add("db1", "c1", "PrivilegeLoad")]), expected);
    // The next ones find it; a key of the time before databases is used where it is.
    rows.push((full, DEFAULT_C1.as_bytes()));
    assert_eq!(writes(&rows, &load()), [put(key(DEFAULT_C1, "PrivilegeLoad"), "g")]);
    rows.push((old, OLD_C1.as_bytes()));
    assert_eq!(writes(&rows, &load()), [put(key(OLD_C1, "PrivilegeLoad"), "g")]);
    // A revoke takes the grant alone, wherever it is; the grantee stays.
    rows.push(granted(OLD_C1, "PrivilegeLoad"));
    rows.push(granted(DEFAULT_C1, "PrivilegeLoad"));
    let unload = [take("default", "c1", "PrivilegeLoad")];
    let gone = [delete(key(DEFAULT_C1, "PrivilegeLoad")), delete(key(OLD_C1, "PrivilegeLoad"))];
    assert_eq!(sorted(writes(&rows, &unload)), sorted(gone.to_vec()));
    let again = [&unload[..], &load()].concat();
    assert_eq!(writes(&rows, &again), [put(key(OLD_C1, "PrivilegeLoad"), "g")]);
}

fn sorted(mut writes: Vec<Write>) -> Vec<Write> {
    writes.sort_by_key(|write| format!("{write:?}"));
    writes
}

#[test]
fn short_ids_move_with_the_next_write() {
    let legacy = short(DEFAULT_C1);
    let full = format!("{GRANTEES}r/Collection/default.c1");
    let key = |privilege: &str| format!("{GRANTS}{DEFAULT_C1}/{privilege}");
    let mut rows = vec![role("r"), (full.clone(), legacy.as_bytes())];
    rows.extend(["PrivilegeLoad", "PrivilegeSearch"].map(|p| granted(legacy, p)));
    // Left over, and not to be seen after the move either.
    rows.push(granted(DEFAULT_C1, "PrivilegeInsert"));
    let expected = [
        prefix(format!("{GRANTS}{legacy}/")),
        delete(key("PrivilegeInsert")),
        put(key("PrivilegeDelete"), "g"),
        put(key("PrivilegeLoad"), "root"),
        put(key("PrivilegeSearch"), "root"),
        put(full.clone(), DEFAULT_C1),
    ];
    assert_eq!(writes(&rows, &[add("default", "c1", "PrivilegeDelete")]), expected);
    let expected = [
        prefix(format!("{GRANTS}{legacy}/")),
        delete(key("PrivilegeInsert")),
        put(key("PrivilegeSearch"), "root"),
        put(full, DEFAULT_C1),
    ];
    assert_eq!(writes(&rows, &[take("default", "c1", "PrivilegeLoad")]), expected);
}

#[test]
fn what_is_dropped_goes_by_prefix() {
    let rows = [
        user("u"),
        role("r"),
        role("s"),
        binding("u", "r"),
        binding("u", "s"),
        binding("nobody", "r"),
        grantee("r/Collection/default.c1", DEFAULT_C1),
        granted(DEFAULT_C1, "PrivilegeLoad"),
        granted(DEFAULT_C1, "PrivilegeSearch"),
        grantee("r/Collection/db1.c1", short(DB1_C1)),
        granted(short(DB1_C1), "PrivilegeSearch"),
        grantee("r/Collection/c1", OLD_C1),
        grantee("s/Global/*.*", "other"),
        granted("other", "PrivilegeAll"),
    ];
    let drop_role = [
        take("default", "c1", "PrivilegeLoad"),
        take("default", "c1", "PrivilegeSearch"),
        take("db1", "c1", "PrivilegeSearch"),
        Change::Unbind { user: "u".into(), role: "r".into() },
        Change::DeleteRole { name: "r".into() },
    ];
    let expected = [
        prefix(format!("{GRANTEES}r/")),
        prefix(format!("{GRANTS}{DEFAULT_C1}/")),
        prefix(format!("{GRANTS}{}/", short(DB1_C1))),
        delete(format!("{ROLES}r")),
        delete(format!("{BINDINGS}nobody/r")),
        delete(format!("{BINDINGS}u/r")),
    ];
    assert_eq!(sorted(writes(&rows, &drop_role)), sorted(expected.to_vec()));
    let mut left = fake(&rows);
    left.change(&drop_role, 0).unwrap();
    assert_eq!(left, fake(&[&rows[..1], &rows[2..3], &rows[4..5], &rows[12..]].concat()));

    let delete_user = [
        Change::Unbind { user: "u".into(), role: "r".into() },
        Change::Unbind { user: "u".into(), role: "s".into() },
        Change::DeleteUser { name: "u".into() },
    ];
    let expected = [prefix(format!("{BINDINGS}u/")), delete(format!("{USERS}u"))];
    assert_eq!(writes(&rows, &delete_user), expected);
}

#[test]
fn what_was_left_of_one_does_not_come_back_with_another() {
    let rows = [
        role("s"),
        binding("u", "s"),
        binding("v", "r"),
        user("v"),
        grantee("r/Collection/default.c1", DEFAULT_C1),
        granted(DEFAULT_C1, "PrivilegeSearch"),
        granted(DB1_C1, "PrivilegeInsert"),
    ];
    let mut fake = fake(&rows);
    let put_user =
        Change::PutUser { name: "u".into(), password_hash: "h".into(), description: "".into() };
    let put_role = Change::PutRole { name: "r".into(), description: "".into() };
    fake.change(&[put_user, put_role, add("db1", "c1", "PrivilegeLoad")], 0).unwrap();
    let state = fake.state().unwrap();
    assert!(state.users["u"].roles.is_empty());
    assert!(state.roles["r"].users.is_empty());
    let grants: Vec<_> = state.roles["r"].grants.keys().cloned().collect();
    assert_eq!(grants, [grant(C, "db1", "c1", "PrivilegeLoad")]);
}

#[test]
fn a_change_costs_what_it_touches() {
    let mut rows = vec![user("u"), role("r"), role("s")];
    let ids: Vec<String> = (0..1000).map(|i| format!("id{i}")).collect();
    for (i, id) in ids.iter().enumerate() {
        rows.push(grantee(&format!("r/Collection/db.c{i}"), id));
        rows.push(granted(id, "PrivilegeLoad"));
    }
    let mut mirror = fake(&rows).mirror();
    let mut state = State::default();
    let changes = mirror.changes(&state).unwrap();
    apply(&mut state, &changes);
    assert_eq!(state.roles["r"].grants.len(), 1000);
    let events = [
        granted("id7", "PrivilegeSearch"),
        granted("unknown", "PrivilegeSearch"),
        grantee("s/Global/db.*", "id"),
        binding("u", "r"),
        (format!("{ROLES}r"), b"{\"description\":\"d\"}"),
        (format!("{USERS}u"), b"{\"encrypted_password\":\"i\"}"),
        granted("id7", "PrivilegeLoad"),
    ];
    for (n, (key, value)) in [1, 0, 0, 1, 1, 1, 0].into_iter().zip(events) {
        mirror.put(&key, value);
        let Touched { users, roles, groups, databases, bindings, scopes } = &mirror.touched;
        let named = users.len() + roles.len() + groups.len() + databases.len();
        assert!(named + bindings.len() + scopes.len() <= 1, "{key}: {:?}", mirror.touched);
        let changes = mirror.changes(&state).unwrap();
        assert_eq!(changes.len(), n, "{key}: {changes:?}");
        apply(&mut state, &changes);
    }
}

#[test]
fn names_without_a_place_are_refused() {
    let refused = |change: Change| {
        let written = Mirror::default().writes(&[change], 0);
        matches!(written, Err(StoreError::Refused(_)))
    };
    for name in ["a/b", "", ".", "..", "/"] {
        let name = || Name::from(name);
        let empty = Name::new;
        assert!(refused(Change::PutUser {
            name: name(),
            password_hash: empty(),
            description: empty()
        }));
        assert!(refused(Change::DeleteUser { name: name() }));
        assert!(refused(Change::PutRole { name: name(), description: empty() }));
        assert!(refused(Change::DeleteRole { name: name() }));
        assert!(refused(Change::Bind { user: name(), role: "r".into() }));
        assert!(refused(Change::Unbind { user: "u".into(), role: name() }));
        assert!(refused(Change::PutGroup { name: name(), group: Group::default() }));
        assert!(refused(Change::DeleteDatabase { name: name() }));
        assert!(refused(add(&name(), "c", "p")) && refused(add("d", &name(), "p")));
        assert!(refused(add("d", "c", &name())));
    }
    assert!(refused(add("a.b", "c", "p")) && refused(add("d", "a.b", "p")));
    assert!(!refused(add("*", "*", "*")));
    let change = Change::Bind { user: "a.b-c".into(), role: " r$".into() };
    assert_eq!(writes(&[], &[change]), [put(format!("{BINDINGS}a.b-c/ r$"), "")]);
}

#[test]
fn databases_are_ours() {
    let key = || "milvus-rbac/databases/d".to_owned();
    let value = "{\"id\":7,\"created\":8,\"properties\":{\"k\":\"v\"}}";
    let database = Database { id: 7, created: 8, properties: [("k".into(), "v".into())].into() };
    let changes = [Change::PutDatabase { name: "d".into(), database: database.clone() }];
    assert_eq!(writes(&[], &changes), [put(key(), value)]);
    assert_eq!(state(&[(key(), value.as_bytes())]).databases["d"], database);
    assert_eq!(writes(&[], &[Change::DeleteDatabase { name: "d".into() }]), [delete(key())]);
    for broken in ["", "{}", "[]", "{\"id\":7,\"created\":8,\"properties\":{\"k\":1}}"] {
        let mut fake = fake(&[(key(), broken.as_bytes())]);
        let mut mirror = fake.mirror();
        for _ in 0..2 {
            let changes = mirror.changes(&State::default());
            assert!(matches!(changes, Err(StoreError::Damaged(_))), "{broken}");
        }
        fake.commit(&writes(&[], &changes), &mut mirror);
        assert_eq!(mirror.changes(&State::default()).as_deref(), Ok(&changes[..]));
    }
}

#[test]
fn the_head_is_ours() {
    let mut mirror = Mirror::default();
    assert_eq!(mirror.head(), Ok(None));
    let id = ",\"batch\":\"000000000000000000000000000000ab\"";
    for (batch, strict, text) in [
        (None, 0, String::new()),
        (Some(0xab), 0, id.to_owned()),
        (Some(0xab), 8, format!("{id},\"strict\":8")),
    ] {
        let head = Head { store_id: 1, revision: batch.map_or(0, |_| 9), batch, strict };
        let revision = head.revision;
        let value = format!(
            "{{\"store_id\":\"00000000000000000000000000000001\",\"revision\":{revision},\"format\":1{text}}}"
        );
        assert_eq!(String::from_utf8(head.encode()).unwrap(), value);
        mirror.put(HEAD, value.as_bytes());
        assert_eq!(mirror.head(), Ok(Some(&head)));
    }
    let good = "{\"store_id\":\"01\",\"revision\":1,\"format\":1,\"batch\":\"02\"}";
    for (from, to) in [
        ("", ""),
        ("1,\"b", "2,\"b"),
        ("\"01\"", "1"),
        ("\"batch\":\"02\"", "\"x\":1"),
        ("}", ",\"strict\":\"1\"}"),
        ("}", ",\"strict\":2}"),
    ] {
        let value = if from.is_empty() { String::new() } else { good.replace(from, to) };
        mirror.put(HEAD, value.as_bytes());
        assert!(matches!(mirror.head(), Err(StoreError::Damaged(_))), "{value}");
    }
    mirror.put(HEAD, good.as_bytes());
    assert_eq!(mirror.head().unwrap().unwrap().batch, Some(2));
    mirror.delete(HEAD);
    assert_eq!(mirror.head(), Ok(None));
}

#[test]
fn what_all_instances_have_in_force_is_what_the_slowest_has() {
    let mut mirror = Mirror::default();
    assert_eq!((mirror.in_force(), mirror.instance("a")), (None, None));
    mirror.put("milvus-rbac/instances/a", b"{\"in_force\":7}");
    mirror.put("milvus-rbac/instances/b", &super::encode_instance(5));
    assert_eq!((mirror.in_force(), mirror.instance("a")), (Some(5), Some(7)));
    // One that does not speak holds everything back.
    mirror.put("milvus-rbac/instances/b", b"soon");
    assert_eq!(mirror.in_force(), Some(0));
    mirror.delete("milvus-rbac/instances/b");
    assert_eq!(mirror.in_force(), Some(7));
    assert_eq!(mirror.changes(&State::default()), Ok(vec![]));
}
