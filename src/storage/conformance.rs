//! What every store must do, as tests: [`crate::storage::Store`]'s contract, one by one. A store
//! joins by adding a line to the list at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::server::Etcd;
use super::codec::{self, Entry};
use super::etcd::{EtcdStore, Target};
use super::memory::MemoryStore;
use super::sled::SledStore;
use super::{Batch, Revision, Store, StoreError};
use crate::model::privilege::ObjectType;
use crate::model::state::{Change, Database, Grant, Group, Name, State};

#[path = "../../tests/it/etcd/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod server;

/// A kind of store under test.
trait Subject {
    /// What the store needs as long as a test runs.
    type Needs;
    fn needs() -> Self::Needs;
    fn open(folder: &Path) -> Box<dyn Store>;
    /// Whether another `open` finds what was committed.
    const KEEPS: bool;
    /// Whether there are names without a place, and batches that are too large.
    const HAS_LIMITS: bool;
    /// Whether there is a place for a role or a user of that name.
    fn holds(_: &str) -> bool {
        true
    }
    /// Whether there is a place for a grant on an object of that name.
    fn holds_object(_: &str) -> bool {
        true
    }
}

struct Memory;

impl Subject for Memory {
    fn open(_: &Path) -> Box<dyn Store> {
        Box::new(MemoryStore::new().unwrap())
    }
    type Needs = ();
    fn needs() {}
    const KEEPS: bool = false;
    const HAS_LIMITS: bool = false;
}

struct Sled;

impl Subject for Sled {
    fn open(folder: &Path) -> Box<dyn Store> {
        Box::new(SledStore::open(folder).unwrap())
    }
    type Needs = ();
    fn needs() {}
    const KEEPS: bool = true;
    const HAS_LIMITS: bool = false;
}

struct InEtcd;

impl Subject for InEtcd {
    fn open(folder: &Path) -> Box<dyn Store> {
        let target = Target {
            endpoints: vec![Etcd::shared().address()],
            root: folder.to_str().unwrap().trim_start_matches('/').to_owned(),
            max_txn_ops: 128,
            max_request_bytes: 3 << 19,
            login_file: None,
            tls: None,
        };
        Box::new(EtcdStore::open(target, Duration::from_secs(10)).unwrap())
    }
    type Needs = Arc<Etcd>;
    fn needs() -> Arc<Etcd> {
        Etcd::shared()
    }
    const KEEPS: bool = true;
    const HAS_LIMITS: bool = true;
    fn holds(name: &str) -> bool {
        !name.contains('/') && !name.is_empty()
    }
    fn holds_object(name: &str) -> bool {
        Self::holds(name) && !name.contains('.')
    }
}

fn batch(expected: Revision, changes: Vec<Change>) -> Batch {
    Batch {
        expected,
        revision: expected + 1,
        id: u128::from(expected) + 100,
        changes,
        strict: false,
    }
}

fn role(name: &str) -> Change {
    Change::PutRole { name: name.into(), description: "".into() }
}

fn user(name: &str) -> Change {
    Change::PutUser { name: name.into(), password_hash: "h".into(), description: "d".into() }
}

fn grant(object: &str) -> Grant {
    Grant {
        object_type: ObjectType::Collection,
        database: "default".into(),
        object: object.into(),
        privilege: "PrivilegeSearch".into(),
    }
}

fn grant_of_group() -> Grant {
    Grant { privilege: "PrivilegeGroupg".into(), ..grant("c") }
}

fn one_of_each() -> Vec<Change> {
    let database = Database { id: 7, created: 8, properties: [("k".into(), "v".into())].into() };
    let group = Group { privileges: ["Query", "Search"].into_iter().map(Name::from).collect() };
    vec![
        user("u"),
        role("r"),
        Change::Bind { user: "u".into(), role: "r".into() },
        Change::Grant { role: "r".into(), grant: grant("c"), grantor: "root".into() },
        Change::PutGroup { name: "g".into(), group },
        Change::Grant { role: "r".into(), grant: grant_of_group(), grantor: "root".into() },
        Change::PutDatabase { name: "d".into(), database },
    ]
}

fn state_after(changes: &[Change]) -> State {
    let mut state = State::default();
    changes.iter().for_each(|change| state.apply(change).unwrap());
    state
}

fn starts_empty<S: Subject>(folder: &Path) {
    let loaded = S::open(folder).load().unwrap();
    assert_eq!((loaded.state, loaded.revision, loaded.batch), (State::default(), 0, None));
}

fn loads_what_was_committed<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    store.commit(&batch(0, one_of_each())).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.state, state_after(&one_of_each()));
    assert_eq!((loaded.revision, loaded.batch), (1, Some(100)));
}

fn removes_what_was_deleted<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    store.commit(&batch(0, one_of_each())).unwrap();
    let deletions = vec![
        Change::Revoke { role: "r".into(), grant: grant("c") },
        Change::Revoke { role: "r".into(), grant: grant_of_group() },
        Change::Unbind { user: "u".into(), role: "r".into() },
        Change::DeleteUser { name: "u".into() },
        Change::DeleteRole { name: "r".into() },
        Change::DeleteGroup { name: "g".into() },
        Change::DeleteDatabase { name: "d".into() },
    ];
    store.commit(&batch(1, deletions)).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!((loaded.state, loaded.revision), (State::default(), 2));
}

fn later_changes_of_a_batch_win<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    let changes = vec![
        role("a"),
        Change::DeleteRole { name: "a".into() },
        role("b"),
        Change::PutRole { name: "b".into(), description: "second".into() },
    ];
    store.commit(&batch(0, changes.clone())).unwrap();
    assert_eq!(store.load().unwrap().state, state_after(&changes));
}

fn refuses_a_stale_revision<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    store.commit(&batch(0, vec![role("a")])).unwrap();
    for stale in [0, 2] {
        assert_eq!(store.commit(&batch(stale, vec![role("b")])), Err(StoreError::Conflict));
    }
    let loaded = store.load().unwrap();
    assert_eq!((loaded.state, loaded.revision), (state_after(&[role("a")]), 1));
}

fn keeps_everything_over_a_restart<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    let id = store.store_id();
    store.commit(&batch(0, one_of_each())).unwrap();
    store.close().unwrap();
    let mut store = S::open(folder);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.revision, if S::KEEPS { 1 } else { 0 });
    assert_eq!(store.store_id() == id, S::KEEPS);
    if S::KEEPS {
        assert_eq!(loaded.state, state_after(&one_of_each()));
        assert_eq!(store.commit(&batch(0, vec![])), Err(StoreError::Conflict));
    }
}

fn tells_names_apart<S: Subject>(folder: &Path) {
    let names =
        ["a", "A", "a ", " a", "a/b", "a.b", "a\0b", "ab", "", "é", "e\u{301}", "\u{1f600}", "*"];
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    let mut add = |change, holds| if holds { held.push(change) } else { refused.push(change) };
    names.iter().for_each(|n| add(role(n), S::holds(n)));
    names.iter().for_each(|n| add(user(n), S::holds(n)));
    // ("a", "/b") and ("a/", "b") must not meet in one key.
    for (user, role) in [("a", "a/b"), ("a/b", "a"), ("ab", ""), ("", "ab"), ("a", "ab")] {
        let holds = S::holds(user) && S::holds(role);
        add(Change::Bind { user: user.into(), role: role.into() }, holds);
    }
    for object in names {
        let grant = grant(object);
        let grant = Change::Grant { role: "a".into(), grant, grantor: "root".into() };
        add(grant, S::holds_object(object));
    }
    let mut store = S::open(folder);
    let mut revision = 0;
    for changes in held.chunks(16) {
        store.commit(&batch(revision, changes.to_vec())).unwrap();
        revision += 1;
    }
    assert_eq!(S::HAS_LIMITS, !refused.is_empty());
    for change in refused {
        let refused = store.commit(&batch(revision, vec![role("new"), change]));
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    let loaded = store.load().unwrap();
    assert_eq!((&loaded.state, loaded.revision), (&state_after(&held), revision));
    let count = |holds: fn(&str) -> bool| names.iter().filter(|n| holds(n)).count();
    assert_eq!(loaded.state.roles.len(), count(S::holds));
    assert_eq!(loaded.state.roles.get("a").unwrap().grants.len(), count(S::holds_object));
}

fn takes_a_large_batch_as_one<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    let grants = |range: std::ops::Range<i32>| {
        range.map(|i| Change::Grant {
            role: "r".into(),
            grant: grant(&format!("c{i}")),
            grantor: "root".into(),
        })
    };
    let large = if S::HAS_LIMITS { 60 } else { 20_000 };
    let changes = [role("r")].into_iter().chain(grants(0..large)).collect();
    store.commit(&batch(0, changes)).unwrap();
    if S::HAS_LIMITS {
        let changes = grants(large..large + 128).collect();
        let refused = store.commit(&batch(1, changes));
        assert!(matches!(refused, Err(StoreError::TooLarge(_))), "{refused:?}");
    }
    let loaded = store.load().unwrap();
    let grants = loaded.state.roles.get("r").unwrap().grants.len();
    assert_eq!((loaded.revision, grants), (1, usize::try_from(large).unwrap()));
}

macro_rules! conformance {
    ($subject:ident in $module:ident: $($test:ident),* $(,)?) => {
        mod $module {
            use super::*;
            $(
                #[test]
                fn $test() {
                    let folder = TempDir::new().unwrap();
                    let _needs = <$subject as Subject>::needs();
                    super::$test::<$subject>(&folder.path().join("store"));
                }
            )*
        }
    };
    ($($subject:ident in $module:ident;)*) => { $(
        conformance!(
            $subject in $module: starts_empty, loads_what_was_committed, removes_what_was_deleted,
            later_changes_of_a_batch_win, refuses_a_stale_revision, keeps_everything_over_a_restart,
            tells_names_apart, takes_a_large_batch_as_one,
        );
    )* };
}

conformance! {
    Memory in memory_store;
    Sled in sled_store;
    InEtcd in etcd_store;
}

#[test]
fn a_folder_serves_one_process_at_a_time() {
    let folder = TempDir::new().unwrap();
    let first = SledStore::open(folder.path()).unwrap();
    assert!(matches!(SledStore::open(folder.path()), Err(StoreError::InUse(_))));
    drop(first);
    SledStore::open(folder.path()).unwrap();
}

/// sled without a store around it; its threads may hold the lock for a moment yet.
fn bare_sled(folder: &Path) -> sled::Db {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match sled::open(folder) {
            Ok(db) => return db,
            Err(e) => assert!(Instant::now() < until, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_store_of_another_format_is_refused() {
    let refusal = |folder: &Path| match SledStore::open(folder) {
        Err(StoreError::Damaged(text)) => text,
        opened => panic!("{opened:?}"),
    };
    let write = |folder: &Path, key: &[u8], value: &[u8]| {
        let db = bare_sled(folder);
        db.insert(key, value).unwrap();
        db.flush().unwrap();
    };
    let folder = TempDir::new().unwrap();
    drop(SledStore::open(folder.path()).unwrap());
    write(folder.path(), b"\0format", b"milvus-rbac 3");
    assert!(refusal(folder.path()).contains("store format `milvus-rbac 3`"));

    let foreign = TempDir::new().unwrap();
    write(foreign.path(), b"key", b"value");
    assert!(refusal(foreign.path()).contains("something else"));
}

#[test]
fn records_that_were_not_committed_are_refused() {
    let folder = TempDir::new().unwrap();
    let mut store = SledStore::open(folder.path()).unwrap();
    store.commit(&batch(0, vec![role("r")])).unwrap();
    drop(store);
    let another = codec::encode(&role("s")).unwrap();
    let changed = Change::PutRole { name: "r".into(), description: "x".into() };
    let changed = codec::encode(&changed).unwrap();
    let key = changed.key.clone();
    for Entry { key, value } in [another, changed, Entry { key, value: None }] {
        let change = |value: Option<&[u8]>| {
            let db = bare_sled(folder.path());
            let old = match value {
                Some(value) => db.insert(&key, value).unwrap(),
                None => db.remove(&key).unwrap(),
            };
            db.flush().unwrap();
            old
        };
        let old = change(value.as_deref());
        let loaded = SledStore::open(folder.path()).unwrap().load();
        assert!(matches!(loaded, Err(StoreError::Damaged(_))), "{loaded:?}");
        change(old.as_deref());
        SledStore::open(folder.path()).unwrap().load().unwrap();
    }
}
