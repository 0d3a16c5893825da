//! What a watch tells, and that it goes on.

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use milvus_rbac::model::state::{Change, Database};
use milvus_rbac::storage::{BatchId, News, Revision, Store as _};

use super::server::Etcd;
use super::{LIMIT, batch, open, role};
use milvus_rbac::storage::etcd::EtcdStore;

pub(super) struct Told(Receiver<News>);

impl Told {
    pub(super) fn by(store: &mut EtcdStore) -> Self {
        let (send, told) = channel();
        assert!(store.watch(Box::new(move |news| drop(send.send(news)))).unwrap());
        Self(told)
    }

    /// The next commit, or why there is none.
    pub(super) fn next(&self) -> (Revision, Option<BatchId>, Vec<Change>) {
        loop {
            match self.0.recv_timeout(LIMIT).unwrap() {
                News::Committed { revision, batch, changes } => return (revision, batch, changes),
                News::UpToDate(_) | News::InForce(_) => {}
                lost @ (News::Unseen | News::Lost(_)) => panic!("{lost:?}"),
            }
        }
    }

    /// What all instances have in force, told next.
    pub(super) fn in_force(&self) -> Revision {
        loop {
            match self.0.recv_timeout(LIMIT).unwrap() {
                News::InForce(revision) => return revision,
                News::Committed { .. } | News::UpToDate(_) => {}
                lost @ (News::Unseen | News::Lost(_)) => panic!("{lost:?}"),
            }
        }
    }

    /// Waits until this instance is not seen any more, and then until it is up to date again.
    pub(super) fn is_unseen_and_comes_back(&self) {
        let mut unseen = false;
        loop {
            match self.0.recv_timeout(LIMIT).unwrap() {
                News::Unseen => unseen = true,
                News::UpToDate(_) if unseen => return,
                News::UpToDate(_) | News::InForce(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits until it was found so often that everything has been told, and nothing of what is in
    /// force was.
    pub(super) fn is_quiet_for(&self, times: usize) {
        let mut left = times;
        while left > 0 {
            match self.0.recv_timeout(LIMIT).unwrap() {
                News::UpToDate(_) => left -= 1,
                News::Committed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits until the watch is up to date with this moment. Nothing else may be told until then.
    pub(super) fn is_quiet(&self) {
        let now = Instant::now();
        loop {
            match self.0.recv_timeout(LIMIT).unwrap() {
                News::UpToDate(at) if at > now => return,
                News::UpToDate(_) | News::InForce(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn commits_of_all_instances_and_foreign_writes_are_told_in_order() {
    let etcd = Etcd::shared();
    let (mut one, mut two) = (open(&etcd, "told"), open(&etcd, "told"));
    one.load().unwrap();
    two.load().unwrap();
    let (told, told_two) = (Told::by(&mut one), Told::by(&mut two));
    told.is_quiet();
    one.commit(&batch(0, 11, vec![role("a")])).unwrap();
    assert_eq!(told_two.next(), (1, Some(11), vec![role("a")]));
    let bound = vec![
        Change::PutUser { name: "u".into(), password_hash: "h".into(), description: "".into() },
        Change::Bind { user: "u".into(), role: "a".into() },
    ];
    two.commit(&batch(1, 12, bound.clone())).unwrap();
    // Of no user nor role that there is, so nothing is told of it; and then of one.
    etcd.put("told/root-coord/credential/user-role-mapping/u/b", "");
    etcd.put("told/root-coord/collection/1", "");
    etcd.put("told/root-coord/credential/roles/b", "{\"description\":\"foreign\"}");
    etcd.delete("told/root-coord/credential/roles/b");
    let foreign = Change::PutRole { name: "b".into(), description: "foreign".into() };
    let binding = || ("u".into(), "b".into());
    let (user, role_b) = binding();
    let bind = Change::Bind { user, role: role_b };
    let (user, role_b) = binding();
    let unbind = Change::Unbind { user, role: role_b };
    let expected = [
        (1, Some(11), vec![role("a")]),
        (2, Some(12), bound),
        (2, None, vec![foreign, bind]),
        (2, None, vec![unbind, Change::DeleteRole { name: "b".into() }]),
    ];
    for expected in &expected {
        assert_eq!(told.next(), *expected);
    }
    for expected in expected.iter().skip(1) {
        assert_eq!(told_two.next(), *expected);
    }
    told.is_quiet();
    // The watch has carried both on.
    one.commit(&batch(2, 13, vec![role("c")])).unwrap();
    assert_eq!(told_two.next(), (3, Some(13), vec![role("c")]));
    two.commit(&batch(3, 14, vec![role("d")])).unwrap();
    assert_eq!(told.next().0, 3);
    assert_eq!(told.next().0, 4);
}

#[test]
fn a_watch_goes_on_after_a_restart_and_a_pause_of_etcd() {
    let etcd = Etcd::start(&[]);
    let mut store = open(&etcd, "on");
    store.load().unwrap();
    let told = Told::by(&mut store);
    told.is_quiet();
    etcd.kill();
    assert!(etcd.run());
    etcd.put("on/root-coord/credential/roles/a", "");
    assert_eq!(told.next(), (0, None, vec![role("a")]));
    assert!(etcd.signal("STOP"));
    let paused = Instant::now();
    while let Ok(news) = told.0.recv_timeout(std::time::Duration::from_secs(6)) {
        assert!(matches!(news, News::UpToDate(at) if at < paused), "{news:?}");
    }
    assert!(etcd.signal("CONT"));
    etcd.put("on/root-coord/credential/roles/b", "");
    assert_eq!(told.next(), (0, None, vec![role("b")]));
    told.is_quiet();
    store.commit(&batch(0, 1, vec![role("c")])).unwrap();
    assert_eq!(told.next(), (1, Some(1), vec![role("c")]));
}

#[test]
fn what_is_compacted_away_is_lost() {
    let etcd = Etcd::start(&[]);
    let mut store = open(&etcd, "compacted");
    store.load().unwrap();
    etcd.put("compacted/root-coord/credential/roles/a", "");
    etcd.compact();
    let told = Told::by(&mut store);
    let news = told.0.recv_timeout(LIMIT).unwrap();
    assert!(matches!(&news, News::Lost(e) if e.to_string().contains("is compacted")), "{news:?}");
    assert!(store.load().unwrap().state.roles.contains_key("a"));
    let told = Told::by(&mut store);
    told.is_quiet();
}

#[test]
fn a_last_commit_that_somebody_else_removes_is_contradictory() {
    let etcd = Etcd::shared();
    let mut store = open(&etcd, "robbed");
    store.load().unwrap();
    let told = Told::by(&mut store);
    told.is_quiet();
    etcd.delete("robbed/milvus-rbac/head");
    let news = told.0.recv_timeout(LIMIT).unwrap();
    assert!(matches!(&news, News::Lost(e) if e.to_string().contains("is gone")), "{news:?}");
}

#[test]
fn a_watch_ends_with_the_next_load() {
    let etcd = Etcd::shared();
    let mut store = open(&etcd, "ended");
    store.load().unwrap();
    let told = Told::by(&mut store);
    told.is_quiet();
    store.load().unwrap();
    let until = Instant::now() + LIMIT;
    // The thread lets go of what it told.
    while told.0.recv_timeout(until - Instant::now()).is_ok() {}
    assert!(Instant::now() < until);
}

/// Page by page, while somebody else goes on.
#[test]
fn what_is_committed_while_a_store_is_read_is_read_or_told() {
    const FILLED: u64 = 30;
    let etcd = Etcd::shared();
    let mut author = open(&etcd, "reading");
    author.load().unwrap();
    for filled in 0..FILLED {
        let database = |id: u64| Database { id, created: 1, properties: [].into() };
        let put = |id: u64| Change::PutDatabase {
            name: format!("d{filled}_{id}").into(),
            database: database(filled * 100 + id),
        };
        author.commit(&batch(filled, u128::from(filled), (0..100).map(put).collect())).unwrap();
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let author = scope.spawn(|| {
            let mut at = FILLED;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let changes = vec![role(&format!("r{at}"))];
                author.commit(&batch(at, u128::from(at), changes)).unwrap();
                at += 1;
            }
        });
        for _ in 0..10 {
            let mut reader = open(&etcd, "reading");
            let loaded = reader.load().unwrap();
            let (tell, told) = std::sync::mpsc::channel();
            reader.watch(Box::new(move |news| drop(tell.send(news)))).unwrap();
            let (mut state, mut revision) = (loaded.state, loaded.revision);
            let goal = revision + 3;
            while revision < goal {
                match told.recv_timeout(LIMIT).unwrap() {
                    News::Committed { revision: reached, changes, .. } => {
                        changes.iter().for_each(|change| state.apply(change).unwrap());
                        revision = reached;
                    }
                    News::UpToDate(_) | News::InForce(_) => {}
                    lost @ (News::Unseen | News::Lost(_)) => panic!("{lost:?}"),
                }
                assert_eq!(u64::try_from(state.roles.len()).unwrap(), revision - FILLED);
            }
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        author.join().unwrap();
    });
}
