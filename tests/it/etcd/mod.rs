//! The store in a real etcd, which each test stops, cuts off, fills and shares as it needs.

mod access;
mod broken_off;
mod cluster;
mod copied;
mod new_enemy;
mod partition;
mod policy;
mod proxy;
pub(crate) mod server;
mod strict;
mod watch;

use std::time::{Duration, Instant};

use milvus_rbac::model::event::events;
use milvus_rbac::model::origin::Origin;
use milvus_rbac::model::state::{Change, Database, Name};
use milvus_rbac::rpc::proto::service::{RbacMeta, RestoreRbacMetaRequest, SelectRoleRequest};
use milvus_rbac::storage::etcd::{EtcdStore, Target};
use milvus_rbac::storage::{Batch, Revision, Store, StoreError};

use self::proxy::Proxy;
use self::server::Etcd;
use crate::rpc::requests::create_role;
use crate::support::{Server, command, http_get, wait};

/// Longer than the store takes to give up.
const LIMIT: Duration = Duration::from_secs(30);
const STALENESS: Duration = Duration::from_secs(10);

fn target(endpoint: String, root: &str) -> Target {
    let root = root.to_owned();
    Target {
        endpoints: vec![endpoint],
        root,
        max_txn_ops: 128,
        max_request_bytes: 3 << 19,
        login_file: None,
        tls: None,
    }
}

fn open(etcd: &Etcd, root: &str) -> EtcdStore {
    EtcdStore::open(target(etcd.address(), root), STALENESS).unwrap()
}

fn batch(expected: Revision, id: u128, changes: Vec<Change>) -> Batch {
    Batch { expected, revision: expected + 1, id, changes, events: vec![], strict: false }
}

fn role(name: &str) -> Change {
    Change::PutRole { name: name.into(), description: "".into() }
}

fn databases(count: u64) -> Vec<Change> {
    let database = |id| Database { id, created: 1, properties: [].into() };
    let put = |id| Change::PutDatabase { name: format!("d{id}").into(), database: database(id) };
    (0..count).map(put).collect()
}

#[test]
fn an_answer_that_gets_lost_leaves_the_batch_to_be_found() {
    let etcd = Etcd::shared();
    let proxy = Proxy::to(etcd.address());
    let mut store = EtcdStore::open(target(proxy.address.clone(), "lost"), STALENESS).unwrap();
    store.load().unwrap();
    proxy.mute(true);
    let lost = store.commit(&batch(0, 77, vec![role("r")]));
    assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
    proxy.mute(false);
    let loaded = store.load().unwrap();
    assert_eq!((loaded.revision, loaded.batch), (1, Some(77)));
    assert!(loaded.state.roles.contains_key("r"));
}

#[test]
fn what_cannot_be_sent_is_unavailable_and_changes_nothing() {
    let etcd = Etcd::start(&[]);
    let mut store = open(&etcd, "stopped");
    store.load().unwrap();
    etcd.kill();
    // The first may have met the connection as it broke.
    let failed = store.commit(&batch(0, 1, vec![role("a")]));
    assert!(matches!(failed, Err(StoreError::Unavailable(_) | StoreError::Unknown(_))));
    let failed = store.commit(&batch(0, 2, vec![role("a")]));
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(etcd.run());
    assert_eq!(store.load().unwrap().revision, 0);
    store.commit(&batch(0, 3, vec![role("a")])).unwrap();
}

#[test]
fn a_member_that_hangs_is_waited_for_within_bounds() {
    let etcd = Etcd::start(&[]);
    let mut store = open(&etcd, "paused");
    store.load().unwrap();
    assert!(etcd.signal("STOP"));
    let started = Instant::now();
    let failed = store.commit(&batch(0, 1, vec![role("a")]));
    assert!(matches!(failed, Err(StoreError::Unknown(_))), "{failed:?}");
    let failed = store.load().map(drop);
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(started.elapsed() < LIMIT);
    assert!(etcd.signal("CONT"));
    store.load().unwrap();
}

#[test]
fn another_member_takes_over_for_one_that_is_gone() {
    let etcd = Etcd::shared();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut several = target(gone.to_string(), "several");
    several.endpoints.push(etcd.address());
    let mut store = EtcdStore::open(several, STALENESS).unwrap();
    store.commit(&batch(0, 1, vec![role("a")])).unwrap();
    assert_eq!(store.load().unwrap().revision, 1);
}

#[test]
fn the_slower_of_two_instances_meets_a_conflict() {
    let etcd = Etcd::shared();
    let stores = [(); 2].map(|()| {
        let etcd = etcd.clone();
        std::thread::spawn(move || open(&etcd, "two"))
    });
    let [mut one, mut two] = stores.map(|store| store.join().unwrap());
    assert_eq!(one.store_id(), two.store_id());
    one.load().unwrap();
    two.load().unwrap();
    one.commit(&batch(0, 1, vec![role("a")])).unwrap();
    assert_eq!(two.commit(&batch(0, 2, vec![role("b")])), Err(StoreError::Conflict));
    let loaded = two.load().unwrap();
    assert_eq!((loaded.revision, loaded.batch), (1, Some(1)));
    two.commit(&batch(1, 3, vec![role("b")])).unwrap();
    assert_eq!(one.load().unwrap().state, two.load().unwrap().state);
}

#[test]
fn a_batch_is_refused_from_the_first_operation_too_many() {
    let etcd = Etcd::shared();
    // One operation is that of the revision; two are those of the audit trail.
    let told = |id, count| {
        let events = events(1, 1, &Origin::default(), "Test", Vec::new());
        Batch { events, ..batch(0, id, databases(count)) }
    };
    let mut store = open(&etcd, "limit");
    let refused = store.commit(&told(1, 126));
    let text = too_large(refused);
    assert!(text.contains("takes 129 operations, and etcd takes 128"), "{text}");
    assert!(text.contains("?max-txn-ops=N"), "{text}");
    store.commit(&told(2, 125)).unwrap();
    assert_eq!(store.load().unwrap().state.databases.len(), 125);

    let generous = Target { max_txn_ops: 1000, ..target(etcd.address(), "generous") };
    let mut store = EtcdStore::open(generous, STALENESS).unwrap();
    let refused = store.commit(&batch(0, 1, databases(128)));
    let text = too_large(refused);
    assert!(text.contains("etcd takes less than --store says"), "{text}");
    assert_eq!(store.load().unwrap().revision, 0);
}

fn too_large(refused: Result<(), StoreError>) -> String {
    match refused {
        Err(e @ StoreError::TooLarge(_)) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_refused_before_its_request_is_too_large() {
    let etcd = Etcd::shared();
    let large = |bytes: usize| {
        let properties = [("k".to_owned(), "x".repeat(bytes / 100))].into();
        let database = Database { id: 1, created: 1, properties };
        let put = |number| Change::PutDatabase {
            name: format!("d{number}").into(),
            database: database.clone(),
        };
        (0..100).map(put).collect::<Vec<_>>()
    };
    let mut store = open(&etcd, "bytes");
    let text = too_large(store.commit(&batch(0, 1, large(3 << 19))));
    assert!(text.contains("and etcd takes 1572864 in a request"), "{text}");
    assert!(text.contains("?max-request-bytes=N"), "{text}");
    // So close to it that etcd itself would not take much more.
    store.commit(&batch(0, 2, large((3 << 19) - 20_000))).unwrap();
    assert_eq!(store.load().unwrap().revision, 1);

    let bold = Target { max_request_bytes: 4 << 20, ..target(etcd.address(), "bold") };
    let mut store = EtcdStore::open(bold, STALENESS).unwrap();
    let text = too_large(store.commit(&batch(0, 1, large(3 << 19))));
    assert!(text.contains("etcd takes less than --store says"), "{text}");
    assert_eq!(store.load().unwrap().revision, 0);
}

#[test]
fn more_than_a_page_is_read_as_one_moment() {
    let etcd = Etcd::shared();
    let mut store = open(&etcd, "pages");
    let expected = 24;
    for revision in 0..expected {
        let name = |i| format!("r{revision}-{i}");
        let roles = (0..50).map(|i| role(&name(i))).collect();
        store.commit(&batch(revision, 1, roles)).unwrap();
    }
    let loaded = store.load().unwrap();
    assert_eq!((loaded.state.roles.len(), loaded.revision), (1200, expected));
}

#[test]
fn a_root_with_records_of_a_milvus_starts_with_them() {
    let etcd = Etcd::shared();
    etcd.put("old/root-coord/credential/users/u", "{\"encrypted_password\":\"h\"}");
    etcd.put("old/root-coord/credential/roles/r", "");
    etcd.put("old/root-coord/credential/user-role-mapping/u/r", "");
    let loaded = open(&etcd, "old").load().unwrap();
    assert_eq!((loaded.revision, loaded.batch), (0, None));
    assert!(loaded.state.users["u"].roles.contains_key(&Name::from("r")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_serves_on_etcd_and_finds_its_changes_again() {
    let etcd = Etcd::shared();
    let url = format!("etcd://{}/by-dev/meta", etcd.address());
    let server = Server::run(&mut command(&url));
    let request = milvus_rbac::rpc::proto::service::CreateRoleRequest {
        entity: Some(milvus_rbac::rpc::proto::service::RoleEntity {
            name: "kept".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = server.root().await.create_role(request).await.unwrap().into_inner();
    assert_eq!(answer.code, 0, "{answer:?}");
    let request = RestoreRbacMetaRequest { rbac_meta: Some(large()), ..Default::default() };
    let refused = server.root().await.restore_rbac(request).await.unwrap().into_inner();
    let limit = "etcd takes 128 in a transaction; where its --max-txn-ops is larger";
    assert!(refused.code != 0 && refused.reason.contains(limit), "{}", refused.reason);
    assert!(server.stop().success());
    let load = move || open(&etcd, "by-dev/meta").load().unwrap().state;
    let state = tokio::task::spawn_blocking(load).await.unwrap();
    assert!(state.roles.contains_key("kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_went_back_to_a_backup_is_told_as_what_it_is() {
    let etcd = Etcd::shared();
    let url = format!("etcd://{}/back/meta", etcd.address());
    let server = Server::run(command(&url).args(["--max-staleness", "2"]));
    let mut root = server.root().await;
    let head = "back/meta/milvus-rbac/head";
    let before = tokio::task::block_in_place(|| etcd.get(head).unwrap());
    let made = root.create_role(create_role("later")).await.unwrap().into_inner();
    assert_eq!(made.code, 0, "{}", made.reason);
    tokio::task::block_in_place(|| etcd.put(head, &before));
    let give_up = Instant::now() + LIMIT;
    let refused = loop {
        match root.select_role(SelectRoleRequest::default()).await {
            Err(refused) => break refused,
            Ok(_) => assert!(Instant::now() < give_up, "it goes on deciding"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(refused.message().contains("--max-staleness allows 2 s"), "{refused}");
    let url = format!("http://{}/readyz", server.admin);
    let (code, text) = tokio::task::block_in_place(|| http_get(&url));
    assert_eq!(code, 503);
    assert!(text.contains("nothing is decided") && !text.contains("reads go on"), "{text}");
}

#[test]
fn nonsense_is_refused_at_the_start() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("etcd:", &[], "names no host"),
        ("etcd://", &[], "`` is not HOST:PORT"),
        ("etcd://h/root", &[], "`h` is not HOST:PORT"),
        ("etcd://h:1,,g:1/root", &[], "`` is not HOST:PORT"),
        ("etcd://h:1,h:1/root", &[], "`h:1` is there twice"),
        ("etcd://u:p@h:1/root", &[], "--store-login-file"),
        ("etcd://h:1", &[], "there is no root"),
        ("etcd://h:1/", &[], "there is no root"),
        ("etcd://h:1//root", &[], "has an empty part"),
        ("etcd://h:1/root?max-txn-ops=2", &[], "is not ?max-txn-ops=N"),
        ("etcd://h:1/root?x=1", &[], "`x=1` is not ?max-txn-ops=N"),
        ("etcd://h:1/root?max-txn-ops=16&x", &[], "`x` is not ?max-txn-ops=N"),
        ("etcd://h:1/root?max-request-bytes=1", &[], "nor ?max-request-bytes=N"),
        ("etcd://h:1/root", &["--store-ca", "x"], "--store-ca needs a store with TLS"),
        ("etcd://h:1/root", &["--store-login-file", "/nowhere"], "/nowhere"),
        ("etcds://h:1/root", &["--store-ca", "Cargo.toml"], "holds no certificate"),
        ("etcds://h:1/root", &["--store-cert", "x"], "--store-cert needs --store-key"),
        ("etcds://h:1/root", &["--store-key", "x"], "--store-key needs --store-cert"),
        ("memory:", &["--strict-revokes"], "--strict-revokes needs --store etcd://"),
        ("memory:", &["--store-login-file", "x"], "--store-login-file is for a store that asks"),
        ("sled:x", &["--store-login-file", "x"], "--store-login-file is for a store that asks"),
    ];
    for (store, flags, text) in cases {
        fails(store, flags, 2, text);
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fails(&format!("etcd://{nobody}/root"), &[], 1, "the store is unavailable: 127.0.0.1:");
}

/// More than goes into one transaction.
fn large() -> RbacMeta {
    let entity = |number: usize| {
        let name = format!("c{number}");
        crate::rpc::requests::entity("kept", ("Collection", &name), "Search", "default")
    };
    RbacMeta { grants: (0..100).map(entity).collect(), ..Default::default() }
}

/// That a start ends with that code, and says why.
fn fails(store: &str, flags: &[&str], code: i32, text: &str) {
    let mut start = command(store);
    let mut child = start.args(flags).stderr(std::process::Stdio::piped()).spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(code), "{store} {flags:?}");
    let told = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(told.contains(text), "{store} {flags:?}: {told}");
}
