//! A store that forgets everything with the process: for tests and trials.

use std::collections::VecDeque;

use super::trail::{Keep, Page, Segment, Trail};
use super::{Batch, Loaded, Store, StoreError, random_id};
use crate::clock::milliseconds;

/// Of the audit trail no more than this is kept in memory.
const MAX_TRAIL: u64 = 16 << 20;
/// Segments that go with a commit at most, and that are read at once.
const AT_ONCE: usize = 64;

/// Keeps the state itself.
#[derive(Debug)]
pub struct MemoryStore {
    id: u128,
    loaded: Loaded,
    trail: Trail,
    segments: VecDeque<Segment>,
}

impl MemoryStore {
    /// A new, empty store.
    ///
    /// # Errors
    /// The operating system gives no random bytes for its id.
    pub fn new() -> Result<Self, StoreError> {
        let (trail, segments) = (Trail::default(), VecDeque::new());
        Ok(Self { id: random_id()?, loaded: Loaded::default(), trail, segments })
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(self.loaded.clone())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.loaded.revision != batch.expected {
            return Err(StoreError::Conflict);
        }
        let mut state = self.loaded.state.clone();
        for change in &batch.changes {
            state.apply(change).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        }
        let mut trail = self.trail;
        let new = trail.append(&batch.events)?;
        let (keep, now) = (Keep { max_bytes: MAX_TRAIL, ..Keep::default() }, milliseconds());
        if trail.is_over(&keep, now) {
            let oldest: Vec<_> = self.segments.iter().take(AT_ONCE).cloned().collect();
            self.segments.drain(..trail.give_up(&oldest, &keep, now));
        }
        self.segments.extend(new);
        self.trail = trail;
        self.loaded =
            Loaded { state, revision: batch.revision, batch: Some(batch.id), as_of: None };
        Ok(())
    }

    fn audit(&mut self, after: u64) -> Result<Page, StoreError> {
        let next = self.segments.partition_point(|segment| segment.last <= after);
        let some = self.segments.range(next..).take(AT_ONCE);
        let entries: Vec<_> =
            some.map(|segment| segment.entries(after)).collect::<Result<_, _>>()?;
        let (trail, revision) = (self.trail, self.loaded.revision);
        Ok(Page { trail, revision, entries: entries.concat() })
    }

    fn store_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
