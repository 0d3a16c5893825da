//! All records of one store into another.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tracing::warn;

use super::records::everything;
use super::trail::Trail;
use super::{Batch, Loaded, News, Revision, Store, StoreError, random_id};
use crate::clock::milliseconds;
use crate::model::event::{Event, events};
use crate::model::origin::Origin;
use crate::model::state::{Change, State};

/// Records that are written at once, where the store takes so many.
const AT_ONCE: usize = 10_000;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(1);
/// How long a store may take to tell of a commit.
const HEARING: Duration = Duration::from_secs(10);
const NEWS: usize = 1024;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// How many records.
    pub records: usize,
    /// The revision of the copy: that of the original, or one more for each commit where those were
    /// more.
    pub revision: Revision,
}

/// A store that a copy goes into: opened without any records, and under a mark, with which nobody
/// else opens or loads it.
///
/// INVARIANT: what a copy that was broken off has left is never served. Defended by
/// `tests/it/etcd/broken_off.rs`.
pub trait Target: Store {
    /// All is there: takes the mark away for good, and closes the store.
    ///
    /// # Errors
    /// The mark is there still, unless the error is [`StoreError::Unknown`].
    fn complete(self: Box<Self>) -> Result<(), StoreError>;
}

/// Copies everything from `source` to what `open` opens, and reads it again there. `progress` is told
/// from time to time how many records of how many are written.
///
/// The copy is another store, and begins an audit trail of its own, with one event: by `origin`, it
/// tells which store was copied, and with which event the trail of that one ended. So both together
/// tell everything, and a copy takes no longer for a long history.
///
/// # Errors
/// A text: something cannot be opened, read or written, or the copy is not the same.
pub fn copy(
    mut source: Box<dyn Store>,
    open: impl FnOnce() -> Result<Box<dyn Target>, String>,
    origin: Origin,
    mut progress: impl FnMut(usize, usize),
) -> Result<Copied, String> {
    let original = source.load().map_err(|e| format!("the source cannot be read: {e}"))?;
    if original.state == State::default() {
        return Err("the source holds nothing; nothing was copied".to_owned());
    }
    let target = open()?;
    let records: Vec<Change> = everything(&original.state).collect();
    let all = records.len();
    // A Milvus' own etcd has none.
    let trail = source.audit(u64::MAX).map(|page| page.trail).unwrap_or_default();
    let comment = of_whom(&source.store_id(), original.revision, &trail);
    let origin = Origin { comment, ..origin };
    let mut writer = Writer::new(target, original.revision, origin).map_err(|e| e.to_string())?;
    let mut told = Instant::now();
    while writer.done < all {
        writer.write(&records).map_err(|e| {
            let done = writer.done;
            format!(
                "{done} of {all} records were copied, then: {e}; to begin anew, run the same again"
            )
        })?;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            progress(writer.done, all);
        }
    }
    let Writer { mut target, .. } = writer;
    let copied = target.load().map_err(|e| format!("the copy cannot be read: {e}"))?;
    if copied.state != original.state {
        return Err("the copy is not the same as the original; to begin anew, run the same again"
            .to_owned());
    }
    target.complete().map_err(|e| {
        format!(
            "{all} records were copied and checked, then: {e}; run the same again: it begins anew, \
             or says that the target is not empty, and then the copy is whole"
        )
    })?;
    if let Err(e) = source.close() {
        warn!(error = %e, "the copy is whole; its source could not be closed");
    }
    Ok(Copied { records: all, revision: copied.revision })
}

fn of_whom(store_id: &str, revision: Revision, trail: &Trail) -> String {
    let copied = format!("copied from store {store_id} at revision {revision}");
    if trail.is_empty() {
        return format!("{copied}, which had no audit trail");
    }
    format!("{copied}, whose audit trail ended with {}:{}", trail.last.number, trail.last.hash)
}

/// For a store that is to be filled.
pub(super) fn check_empty(there: &Loaded) -> Result<(), StoreError> {
    if there.revision == 0 && there.state == State::default() {
        return Ok(());
    }
    Err(StoreError::Unfit(format!(
        "the target is not empty: it is at revision {}, with {} users and {} roles; nothing was \
         changed",
        there.revision,
        there.state.users.len(),
        there.state.roles.len()
    )))
}

/// For a store from which something is to be read.
pub(super) fn nothing_at(place: impl fmt::Display) -> StoreError {
    StoreError::Unfit(format!("nothing is stored at {place}"))
}

/// For a store that carries the mark of a copy.
pub(super) fn not_whole(place: impl fmt::Display) -> StoreError {
    StoreError::Unfit(format!(
        "{place}: a copy into it was broken off, or is under way; what is there is not everything. \
         Run the same `milvus-rbac store copy` again: it begins anew"
    ))
}

struct Writer {
    target: Box<dyn Target>,
    /// What it tells, where others can write to it too.
    news: Option<Receiver<News>>,
    at: Revision,
    /// The revision to end with, if it is not reached before.
    last: Revision,
    origin: Origin,
    done: usize,
    at_once: usize,
}

impl Writer {
    fn new(
        mut target: Box<dyn Target>,
        last: Revision,
        origin: Origin,
    ) -> Result<Self, StoreError> {
        let (tell, news) = sync_channel(NEWS);
        let watched = target.watch(Box::new(move |some| {
            // Nobody listens any more once everything is written.
            let _ = tell.send(some);
        }))?;
        let news = watched.then_some(news);
        Ok(Self { target, news, at: 0, last, origin, done: 0, at_once: AT_ONCE })
    }

    /// Writes the next records, fewer where the store takes no more.
    fn write(&mut self, records: &[Change]) -> Result<(), StoreError> {
        let rest = records.get(self.done..).unwrap_or_default();
        let some = rest.get(..self.at_once).unwrap_or(rest);
        let next = self.at + 1;
        let is_last = some.len() == rest.len();
        let revision = if is_last { self.last.max(next) } else { next };
        let events = if is_last { self.told(revision) } else { Vec::new() };
        let (expected, id, changes) = (self.at, random_id()?, some.to_vec());
        let batch = Batch { expected, revision, id, changes, events, strict: false };
        match self.target.commit(&batch) {
            Err(StoreError::TooLarge(_)) if some.len() > 1 => {
                self.at_once = some.len() / 2;
                Ok(())
            }
            Err(e) => Err(e),
            Ok(()) => {
                self.hear_of(revision)?;
                self.at = revision;
                self.done += some.len();
                Ok(())
            }
        }
    }

    /// What the trail begins with.
    fn told(&self, revision: Revision) -> Vec<Event> {
        events(revision, milliseconds(), &self.origin, "StoreCopy", Vec::new())
    }

    /// A store that is watched goes on from what it has told.
    fn hear_of(&self, revision: Revision) -> Result<(), StoreError> {
        let Some(news) = &self.news else { return Ok(()) };
        let until = Instant::now() + HEARING;
        loop {
            match news.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(News::Committed { revision: reached, .. }) if reached >= revision => {
                    return Ok(());
                }
                Ok(
                    News::Committed { .. } | News::UpToDate(_) | News::Unseen | News::InForce(_),
                ) => {}
                Ok(News::Lost(e)) => return Err(e),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(StoreError::Unknown(format!(
                        "revision {revision} was not told of"
                    )));
                }
            }
        }
    }
}
