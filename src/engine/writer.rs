//! The writer's loop.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::keeper::Kept;
use super::{Health, Published, Snapshot};
use crate::authz::Policy;
use crate::model::command::{Command, Rules};
use crate::model::error::{Error, ErrorKind};
use crate::model::names::Names;
use crate::model::state::{Change, State};
use crate::storage::{Batch, Revision, Store, StoreError, random_id};
use crate::telemetry;

/// Commands that share a commit at most.
const GROUP: usize = 1024;
/// After a turn of several commands the next waits that long for each of them, and a little more by
/// the system's clock, for what their callers ask next: so more of them share a sync. Who asks alone,
/// one command after the other, never waits.
const GATHERING: Duration = Duration::from_micros(10);
/// That long at most.
const MAX_GATHERING: Duration = Duration::from_micros(500);

type Answer = Result<Revision, Error>;

pub(super) enum Message {
    Request(Box<Request>),
    /// Try again to read a store that failed.
    Retry,
    Stop,
}

pub(super) struct Request {
    pub(super) command: Command,
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
}

/// The commands of one commit, those refused included, with the state that they lead to.
struct Group {
    state: State,
    revision: Revision,
    changes: Vec<Change>,
    planned: Vec<Planned>,
}

struct Planned {
    reply: oneshot::Sender<Answer>,
    answer: Answer,
    /// Whether the answer, good or bad, rests on changes of this group.
    rests_on_group: bool,
}

impl Writer {
    pub(super) fn new(store: Box<dyn Store>, rules: Rules, published: Arc<Published>) -> Self {
        Self { store, rules, published, head: None, names: Names::default(), past: Vec::new() }
    }

    /// Reads the store and publishes what it holds. Returns the id of its last batch.
    pub(super) fn load(&mut self) -> Result<Option<u128>, StoreError> {
        let loaded = self.store.load()?;
        let reached = self.published.current.load().revision;
        if loaded.revision < reached {
            return Err(StoreError::Damaged(format!(
                "revision {reached} was stored, {} is all that is left",
                loaded.revision
            )));
        }
        let policy = Policy::compile(&loaded.state, &self.rules.groups);
        let snapshot = Snapshot { revision: loaded.revision, state: loaded.state, policy };
        info!(store = self.store.store_id(), revision = snapshot.revision, "store loaded");
        self.publish(snapshot);
        Ok(loaded.batch)
    }

    fn publish(&mut self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let past = self.published.publish(snapshot.clone());
        self.head = Some(snapshot);
        // INVARIANT: nobody who decides lets go of the last hold on a past state, which takes long
        // where much of it is gone since. Defended by `tests/it/engine.rs`.
        self.past.push(past);
        self.past.retain(|past| Arc::strong_count(past) > 1);
        self.published.set_health(Health::Healthy);
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
            let mut requests = Vec::with_capacity(queued.len());
            for message in queued.drain(..) {
                match message {
                    Message::Request(request) => requests.push(*request),
                    Message::Retry => {}
                    Message::Stop => messages.close(),
                }
            }
            // Who has given up was told that nothing is known: what did not begin must not any more.
            requests.retain(|request| !request.reply.is_closed());
            kept.count_turn();
            self.serve(requests);
            kept.count_turn();
            let healthy = self.head.is_some();
            self.published.set_health(if healthy { Health::Healthy } else { Health::StoreFailed });
        }
        self.store.close()
    }

    /// INVARIANT: durable before visible, visible before acknowledged: commit, publish, answer, in
    /// this order. Defended by `tests/it/crash.rs` and `tests/it/engine.rs`.
    fn serve(&mut self, queued: Vec<Request>) {
        let head = match self.head() {
            Ok(head) => head,
            Err(e) => return refuse_all(queued.into_iter().map(|q| q.reply), &not_stored(&e)),
        };
        let max_changes = self.store.max_changes();
        let mut group = Group::plan(&head, queued, &self.rules, &mut self.names, max_changes);
        if let Err(e) = self.commit(&head, &mut group) {
            error!(error = %e, "changes could not be stored");
            let error = not_stored(&e);
            for Planned { reply, answer, rests_on_group } in group.planned {
                let _ = reply.send(if rests_on_group { Err(error.clone()) } else { answer });
            }
            return;
        }
        for Planned { reply, answer, .. } in group.planned {
            // A caller who is gone does not undo the change.
            let _ = reply.send(answer);
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
        if group.changes.is_empty() {
            return Ok(());
        }
        let batch = Batch {
            expected: head.revision,
            revision: group.revision,
            id: random_id()?,
            changes: std::mem::take(&mut group.changes),
        };
        match self.store.commit(&batch) {
            Ok(()) => {}
            Err(StoreError::TooLarge) => return Err(StoreError::TooLarge),
            Err(e) => return self.find_out(&batch, e),
        }
        telemetry::committed(group.revision - head.revision);
        let policy =
            head.policy.updated(&head.state, &group.state, &self.rules.groups, &batch.changes);
        self.publish(Snapshot { revision: group.revision, state: group.state.clone(), policy });
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
    fn plan(
        head: &Snapshot,
        queued: Vec<Request>,
        rules: &Rules,
        names: &mut Names,
        max_changes: usize,
    ) -> Self {
        let mut group = Self {
            state: head.state.clone(),
            revision: head.revision,
            changes: Vec::new(),
            planned: Vec::with_capacity(queued.len()),
        };
        for Request { command, reply } in queued {
            let answer = group.add(&command, rules, names, max_changes);
            let rests_on_group = group.revision > head.revision;
            group.planned.push(Planned { reply, answer, rests_on_group });
        }
        group
    }

    fn add(
        &mut self,
        command: &Command,
        rules: &Rules,
        names: &mut Names,
        max_changes: usize,
    ) -> Answer {
        let mut changes = command.plan(&self.state, rules)?;
        if changes.is_empty() {
            return Ok(self.revision);
        }
        if self.changes.len() + changes.len() > max_changes {
            return Err(not_stored(&StoreError::TooLarge));
        }
        let mut next = self.state.clone();
        for change in &mut changes {
            names.share_in(change);
            next.apply(change).map_err(|e| {
                error!(error = %e, "a command led to changes that do not fit the state");
                not_stored(&StoreError::Unavailable(String::new()))
            })?;
        }
        self.state = next;
        self.changes.extend(changes);
        self.revision += 1;
        Ok(self.revision)
    }
}

fn refuse_all(replies: impl Iterator<Item = oneshot::Sender<Answer>>, error: &Error) {
    for reply in replies {
        let _ = reply.send(Err(error.clone()));
    }
}

/// What callers hear of a failed store; the details are in the log alone.
fn not_stored(error: &StoreError) -> Error {
    let why = match error {
        StoreError::TooLarge => "the change is larger than the store takes at once",
        StoreError::Conflict => "the store was changed by somebody else meanwhile, try again",
        StoreError::Unknown(_) => {
            "the store failed; whether the change was stored is not known yet"
        }
        StoreError::InUse(_) | StoreError::Unavailable(_) | StoreError::Damaged(_) => {
            "the store failed, nothing was changed"
        }
    };
    Error::new(ErrorKind::Unavailable, why)
}
