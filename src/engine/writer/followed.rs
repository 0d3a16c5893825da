//! The writer's side of a store that others write to as well: the state advances by what the store
//! tells, own commits included, so that all see the same commits in the same order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::WeakSender;
use tracing::{info, warn};

use super::{Message, Writer};
use crate::clock::milliseconds;
use crate::engine::{Health, Snapshot};
use crate::model::event::events;
use crate::model::origin::Origin;
use crate::model::state::Change;
use crate::storage::{Batch, BatchId, News, Revision, Store, StoreError, random_id};

/// News that may wait for the writer; whoever tells more waits.
const NEWS: usize = 1024;
/// Commits that are remembered, to find among them one whose answer was lost.
const REMEMBERED: usize = 1024;
/// How long a commit may take to be told of.
const HEARING: Duration = Duration::from_secs(10);
/// How long the fate of a commit is looked for, and the pause between two tries.
const FINDING: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);

/// What a store that others write to has told.
pub(super) struct Followed {
    queue: WeakSender<Message>,
    news: Option<Receiver<News>>,
    /// Whether others could write to the store when it was loaded last.
    was_on: bool,
    /// Whether the writer knows already that there are news.
    called: Arc<AtomicBool>,
    /// The last commits told of, without a gap, each with the revision that it led to.
    commits: VecDeque<(Revision, BatchId)>,
    /// All that came after this revision is among them.
    since: Revision,
}

impl Followed {
    pub(super) fn new(queue: WeakSender<Message>) -> Self {
        Self {
            queue,
            news: None,
            was_on: false,
            called: Arc::default(),
            commits: VecDeque::new(),
            since: 0,
        }
    }

    /// Whether others can write to the store.
    pub(super) fn is_on(&self) -> bool {
        self.news.is_some()
    }

    /// Whether they could when it was loaded last.
    pub(super) fn was_on(&self) -> bool {
        self.was_on
    }

    /// Lets the store end what it does for the watch: nobody waits to be heard any more.
    pub(super) fn stop(&mut self) {
        self.news = None;
    }

    /// Has the store tell what comes after what was loaded.
    pub(super) fn start(
        &mut self,
        store: &mut dyn Store,
        loaded: Revision,
        batch: Option<BatchId>,
    ) -> Result<(), StoreError> {
        let (tell, news) = sync_channel(NEWS);
        let (queue, called) = (self.queue.clone(), self.called.clone());
        let watched = store.watch(Box::new(move |some| {
            if tell.send(some).is_ok()
                && !called.swap(true, Ordering::SeqCst)
                && let Some(queue) = queue.upgrade()
            {
                // A writer with a full queue looks for news anyway.
                let _ = queue.try_send(Message::News);
            }
        }))?;
        self.news = watched.then_some(news);
        self.was_on = watched;
        self.commits.clear();
        self.commits.extend(batch.map(|batch| (loaded, batch)));
        self.since = loaded;
        Ok(())
    }

    fn remember(&mut self, revision: Revision, batch: BatchId) {
        if self.commits.len() == REMEMBERED
            && let Some((forgotten, _)) = self.commits.pop_front()
        {
            self.since = self.since.max(forgotten);
        }
        self.commits.push_back((revision, batch));
    }

    /// Whether the batch is what followed its expected revision; none if that is not remembered.
    fn was_committed(&self, batch: &Batch) -> Option<bool> {
        if self.commits.iter().any(|(_, id)| *id == batch.id) {
            return Some(true);
        }
        (self.since <= batch.expected).then_some(false)
    }
}

impl Writer {
    /// Takes in what the store has told until now.
    pub(super) fn catch_up(&mut self) {
        self.followed.called.store(false, Ordering::SeqCst);
        if let Some(first) = self.followed.news.as_ref().and_then(|news| news.try_recv().ok()) {
            self.hear(first);
        }
    }

    /// Waits until the store has told of a revision.
    pub(super) fn hear_of(&mut self, revision: Revision) -> Result<(), StoreError> {
        let until = Instant::now() + HEARING;
        // Who waits for a commit may not take a load that fails for a commit that did not happen.
        let unread = |e: StoreError| StoreError::Unknown(e.to_string());
        while self.head().map_err(unread)?.revision < revision {
            let silent = || StoreError::Unknown(format!("revision {revision} was not told of"));
            let news = self.followed.news.as_ref().ok_or_else(silent)?;
            match news.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(first) => self.hear(first),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(silent());
                }
            }
        }
        Ok(())
    }

    /// Takes in news, all that there are at once.
    fn hear(&mut self, first: News) {
        let Some(head) = self.head.clone() else { return };
        let (mut state, mut revision) = (head.state.clone(), head.revision);
        let (mut all, mut up_to_date, mut lost) = (Vec::<Change>::new(), None, None);
        // Each commit's revision and number of changes.
        let mut commits = Vec::new();
        let mut next = Some(first);
        while let Some(news) = next {
            match news {
                News::Committed { revision: reached, batch, mut changes } => {
                    changes.iter_mut().for_each(|change| self.names.share_in(change));
                    lost = changes.iter().try_for_each(|change| state.apply(change)).err();
                    revision = reached;
                    commits.push((reached, changes.len()));
                    batch.into_iter().for_each(|batch| self.followed.remember(reached, batch));
                    all.append(&mut changes);
                }
                News::UpToDate(at) => up_to_date = Some(at),
                News::Unseen => {
                    up_to_date = None;
                    self.published.expire();
                }
                News::InForce(revision) => self.published.set_in_force(revision),
                News::Lost(e) => {
                    warn!(error = %e, "the store has lost the thread; reading it again");
                    return self.read_again();
                }
            }
            if let Some(e) = lost {
                warn!(error = %e, "the store told of what does not fit; reading it again");
                return self.read_again();
            }
            next = self.followed.news.as_ref().and_then(|news| news.try_recv().ok());
        }
        if revision > head.revision || !all.is_empty() {
            let policy = head.policy.updated(&head.state, &state, &self.rules.groups, &all);
            let mut rest = all.as_slice();
            let commits = commits.into_iter().filter_map(|(revision, count)| {
                let (changes, others) = rest.split_at_checked(count)?;
                rest = others;
                Some((revision, changes))
            });
            let commits: Vec<_> = commits.collect();
            let store = head.store.clone();
            self.publish_commits(&commits, Snapshot { store, revision, state, policy });
        }
        if let Some(at) = up_to_date {
            self.published.confirm(at);
        }
    }

    fn read_again(&mut self) {
        self.head = None;
        if let Err(e) = self.load() {
            warn!(error = %e, "the store cannot be read");
            self.published.set_health(Health::StoreFailed);
        }
    }

    /// Whether a batch was committed whose answer is bad or was lost.
    ///
    /// A request that is still on its way may commit it later, as long as the store is at the
    /// revision that it expects. So that revision is used up first, by a batch without changes.
    ///
    /// INVARIANT: a commit that may have happened is neither acknowledged nor refused before it is
    /// known which. Defended by `tests/it/engine/followed.rs`.
    pub(super) fn find_out_among_others(
        &mut self,
        batch: &Batch,
        failure: StoreError,
    ) -> Result<(), StoreError> {
        // Then it is known.
        if !matches!(failure, StoreError::Unknown(_)) {
            return Err(failure);
        }
        warn!(error = %failure, "a commit failed; finding out whether it happened");
        self.published.set_health(Health::StoreFailed);
        let (revision, found) = (batch.revision, self.find(batch, &failure));
        match &found {
            Ok(()) => info!(revision, "the commit had happened"),
            Err(StoreError::Unknown(_)) => {
                warn!(revision, "given up: whether the commit happened is not known");
            }
            Err(_) => info!(revision, "the commit had not happened, and never will"),
        }
        found
    }

    fn find(&mut self, batch: &Batch, failure: &StoreError) -> Result<(), StoreError> {
        let revision = batch.expected + 1;
        let (expected, id, changes) = (batch.expected, random_id()?, Vec::new());
        let events = events(revision, milliseconds(), &Origin::own("fence"), "Fence", Vec::new());
        let fence = Batch { expected, revision, id, changes, events, strict: false };
        let until = Instant::now() + FINDING;
        while let Err(e) = self.store.commit(&fence)
            && e != StoreError::Conflict
        {
            if Instant::now() >= until {
                return Err(StoreError::Unknown(e.to_string()));
            }
            // What is told meanwhile is decided on meanwhile.
            self.catch_up();
            thread::sleep(PAUSE);
        }
        self.hear_of(revision)?;
        match self.followed.was_committed(batch) {
            Some(true) => Ok(()),
            Some(false) => Err(StoreError::Unavailable(failure.to_string())),
            None => Err(StoreError::Unknown(failure.to_string())),
        }
    }
}
