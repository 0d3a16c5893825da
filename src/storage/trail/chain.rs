//! Whether a trail is whole, and is what was written.

use std::fmt;

use super::{Entry, Hash, Mark, decode};
use crate::model::event::Event;

/// A trail as far as it has been found to be whole.
#[derive(Debug, Clone)]
pub struct Chain {
    at: Mark,
    /// How many parts of the last revision have come, if more of them must.
    open: Option<u32>,
}

/// What is wrong with a trail, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn broken<T>(text: String) -> Result<T, Broken> {
    Err(Broken(text))
}

impl Chain {
    /// Nothing yet; a trail's beginning is what has to be believed of it.
    pub fn from(beginning: Mark) -> Self {
        Self { at: beginning, open: None }
    }

    /// As far as it goes.
    pub fn at(&self) -> &Mark {
        &self.at
    }

    /// Takes the next event.
    ///
    /// INVARIANT: an event that was changed, is missing or is in another place is found. Defended by
    /// the tests below.
    ///
    /// # Errors
    /// It is not the next one, or not what was written.
    pub fn add(&mut self, entry: &Entry) -> Result<Event, Broken> {
        let Entry { number, previous, hash, record } = entry;
        let next = self.at.number.saturating_add(1);
        if *number > next {
            return broken(format!("events {next} to {} are missing", number - 1));
        }
        if *number < next {
            return broken(format!("event {number} comes after event {}", self.at.number));
        }
        if *previous != self.at.hash {
            return broken(format!(
                "event {number} does not follow from what comes before it: something up to there \
                 was changed"
            ));
        }
        if *hash != Hash::of(previous, record) {
            return broken(format!("event {number} was changed"));
        }
        let (written, event) =
            decode(record).map_err(|e| Broken(format!("event {number} cannot be read: {e}")))?;
        if written != *number {
            return broken(format!("event {number} was written as event {written}"));
        }
        let (revision, part) = match self.open {
            Some(parts) => (self.at.revision, parts),
            None => (self.at.revision.saturating_add(1), 0),
        };
        if (event.revision, event.part) != (revision, part) {
            return broken(format!(
                "part {part} of revision {revision} has no event: event {number} is of part {} of \
                 revision {}",
                event.part, event.revision
            ));
        }
        self.at = Mark { number: *number, hash: *hash, revision };
        self.open = (!event.last).then_some(part.saturating_add(1));
        Ok(event)
    }

    /// Takes the end, as the store has it.
    ///
    /// # Errors
    /// It ends elsewhere.
    pub fn end(&self, tip: &Mark) -> Result<(), Broken> {
        let Mark { number, hash, revision } = &self.at;
        if tip.number > *number {
            return broken(format!("events {} to {} are missing", number + 1, tip.number));
        }
        if tip.number < *number {
            return broken(format!("there are events after {}, the last one", tip.number));
        }
        if tip.hash != *hash || tip.revision != *revision {
            return broken(format!("the last event, {number}, is not the one that was written"));
        }
        if self.open.is_some() {
            return broken(format!("revision {revision} is not told to its end"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Step, events};
    use crate::model::origin::Origin;
    use crate::model::state::{Change, State};
    use crate::storage::trail::{Keep, Segment, Trail};

    fn origin() -> Origin {
        let text = |text: &str| text.to_owned();
        Origin { user: text("u"), peer: text("p"), request_id: text("id"), comment: text("c") }
    }

    fn event(revision: u64) -> Vec<Event> {
        let name = format!("r{revision}").into();
        let change = Change::PutRole { name, description: "d".into() };
        let steps = vec![Step::of(&change, &State::default())];
        events(revision, 1000 + revision, &origin(), "CreateRole", steps)
    }

    /// Six events of five revisions in three commits, after those of `first`.
    fn trail(first: u64) -> (Trail, Vec<Segment>) {
        let mut trail = Trail::default();
        let two = |r: u64| {
            let mut parts = event(r);
            parts.extend(event(r));
            parts.iter_mut().zip([(0, false), (1, true)]).for_each(|(e, (part, last))| {
                (e.part, e.last) = (part, last);
            });
            parts
        };
        let commits = [
            [event(first), event(first + 1)].concat(),
            two(first + 2),
            [event(first + 3), event(first + 4)].concat(),
        ];
        let segments = commits.iter().flat_map(|events| trail.append(events).unwrap()).collect();
        (trail, segments)
    }

    fn entries(segments: &[Segment]) -> Vec<Entry> {
        segments.iter().flat_map(|segment| segment.entries(0).unwrap()).collect()
    }

    fn verify(first: Mark, entries: &[Entry], last: &Mark) -> Result<(), Broken> {
        let mut chain = Chain::from(first);
        entries.iter().try_for_each(|entry| chain.add(entry).map(drop))?;
        chain.end(last)
    }

    #[test]
    fn what_was_written_verifies_from_whichever_revision_it_begins_at() {
        for first in [1, 500] {
            let (trail, segments) = trail(first);
            let entries = entries(&segments);
            assert_eq!((entries.len(), trail.last.number, trail.last.revision), (6, 6, first + 4));
            assert_eq!(trail.first.revision, first - 1);
            verify(trail.first, &entries, &trail.last).unwrap();
            let mut chain = Chain::from(trail.first);
            assert_eq!(chain.add(&entries[0]).unwrap(), event(first)[0]);
            let bytes: u64 = segments.iter().map(|s| s.bytes.len() as u64).sum();
            assert_eq!(trail.bytes, bytes);
            assert_eq!(Trail::decode(&trail.encode()), Ok(trail));
        }
    }

    /// INVARIANT: whatever is done to one byte of a segment, it is found.
    #[test]
    fn every_flipped_byte_of_what_is_kept_is_found() {
        let (trail, segments) = trail(1);
        for (index, segment) in segments.iter().enumerate() {
            for at in 0..segment.bytes.len() {
                for bit in 0..8 {
                    let mut changed = segments.clone();
                    changed[index].bytes[at] ^= 1 << bit;
                    let read: Result<Vec<_>, _> =
                        changed.iter().map(|segment| segment.entries(0)).collect();
                    let found = match read {
                        Err(_) => true,
                        // When it was written is of use to find old segments alone.
                        Ok(read) => {
                            let read = read.concat();
                            read == entries(&segments)
                                || verify(trail.first, &read, &trail.last).is_err()
                        }
                    };
                    assert!(found, "byte {at} of segment {index}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn every_change_of_an_entry_is_found() {
        let (trail, segments) = trail(1);
        let whole = entries(&segments);
        let check = |entries: &[Entry], what: String| {
            assert!(verify(trail.first, entries, &trail.last).is_err(), "{what}");
        };
        for index in 0..whole.len() {
            for at in 0..whole[index].record.len() {
                let mut changed = whole.clone();
                changed[index].record[at] ^= 1;
                check(&changed, format!("byte {at} of event {index}"));
                // As somebody would do it who knows how hashes are made.
                changed[index].hash = Hash::of(&changed[index].previous, &changed[index].record);
                check(&changed, format!("byte {at} of event {index}, hashed"));
                for next in index + 1..changed.len() {
                    changed[next].previous = changed[next - 1].hash;
                    changed[next].hash = Hash::of(&changed[next].previous, &changed[next].record);
                }
                check(&changed, format!("byte {at} of event {index}, all hashed anew"));
            }
            for at in 0..whole[index].record.len() {
                let mut cut = whole.clone();
                cut[index].record.truncate(at);
                check(&cut, format!("event {index} cut at {at}"));
            }
            let mut removed = whole.clone();
            removed.remove(index);
            check(&removed, format!("without event {index}"));
            check(&whole[..index], format!("ends before event {index}"));
            let mut twice = whole.clone();
            twice.insert(index, whole[index].clone());
            check(&twice, format!("event {index} twice"));
            for other in 0..index {
                let mut swapped = whole.clone();
                swapped.swap(index, other);
                check(&swapped, format!("{index} and {other} swapped"));
            }
        }
        let (other, _) = super::tests::trail(2);
        assert!(verify(trail.first, &whole, &other.last).is_err());
    }

    #[test]
    fn the_oldest_go_and_the_rest_verifies() {
        let (whole, segments) = trail(1);
        let size =
            |segments: &[Segment]| segments.iter().map(|s| s.bytes.len() as u64).sum::<u64>();
        let none = Keep { max_age: None, max_bytes: 0 };
        assert!(!whole.is_over(&none, u64::MAX));
        let age = Keep { max_age: Some(std::time::Duration::from_millis(10)), ..none };
        let max_bytes = size(&segments[1..]) * 2;
        let cases = [
            (none, u64::MAX, 0),
            (age, 1005, 0),
            // The first segment begins with 1001, the second with 1003.
            (age, 1012, 1),
            (age, u64::MAX, 2),
            (Keep { max_bytes, ..none }, 0, 0),
            (Keep { max_bytes: size(&segments[1..]) * 32 / 31 + 1, ..none }, 0, 1),
            (Keep { max_bytes: 1, ..none }, 0, 2),
        ];
        for (keep, now, gone) in cases {
            let mut rest = whole;
            assert_eq!(rest.is_over(&keep, now), gone > 0, "{keep:?}");
            assert_eq!(rest.give_up(&segments, &keep, now), gone, "{keep:?}");
            assert_eq!(rest.bytes, size(&segments[gone..]));
            assert_eq!(rest.last, whole.last);
            verify(rest.first, &entries(&segments[gone..]), &rest.last).unwrap();
            assert_eq!(
                verify(whole.first, &entries(&segments[gone..]), &rest.last).is_err(),
                gone > 0
            );
        }
    }

    #[test]
    fn a_large_commit_has_several_segments() {
        let mut trail = Trail::default();
        let many: Vec<Event> = (1..3000).flat_map(event).collect();
        let segments = trail.append(&many).unwrap();
        assert!(segments.len() > 2 && segments.iter().all(|s| s.bytes.len() < 100 << 10));
        verify(trail.first, &entries(&segments), &trail.last).unwrap();
        let last = segments.last().unwrap();
        assert_eq!(last.entries(2998).unwrap().len(), 1);
    }
}
