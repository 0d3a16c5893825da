//! Copies that are killed: what they leave is never served, and they can be begun anew.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use milvus_rbac::model::origin::Origin;
use milvus_rbac::storage::copy::Target as _;
use milvus_rbac::storage::sled::SledStore;
use milvus_rbac::storage::{Loaded, copy as store_copy};

use super::copied::{copy, copying};
use super::*;
use crate::lifecycle::fails;
use crate::support::sled_url;

/// So many take some hundred transactions.
const ROLES: usize = 12_000;
const MARK: &str = "milvus-rbac/copying";
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
    // The last finds everything written and checked, and the mark about to go.
    let proxy = Proxy::to(etcd.address());
    let behind_proxy = format!("etcd://{}/{root}", proxy.address);
    for revision in [Some(0), Some(1), Some(7), Some(100), None] {
        let killed = match revision {
            Some(revision) => kill(&from, &to, || head_reaches(&etcd, root, revision)),
            None => kill(&from, &behind_proxy, || {
                if head_reaches(&etcd, root, 100) {
                    proxy.hold(MARK);
                    proxy.until_held();
                    return true;
                }
                false
            }),
        };
        assert!(killed, "{revision:?}");
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
    let moments: [&dyn Fn() -> bool; 2] = [&|| to.join("copying").exists(), &|| size() > 1 << 20];
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

/// Everything is there and the mark is not yet gone: the next copy has read that, and comes too late.
#[test]
fn a_copy_to_etcd_that_ended_is_not_begun_anew() {
    let etcd = Etcd::shared();
    let proxy = Proxy::to(etcd.address());
    let mut one = EtcdStore::open_target(target(etcd.address(), "ended")).unwrap();
    one.commit(&batch(0, 1, vec![role("a")])).unwrap();
    proxy.hold(MARK);
    let late = target(proxy.address.clone(), "ended");
    let two = thread::spawn(move || EtcdStore::open_target(late).map(drop));
    proxy.until_held();
    Box::new(one).complete().unwrap();
    proxy.let_go();
    let refused = two.join().unwrap();
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    assert_eq!(etcd.get("ended/milvus-rbac/copying"), None);
    assert!(open(&etcd, "ended").load().unwrap().state.roles.contains_key("a"));
}

#[test]
fn an_end_whose_answer_gets_lost_may_have_come() {
    let etcd = Etcd::shared();
    let proxy = Proxy::to(etcd.address());
    let mut store = EtcdStore::open_target(target(proxy.address.clone(), "unsaid")).unwrap();
    store.commit(&batch(0, 1, vec![role("a")])).unwrap();
    store.load().unwrap();
    proxy.mute(true);
    let ended = Box::new(store).complete();
    assert!(matches!(ended, Err(StoreError::Unknown(_))), "{ended:?}");
    assert_eq!(etcd.get("unsaid/milvus-rbac/copying"), None);
}

/// A mark in a folder that is served, however it came there, removes nothing.
#[test]
fn a_folder_that_is_held_is_neither_marked_nor_cleared() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut served = SledStore::open(folder.path()).unwrap();
    let refused = |what: &str| {
        let opened = SledStore::open_target(folder.path()).map(drop);
        assert!(matches!(opened, Err(StoreError::InUse(_))), "{what}: {opened:?}");
    };
    let mark = folder.path().join("copying");
    refused("not marked");
    assert!(!mark.exists());
    File::create(&mark).unwrap();
    refused("marked");
    served.commit(&batch(0, 1, vec![role("a")])).unwrap();
    Box::new(served).close().unwrap();
    fs::remove_file(mark).unwrap();
    let held = SledStore::open(folder.path()).unwrap().load().unwrap();
    assert!(held.state.roles.contains_key("a"));
}

/// How many times this process has a file open.
fn opened(file: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter(|link| fs::read_link(link.as_ref().unwrap().path()).is_ok_and(|to| to == file))
        .count()
}

/// Runs `work` in a thread, and `meanwhile` once that waits for the lock of the folder's data file.
fn while_it_waits<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> T + Send + 'static,
    meanwhile: impl FnOnce(),
) -> T {
    let data = folder.canonicalize().unwrap().join("db");
    let before = opened(&data);
    let (send, done) = mpsc::channel();
    let thread = thread::spawn(move || send.send(work()).unwrap());
    let until = Instant::now() + LIMIT;
    while opened(&data) == before && !thread.is_finished() {
        assert!(Instant::now() < until, "it does not come to the lock");
        thread::yield_now();
    }
    meanwhile();
    done.recv_timeout(LIMIT).unwrap()
}

#[test]
fn a_mark_that_comes_while_the_lock_is_waited_for_is_seen() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().to_owned();
    Box::new(SledStore::open(&path).unwrap()).close().unwrap();
    let lock = File::open(path.join("db")).unwrap();
    let until = Instant::now() + LIMIT;
    while lock.try_lock().is_err() {
        assert!(Instant::now() < until, "the lock is not given back");
        thread::yield_now();
    }
    let started = {
        let path = path.clone();
        move || SledStore::open(&path).map(drop)
    };
    let started = while_it_waits(&path, started, || {
        File::create(path.join("copying")).unwrap();
        drop(lock);
    });
    // It waits for a second alone.
    let is_refused = matches!(started, Err(StoreError::Unfit(_) | StoreError::InUse(_)));
    assert!(is_refused, "{started:?}");
}

#[test]
fn a_copy_to_a_folder_that_ended_is_not_begun_anew() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let mut one = SledStore::open_target(&path).unwrap();
    one.commit(&batch(0, 1, vec![role("a")])).unwrap();
    let two = {
        let path = path.clone();
        move || SledStore::open_target(&path).map(drop)
    };
    let two = while_it_waits(&path, two, || Box::new(one).complete().unwrap());
    assert!(matches!(two, Err(StoreError::Unfit(_) | StoreError::InUse(_))), "{two:?}");
    assert!(!path.join("copying").exists());
    assert!(SledStore::open(&path).unwrap().load().unwrap().state.roles.contains_key("a"));
}

#[test]
fn everything_written_is_not_yet_a_whole_copy() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut store = SledStore::open_target(folder.path()).unwrap();
    store.commit(&batch(0, 1, vec![role("a")])).unwrap();
    Box::new(store).close().unwrap();
    let opened = SledStore::open(folder.path()).map(drop);
    assert!(matches!(opened, Err(StoreError::Unfit(_))), "{opened:?}");
    let mut anew = SledStore::open_target(folder.path()).unwrap();
    assert_eq!(anew.load().unwrap().state.roles.len(), 0);
}

/// A source that cannot be closed, as on a disk that is full.
#[derive(Debug)]
struct Stuck(SledStore);

impl Store for Stuck {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.0.load()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.0.commit(batch)
    }

    fn store_id(&self) -> String {
        self.0.store_id()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("the disk is full".to_owned()))
    }
}

#[test]
fn a_source_that_cannot_be_closed_does_not_spoil_the_copy() {
    let folders = tempfile::TempDir::new().unwrap();
    let mut source = SledStore::open(&folders.path().join("from")).unwrap();
    source.commit(&batch(0, 1, vec![role("a")])).unwrap();
    let to = folders.path().join("to");
    let target = || match SledStore::open_target(&to) {
        Ok(store) => Ok(Box::new(store) as Box<dyn store_copy::Target>),
        Err(e) => Err(e.to_string()),
    };
    let copied =
        store_copy::copy(Box::new(Stuck(source)), target, Origin::own("copy"), |_, _| {}).unwrap();
    assert_eq!(copied.records, 1);
    assert!(SledStore::open(&to).unwrap().load().unwrap().state.roles.contains_key("a"));
}
