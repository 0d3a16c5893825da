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

type Tell = Box<dyn Fn(News) + Send>;

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
struct Center {
    state: State,
    revision: Revision,
    batch: Option<BatchId>,
    /// The last strict commit, and what each instance has told that it has in force.
    strict: Revision,
    in_force: HashMap<usize, Revision>,
    watchers: HashMap<usize, Tell>,
    faults: HashMap<usize, Fault>,
    delayed: Option<Batch>,
    /// Instances that hear nothing.
    deaf: Vec<usize>,
    loads: usize,
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
    fn forget(&mut self, instance: usize) {
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
struct Shared {
    center: Arc<Mutex<Center>>,
    instances: Arc<AtomicUsize>,
}

impl Shared {
    fn center(&self) -> MutexGuard<'_, Center> {
        self.center.lock().unwrap()
    }

    fn start_with(&self, sharing: Sharing) -> (Engine, WriterThread) {
        let number = self.instances.fetch_add(1, Ordering::SeqCst);
        let instance = Instance { shared: self.clone(), number };
        let rules = Rules { max_roles: 0, ..Rules::default() };
        Engine::start(Box::new(instance), rules, sharing).unwrap()
    }

    fn start(&self) -> (Engine, WriterThread) {
        self.start_with(Sharing::default())
    }

    fn start_strict(&self) -> (Engine, WriterThread) {
        self.start_with(Sharing { strict_revokes: true, ..Sharing::default() })
    }

    /// Lets an instance hear again.
    fn reconnect(&self, instance: usize) {
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
        center.loads += 1;
        center.in_force.entry(self.number).or_default();
        let Center { state, revision, batch, .. } = &*center;
        Ok(Loaded { state: state.clone(), revision: *revision, batch: *batch })
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

async fn until(what: impl Fn() -> bool) {
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

fn drop_role(name: &str) -> Command {
    Command::DropRole { name: name.to_owned(), force: false }
}

fn create_user(name: &str) -> Command {
    let name = name.to_owned();
    Command::CreateUser { name, password_hash: "h".into(), description: String::new() }
}

fn operate(user: &str, operation: MemberOperation) -> Command {
    let (user, role) = (user.to_owned(), "r".to_owned());
    Command::OperateUserRole { user, role, operation: Some(operation) }
}

fn bound(engine: &Engine) -> bool {
    engine.snapshot().state.users["u"].roles.contains_key(&Name::from("r"))
}

/// The first with strict revokes; role `r` is bound to user `u`, and both know it.
async fn bound_at_two(shared: &Shared) -> [(Engine, WriterThread); 2] {
    let both = [shared.start_strict(), shared.start()];
    both[0].0.execute(create("r")).await.unwrap();
    both[0].0.execute(create_user("u")).await.unwrap();
    let reached = both[0].0.execute(operate("u", MemberOperation::Add)).await.unwrap();
    both[1].0.wait_for(reached, Duration::from_secs(10)).await.unwrap();
    both
}

#[tokio::test]
async fn a_strict_revoke_is_acknowledged_when_it_is_in_force_at_all() {
    let shared = Shared::default();
    let [(one, _one), (other, _other)] = bound_at_two(&shared).await;
    for _ in 0..50 {
        one.execute(operate("u", MemberOperation::Remove)).await.unwrap();
        assert!(!bound(&other));
        let reached = one.execute(operate("u", MemberOperation::Add)).await.unwrap();
        other.wait_for(reached, Duration::from_secs(10)).await.unwrap();
    }
    // What the other has taken away by itself may be known to it alone: it is told of by a commit.
    let gone = other.execute(operate("u", MemberOperation::Remove)).await.unwrap();
    one.wait_for(gone, Duration::from_secs(10)).await.unwrap();
    assert_eq!(shared.center().strict, gone - 2);
    assert_eq!(one.execute(operate("u", MemberOperation::Remove)).await, Ok(gone + 1));
    assert_eq!(shared.center().strict, gone + 1);
}

#[tokio::test]
async fn an_instance_that_hears_nothing_holds_strict_revokes_back_and_nothing_else() {
    let shared = Shared::default();
    let [(one, _one), (other, _other)] = bound_at_two(&shared).await;
    shared.center().deaf.push(1);
    let mut revokes = Vec::new();
    let engine = one.clone();
    revokes.push(tokio::spawn(async move {
        engine.execute(operate("u", MemberOperation::Remove)).await
    }));
    until(|| !bound(&one)).await;
    // Gone already, and not everywhere.
    let engine = one.clone();
    revokes.push(tokio::spawn(async move {
        engine.execute(operate("u", MemberOperation::Remove)).await
    }));
    until(|| one.snapshot().revision == 5).await;
    for role in ["a", "b", "c"] {
        one.execute(create(role)).await.unwrap();
    }
    let engine = one.clone();
    revokes.push(tokio::spawn(async move { engine.execute(drop_role("a")).await }));
    until(|| !has(&one, "a")).await;
    one.execute(create("d")).await.unwrap();
    assert!(bound(&other), "it has heard");
    assert!(revokes.iter().all(|revoke| !revoke.is_finished()));
    shared.center().forget(1);
    for (revoke, revision) in revokes.into_iter().zip([4, 5, 9]) {
        assert_eq!(revoke.await.unwrap(), Ok(revision));
    }
}

#[tokio::test]
async fn a_strict_revoke_waits_for_an_instance_that_comes_back() {
    let shared = Shared::default();
    let [(one, _one), (other, _other)] = bound_at_two(&shared).await;
    shared.center().deaf.push(1);
    let engine = one.clone();
    let revoke =
        tokio::spawn(async move { engine.execute(operate("u", MemberOperation::Remove)).await });
    until(|| !bound(&one)).await;
    assert!(bound(&other) && !revoke.is_finished());
    shared.reconnect(1);
    assert_eq!(revoke.await.unwrap(), Ok(4));
    assert!(!bound(&other));
}

#[tokio::test]
async fn a_strict_revoke_is_waited_for_within_bounds() {
    let shared = Shared::default();
    let [(one, _one), _other] = bound_at_two(&shared).await;
    shared.center().deaf.push(1);
    let waits = Instant::now();
    let held = one.execute(operate("u", MemberOperation::Remove)).await.unwrap_err();
    assert!(waits.elapsed() < Duration::from_secs(30));
    assert_eq!(held.kind(), ErrorKind::Unavailable);
    assert!(held.text().contains("is stored and in force here"), "{held}");
    assert!(!bound(&one));
}

/// What strict revokes are for.
#[tokio::test]
async fn without_strict_revokes_others_may_act_on_what_is_revoked() {
    let shared = Shared::default();
    let [(other, _other), (one, _one)] = bound_at_two(&shared).await;
    shared.center().deaf.push(0);
    assert_eq!(one.execute(operate("u", MemberOperation::Remove)).await, Ok(4));
    assert!(other.current().unwrap().state.users["u"].roles.contains_key(&Name::from("r")));
}
