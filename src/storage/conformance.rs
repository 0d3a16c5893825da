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
use super::trail::{Chain, Entry as Told, Keep, Trail};
use super::{Batch, Revision, Store, StoreError};
use crate::clock::milliseconds;
use crate::model::event::{Step, events};
use crate::model::origin::Origin;
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
    /// The same, of whose trail so much is kept; none where that is not told.
    fn open_keeping(_: &Path, _: Keep) -> Option<Box<dyn Store>> {
        None
    }
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
    fn open_keeping(folder: &Path, keep: Keep) -> Option<Box<dyn Store>> {
        Some(Box::new(SledStore::open(folder).unwrap().keeping(keep)))
    }
    type Needs = ();
    fn needs() {}
    const KEEPS: bool = true;
    const HAS_LIMITS: bool = false;
}

struct InEtcd;

impl Subject for InEtcd {
    fn open(folder: &Path) -> Box<dyn Store> {
        Self::open_keeping(folder, Keep::default()).unwrap()
    }
    fn open_keeping(folder: &Path, keep: Keep) -> Option<Box<dyn Store>> {
        let target = Target {
            endpoints: vec![Etcd::shared().address()],
            root: folder.to_str().unwrap().trim_start_matches('/').to_owned(),
            max_txn_ops: 128,
            max_request_bytes: 3 << 19,
            login_file: None,
            tls: None,
        };
        let store = EtcdStore::open(target, Duration::from_secs(10)).unwrap();
        Some(Box::new(store.keeping(keep)))
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
        events: Vec::new(),
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

/// The same batch with its events: one for each step.
fn told(batch: Batch) -> Batch {
    let mut state = State::default();
    let steps = batch.changes.iter().map(|change| {
        let step = Step::of(change, &state);
        let _ = state.apply(change);
        step
    });
    let steps = steps.collect();
    let origin = Origin { user: "u".to_owned(), ..Origin::default() };
    let events = events(batch.revision, milliseconds(), &origin, "Test", steps);
    Batch { events, ..batch }
}

/// All events that a store has; fails unless they verify.
fn trail_of(store: &mut dyn Store) -> (Trail, Vec<Told>) {
    let mut all = Vec::new();
    let trail = store.audit(0).unwrap().trail;
    let mut chain = Chain::from(trail.first);
    loop {
        let after = chain.at().number;
        let page = store.audit(after).unwrap();
        assert_eq!(page.trail, trail);
        if page.entries.is_empty() {
            assert!(trail.is_empty() || trail.last.revision == page.revision);
            chain.end(&trail.last).unwrap();
            return (trail, all);
        }
        page.entries.iter().for_each(|entry| drop(chain.add(entry).unwrap()));
        all.extend(page.entries);
    }
}

fn keeps_an_event_for_each_revision<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    assert!(trail_of(&mut *store).0.is_empty());
    let many = 200;
    for revision in 0..many {
        let change = role(&format!("r{revision}"));
        store.commit(&told(batch(revision, vec![change]))).unwrap();
    }
    // What is refused leaves nothing.
    let stale = told(batch(many - 1, vec![role("late")]));
    assert_eq!(store.commit(&stale), Err(StoreError::Conflict));
    let (trail, all) = trail_of(&mut *store);
    assert_eq!((all.len() as u64, trail.first.number, trail.last.number), (many, 0, many));
    assert_eq!(trail.last.revision, many);
    let page = store.audit(150).unwrap();
    assert_eq!(page.entries.first(), all.get(150));
    assert_eq!(store.audit(many).unwrap().entries, []);
    store.close().unwrap();
    if S::KEEPS {
        let mut store = S::open(folder);
        assert_eq!(trail_of(&mut *store), (trail, all));
        store.commit(&told(batch(many, vec![role("next")]))).unwrap();
        assert_eq!(trail_of(&mut *store).0.last.number, many + 1);
    }
}

fn tells_a_large_change_in_parts<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    let count = if S::HAS_LIMITS { 60 } else { 5_000 };
    let changes = (0..count).map(|n| role(&format!("a_role_with_a_long_name_{n:0200}")));
    store.commit(&told(batch(0, changes.collect()))).unwrap();
    store.commit(&told(batch(1, vec![role("r")]))).unwrap();
    let (trail, all) = trail_of(&mut *store);
    let steps: usize =
        all.iter().map(|e| super::trail::decode(&e.record).unwrap().1.steps.len()).sum();
    assert_eq!((steps, trail.last.revision), (count + 1, 2));
}

/// As a store of an older version does, and those of the tests.
fn begins_where_its_first_event_is<S: Subject>(folder: &Path) {
    let mut store = S::open(folder);
    store.commit(&batch(0, vec![role("a")])).unwrap();
    store.commit(&batch(1, vec![role("b")])).unwrap();
    assert!(trail_of(&mut *store).0.is_empty());
    store.commit(&told(batch(2, vec![role("c")]))).unwrap();
    let (trail, all) = trail_of(&mut *store);
    assert_eq!((trail.first.number, trail.first.revision, all.len()), (0, 2, 1));
    // That a later one is not told is found.
    store.commit(&batch(3, vec![role("d")])).unwrap();
    store.commit(&told(batch(4, vec![role("e")]))).unwrap();
    let page = store.audit(0).unwrap();
    let mut chain = Chain::from(page.trail.first);
    chain.add(&page.entries[0]).unwrap();
    assert!(chain.add(&page.entries[1]).is_err());
}

fn lets_the_oldest_events_go<S: Subject>(folder: &Path) {
    let size = 20_000;
    let keep = Keep { max_age: None, max_bytes: size };
    let Some(mut store) = S::open_keeping(folder, keep) else { return };
    let mut revision = 0;
    let mut commit = |store: &mut dyn Store, count: u64| {
        for _ in 0..count {
            let change = role(&format!("r{revision}"));
            store.commit(&told(batch(revision, vec![change]))).unwrap();
            revision += 1;
        }
        revision
    };
    let reached = commit(&mut *store, 400);
    let (trail, all) = trail_of(&mut *store);
    assert!(trail.first.number > 100 && trail.last.number == reached);
    assert_eq!(all.len() as u64, trail.last.number - trail.first.number);
    assert!(trail.bytes > size / 2 && trail.bytes <= size + 200, "{trail:?}");
    store.close().unwrap();
    // By age: all but the last ones, some with each commit.
    let keep = Keep { max_age: Some(Duration::ZERO), max_bytes: 0 };
    let mut store = S::open_keeping(folder, keep).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    let reached = commit(&mut *store, 30);
    let (trail, _) = trail_of(&mut *store);
    assert!(trail.last.number == reached && trail.first.number > reached - 30, "{trail:?}");
    store.close().unwrap();
    // Nothing of what is gone is left.
    let store = S::open(folder).audit(0).unwrap();
    assert_eq!(store.entries.first().unwrap().number, trail.first.number + 1);
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
            tells_names_apart, takes_a_large_batch_as_one, keeps_an_event_for_each_revision,
            tells_a_large_change_in_parts, begins_where_its_first_event_is,
            lets_the_oldest_events_go,
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
        Err(StoreError::Damaged(text) | StoreError::Unfit(text)) => text,
        opened => panic!("{opened:?}"),
    };
    let write = |folder: &Path, key: &[u8], value: &[u8]| {
        let db = bare_sled(folder);
        db.insert(key, value).unwrap();
        db.flush().unwrap();
    };
    let folder = TempDir::new().unwrap();
    drop(SledStore::open(folder.path()).unwrap());
    write(folder.path(), b"\0format", b"milvus-rbac 4");
    let newer = refusal(folder.path());
    assert!(newer.contains("store format `milvus-rbac 4`"), "{newer}");
    assert!(!newer.contains("move the folder away"), "{newer}");

    let foreign = TempDir::new().unwrap();
    write(foreign.path(), b"key", b"value");
    assert!(refusal(foreign.path()).contains("something else"));
}

#[test]
fn a_store_from_before_there_were_trails_goes_on_with_one() {
    let folder = TempDir::new().unwrap();
    let mut store = SledStore::open(folder.path()).unwrap();
    store.commit(&batch(0, one_of_each())).unwrap();
    store.commit(&batch(1, vec![role("b")])).unwrap();
    Box::new(store).close().unwrap();
    // What such a store has: another format, and no record of a trail.
    let change = |format: Option<&[u8]>, trail: bool| {
        let db = bare_sled(folder.path());
        format.map(|format| db.insert(b"\0format", format).unwrap());
        if trail {
            db.remove(b"\0trail").unwrap().unwrap();
        }
        db.flush().unwrap();
        db.get(b"\0format").unwrap().unwrap()
    };
    change(Some(b"milvus-rbac 2"), true);
    let mut store = SledStore::open(folder.path()).unwrap();
    let before = store.load().unwrap();
    assert_eq!((before.revision, before.state.roles.len()), (2, 2));
    assert!(trail_of(&mut store).0.is_empty());
    store.commit(&told(batch(2, vec![role("c")]))).unwrap();
    store.commit(&told(batch(3, vec![role("d")]))).unwrap();
    Box::new(store).close().unwrap();
    let mut store = SledStore::open(folder.path()).unwrap();
    let (trail, all) = trail_of(&mut store);
    assert_eq!((all.len(), trail.first.revision, trail.last.revision), (2, 2, 4));
    assert_eq!(store.load().unwrap().state.roles.len(), 4);
    Box::new(store).close().unwrap();
    // From then on a trail that is gone is missed.
    assert_eq!(change(None, true), b"milvus-rbac 3");
    let refused = SledStore::open(folder.path());
    assert!(
        matches!(&refused, Err(StoreError::Damaged(e)) if e.contains("audit trail")),
        "{refused:?}"
    );
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
