//! The single writer: it orders all changes, commits them in groups, publishes the new state and
//! then answers; and the handle by which everybody else reads and asks for changes.

mod history;
mod keeper;
mod writer;

pub use history::{Beginning, Commit, Everything, Follower, Forgotten};

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::authz::{Policy, View};
use crate::model::builtin::BuiltInGroups;
use crate::model::command::{Command, Rules};
use crate::model::error::{Error, ErrorKind};
use crate::model::origin::Origin;
use crate::model::state::State;
use crate::storage::trail::Page;
use crate::storage::{Revision, Store, StoreError};
use crate::telemetry::{self, Shed};
use history::History;
use keeper::{Kept, Turns};
use writer::{Message, Request, Writer};

pub use writer::Done;

/// Commands that may wait for the writer; more are refused.
const QUEUE: usize = 4096;

/// How long a command waits for the store. The largest that there are take less.
const ANSWER: Duration = Duration::from_secs(20);

/// A change that is to be in force everywhere is not worth a word before.
const EVERYWHERE: Duration = Duration::from_secs(1);

/// What holds where several instances share a store.
#[derive(Debug, Clone, Copy)]
pub struct Sharing {
    /// How old the state may be on which something is decided.
    pub max_staleness: Duration,
    /// Whether what takes something away is acknowledged only when it is in force everywhere.
    pub strict_revokes: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { max_staleness: Duration::from_secs(10), strict_revokes: false }
    }
}

/// One moment of the state, never changed once published.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The store: revisions of different ones say nothing about each other.
    pub store: Arc<str>,
    /// Which moment.
    pub revision: Revision,
    /// What held then.
    pub state: State,
    /// The state's grants, compiled.
    pub policy: Policy,
}

/// A command, and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub command: Command,
    /// Who asks for it.
    pub origin: Origin,
    /// Where given, it is refused unless the state is at this revision.
    pub only_at: Option<Revision>,
}

impl Order {
    /// Whether it may be carried out at that revision.
    fn check_revision(&self, now: Revision) -> Result<(), Error> {
        match self.only_at {
            Some(revision) if revision != now => Err(Error::verbatim(
                ErrorKind::Outdated,
                format!(
                    "revision {revision} was asked for, and this is {now}: nothing was changed"
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl From<Command> for Order {
    fn from(command: Command) -> Self {
        Self { command, origin: Origin::default(), only_at: None }
    }
}

impl Snapshot {
    /// What questions about it are answered from; `groups` are those that the rules know.
    pub fn view<'a>(&'a self, groups: &'a BuiltInGroups) -> View<'a> {
        View { state: &self.state, policy: &self.policy, groups }
    }
}

/// Why a revision is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// This one is all that was reached in time.
    Late(Revision),
    /// There is another store now, in which it means nothing.
    Replaced,
}

/// Whether changes can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// They can.
    Healthy,
    /// The last attempt failed, and the store could not be read again. It is tried again with each
    /// new change, and from time to time.
    StoreFailed,
    /// The store has not answered for some seconds.
    StoreSilent,
    /// Others write to the store, and what they wrote has not been heard of for too long: nothing is
    /// decided until it has.
    Behind,
    /// The writer has stopped.
    Stopped,
}

struct Published {
    current: ArcSwap<Snapshot>,
    /// The store and the revision of the current one.
    reached: watch::Sender<(Arc<str>, Revision)>,
    /// The last strict commit that is in force everywhere.
    in_force: watch::Sender<Revision>,
    health: watch::Sender<Health>,
    turns: Turns,
    rules: Rules,
    /// What those are told who follow this instance.
    history: Arc<History>,
    /// When the state was last known to be the newest; none where nobody else changes it.
    confirmed: ArcSwapOption<Instant>,
    sharing: Sharing,
}

impl Published {
    /// Returns the snapshot before.
    fn publish(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let reached = (snapshot.store.clone(), snapshot.revision);
        let before = self.current.swap(snapshot);
        if (&before.store, before.revision) != (&reached.0, reached.1) {
            telemetry::published();
        }
        self.reached.send_replace(reached);
        before
    }

    /// The state was the newest at that moment.
    fn confirm(&self, at: Instant) {
        let silent = self.staleness().filter(|_| self.is_behind());
        self.confirmed.store(Some(Arc::new(at)));
        if let Some(silent) = silent
            && !self.is_behind()
        {
            info!("what others change is heard of again after {} s", silent.as_secs());
        }
    }

    /// Nothing is decided here any more.
    fn expire(&self) {
        let unit = Duration::from_millis(1);
        let long_ago = Instant::now().checked_sub(self.sharing.max_staleness + unit);
        long_ago.into_iter().for_each(|at| self.confirm(at));
    }

    fn staleness(&self) -> Option<Duration> {
        self.confirmed.load().as_ref().map(|at| at.elapsed())
    }

    fn is_behind(&self) -> bool {
        self.staleness().is_some_and(|staleness| staleness > self.sharing.max_staleness)
    }

    fn set_in_force(&self, revision: Revision) {
        self.in_force.send_if_modified(|reached| {
            let rises = *reached < revision;
            *reached = revision.max(*reached);
            rises
        });
    }

    fn set_health(&self, health: Health) {
        self.health.send_if_modified(|h| std::mem::replace(h, health) != health);
    }
}

/// The way to the state. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    published: Arc<Published>,
    queue: mpsc::Sender<Message>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("revision", &self.snapshot().revision)
            .finish_non_exhaustive()
    }
}

/// The writer's thread. It ends after [`Engine::stop`], or when every [`Engine`] handle is gone.
#[derive(Debug)]
pub struct WriterThread(JoinHandle<Result<(), StoreError>>);

impl WriterThread {
    /// Waits until the writer has ended and closed its store. Blocks.
    ///
    /// # Errors
    /// The store could not be closed cleanly.
    pub fn join(self) -> Result<(), StoreError> {
        self.0.join().map_err(|_| StoreError::Unavailable("the writer panicked".to_owned()))?
    }
}

impl Engine {
    /// Loads the store and starts the writer. Blocks while loading. `sharing` matters only where
    /// others write to the store too.
    ///
    /// # Errors
    /// The store cannot be loaded, or no thread started.
    pub fn start(
        store: Box<dyn Store>,
        rules: Rules,
        sharing: Sharing,
    ) -> Result<(Self, WriterThread), StoreError> {
        let published = Arc::new(Published {
            current: ArcSwap::default(),
            reached: watch::Sender::default(),
            in_force: watch::Sender::new(0),
            health: watch::Sender::new(Health::Healthy),
            turns: Turns::default(),
            rules: rules.clone(),
            history: Arc::default(),
            confirmed: ArcSwapOption::empty(),
            sharing,
        });
        let (queue, requests) = mpsc::channel(QUEUE);
        let mut writer = Writer::new(store, rules, published.clone(), queue.downgrade());
        writer.load()?;
        let no_thread = |e: std::io::Error| StoreError::Unavailable(e.to_string());
        let kept = Kept::start(published.clone(), queue.downgrade()).map_err(no_thread)?;
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || writer.run(requests, kept))
            .map_err(no_thread)?;
        Ok((Self { published, queue }, WriterThread(thread)))
    }

    /// The newest state. Takes no lock and never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.current.load_full()
    }

    /// The newest state, to decide on.
    ///
    /// INVARIANT: no decision rests on a state that may be older than `--max-staleness`. Defended by
    /// `tests/it/engine/followed.rs`.
    ///
    /// # Errors
    /// Others write to the store, and it is not known for too long what.
    pub fn current(&self) -> Result<Arc<Snapshot>, Error> {
        // Before the state is taken, which is then at least as new.
        let confirmed = self.published.confirmed.load_full();
        let snapshot = self.snapshot();
        let allowed = self.published.sharing.max_staleness;
        match confirmed.map(|at| at.elapsed()) {
            Some(staleness) if staleness > allowed => Err(Error::verbatim(
                ErrorKind::Unavailable,
                format!(
                    "nothing is decided here for now: what others have changed has not been heard \
                     of for {} s, and --max-staleness allows {} s",
                    staleness.as_secs(),
                    allowed.as_secs()
                ),
            )),
            _ => Ok(snapshot),
        }
    }

    /// The time since the state was last known to be the newest; none where nobody else changes it.
    pub fn staleness(&self) -> Option<Duration> {
        self.published.staleness()
    }

    /// How large that may be.
    pub fn max_staleness(&self) -> Duration {
        self.published.sharing.max_staleness
    }

    /// Commands that wait for the writer, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        (QUEUE - self.queue.capacity(), QUEUE)
    }

    /// Tells a follower, who has a revision of a store already or none of any, what is kept.
    ///
    /// # Errors
    /// Something that is kept cannot be told.
    pub async fn follow(
        &self,
        store_id: &str,
        revision: Revision,
    ) -> Result<(Follower, Beginning), StoreError> {
        Follower::begin(self.published.history.clone(), store_id, revision).await
    }

    /// Whether changes can be stored.
    pub fn health(&self) -> Health {
        *self.published.health.borrow()
    }

    /// Told of every change of health.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.published.health.subscribe()
    }

    /// Asks for a change and waits until it is durable and visible; with strict revokes, what takes
    /// something away until it is in force everywhere.
    ///
    /// # Errors
    /// A rule refuses it, or it could not be stored. Nothing changed then, unless the text says
    /// that it is not known yet, or that it is stored and not known to be in force everywhere.
    pub async fn execute(&self, order: impl Into<Order>) -> Result<Revision, Error> {
        self.carry_out(order.into()).await.map(|done| done.revision)
    }

    /// The same, and tells what was done.
    ///
    /// # Errors
    /// See [`Engine::execute`].
    pub async fn carry_out(&self, order: Order) -> Result<Done, Error> {
        let _span = telemetry::span("commit");
        let (reply, answer) = oneshot::channel();
        let request = Message::Request(Box::new(Request { order, reply }));
        self.queue.try_send(request).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => overloaded(),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        let until = tokio::time::Instant::now() + ANSWER;
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(Ok(done))) => {
                if done.strict {
                    self.everywhere(done.revision, until).await?;
                }
                Ok(done)
            }
            Ok(Ok(refused)) => refused,
            // Too late, or the writer broke off in the middle.
            Ok(Err(_)) | Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "the store does not answer; whether the change was stored is not known yet",
            )),
        }
    }

    /// Some of the audit trail: what comes after the event of that number, as the store has it now.
    ///
    /// # Errors
    /// It cannot be read, or there is none here.
    pub async fn audit(&self, after: u64) -> Result<Page, Error> {
        let (reply, answer) = oneshot::channel();
        let unread = |e: StoreError| match e {
            StoreError::Unfit(why) => Error::verbatim(ErrorKind::NotSupported, why),
            e => Error::verbatim(ErrorKind::Unavailable, e.to_string()),
        };
        self.queue.try_send(Message::Audit { after, reply }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => overloaded(),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(Ok(page)) => page.map_err(unread),
            Ok(Err(_)) | Err(_) => {
                let why = "the store does not answer";
                Err(Error::verbatim(ErrorKind::Unavailable, why))
            }
        }
    }

    /// Whether an order would be carried out now. It changes nothing.
    ///
    /// # Errors
    /// It would be refused, as far as the state tells.
    pub fn rehearse(&self, order: &Order) -> Result<Revision, Error> {
        let snapshot = self.current()?;
        order.check_revision(snapshot.revision)?;
        order.command.plan(&snapshot.state, &self.published.rules)?;
        Ok(snapshot.revision)
    }

    /// INVARIANT: with strict revokes, what takes something away is acknowledged only when nobody
    /// decides any more on a state that has it still. Defended by `tests/it/engine/strict.rs` and
    /// `tests/it/etcd/strict.rs`.
    ///
    /// The caller waits and not the writer, which keeps nothing of it.
    async fn everywhere(
        &self,
        revision: Revision,
        until: tokio::time::Instant,
    ) -> Result<(), Error> {
        let mut in_force = self.published.in_force.subscribe();
        let mut reached = async || in_force.wait_for(|r| *r >= revision).await.map(drop);
        let soon = tokio::time::Instant::now() + EVERYWHERE;
        let in_time = match tokio::time::timeout_at(soon.min(until), reached()).await {
            Ok(told) => Ok(told),
            Err(_) => {
                warn!(revision, "a change waits for an instance that has not told that it has it");
                tokio::time::timeout_at(until, reached()).await
            }
        };
        match in_time {
            Ok(Ok(())) => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                "the change is stored and in force here, but it is not known yet whether it is in \
                 force at all other instances; ask for it again to wait again",
            )),
        }
    }

    /// Tells the writer to end after what is queued already. Later commands are refused.
    pub async fn stop(&self) {
        // It has stopped already if nobody takes the message.
        let _ = self.queue.send(Message::Stop).await;
    }

    /// Waits until the published revision is at least `revision`.
    ///
    /// # Errors
    /// It was not within `limit`; the revision reached is given.
    pub async fn wait_for(&self, revision: Revision, limit: Duration) -> Result<(), Revision> {
        let mut published = self.published.reached.subscribe();
        let reached = published.wait_for(|(_, r)| *r >= revision);
        match tokio::time::timeout(limit, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.snapshot().revision),
        }
    }

    /// The same, for a revision of `store`.
    ///
    /// # Errors
    /// It was not within `limit`, or there is another store by now.
    pub async fn wait_in(
        &self,
        store: &str,
        revision: Revision,
        limit: Duration,
    ) -> Result<(), Missed> {
        let mut published = self.published.reached.subscribe();
        let reached = published.wait_for(|(now, r)| **now != *store || *r >= revision);
        match tokio::time::timeout(limit, reached).await {
            Ok(Ok(reached)) if *reached.0 != *store => Err(Missed::Replaced),
            Ok(Ok(_)) => Ok(()),
            _ => Err(Missed::Late(self.snapshot().revision)),
        }
    }
}

fn overloaded() -> Error {
    telemetry::shed(Shed::Changes, 1);
    Error::bare(ErrorKind::Overloaded, "")
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the server is stopping, nothing was changed")
}
