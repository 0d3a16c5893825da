//! The last commits, for instances that follow this one: what each is told comes from here, in the
//! form in which it travels, made once for all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::watch;
use tracing::error;

use super::Snapshot;
use crate::model::state::Change;
use crate::storage::{Revision, StoreError, records};

/// Commits that are remembered, and their bytes.
const COMMITS: usize = 8192;
const BYTES: usize = 8 << 20;
/// The largest commit that is told as such; after a larger one everybody reads everything again.
const MAX_COMMIT: usize = 2 << 20;

/// A commit as it is told.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The revision after.
    pub revision: Revision,
    /// The records that it wrote and removed.
    pub records: Bytes,
}

/// Everything that was kept at some moment, as it is told.
#[derive(Debug)]
pub struct Everything {
    /// The store.
    pub store_id: Arc<str>,
    /// The revision.
    pub revision: Revision,
    /// All records.
    pub chunks: Vec<Bytes>,
    /// How many commits were told before.
    position: u64,
}

/// How a follower begins.
#[derive(Debug)]
pub enum Beginning {
    /// With what comes after its own revision.
    Resumed,
    /// With everything.
    Everything(Arc<Everything>),
}

/// What comes next is forgotten: everything must be told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten;

/// Commits, counted from the start of the process. Each has a position, since changes of other
/// programs keep the revision.
#[derive(Debug, Default)]
struct Remembered {
    /// Whether others write to the store: then a revision does not tell all.
    shared: bool,
    /// The revision before the first commit that is remembered.
    base: Revision,
    /// The position of that commit.
    first: u64,
    commits: VecDeque<Commit>,
    bytes: usize,
    /// The state after the last commit.
    snapshot: Arc<Snapshot>,
    /// The last one that somebody was told, as long as somebody is.
    everything: Weak<Everything>,
}

/// What followers are told from.
#[derive(Debug)]
pub(super) struct History {
    remembered: Mutex<Remembered>,
    /// The position of the next commit.
    end: watch::Sender<u64>,
    /// Held while a state is made into records, which takes long.
    encoding: tokio::sync::Mutex<()>,
}

impl Default for History {
    fn default() -> Self {
        let (remembered, encoding) = Default::default();
        Self { remembered, end: watch::Sender::new(0), encoding }
    }
}

impl History {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store was read: what led there is not known.
    pub(super) fn restart(&self, shared: bool, snapshot: Arc<Snapshot>) {
        let mut remembered = self.remembered();
        remembered.shared = shared;
        remembered.forget(snapshot);
        self.tell(remembered);
    }

    /// Commits were published, each with the revision after and its changes.
    pub(super) fn add(&self, commits: &[(Revision, &[Change])], snapshot: Arc<Snapshot>) {
        let encoded = commits.iter().map(|(revision, changes)| {
            let records = records::encode(changes, MAX_COMMIT)?;
            Ok(records.map(|records| Commit { revision: *revision, records }))
        });
        let encoded: Result<Option<Vec<Commit>>, StoreError> = encoded.collect();
        let encoded = encoded.unwrap_or_else(|e| {
            error!(error = %e, "a commit cannot be told to followers");
            None
        });
        let mut remembered = self.remembered();
        match encoded {
            Some(commits) => {
                commits.into_iter().for_each(|commit| remembered.add(commit));
                remembered.snapshot = snapshot;
            }
            None => remembered.forget(snapshot),
        }
        self.tell(remembered);
    }

    fn tell(&self, remembered: MutexGuard<'_, Remembered>) {
        let end = remembered.end();
        drop(remembered);
        self.end.send_replace(end);
    }
}

impl Remembered {
    fn end(&self) -> u64 {
        self.first + self.commits.len() as u64
    }

    /// Whoever was told until now has missed something.
    fn forget(&mut self, snapshot: Arc<Snapshot>) {
        self.first = self.end() + 1;
        self.commits.clear();
        self.bytes = 0;
        self.base = snapshot.revision;
        self.snapshot = snapshot;
    }

    fn add(&mut self, commit: Commit) {
        self.bytes += commit.records.len();
        self.commits.push_back(commit);
        while (self.commits.len() > COMMITS || self.bytes > BYTES)
            && let Some(commit) = self.commits.pop_front()
        {
            self.first += 1;
            self.base = commit.revision;
            self.bytes -= commit.records.len();
        }
    }

    /// The position of the first commit that somebody may not know who is at that revision; none if
    /// that is not remembered.
    fn after(&self, revision: Revision) -> Option<u64> {
        // What other programs changed at that revision may have been missed, so it is told again.
        if revision == self.base && !self.shared {
            return Some(self.first);
        }
        let led_there = self.commits.iter().position(|commit| commit.revision == revision)?;
        (revision != self.base).then(|| self.first + led_there as u64 + 1)
    }
}

impl History {
    /// Everything, as one who begins is told it.
    async fn everything(&self) -> Result<Arc<Everything>, StoreError> {
        let _encoding = self.encoding.lock().await;
        let (snapshot, position) = {
            let remembered = self.remembered();
            // What another one is being told will do, with what came since.
            let shared = remembered.everything.upgrade();
            if let Some(everything) = shared.filter(|e| e.position >= remembered.first) {
                return Ok(everything);
            }
            (remembered.snapshot.clone(), remembered.end())
        };
        let (store_id, revision) = (snapshot.store.clone(), snapshot.revision);
        let encoded = tokio::task::spawn_blocking(move || records::encode_all(&snapshot.state));
        let stopping = |_| StoreError::Unavailable("the process is ending".to_owned());
        let chunks = encoded.await.map_err(stopping)??;
        let everything = Arc::new(Everything { store_id, revision, chunks, position });
        self.remembered().everything = Arc::downgrade(&everything);
        Ok(everything)
    }
}

/// What one follower has been told.
#[derive(Debug)]
pub struct Follower {
    history: Arc<History>,
    next: u64,
    end: watch::Receiver<u64>,
}

impl Follower {
    /// Somebody who has a revision of a store already, or nothing of any.
    pub(super) async fn begin(
        history: Arc<History>,
        store_id: &str,
        revision: Revision,
    ) -> Result<(Self, Beginning), StoreError> {
        let end = history.end.subscribe();
        let known = {
            let remembered = history.remembered();
            let same = *remembered.snapshot.store == *store_id;
            same.then(|| remembered.after(revision)).flatten()
        };
        let (next, beginning) = match known {
            Some(next) => (next, Beginning::Resumed),
            None => {
                let everything = history.everything().await?;
                (everything.position, Beginning::Everything(everything))
            }
        };
        Ok((Self { history, next, end }, beginning))
    }

    /// The next commit, if there is one already.
    ///
    /// # Errors
    /// It was too long ago, or the store was read again.
    pub fn take(&mut self) -> Result<Option<Commit>, Forgotten> {
        let remembered = self.history.remembered();
        let index = self.next.checked_sub(remembered.first).ok_or(Forgotten)?;
        let commit = usize::try_from(index).ok().and_then(|i| remembered.commits.get(i)).cloned();
        self.next += u64::from(commit.is_some());
        Ok(commit)
    }

    /// The position after the last commit that there is.
    pub fn end(&self) -> u64 {
        self.history.remembered().end()
    }

    /// The position of the next commit to be told.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Waits for commits after the last that was told.
    pub async fn more(&mut self) {
        let next = self.next;
        // The history is there as long as its followers.
        let _ = self.end.wait_for(|end| *end > next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(revision: Revision) -> Arc<Snapshot> {
        Arc::new(Snapshot { store: "store".into(), revision, ..Snapshot::default() })
    }

    /// A history that begins with revision 5.
    fn history(shared: bool) -> Arc<History> {
        let history = Arc::<History>::default();
        history.restart(shared, snapshot(5));
        history
    }

    fn commit(history: &History, revision: Revision) {
        history.add(&[(revision, &[])], snapshot(revision));
    }

    /// The revisions that somebody is told who comes back; none if everything is told.
    async fn told(history: &Arc<History>, revision: Revision) -> Option<Vec<Revision>> {
        let (mut follower, beginning) =
            Follower::begin(history.clone(), "store", revision).await.unwrap();
        let mut told = Vec::new();
        while let Some(commit) = follower.take().unwrap() {
            told.push(commit.revision);
        }
        matches!(beginning, Beginning::Resumed).then_some(told)
    }

    #[tokio::test]
    async fn whoever_comes_back_is_told_what_it_missed() {
        let history = history(false);
        assert_eq!(told(&history, 5).await, Some(vec![]));
        for revision in [6, 7, 9] {
            commit(&history, revision);
        }
        assert_eq!(told(&history, 5).await, Some(vec![6, 7, 9]));
        assert_eq!(told(&history, 7).await, Some(vec![9]));
        assert_eq!(told(&history, 9).await, Some(vec![]));
        // Before what is remembered, between two commits, and what never was.
        for revision in [4, 8, 10] {
            assert_eq!(told(&history, revision).await, None);
        }
        let (_, beginning) = Follower::begin(history.clone(), "other", 7).await.unwrap();
        assert!(matches!(beginning, Beginning::Everything(_)));
    }

    /// What other programs change keeps the revision: nobody knows whether it was heard.
    #[tokio::test]
    async fn changes_of_other_programs_are_told_again() {
        let history = history(true);
        assert_eq!(told(&history, 5).await, None);
        for revision in [6, 6, 6, 7, 7] {
            commit(&history, revision);
        }
        assert_eq!(told(&history, 6).await, Some(vec![6, 6, 7, 7]));
        assert_eq!(told(&history, 7).await, Some(vec![7]));
    }

    #[tokio::test]
    async fn what_is_forgotten_is_not_skipped() {
        let history = history(false);
        let begin = || Follower::begin(history.clone(), "store", 5);
        let (mut slow, _) = begin().await.unwrap();
        let (mut other, _) = begin().await.unwrap();
        for revision in 6..6 + COMMITS as u64 {
            commit(&history, revision);
        }
        assert_eq!(slow.take().unwrap().unwrap().revision, 6);
        commit(&history, 6 + COMMITS as u64);
        assert_eq!(slow.take().unwrap().unwrap().revision, 7);
        assert_eq!(other.take().unwrap_err(), Forgotten);
        assert_eq!(told(&history, 5).await, None);
        // The store was read again.
        history.restart(false, snapshot(6 + COMMITS as u64));
        assert_eq!(slow.take().unwrap_err(), Forgotten);
    }

    #[tokio::test]
    async fn everything_is_encoded_once_for_all_who_begin_together() {
        let history = history(false);
        let begin = || Follower::begin(history.clone(), "", 0);
        let (_, one) = begin().await.unwrap();
        commit(&history, 6);
        let (mut follower, other) = begin().await.unwrap();
        let (Beginning::Everything(one), Beginning::Everything(other)) = (one, other) else {
            panic!("neither has anything");
        };
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(follower.take().unwrap().unwrap().revision, 6);
        drop((one, other));
        let (mut follower, Beginning::Everything(anew)) = begin().await.unwrap() else {
            panic!("it has nothing");
        };
        assert_eq!((anew.revision, follower.take().unwrap().is_none()), (6, true));
    }
}
