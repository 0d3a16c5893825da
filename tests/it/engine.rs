//! The single writer over a store that fails, hangs and forgets as told.

mod followed;
mod strict;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use milvus_rbac::engine::{Engine, Health, Sharing, WriterThread};
use milvus_rbac::model::command::{Command, Rules};
use milvus_rbac::model::error::{Error, ErrorKind};
use milvus_rbac::storage::memory::MemoryStore;
use milvus_rbac::storage::{Batch, Loaded, Store, StoreError};

use crate::support::LIMIT;

/// What becomes of the next commit or load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    RefuseCommit,
    LoseAnswerAfterCommit,
    LoseAnswerBeforeCommit,
    FailLoad,
}

#[derive(Debug, Default)]
struct Script {
    faults: VecDeque<Fault>,
    held: bool,
    commits: Vec<usize>,
}

/// A memory store that follows a script.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    inner: Arc<Mutex<MemoryStore>>,
    script: Arc<(Mutex<Script>, Condvar)>,
    max_changes: usize,
}

impl Faulty {
    pub(crate) fn new() -> Self {
        let inner = Arc::new(Mutex::new(MemoryStore::new().unwrap()));
        Self { inner, script: Arc::default(), max_changes: usize::MAX }
    }

    pub(crate) fn then(&self, faults: &[Fault]) {
        self.script.0.lock().unwrap().faults.extend(faults);
    }

    fn hold(&self, held: bool) {
        self.script.0.lock().unwrap().held = held;
        self.script.1.notify_all();
    }

    fn commits(&self) -> Vec<usize> {
        self.script.0.lock().unwrap().commits.clone()
    }

    fn take(&self, possible: &[Fault]) -> Option<Fault> {
        let mut script = self.script.0.lock().unwrap();
        script.faults.front().filter(|fault| possible.contains(fault))?;
        script.faults.pop_front()
    }
}

impl Store for Faulty {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        match self.take(&[Fault::FailLoad]) {
            Some(_) => Err(StoreError::Unavailable("no answer".to_owned())),
            None => self.inner.lock().unwrap().load(),
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let script = self.script.0.lock().unwrap();
        drop(self.script.1.wait_while(script, |script| script.held).unwrap());
        let lost = || Err(StoreError::Unknown("no answer".to_owned()));
        match self.take(&[
            Fault::RefuseCommit,
            Fault::LoseAnswerAfterCommit,
            Fault::LoseAnswerBeforeCommit,
        ]) {
            Some(Fault::RefuseCommit) => Err(StoreError::Unavailable("disk full".to_owned())),
            Some(Fault::LoseAnswerBeforeCommit) => lost(),
            Some(_) => self.inner.lock().unwrap().commit(batch).and_then(|()| lost()),
            None if batch.changes.len() > self.max_changes => {
                Err(StoreError::TooLarge(String::new()))
            }
            None => {
                self.script.0.lock().unwrap().commits.push(batch.changes.len());
                self.inner.lock().unwrap().commit(batch)
            }
        }
    }

    fn store_id(&self) -> String {
        "faulty".to_owned()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(crate) fn start(store: &Faulty) -> (Engine, WriterThread) {
    let rules = Rules { max_roles: 0, ..Rules::default() };
    Engine::start(Box::new(store.clone()), rules, Sharing::default()).unwrap()
}

fn create(role: &str) -> Command {
    Command::CreateRole { name: role.to_owned(), description: String::new() }
}

fn has(engine: &Engine, role: &str) -> bool {
    engine.snapshot().state.roles.contains_key(role)
}

fn kind(result: Result<u64, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_acknowledged_once_it_is_found() {
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    store.then(&[Fault::LoseAnswerAfterCommit]);
    assert_eq!(engine.execute(create("a")).await, Ok(1));
    assert!(has(&engine, "a"));
    assert_eq!(engine.execute(create("b")).await, Ok(2));
}

#[tokio::test]
async fn a_commit_that_never_happened_is_refused_and_changes_nothing() {
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    for fault in [Fault::LoseAnswerBeforeCommit, Fault::RefuseCommit] {
        store.then(&[fault]);
        assert_eq!(kind(engine.execute(create("a")).await), ErrorKind::Unavailable, "{fault:?}");
        assert!(!has(&engine, "a"));
        assert_eq!(engine.snapshot().revision, 0);
        assert_eq!(engine.health(), Health::Healthy);
    }
    assert_eq!(engine.execute(create("a")).await, Ok(1));
}

#[tokio::test]
async fn reads_go_on_while_the_store_is_gone_and_writes_do_when_it_is_back() {
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    engine.execute(create("before")).await.unwrap();
    // The commit happens, but neither its answer nor the store can be read.
    store.then(&[Fault::LoseAnswerAfterCommit, Fault::FailLoad, Fault::FailLoad]);
    let error = engine.execute(create("a")).await.unwrap_err();
    assert!(error.text().contains("not known"), "{error}");
    assert_eq!(engine.health(), Health::StoreFailed);
    assert!(has(&engine, "before"));
    let error = engine.execute(create("b")).await.unwrap_err();
    assert!(error.text().contains("nothing was changed"), "{error}");
    // It is back: what was committed shows, what was refused does not.
    assert_eq!(engine.execute(create("c")).await, Ok(3));
    assert_eq!(engine.health(), Health::Healthy);
    assert!(has(&engine, "a") && !has(&engine, "b") && has(&engine, "c"));
}

#[tokio::test]
async fn waiting_commands_share_a_commit_and_nothing_shows_before_it() {
    const COMMANDS: usize = 200;
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    store.hold(true);
    let tasks: Vec<_> = (0..COMMANDS)
        .map(|i| {
            let engine = engine.clone();
            tokio::spawn(async move {
                // Every other one is refused, and concerns nobody else.
                let name = format!("r{}", i / 2);
                let answer = engine.execute(create(&name)).await;
                assert!(has(&engine, &name), "acknowledged before visible");
                answer
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(engine.snapshot().state.roles.is_empty(), "visible before durable");
    store.hold(false);
    let mut revisions = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(revision) => revisions.push(revision),
            Err(e) => assert_eq!(e.kind(), ErrorKind::InvalidParameter),
        }
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=COMMANDS as u64 / 2).collect::<Vec<_>>());
    let commits = store.commits();
    assert!(commits.len() <= 3, "{} commits", commits.len());
    assert_eq!(commits.iter().sum::<usize>(), COMMANDS / 2);
}

#[tokio::test]
async fn answers_that_rest_on_a_failed_commit_are_taken_back() {
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    engine.execute(create("old")).await.unwrap();
    store.hold(true);
    // The first command is being committed alone; the others wait together.
    let first = tokio::spawn({
        let engine = engine.clone();
        async move { engine.execute(create("first")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let execute = |command: Command| {
        let engine = engine.clone();
        async move { engine.execute(command).await }
    };
    let waiting = tokio::spawn(futures_join(
        execute(create("old")),
        execute(create("new")),
        execute(create("new")),
    ));
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.then(&[Fault::RefuseCommit, Fault::RefuseCommit]);
    store.hold(false);
    assert_eq!(kind(first.await.unwrap()), ErrorKind::Unavailable);
    let (old, new, again) = waiting.await.unwrap();
    assert_eq!(kind(old), ErrorKind::InvalidParameter);
    assert_eq!(kind(new), ErrorKind::Unavailable);
    // "new" does not exist, so it must not be said to exist.
    assert_eq!(kind(again), ErrorKind::Unavailable);
    assert!(!has(&engine, "first") && !has(&engine, "new"));
}

async fn futures_join<A, B, C>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
    c: impl Future<Output = C>,
) -> (A, B, C) {
    tokio::join!(a, b, c)
}

#[tokio::test]
async fn a_command_larger_than_the_store_takes_is_refused_alone() {
    let store = Faulty { max_changes: 4, ..Faulty::new() };
    let (engine, _writer) = start(&store);
    let seed = Command::Seed { root_password_hash: "h".into(), created: 1 };
    assert_eq!(kind(engine.execute(seed).await), ErrorKind::TooLarge);
    assert_eq!(engine.snapshot().revision, 0);
    assert_eq!(engine.execute(create("a")).await, Ok(1));
}

#[tokio::test]
async fn what_is_queued_is_done_before_the_writer_ends() {
    let store = Faulty::new();
    let (engine, writer) = start(&store);
    store.hold(true);
    let queued: Vec<_> = (0..20)
        .map(|i| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.execute(create(&format!("r{i}"))).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stop = tokio::spawn({
        let engine = engine.clone();
        async move { engine.stop().await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.hold(false);
    for task in queued {
        task.await.unwrap().unwrap();
    }
    stop.await.unwrap();
    tokio::task::spawn_blocking(move || writer.join()).await.unwrap().unwrap();
    assert_eq!(kind(engine.execute(create("late")).await), ErrorKind::Unavailable);
    assert_eq!(engine.health(), Health::Stopped);
}

#[tokio::test]
async fn a_revision_is_waited_for() {
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    assert_eq!(engine.wait_for(1, Duration::from_millis(20)).await, Err(0));
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.wait_for(1, Duration::from_secs(10)).await }
    });
    engine.execute(create("a")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

/// What is gone from a state is let go by the writer, not by a call that happens to be the last.
#[tokio::test]
async fn who_reads_a_past_state_is_never_the_last_to_hold_it() {
    let store = Faulty::new();
    let (engine, _writer) = start(&store);
    let snapshot = engine.snapshot();
    let past = Arc::downgrade(&snapshot);
    engine.execute(create("a")).await.unwrap();
    drop(snapshot);
    assert!(past.upgrade().is_some(), "let go by its reader");
    engine.execute(create("b")).await.unwrap();
    assert!(past.upgrade().is_none(), "never let go");
}

/// Who waits for a commit that is too large together is not refused for it.
#[tokio::test]
async fn a_group_larger_than_the_store_takes_is_committed_in_parts() {
    const COMMANDS: usize = 40;
    let store = Faulty { max_changes: 6, ..Faulty::new() };
    let (engine, _writer) = start(&store);
    store.hold(true);
    let tasks: Vec<_> = (0..COMMANDS)
        .map(|i| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.execute(create(&format!("r{i}"))).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.hold(false);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let commits = store.commits();
    assert!(commits.iter().all(|changes| *changes <= 6), "{commits:?}");
    assert_eq!(commits.iter().sum::<usize>(), COMMANDS);
    assert!(commits.len() < COMMANDS, "{commits:?}");
}

/// Panics at a commit, and then is not gone before its test says so.
#[derive(Debug)]
struct Stuck(mpsc::Receiver<()>);

impl Store for Stuck {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(Loaded::default())
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        panic!("as told")
    }

    fn store_id(&self) -> String {
        "stuck".to_owned()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.0.recv();
    }
}

#[tokio::test]
async fn a_writer_that_panics_is_told_of_before_its_store_is_gone() {
    let (release, stuck) = mpsc::channel();
    let (engine, writer) =
        Engine::start(Box::new(Stuck(stuck)), Rules::default(), Sharing::default()).unwrap();
    let mut health = engine.watch_health();
    let error = engine.execute(create("a")).await.unwrap_err();
    assert!(error.text().contains("not known"), "{error}");
    let stopped = health.wait_for(|health| *health == Health::Stopped);
    assert!(tokio::time::timeout(LIMIT, stopped).await.is_ok(), "nobody is told");
    drop(release);
    assert!(tokio::task::spawn_blocking(move || writer.join()).await.unwrap().is_err());
}
