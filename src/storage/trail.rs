//! The audit trail: an event for each change, in a chain of hashes, kept with the changes themselves.
//!
//! Each event's hash is SHA-256 over the hash of the one before and the event's own bytes, which hold
//! its number. The events of a commit are kept together as a segment, behind the mark of the event
//! before them. The store keeps the marks of where the trail begins and ends beside the last commit,
//! in the same atomic write: so a trail that was changed, or is not whole, does not verify. The hashes have
//! no key: whoever writes the whole trail anew is found by a mark that was kept elsewhere alone.
//!
//! An empty trail begins with its first event, whatever was changed before there was one.

mod chain;
mod record;

use std::fmt;
use std::time::Duration;

use prost::Message;
use sha2::{Digest, Sha256};

pub use self::chain::{Broken, Chain};
use self::record::{MarkRecord, SegmentRecord, TrailRecord};
pub use self::record::{decode, encode};
use super::{Revision, StoreError};
use tracing::warn;

use crate::model::event::Event;

/// A segment that has so many bytes is full. Large changes have several.
const SEGMENT: usize = 64 << 10;
/// Of a trail that is too large this part more goes than must, so that not each commit has to look.
const SLACK: u64 = 32;

/// What an event's place in the chain is told by.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// That of an event.
    pub fn of(previous: &Self, event: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(previous.0);
        hasher.update(event);
        Self(hasher.finalize().into())
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in the chain: behind which event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The event's number; 0 before the first.
    pub number: u64,
    /// Its hash; zeros before the first.
    pub hash: Hash,
    /// The revision that it led to.
    pub revision: Revision,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// One more than that of the event before.
    pub number: u64,
    /// The hash of the event before.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
    /// What the hash is of, behind the hash before: see [`decode`].
    pub record: Vec<u8>,
}

/// Where a trail begins and ends, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trail {
    /// Before the oldest event that is kept.
    pub first: Mark,
    /// The newest event.
    pub last: Mark,
    /// The bytes of all segments.
    pub bytes: u64,
    /// When the oldest segment was written, in milliseconds since 1970.
    pub oldest: u64,
}

/// Some of a trail, and all of it that one has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The trail at that moment.
    pub trail: Trail,
    /// The revision of the store at that moment.
    pub revision: Revision,
    /// Events in their order; none where there are no more.
    pub entries: Vec<Entry>,
}

/// How much is kept. What is older, or more, goes with the next commits, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How long; none for ever.
    pub max_age: Option<Duration>,
    /// How many bytes; 0 for no limit.
    pub max_bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { max_age: Some(Duration::from_secs(400 * 24 * 60 * 60)), max_bytes: 256 << 20 }
    }
}

/// Events that are kept together, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// The number of the last one, by which a store finds it.
    pub(super) last: u64,
    pub(super) bytes: Vec<u8>,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    before: Mark,
    time: u64,
    events: Vec<Vec<u8>>,
}

impl Trail {
    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.first.number == self.last.number
    }

    /// Adds the events of a commit; returns the segments that hold them.
    ///
    /// # Errors
    /// An event has no record.
    pub(super) fn append(&mut self, events: &[Event]) -> Result<Vec<Segment>, StoreError> {
        let mut segments = Vec::new();
        let Some(first) = events.first() else { return Ok(segments) };
        if self.is_empty() {
            let revision = first.revision.saturating_sub(1);
            (self.last.revision, self.oldest) = (revision, first.time);
            self.first = self.last;
        }
        let mut rest = events;
        while let Some(first) = rest.first() {
            let content = Content { before: self.last, time: first.time, events: Vec::new() };
            rest = self.fill(content, rest, &mut segments)?;
        }
        Ok(segments)
    }

    /// Returns those events that had no place any more.
    fn fill<'e>(
        &mut self,
        mut content: Content,
        events: &'e [Event],
        segments: &mut Vec<Segment>,
    ) -> Result<&'e [Event], StoreError> {
        let mut size = 0;
        for event in events {
            if size >= SEGMENT {
                break;
            }
            let number = self.last.number + 1;
            let record = encode(number, event)?;
            let hash = Hash::of(&self.last.hash, &record);
            self.last = Mark { number, hash, revision: event.revision };
            size += record.len();
            content.events.push(record);
        }
        let rest = events.get(content.events.len()..).unwrap_or_default();
        let bytes = content.encode();
        self.bytes += bytes.len() as u64;
        segments.push(Segment { last: self.last.number, bytes });
        Ok(rest)
    }

    /// Whether there is more than is to be kept.
    pub(super) fn is_over(&self, keep: &Keep, now: u64) -> bool {
        !self.is_empty() && (self.is_larger(keep.max_bytes, keep) || self.is_older(keep, now))
    }

    fn is_larger(&self, bytes: u64, keep: &Keep) -> bool {
        keep.max_bytes > 0 && self.bytes > bytes
    }

    fn is_older(&self, keep: &Keep, now: u64) -> bool {
        let age = keep.max_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        age.is_some_and(|age| self.oldest < now.saturating_sub(age))
    }

    /// Gives up as many of the oldest segments as are too much; they are those that come first in
    /// `oldest`, of which the last one is always kept, and all from one on that cannot be understood.
    /// Returns how many.
    pub(super) fn give_up(&mut self, oldest: &[Segment], keep: &Keep, now: u64) -> usize {
        let enough = keep.max_bytes - keep.max_bytes / SLACK;
        let mut gone = 0;
        for pair in oldest.windows(2) {
            let [segment, next] = pair else { break };
            if !self.is_larger(enough, keep) && !self.is_older(keep, now) {
                break;
            }
            let next = match Content::decode(&next.bytes) {
                Ok(next) => next,
                Err(e) => {
                    warn!(error = %e, "old events of the audit trail are kept");
                    break;
                }
            };
            self.bytes = self.bytes.saturating_sub(segment.bytes.len() as u64);
            (self.first, self.oldest) = (next.before, next.time);
            gone += 1;
        }
        gone
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        TrailRecord::from(self).encode_to_vec()
    }

    /// # Errors
    /// The bytes are not those of a trail.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let record = TrailRecord::decode(bytes).ok();
        record.and_then(TrailRecord::trail).ok_or_else(|| damaged("the record of its ends"))
    }
}

impl Segment {
    /// The events behind `after`, each with its hash as it follows from the mark of the segment.
    ///
    /// # Errors
    /// The segment cannot be understood.
    pub(super) fn entries(&self, after: u64) -> Result<Vec<Entry>, StoreError> {
        let Content { before, events, .. } = Content::decode(&self.bytes)?;
        let mut at = before;
        let mut entries = Vec::with_capacity(events.len());
        for record in events {
            let hash = Hash::of(&at.hash, &record);
            let (number, previous) = (at.number + 1, at.hash);
            at = Mark { number, hash, revision: 0 };
            if number > after {
                entries.push(Entry { number, previous, hash, record });
            }
        }
        Ok(entries)
    }
}

impl Content {
    fn encode(self) -> Vec<u8> {
        let Self { before, time, events } = self;
        let before = Some(MarkRecord::from(&before));
        SegmentRecord { before, time, events }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let read = || {
            let SegmentRecord { before, time, events } = SegmentRecord::decode(bytes).ok()?;
            Some(Self { before: before?.mark()?, time, events })
        };
        read().ok_or_else(|| damaged("some of its events"))
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("the audit trail cannot be read: {what}"))
}
