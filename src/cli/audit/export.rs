//! The trail as lines of JSON: where it begins, its events, and its tip.
//!
//! Each event has the record that its hash is of, and the same for people; both must say the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::time;
use crate::cli::Failure;
use crate::model::event::{Event, Step};
use crate::rpc::proto::access::AuditEvent;
use crate::storage::trail::{Entry, Hash, Mark, decode};

/// A line of an export.
#[derive(Debug)]
pub(super) enum Line {
    Beginning(Mark),
    Event(Entry),
    Tip(Mark),
}

/// The line of an end.
pub(super) fn end(which: &str, mark: &Mark) -> Value {
    let Mark { number, hash, revision } = mark;
    json!({ which: { "number": number, "hash": hash.to_string(), "revision": revision } })
}

/// The line of an event.
pub(super) fn line(event: &AuditEvent) -> Result<String, Failure> {
    let entry = super::entry(event)?;
    let unread = |e| format!("event {} cannot be read: {e}", entry.number);
    let (_, event) = decode(&entry.record).map_err(unread)?;
    Ok(value(&entry, &event).to_string())
}

fn value(entry: &Entry, event: &Event) -> Value {
    let Entry { number, previous, hash, record } = entry;
    let Event { revision, time: at, origin, command, steps, .. } = event;
    json!({
        "number": number,
        "time": time(*at),
        "revision": revision,
        "actor": origin.user,
        "from": origin.peer,
        "command": command,
        "request_id": origin.request_id,
        "comment": origin.comment,
        "changes": steps.iter().map(change).collect::<Vec<_>>(),
        "previous": previous.to_string(),
        "hash": hash.to_string(),
        "record": STANDARD.encode(record),
    })
}

fn change(step: &Step) -> Value {
    json!({
        "kind": step.kind(),
        "name": step.name(),
        "before": step.before(),
        "after": step.after(),
    })
}

/// Reads a line.
///
/// # Errors
/// It is none, or what it says for people is not what its record says.
pub(super) fn read(line: &str) -> Result<Line, Failure> {
    let odd = || "this is no line of an export".to_owned();
    let value: Value = serde_json::from_str(line).map_err(|_| odd())?;
    if let Some(mark) = value.get("beginning") {
        let beginning = mark_of(mark).filter(|mark| end("beginning", mark) == value);
        return beginning.map(Line::Beginning).ok_or_else(odd);
    }
    if let Some(mark) = value.get("tip") {
        return mark_of(mark)
            .filter(|mark| end("tip", mark) == value)
            .map(Line::Tip)
            .ok_or_else(odd);
    }
    let entry = entry_of(&value).ok_or_else(odd)?;
    let number = entry.number;
    let unread = |e| format!("event {number} cannot be read: {e}");
    let (_, event) = decode(&entry.record).map_err(unread)?;
    if self::value(&entry, &event) != value {
        return Err(format!("event {number} was changed: its text is not what its record says"));
    }
    Ok(Line::Event(entry))
}

fn mark_of(value: &Value) -> Option<Mark> {
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    Some(Mark {
        number: number("number")?,
        hash: hash(value, "hash")?,
        revision: number("revision")?,
    })
}

fn entry_of(value: &Value) -> Option<Entry> {
    Some(Entry {
        number: value.get("number")?.as_u64()?,
        previous: hash(value, "previous")?,
        hash: hash(value, "hash")?,
        record: STANDARD.decode(value.get("record")?.as_str()?).ok()?,
    })
}

fn hash(value: &Value, name: &str) -> Option<Hash> {
    Hash::parse(value.get(name)?.as_str()?)
}
