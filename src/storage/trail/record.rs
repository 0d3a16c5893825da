//! Events and marks as bytes.

use prost::Message;

use super::{Hash, Mark, Trail};
use crate::model::event::{Event, Step};
use crate::model::names::Names;
use crate::model::origin::Origin;
use crate::storage::codec::{self, Entry};
use crate::storage::{Revision, StoreError};

#[derive(Message)]
struct EventRecord {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(uint64, tag = "2")]
    revision: Revision,
    #[prost(uint32, tag = "3")]
    part: u32,
    #[prost(bool, tag = "4")]
    more: bool,
    #[prost(uint64, tag = "5")]
    time: u64,
    #[prost(string, tag = "6")]
    command: String,
    #[prost(string, tag = "7")]
    user: String,
    #[prost(string, tag = "8")]
    peer: String,
    #[prost(string, tag = "9")]
    request_id: String,
    #[prost(string, tag = "10")]
    comment: String,
    #[prost(message, repeated, tag = "11")]
    steps: Vec<StepRecord>,
}

/// The key of a record, with the values as the record itself has them.
#[derive(Message)]
struct StepRecord {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "2")]
    before: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    after: Option<Vec<u8>>,
    #[prost(bool, tag = "4")]
    new_password: bool,
}

#[derive(Message)]
pub(super) struct MarkRecord {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(uint64, tag = "3")]
    revision: Revision,
}

#[derive(Message)]
pub(super) struct SegmentRecord {
    #[prost(message, optional, tag = "1")]
    pub(super) before: Option<MarkRecord>,
    #[prost(uint64, tag = "2")]
    pub(super) time: u64,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) events: Vec<Vec<u8>>,
}

#[derive(Message)]
pub(super) struct TrailRecord {
    #[prost(message, optional, tag = "1")]
    first: Option<MarkRecord>,
    #[prost(message, optional, tag = "2")]
    last: Option<MarkRecord>,
    #[prost(uint64, tag = "3")]
    bytes: u64,
    #[prost(uint64, tag = "4")]
    oldest: u64,
}

impl From<&Mark> for MarkRecord {
    fn from(mark: &Mark) -> Self {
        let Mark { number, hash, revision } = *mark;
        Self { number, hash: hash.0.to_vec(), revision }
    }
}

impl MarkRecord {
    pub(super) fn mark(self) -> Option<Mark> {
        let Self { number, hash, revision } = self;
        Some(Mark { number, hash: Hash(hash.try_into().ok()?), revision })
    }
}

impl From<&Trail> for TrailRecord {
    fn from(trail: &Trail) -> Self {
        let Trail { first, last, bytes, oldest } = trail;
        let (first, last) = (Some(first.into()), Some(last.into()));
        Self { first, last, bytes: *bytes, oldest: *oldest }
    }
}

impl TrailRecord {
    pub(super) fn trail(self) -> Option<Trail> {
        let Self { first, last, bytes, oldest } = self;
        Some(Trail { first: first?.mark()?, last: last?.mark()?, bytes, oldest })
    }
}

/// The bytes of an event with its number, which its hash is of.
///
/// # Errors
/// A record of which it tells is larger than records may be.
pub fn encode(number: u64, event: &Event) -> Result<Vec<u8>, StoreError> {
    let Event { revision, part, last, time, origin, command, steps } = event;
    let Origin { user, peer, request_id, comment } = origin.clone();
    let steps = steps.iter().map(encode_step).collect::<Result<_, _>>()?;
    let (revision, part, time, command) = (*revision, *part, *time, command.clone());
    let more = !last;
    let record = EventRecord {
        number,
        revision,
        part,
        more,
        time,
        command,
        user,
        peer,
        request_id,
        comment,
        steps,
    };
    Ok(record.encode_to_vec())
}

fn encode_step(step: &Step) -> Result<StepRecord, StoreError> {
    let Step { before, change, new_password } = step;
    let Entry { key, value: after } = codec::encode(change)?;
    let before = before.as_ref().map(codec::encode).transpose()?.and_then(|entry| entry.value);
    Ok(StepRecord { key, before, after, new_password: *new_password })
}

/// The number and the event that bytes are of.
///
/// # Errors
/// The bytes are not those of an event that this version writes.
pub fn decode(record: &[u8]) -> Result<(u64, Event), StoreError> {
    let damaged = |e: prost::DecodeError| StoreError::Damaged(e.to_string());
    let EventRecord {
        number,
        revision,
        part,
        more,
        time,
        command,
        user,
        peer,
        request_id,
        comment,
        steps,
    } = EventRecord::decode(record).map_err(damaged)?;
    let origin = Origin { user, peer, request_id, comment };
    let mut names = Names::default();
    let steps = steps.into_iter().map(|step| decode_step(step, &mut names));
    let steps = steps.collect::<Result<_, _>>()?;
    Ok((number, Event { revision, part, last: !more, time, origin, command, steps }))
}

fn decode_step(step: StepRecord, names: &mut Names) -> Result<Step, StoreError> {
    let StepRecord { key, before, after, new_password } = step;
    let before = before.map(|before| codec::decode(&key, &before, names)).transpose()?;
    let change = match after {
        Some(after) => codec::decode(&key, &after, names)?,
        None => codec::decode_removal(&key, names)?,
    };
    Ok(Step { before, change, new_password })
}
