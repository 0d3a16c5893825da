//! The segments of the audit trail, a key for each: beside the records, in the same transactions.
//!
//! A commit compares the record of the last one, so the trail that it extends is the one of then:
//! several instances write one chain.

use super::EtcdStore;
use super::client::{Connection, Failure};
use super::copy::{Copy, Shared};
use super::layout::{HEAD, Head, TRAIL, Write};
use super::proto::request_op::Request as Op;
use super::proto::response_op::Response as Done;
use super::proto::{DeleteRangeRequest, KeyValue, PutRequest, RangeRequest, RequestOp};
use tracing::warn;

use crate::clock::milliseconds;
use crate::model::event::Event;
use crate::storage::trail::{Page, Segment, Trail};
use crate::storage::{Revision, StoreError};

/// Segments that are read at once.
const AT_ONCE: i64 = 64;

/// The trail, the revision of the store, and some segments, of one moment.
struct Found {
    trail: Trail,
    revision: Revision,
    segments: Vec<Segment>,
}

impl EtcdStore {
    pub(super) fn page(&mut self, after: u64) -> Result<Page, StoreError> {
        let Found { trail, revision, segments } = self.find(after)?;
        let entries: Vec<_> =
            segments.iter().map(|s| s.entries(after)).collect::<Result<_, _>>()?;
        Ok(Page { trail, revision, entries: entries.concat() })
    }

    fn find(&mut self, after: u64) -> Result<Found, StoreError> {
        let (place, id) = (&self.place, self.id);
        let segments = RangeRequest {
            key: place.segment(id, after.saturating_add(1)),
            range_end: place.segment(id, u64::MAX),
            limit: AT_ONCE,
            ..RangeRequest::default()
        };
        let asked = [place.one(HEAD), place.one(TRAIL), segments];
        let ask = async |to: &Connection| to.ranges(asked.clone()).await;
        let found = self.runtime.block_on(self.client.call(true, ask));
        let mut found = found.map_err(Failure::of_reading)?.responses.into_iter().map(|done| {
            match done.response {
                Some(Done::ResponseRange(found)) => found.kvs,
                _ => Vec::new(),
            }
        });
        let mut next = || found.next().unwrap_or_default();
        let (head, trail, segments) = (next().pop(), next().pop(), next());
        let gone = || StoreError::Damaged("the record of the last commit is gone".to_owned());
        let head = Head::decode(&head.ok_or_else(gone)?.value)?;
        if head.store_id != id {
            let other = format!("{}: another store has been put into its place", self.target);
            return Err(StoreError::Damaged(other));
        }
        let trail = trail.map(|kv| Trail::decode(&kv.value)).transpose()?.unwrap_or_default();
        let segments = segments.into_iter().map(segment).collect::<Option<Vec<_>>>();
        let odd = || StoreError::Damaged("a key of the audit trail is malformed".to_owned());
        Ok(Found { trail, revision: head.revision, segments: segments.ok_or_else(odd)? })
    }

    /// The oldest segments, where there are too many, and the trail that they are of.
    pub(super) fn too_old(&mut self, copy: &Shared) -> Result<(Trail, Vec<Segment>), StoreError> {
        let trail = copy.lock().trail.clone()?;
        if !trail.is_over(&self.keep, milliseconds()) {
            return Ok((trail, Vec::new()));
        }
        // INVARIANT: a change is not refused because something old cannot be read. Defended by
        // `tests/it/audit/replicated.rs`.
        let found = self.find(trail.first.number).map(|found| found.segments);
        let oldest = found.unwrap_or_else(|e| {
            warn!(error = %e, "old events of the audit trail are kept: they cannot be read");
            Vec::new()
        });
        Ok((trail, oldest))
    }

    /// What a transaction does beside to keep the events of a commit.
    pub(super) fn extend(
        &self,
        copy: &Copy,
        events: &[Event],
        (known, oldest): &(Trail, Vec<Segment>),
    ) -> Result<Vec<RequestOp>, StoreError> {
        let mut trail = copy.trail.clone()?;
        let is_known = trail == *known;
        let mut operations = Vec::new();
        if events.is_empty() {
            return Ok(operations);
        }
        for Segment { last, bytes: value } in trail.append(events)? {
            let put = PutRequest { key: self.place.segment(self.id, last), value, lease: 0 };
            operations.push(RequestOp { request: Some(Op::RequestPut(put)) });
        }
        // Where somebody has committed meanwhile, this commit fails anyway.
        if is_known && trail.give_up(oldest, &self.keep, milliseconds()) > 0 {
            let delete = DeleteRangeRequest {
                key: self.place.segment(self.id, 0),
                range_end: self.place.segment(self.id, trail.first.number.saturating_add(1)),
            };
            operations.push(RequestOp { request: Some(Op::RequestDeleteRange(delete)) });
        }
        let put = Write::Put { key: TRAIL.to_owned(), value: trail.encode() };
        operations.push(self.place.op(put));
        Ok(operations)
    }
}

fn segment(kv: KeyValue) -> Option<Segment> {
    let number = kv.key.rsplit(|byte| *byte == b'/').next()?;
    let last = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some(Segment { last, bytes: kv.value })
}
