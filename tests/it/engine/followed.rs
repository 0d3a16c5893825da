//! Several writers over one store that each hears the others through: answers that are lost, late
//! or bad, and news that stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use milvus_rbac::engine::{Engine, Health, Sharing, WriterThread};
use milvus_rbac::model::command::{Command, MemberOperation, Rules};
use milvus_rbac::model::error::ErrorKind;
use milvus_rbac::model::state::{Change, Name, State};
use milvus_rbac::storage::{Batch, BatchId, Loaded, News, Revision, Store, StoreError};

use super::{create, has, kind};

pub(super) type Tell = Box<dyn Fn(News) + Send>;

/// What becomes of an instance's next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It happens, and nobody says so.
    LoseAnswer,
    /// The request is lost.
    LoseRequest,
    /// The request is under way when the instance gives it up; it comes before the next one.
    Delay,
}

#[derive(Default)]
pub(super) struct Center {
    state: State,
    revision: Revision,
    batch: Option<BatchId>,
    /// The last strict commit, and what each instance has told that it has in force.
    pub(super) strict: Revision,
    in_force: HashMap<usize, Revision>,
    pub(super) watchers: HashMap<usize, Tell>,
    faults: HashMap<usize, Fault>,
    delayed: Option<Batch>,
    /// Instances that hear nothing.
    pub(super) deaf: Vec<usize>,
    loads: usize,
    /// Nobody can load.
    unreadable: bool,
}

impl Center {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.expected != self.revision {
            return Err(StoreError::Conflict);
        }
        self.change(&batch.changes);
        (self.revision, self.batch) = (batch.revision, Some(batch.id));
        if batch.strict {
            self.strict = batch.revision;
        }
        self.tell(&batch.changes, Some(batch.id));
        Ok(())
    }

    fn change(&mut self, changes: &[Change]) {
        for change in changes {
            self.state.apply(change).unwrap();
        }
    }

    fn tell_in_force(&self) {
        let everywhere = self.in_force.values().min().copied().unwrap_or(self.revision);
        for (watcher, tell) in &self.watchers {
            if !self.deaf.contains(watcher) {
                tell(News::InForce(everywhere));
            }
        }
    }

    /// It is gone, and its lease has run out.
    pub(super) fn forget(&mut self, instance: usize) {
        self.in_force.remove(&instance);
        self.tell_in_force();
    }

    fn tell(&self, changes: &[Change], batch: Option<BatchId>) {
        for (watcher, tell) in &self.watchers {
            if !self.deaf.contains(watcher) {
                let (revision, changes) = (self.revision, changes.to_vec());
                tell(News::Committed { revision, batch, changes });
                tell(News::UpToDate(Instant::now()));
            }
        }
    }
}

/// A store in memory that several instances share.
#[derive(Clone, Default)]
pub(super) struct Shared {
    center: Arc<Mutex<Center>>,
    instances: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn center(&self) -> MutexGuard<'_, Center> {
        self.center.lock().unwrap()
    }

    fn start_with(&self, sharing: Sharing) -> (Engine, WriterThread) {
        let number = self.instances.fetch_add(1, Ordering::SeqCst);
        let instance = Instance { shared: self.clone(), number };
        let rules = Rules { max_roles: 0, ..Rules::default() };
        Engine::start(Box::new(instance), rules, sharing).unwrap()
    }

    pub(super) fn start(&self) -> (Engine, WriterThread) {
        self.start_with(Sharing::default())
    }

    pub(super) fn start_strict(&self) -> (Engine, WriterThread) {
        self.start_with(Sharing { strict_revokes: true, ..Sharing::default() })
    }

    /// Lets an instance hear again.
    pub(super) fn reconnect(&self, instance: usize) {
        let mut center = self.center();
        center.deaf.retain(|deaf| *deaf != instance);
        let lost = StoreError::Unavailable("reconnected".to_owned());
        center.watchers[&instance](News::Lost(lost));
    }
}

struct Instance {
    shared: Shared,
    number: usize,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "instance {}", self.number)
    }
}

impl Store for Instance {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let mut center = self.shared.center();
        center.watchers.remove(&self.number);
        if center.unreadable {
            return Err(StoreError::Unavailable("unreadable".to_owned()));
        }
        center.loads += 1;
        center.in_force.entry(self.number).or_default();
        let Center { state, revision, batch, .. } = &*center;
        Ok(Loaded { state: state.clone(), revision: *revision, batch: *batch, as_of: None })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut center = self.shared.center();
        let lost = Err(StoreError::Unknown("no answer".to_owned()));
        match center.faults.remove(&self.number) {
            Some(Fault::LoseAnswer) => center.commit(batch).and(lost),
            Some(Fault::LoseRequest) => lost,
            Some(Fault::Delay) => {
                center.delayed = Some(batch.clone());
                lost
            }
            None => {
                let committed = center.commit(batch);
                // Whatever became of it, its answer goes nowhere.
                let _ = center.delayed.take().map(|late| center.commit(&late));
                committed
            }
        }
    }

    fn watch(&mut self, news: Tell) -> Result<bool, StoreError> {
        self.shared.center().watchers.insert(self.number, news);
        Ok(true)
    }

    fn in_force(&mut self, revision: Revision) {
        let mut center = self.shared.center();
        let strict = center.strict;
        let told = center.in_force.entry(self.number).or_default();
        if *told < strict && strict <= revision {
            *told = revision;
            center.tell_in_force();
        }
    }

    fn store_id(&self) -> String {
        "shared".to_owned()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let mut center = self.shared.center();
        center.watchers.remove(&self.number);
        center.forget(self.number);
        Ok(())
    }
}

fn put_role(name: &str) -> Change {
    Change::PutRole { name: name.into(), description: "".into() }
}

pub(super) async fn until(what: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_one_commits_the_others_see_and_each_sees_its_own_at_once() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    let (other, _other) = shared.start();
    assert_eq!(one.execute(create("a")).await, Ok(1));
    assert!(has(&one, "a"));
    other.wait_for(1, Duration::from_secs(10)).await.unwrap();
    assert!(has(&other, "a"));
    assert_eq!(kind(other.execute(create("a")).await), ErrorKind::InvalidParameter);
    assert_eq!(other.execute(create("b")).await, Ok(2));
    assert!(has(&other, "b"));
}

#[tokio::test]
async fn writers_that_meet_succeed_one_after_the_other() {
    const ROLES: usize = 100;
    let shared = Shared::default();
    let instances: Vec<_> = (0..3).map(|_| shared.start()).collect();
    let mut tasks = Vec::new();
    for role in 0..ROLES {
        for (engine, _) in &instances {
            let engine = engine.clone();
            tasks.push(tokio::spawn(
                async move { engine.execute(create(&format!("r{role}"))).await },
            ));
        }
    }
    let mut revisions = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(revision) => revisions.push(revision),
            Err(e) => assert_eq!(e.kind(), ErrorKind::InvalidParameter, "{e}"),
        }
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=ROLES as u64).collect::<Vec<_>>());
    for (engine, _) in &instances {
        engine.wait_for(ROLES as u64, Duration::from_secs(10)).await.unwrap();
        assert_eq!(engine.snapshot().state, shared.center().state);
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_out_even_after_others_went_on() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    let (other, _other) = shared.start();
    shared.center().faults.insert(0, Fault::LoseAnswer);
    assert_eq!(one.execute(create("a")).await, Ok(1));
    assert!(has(&one, "a"));
    shared.center().faults.insert(0, Fault::LoseRequest);
    let refused = one.execute(create("b")).await.unwrap_err();
    assert!(refused.text().contains("nothing was changed"), "{refused}");
    let reached = other.execute(create("c")).await.unwrap();
    one.wait_for(reached, Duration::from_secs(10)).await.unwrap();
    assert!(has(&one, "a") && !has(&one, "b") && has(&one, "c"));
    assert_eq!(one.health(), Health::Healthy);
}

/// Refused is refused, even if the request arrives after all.
#[tokio::test]
async fn a_request_that_comes_late_changes_nothing_any_more() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    shared.center().faults.insert(0, Fault::Delay);
    let refused = one.execute(create("late")).await.unwrap_err();
    assert!(refused.text().contains("nothing was changed"), "{refused}");
    assert!(shared.center().delayed.is_none(), "it never came");
    one.execute(create("next")).await.unwrap();
    assert!(!has(&one, "late") && has(&one, "next"));
    assert!(!shared.center().state.roles.contains_key("late"));
}

#[tokio::test]
async fn changes_that_others_make_in_the_records_are_taken_over() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    {
        let mut center = shared.center();
        let changes = [put_role("foreign")];
        center.change(&changes);
        center.tell(&changes, None);
    }
    until(|| has(&one, "foreign")).await;
    assert_eq!(one.snapshot().revision, 0);
}

#[tokio::test]
async fn news_that_do_not_fit_or_are_lost_have_the_store_read_again() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    let lost = || News::Lost(StoreError::Unavailable("compacted".to_owned()));
    let unfit = || News::Committed {
        revision: 9,
        batch: None,
        changes: vec![Change::Bind { user: "nobody".into(), role: "nothing".into() }],
    };
    for (news, loads) in [(lost(), 2), (unfit(), 3)] {
        {
            let mut center = shared.center();
            // What was not told of is found.
            center.change(&[put_role(&format!("silent{loads}"))]);
            center.watchers[&0](news);
        }
        until(|| has(&one, &format!("silent{loads}"))).await;
        assert_eq!(shared.center().loads, loads);
        until(|| one.health() == Health::Healthy).await;
    }
    assert_eq!(one.execute(create("after")).await, Ok(1));
}

#[tokio::test]
async fn nothing_is_decided_on_a_state_that_may_be_too_old() {
    let shared = Shared::default();
    let (one, _one) = shared
        .start_with(Sharing { max_staleness: Duration::from_millis(600), ..Sharing::default() });
    let (other, _other) = shared.start();
    one.current().unwrap();
    shared.center().deaf.push(0);
    other.execute(create("unheard")).await.unwrap();
    until(|| one.health() == Health::Behind).await;
    let refused = one.current().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.text().contains("not been heard of"), "{refused}");
    shared.reconnect(0);
    until(|| one.health() == Health::Healthy).await;
    assert!(one.current().unwrap().state.roles.contains_key("unheard"));
}

/// Whoever reads its own changes waits for them.
#[tokio::test]
async fn a_commit_that_is_not_told_of_is_not_acknowledged() {
    let shared = Shared::default();
    let (one, _one): (Engine, _) = shared.start();
    shared.center().deaf.push(0);
    let unknown = one.execute(create("a")).await.unwrap_err();
    assert!(unknown.text().contains("not known"), "{unknown}");
    assert!(!has(&one, "a"));
    shared.reconnect(0);
    until(|| has(&one, "a")).await;
}

fn lost() -> News {
    News::Lost(StoreError::Unavailable("compacted".to_owned()))
}

/// What was committed must not be called refused because it cannot be read.
#[tokio::test]
async fn a_commit_that_cannot_be_read_is_not_refused() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    shared.center().deaf.push(0);
    let asked = tokio::spawn({
        let one = one.clone();
        async move { one.execute(create("a")).await }
    });
    until(|| shared.center().revision == 1).await;
    {
        let mut center = shared.center();
        center.unreadable = true;
        center.watchers[&0](lost());
    }
    let unknown = asked.await.unwrap().unwrap_err();
    assert!(unknown.text().contains("not known"), "{unknown}");
    {
        let mut center = shared.center();
        center.unreadable = false;
        center.deaf.clear();
    }
    assert_eq!(one.execute(create("b")).await, Ok(2));
    assert!(has(&one, "a") && has(&one, "b"));
}

/// The first commit of a store, which others go on from before its author reads the store again.
#[tokio::test]
async fn what_happened_before_a_load_is_not_taken_for_refused() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    let (other, _other) = shared.start();
    {
        let mut center = shared.center();
        center.deaf.push(0);
        center.faults.insert(0, Fault::LoseAnswer);
    }
    let asked = tokio::spawn({
        let one = one.clone();
        async move { one.execute(create("a")).await }
    });
    until(|| shared.center().revision == 1).await;
    other.wait_for(1, Duration::from_secs(10)).await.unwrap();
    other.execute(create("b")).await.unwrap();
    shared.center().watchers[&0](lost());
    let unknown = asked.await.unwrap().unwrap_err();
    assert!(unknown.text().contains("not known"), "{unknown}");
    until(|| has(&one, "a") && has(&one, "b")).await;
}

/// What is taken back here may have been given elsewhere a moment ago.
#[tokio::test]
async fn nothing_to_do_is_not_acknowledged_on_an_old_state() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    let (other, _other) = shared.start();
    let seed = Command::Seed { root_password_hash: "h".into(), created: 1 };
    let reached = one.execute(seed).await.unwrap();
    other.wait_for(reached, Duration::from_secs(10)).await.unwrap();
    let bind = |operation| Command::OperateUserRole {
        user: "root".to_owned(),
        role: "admin".to_owned(),
        operation: Some(operation),
    };
    one.execute(bind(MemberOperation::Remove)).await.unwrap();
    other.wait_for(one.snapshot().revision, Duration::from_secs(10)).await.unwrap();
    let bound = |engine: &Engine| {
        engine.snapshot().state.users["root"].roles.contains_key(&Name::from("admin"))
    };
    shared.center().deaf.push(1);
    one.execute(bind(MemberOperation::Add)).await.unwrap();
    assert!(bound(&one) && !bound(&other));
    let taking = tokio::spawn({
        let (other, unbind) = (other.clone(), bind(MemberOperation::Remove));
        async move { other.execute(unbind).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!taking.is_finished(), "acknowledged on a state of the past");
    shared.center().deaf.clear();
    shared.center().watchers[&1](News::Lost(StoreError::Unavailable("reconnected".to_owned())));
    taking.await.unwrap().unwrap();
    until(|| !bound(&one)).await;
}

/// Nobody has to write for it.
#[tokio::test]
async fn a_store_that_could_not_be_read_is_read_again_by_itself() {
    let shared = Shared::default();
    let (one, _one) = shared.start();
    {
        let mut center = shared.center();
        center.unreadable = true;
        center.watchers[&0](News::Lost(StoreError::Unavailable("gone".to_owned())));
    }
    until(|| one.health() == Health::StoreFailed).await;
    {
        let mut center = shared.center();
        center.change(&[put_role("silent")]);
        center.unreadable = false;
    }
    until(|| has(&one, "silent") && one.health() == Health::Healthy).await;
}
