//! The segments of the audit trail, under keys of this store itself: they are not among the records.
//!
//! sled keeps large values in files of their own, which it never syncs; so a segment has several
//! keys, one for each piece.

use super::{FORMAT, FORMAT_VERSION, SledStore, TRAIL, guarded, milliseconds, read_error, seal};
use crate::model::event::Event;
use crate::storage::StoreError;
use crate::storage::trail::{Segment, Trail};

/// How their keys begin; the number of the last event and that of the piece come behind.
const PREFIX: &[u8] = b"\0events";
/// Of a leaf of 17 values that sled is about to split all must fit into 128 KiB.
const PIECE: usize = 4 << 10;
/// Segments that are read at once.
pub(super) const AT_ONCE: usize = 16;

fn key(last: u64, piece: usize) -> Result<Vec<u8>, StoreError> {
    let piece = u32::try_from(piece)
        .map_err(|_| StoreError::TooLarge("an event has too many pieces".to_owned()))?;
    Ok([PREFIX, &last.to_be_bytes(), &piece.to_be_bytes()].concat())
}

/// The number of the last event of the segment that a piece is of.
fn last_of(key: &[u8]) -> Option<u64> {
    let number = key.strip_prefix(PREFIX)?.first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

/// The first segments with events behind that one.
pub(super) fn after(db: &sled::Db, after: u64, most: usize) -> Result<Vec<Segment>, StoreError> {
    let from = key(after.saturating_add(1), 0)?;
    guarded(|| {
        let mut segments: Vec<Segment> = Vec::new();
        for piece in db.range(from..) {
            let (key, value) = piece.map_err(|e| read_error(&e))?;
            // What sorts behind them is something else.
            let Some(last) = last_of(&key) else { break };
            let full = segments.len() == most;
            match segments.last_mut() {
                Some(segment) if segment.last == last => segment.bytes.extend_from_slice(&value),
                _ if full => break,
                _ => segments.push(Segment { last, bytes: value.to_vec() }),
            }
        }
        Ok(segments)
    })?
}

impl SledStore {
    /// Adds the events of a commit to what it writes, and has the oldest go where there is too much.
    /// Returns the trail that there is then.
    pub(super) fn extend(
        &self,
        events: &[Event],
        writes: &mut sled::Batch,
    ) -> Result<Trail, StoreError> {
        let mut trail = self.trail;
        if events.is_empty() {
            return Ok(trail);
        }
        let added = trail.append(events)?;
        // More go than come, so that it ends somewhere.
        let most = AT_ONCE + 2 * added.len();
        for segment in added {
            for (index, piece) in segment.bytes.chunks(PIECE).enumerate() {
                writes.insert(key(segment.last, index)?, piece);
            }
        }
        let now = milliseconds();
        if trail.is_over(&self.keep, now) {
            let oldest = after(self.db()?, trail.first.number, most)?;
            let gone = trail.give_up(&oldest, &self.keep, now);
            for segment in oldest.iter().take(gone) {
                for index in 0..segment.bytes.len().div_ceil(PIECE) {
                    writes.remove(key(segment.last, index)?);
                }
            }
        }
        writes.insert(TRAIL, seal::seal(trail.encode(), self.id));
        if self.trail.is_empty() {
            writes.insert(FORMAT, FORMAT_VERSION);
        }
        Ok(trail)
    }
}
