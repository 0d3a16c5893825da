//! The writer's loop.

mod followed;
#[cfg(test)]
mod protocol_model;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use self::followed::Followed;
use super::keeper::Kept;
use super::{Health, Order, Published, Snapshot};
use crate::authz::Policy;
use crate::clock::milliseconds;
use crate::model::command::Rules;
use crate::model::error::{Error, ErrorKind};
use crate::model::event::{Event, Step, events};
use crate::model::names::Names;
use crate::model::origin::Origin;
use crate::model::state::{Change, State};
use crate::storage::trail::Page;
use crate::storage::{Batch, BatchId, Revision, Store, StoreError, random_id};
use crate::telemetry;

/// Commands that share a commit at most.
const GROUP: usize = 1024;
/// After a turn of several commands the next waits that long for each of them, and a little more by
/// the system's clock, for what their callers ask next: so more of them share a sync. Who asks alone,
/// one command after the other, never waits.
const GATHERING: Duration = Duration::from_micros(10);
/// That long at most.
const MAX_GATHERING: Duration = Duration::from_micros(500);

type Answer = Result<Done, Error>;

/// What became of a command.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// The revision at which it holds.
    pub revision: Revision,
    /// Records that came, went or were replaced.
    pub changes: usize,
    /// Whether it is acknowledged only when it is in force everywhere.
    pub(super) strict: bool,
}

pub(super) enum Message {
    Request(Box<Request>),
    /// Asks for the audit trail, behind the event of that number.
    Audit {
        after: u64,
        reply: oneshot::Sender<Result<Page, StoreError>>,
    },
    /// The store has something to tell.
    News,
    /// Try again to read a store that failed.
    Retry,
    Stop,
}

pub(super) struct Request {
    pub(super) order: Order,
    pub(super) reply: oneshot::Sender<Answer>,
}

pub(super) struct Writer {
    store: Box<dyn Store>,
    rules: Rules,
    published: Arc<Published>,
    /// What the store holds, as far as known; none after a failure, until it has been loaded again.
    head: Option<Arc<Snapshot>>,
    /// The names of changes, which repeat.
    names: Names,
    /// Snapshots of the past that somebody may read still.
    past: Vec<Arc<Snapshot>>,
    /// What others commit, where they can.
    followed: Followed,
    /// Commands that share a commit at most: fewer where the store took no more.
    group: usize,
}

/// The commands of one commit, those refused included, with the state that they lead to.
struct Group {
    state: State,
    revision: Revision,
    changes: Vec<Change>,
    events: Vec<Event>,
    /// In milliseconds since 1970.
    time: u64,
    planning: Planning,
    /// Whether a command among them is to be in force everywhere.
    strict: bool,
    planned: Vec<Planned>,
}

/// What commands are planned for.
#[derive(Clone, Copy)]
struct Planning {
    /// Nobody else writes. Otherwise the state may be old, and everything that is acknowledged rests
    /// on the commit.
    alone: bool,
    /// What takes something away is to be in force everywhere.
    strict_revokes: bool,
}

struct Planned {
    answer: Answer,
    /// Whether the answer, good or bad, rests on changes of this group.
    rests_on_group: bool,
}

impl Writer {
    pub(super) fn new(
        store: Box<dyn Store>,
        rules: Rules,
        published: Arc<Published>,
        queue: mpsc::WeakSender<Message>,
    ) -> Self {
        Self {
            store,
            rules,
            published,
            head: None,
            names: Names::default(),
            past: Vec::new(),
            followed: Followed::new(queue),
            group: GROUP,
        }
    }

    /// Reads the store and publishes what it holds. Returns the id of its last batch.
    pub(super) fn load(&mut self) -> Result<Option<BatchId>, StoreError> {
        self.followed.stop();
        let began = Instant::now();
        let loaded = self.store.load()?;
        let before = self.published.current.load();
        let (reached, store) = (before.revision, Arc::<str>::from(self.store.store_id()));
        // Others may have put another store into the place of theirs.
        let replaced = self.followed.was_on() && before.store != store;
        drop(before);
        if loaded.revision < reached && !replaced {
            let way_on = if self.followed.was_on() {
                "; if an older backup was put into its place, start all instances anew"
            } else {
                ""
            };
            return Err(StoreError::Damaged(format!(
                "revision {reached} was stored, {} is all that is left{way_on}",
                loaded.revision
            )));
        }
        let policy = Policy::compile(&loaded.state, &self.rules.groups);
        let (revision, state) = (loaded.revision, loaded.state);
        let snapshot = Snapshot { store: store.clone(), revision, state, policy };
        info!(%store, revision = snapshot.revision, "store loaded");
        self.followed.start(&mut *self.store, loaded.revision, loaded.batch)?;
        let snapshot = self.publish(snapshot);
        self.published.history.restart(self.followed.is_on(), snapshot);
        if self.followed.is_on() {
            self.published.confirm(loaded.as_of.unwrap_or(began));
        }
        Ok(loaded.batch)
    }

    /// Publishes what commits led to, each with the revision after and its changes.
    fn publish_commits(&mut self, commits: &[(Revision, &[Change])], snapshot: Snapshot) {
        let snapshot = self.publish(snapshot);
        self.published.history.add(commits, snapshot);
    }

    fn publish(&mut self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        let past = self.published.publish(snapshot.clone());
        self.store.in_force(snapshot.revision);
        self.head = Some(snapshot.clone());
        // INVARIANT: nobody who decides lets go of the last hold on a past state, which takes long
        // where much of it is gone since. Defended by `tests/it/engine.rs`.
        self.past.push(past);
        self.past.retain(|past| Arc::strong_count(past) > 1);
        self.published.set_health(Health::Healthy);
        snapshot
    }

    /// INVARIANT: if the writer panics, everybody is told before the store is let go, which may take
    /// for ever: `kept` comes last, so it is dropped first. Defended by `tests/it/engine.rs`.
    #[expect(clippy::needless_pass_by_value, reason = "where it is dropped matters")]
    pub(super) fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        kept: Kept,
    ) -> Result<(), StoreError> {
        let mut queued = Vec::with_capacity(GROUP);
        let mut last = 0;
        loop {
            if last > 1 {
                thread::sleep((GATHERING * last).min(MAX_GATHERING));
            }
            if messages.blocking_recv_many(&mut queued, GROUP) == 0 {
                break;
            }
            last = u32::try_from(queued.len()).unwrap_or(u32::MAX);
            let mut requests = VecDeque::with_capacity(queued.len());
            let mut audits = Vec::new();
            for message in queued.drain(..) {
                match message {
                    Message::Request(request) => requests.push_back(*request),
                    Message::Audit { after, reply } => audits.push((after, reply)),
                    Message::News | Message::Retry => {}
                    Message::Stop => messages.close(),
                }
            }
            kept.count_turn();
            if requests.is_empty() && self.head.is_none() {
                // It is tried again even if nobody asks for something.
                let _ = self.head();
            }
            self.catch_up();
            self.serve(requests);
            for (after, reply) in audits {
                // Nobody waits for what takes too long.
                let _ = reply.send(self.store.audit(after));
            }
            kept.count_turn();
            self.published.set_health(match self.head {
                None => Health::StoreFailed,
                Some(_) if self.published.is_behind() => Health::Behind,
                Some(_) => Health::Healthy,
            });
        }
        self.published.set_health(Health::Stopped);
        if self.followed.was_on() {
            // The others wait for this instance no longer once the store is closed.
            self.published.expire();
        }
        self.followed.stop();
        self.store.close()
    }

    /// INVARIANT: durable before visible, visible before acknowledged: commit, publish, answer, in
    /// this order. Defended by `tests/it/crash.rs` and `tests/it/engine.rs`.
    fn serve(&mut self, mut queued: VecDeque<Request>) {
        loop {
            // Who has given up was told that nothing is known: what did not begin must not any more.
            queued.retain(|request| !request.reply.is_closed());
            if queued.is_empty() {
                return;
            }
            self.catch_up();
            let head = match self.head() {
                Ok(head) => head,
                Err(e) => return answer_all(&mut queued, &not_stored(&e)),
            };
            let orders = queued.iter().take(self.group).map(|request| &request.order);
            let planning = Planning {
                alone: !self.followed.is_on(),
                strict_revokes: self.followed.is_on() && self.published.sharing.strict_revokes,
            };
            let mut group = Group::plan(&head, orders, &self.rules, &mut self.names, planning);
            let failure = match self.commit(&head, &mut group) {
                Ok(()) => {
                    self.group = self.group.saturating_mul(2).min(GROUP);
                    None
                }
                // One of them is to blame, or all together.
                Err(StoreError::TooLarge(_) | StoreError::Refused(_))
                    if group.planned.len() > 1 =>
                {
                    self.group = group.planned.len() / 2;
                    continue;
                }
                // Somebody else was quicker; what he did may change what is to be answered.
                Err(StoreError::Conflict) if self.hear_of(head.revision + 1).is_ok() => continue,
                Err(e) => {
                    error!(error = %e, "changes could not be stored");
                    Some(not_stored(&e))
                }
            };
            for (request, planned) in queued.drain(..group.planned.len()).zip(group.planned) {
                let failure = failure.as_ref().filter(|_| planned.rests_on_group);
                // A caller who is gone does not undo the change.
                let _ = request.reply.send(failure.map_or(planned.answer, |e| Err(e.clone())));
            }
        }
    }

    /// The state to start from; loaded again after a failure.
    fn head(&mut self) -> Result<Arc<Snapshot>, StoreError> {
        if self.head.is_none() {
            self.load()?;
        }
        self.head.clone().ok_or_else(|| StoreError::Unavailable("not loaded".to_owned()))
    }

    fn commit(&mut self, head: &Snapshot, group: &mut Group) -> Result<(), StoreError> {
        // INVARIANT: that there is nothing to do is acknowledged only if the store is still where it was
        // thought to be: what others did may be to be undone. Defended by
        // `tests/it/engine/followed.rs` and `protocol_model.rs`.
        if group.planned.iter().all(|planned| !planned.rests_on_group) {
            return Ok(());
        }
        if group.revision == head.revision {
            group.revision += 1;
            let origin = Origin::own("confirmation");
            group.events = events(group.revision, group.time, &origin, "Confirm", Vec::new());
        }
        let batch = Batch {
            expected: head.revision,
            revision: group.revision,
            id: random_id()?,
            changes: std::mem::take(&mut group.changes),
            events: std::mem::take(&mut group.events),
            strict: group.strict,
        };
        let began = Instant::now();
        let outcome = self.store.commit(&batch);
        if matches!(
            outcome,
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Damaged(_))
        ) {
            telemetry::store_refused();
        }
        match outcome {
            Ok(()) => {}
            Err(e @ (StoreError::TooLarge(_) | StoreError::Refused(_) | StoreError::ReadOnly)) => {
                return Err(e);
            }
            Err(e) if self.followed.is_on() => return self.find_out_among_others(&batch, e),
            Err(e) => return self.find_out(&batch, e),
        }
        telemetry::committed(group.revision - head.revision, began.elapsed());
        if self.followed.is_on() {
            return self.hear_of(group.revision);
        }
        let policy =
            head.policy.updated(&head.state, &group.state, &self.rules.groups, &batch.changes);
        let (revision, state) = (group.revision, group.state.clone());
        let commit = (revision, batch.changes.as_slice());
        let store = head.store.clone();
        self.publish_commits(&[commit], Snapshot { store, revision, state, policy });
        Ok(())
    }

    /// INVARIANT: a commit that may have happened is neither acknowledged nor refused before the
    /// store has been read again and has told which. Defended by `tests/it/engine.rs`.
    fn find_out(&mut self, batch: &Batch, failure: StoreError) -> Result<(), StoreError> {
        warn!(error = %failure, "a commit failed; reading the store again");
        self.head = None;
        self.published.set_health(Health::StoreFailed);
        match self.load() {
            Ok(found) if found == Some(batch.id) => Ok(()),
            Ok(_) if matches!(failure, StoreError::Unknown(_)) => {
                Err(StoreError::Unavailable(failure.to_string()))
            }
            Ok(_) => Err(failure),
            Err(e) => {
                error!(error = %e, "the store cannot be read");
                Err(failure)
            }
        }
    }
}

impl Group {
    /// Plans each command against the state that the ones before it lead to.
    fn plan<'c>(
        head: &Snapshot,
        orders: impl Iterator<Item = &'c Order>,
        rules: &Rules,
        names: &mut Names,
        planning: Planning,
    ) -> Self {
        let mut group = Self {
            state: head.state.clone(),
            revision: head.revision,
            changes: Vec::new(),
            events: Vec::new(),
            time: milliseconds(),
            planning,
            strict: false,
            planned: Vec::new(),
        };
        for order in orders {
            let answer = group.add(order, rules, names);
            let rests_on_group =
                group.revision > head.revision || !planning.alone && answer.is_ok();
            group.planned.push(Planned { answer, rests_on_group });
        }
        group
    }

    fn add(&mut self, order: &Order, rules: &Rules, names: &mut Names) -> Answer {
        order.check_revision(self.revision)?;
        let Order { command, origin, .. } = order;
        let mut changes = command.plan(&self.state, rules)?;
        // What is gone here already need not be so elsewhere: a commit that changes nothing tells.
        let mut strict = self.planning.strict_revokes && command.takes_away();
        if changes.is_empty() && !strict {
            return Ok(Done { revision: self.revision, changes: 0, strict });
        }
        let mut next = self.state.clone();
        let mut steps = Vec::with_capacity(changes.len());
        for change in &mut changes {
            names.share_in(change);
            strict |= self.planning.strict_revokes && next.loses_by(change);
            steps.push(Step::of(change, &next));
            next.apply(change).map_err(|e| {
                error!(error = %e, "a command led to changes that do not fit the state");
                not_stored(&StoreError::Unavailable(String::new()))
            })?;
        }
        let done = Done { revision: self.revision + 1, changes: changes.len(), strict };
        self.state = next;
        self.changes.extend(changes);
        self.revision += 1;
        self.events.extend(events(self.revision, self.time, origin, command.name(), steps));
        self.strict |= strict;
        Ok(done)
    }
}

fn answer_all(queued: &mut VecDeque<Request>, error: &Error) {
    for request in queued.drain(..) {
        let _ = request.reply.send(Err(error.clone()));
    }
}

/// What callers hear of a failed store; the details are in the log alone.
fn not_stored(error: &StoreError) -> Error {
    let why = match error {
        // The limit is what the caller can keep to, or have raised.
        StoreError::TooLarge(_) => return Error::new(ErrorKind::TooLarge, error.to_string()),
        StoreError::Refused(_) => "the store has no place for such a name",
        StoreError::ReadOnly => "changes are made by the central instance alone",
        StoreError::Conflict => "the store was changed by somebody else meanwhile, try again",
        StoreError::Unknown(_) => {
            "the store failed; whether the change was stored is not known yet"
        }
        StoreError::InUse(_)
        | StoreError::Unavailable(_)
        | StoreError::Unfit(_)
        | StoreError::Damaged(_) => "the store failed, nothing was changed",
    };
    Error::new(ErrorKind::Unavailable, why)
}
