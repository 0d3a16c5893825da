//! Copies that are killed: what they leave is never served, and they can be begun anew.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use milvus_rbac::storage::sled::SledStore;

use super::copied::{copy, copying};
use super::*;
use crate::lifecycle::fails;
use crate::support::sled_url;

/// So many take some hundred transactions.
const ROLES: usize = 12_000;
const BROKEN_OFF: &str = "a copy into it was broken off, or is under way";

/// A store from which a copy takes a while.
fn make(folder: &Path) {
    let mut store = SledStore::open(folder).unwrap();
    let roles = (0..ROLES).map(|number| role(&format!("r{number}"))).collect();
    store.commit(&batch(0, 1, roles)).unwrap();
    Box::new(store).close().unwrap();
}

/// A copy that is killed as soon as `when` holds. Whether that was before it had ended.
fn kill(from: &str, to: &str, when: impl Fn() -> bool) -> bool {
    let mut copy = copying(from, to).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + LIMIT;
    while !when() && copy.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "the moment does not come");
        std::thread::yield_now();
    }
    let killed = copy.try_wait().unwrap().is_none();
    copy.kill().unwrap();
    copy.wait().unwrap();
    killed
}

fn head_reaches(etcd: &Etcd, root: &str, revision: u64) -> bool {
    let head = etcd.get(&format!("{root}/milvus-rbac/head"));
    head.is_some_and(|head| {
        let at = head.split("\"revision\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
        at.unwrap().parse::<u64>().unwrap() >= revision
    })
}

#[test]
fn a_copy_to_etcd_that_was_killed_is_refused_and_begun_anew() {
    let (etcd, folders) = (Etcd::shared(), tempfile::TempDir::new().unwrap());
    make(&folders.path().join("from"));
    let from = sled_url(&folders.path().join("from"));
    let root = "broken/meta";
    let to = format!("etcd://{}/{root}", etcd.address());
    for revision in [0, 1, 7, 100] {
        assert!(kill(&from, &to, || head_reaches(&etcd, root, revision)), "{revision}");
        fails(&mut command(&to), 1, BROKEN_OFF);
        // Nor is it a source.
        let (moved, told) = copy(&to, &sled_url(&folders.path().join("back")));
        assert!(!moved && told.contains(BROKEN_OFF), "{told}");
        assert!(etcd.get("broken/meta/milvus-rbac/copying").is_some());
    }
    // What would come to light later is gone too.
    etcd.put("broken/meta/root-coord/credential/users/left", "{\"encrypted_password\":\"h\"}");
    let (moved, told) = copy(&from, &to);
    assert!(moved && told.contains(&format!("{ROLES} records copied and checked")), "{told}");
    assert_eq!(etcd.get("broken/meta/milvus-rbac/copying"), None);
    let state = open(&etcd, root).load().unwrap().state;
    assert_eq!((state.roles.len(), state.users.len()), (ROLES, 0));
    let (moved, told) = copy(&from, &to);
    assert!(!moved && told.contains("the target is not empty"), "{told}");
    assert_eq!(open(&etcd, root).load().unwrap().state, state);
}

#[test]
fn a_copy_to_a_folder_that_was_killed_is_refused_and_begun_anew() {
    let folders = tempfile::TempDir::new().unwrap();
    let (from, to) = (folders.path().join("from"), folders.path().join("to"));
    make(&from);
    let (from_url, to_url) = (sled_url(&from), sled_url(&to));
    let size = || std::fs::metadata(to.join("db")).map_or(0, |data| data.len());
    let moments: [&dyn Fn() -> bool; 3] =
        [&|| to.join("copying").exists(), &|| to.join("head").exists(), &|| size() > 1 << 20];
    for (number, moment) in moments.into_iter().enumerate() {
        assert!(kill(&from_url, &to_url, moment), "{number}");
        fails(&mut command(&to_url), 1, BROKEN_OFF);
        assert!(matches!(SledStore::open_source(&to), Err(StoreError::Unfit(_))));
    }
    let (moved, told) = copy(&from_url, &to_url);
    assert!(moved, "{told}");
    assert!(!to.join("copying").exists());
    let held = SledStore::open(&to).unwrap().load().unwrap();
    assert_eq!((held.state.roles.len(), held.state.users.len()), (ROLES, 0));
    let (moved, told) = copy(&from_url, &to_url);
    assert!(!moved && told.contains("the target is not empty"), "{told}");
}

/// Of two copies into one place one wins, and an instance that knows it empty does not fill it.
#[test]
fn a_target_belongs_to_one_copy() {
    let (etcd, folder) = (Etcd::shared(), tempfile::TempDir::new().unwrap());
    let target = || target(etcd.address(), "contested");
    let mut served = open(&etcd, "contested");
    served.load().unwrap();
    let mut one = EtcdStore::open_target(target()).unwrap();
    one.load().unwrap();
    assert_eq!(served.commit(&batch(0, 1, vec![role("a")])), Err(StoreError::Conflict));
    assert!(matches!(served.load(), Err(StoreError::Unfit(_))));
    one.commit(&batch(0, 2, vec![role("b")])).unwrap();
    let mut two = EtcdStore::open_target(target()).unwrap();
    assert_eq!(two.load().unwrap().state.roles.len(), 0);
    one.commit(&batch(1, 3, vec![role("c")])).unwrap_err();
    two.commit(&batch(0, 4, vec![role("d")])).unwrap();

    let held = SledStore::open_target(folder.path()).unwrap();
    let refused = SledStore::open_target(folder.path()).map(drop);
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    drop(held);
    SledStore::open_target(folder.path()).unwrap();
}
