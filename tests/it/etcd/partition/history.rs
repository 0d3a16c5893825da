//! Whether what several instances answered can be right: one order of changes, by revision, that
//! all answers agree with, and no answer older than it may be.
//!
//! All processes read the same monotonic clock, so the bound on the age holds without any slack: what
//! was acknowledged was committed before, and what is decided is decided after the question.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use milvus_rbac::engine::Sharing;
use milvus_rbac::storage::Revision;

use crate::linear::checker::{Call, State};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Answered, on the state of this revision.
    At(Revision),
    /// Stored, at this revision at the latest, and in force there; not known to be so everywhere.
    Here(Revision),
    /// Refused: nothing was changed, and nothing told.
    Refused,
    /// It may have happened; nothing was told.
    Unknown,
}

/// A call at an instance, and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) instance: usize,
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    /// The revision that the caller asked for; 0 if for none.
    pub(super) wanted: Revision,
    pub(super) call: Call,
    pub(super) fate: Fate,
}

impl Told {
    pub(super) fn revision(&self) -> Option<Revision> {
        match self.fate {
            Fate::At(revision) => Some(revision),
            Fate::Here(_) | Fate::Refused | Fate::Unknown => None,
        }
    }

    pub(super) fn is_change(&self) -> bool {
        matches!(self.call, Call::Set(..))
    }

    /// Whether it takes something away.
    pub(super) fn is_revoke(&self) -> bool {
        matches!(self.call, Call::Set(_, false))
    }
}

/// All calls, from a revision on at which nothing was set.
#[derive(Debug)]
pub(super) struct History {
    began: Revision,
    pub(super) told: Vec<Told>,
}

/// The newest revisions told, by the time when they were.
struct Newest(Vec<(Duration, Revision)>);

impl Newest {
    fn of<'t>(told: impl Iterator<Item = &'t Told>) -> Self {
        let at = |told: &Told| Some((told.answered, told.revision()?));
        let mut all: Vec<_> = told.filter_map(at).collect();
        all.sort_unstable();
        let mut newest = 0;
        for (_, revision) in &mut all {
            newest = newest.max(*revision);
            *revision = newest;
        }
        Self(all)
    }

    fn before(&self, moment: Duration) -> Revision {
        let count = self.0.partition_point(|(answered, _)| *answered < moment);
        count.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

/// A change that may have happened: if so it is one of the revisions between these two.
struct Open {
    call: Call,
    after: Revision,
    before: Revision,
    /// It has.
    is_stored: bool,
}

/// A state that there may have been, and the open changes that had led to it.
type World = (State, BTreeSet<usize>);

impl History {
    pub(super) fn since(began: Revision) -> Self {
        Self { began, told: Vec::new() }
    }

    fn changes(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| told.is_change())
    }

    /// How much there is of what.
    pub(super) fn figures(&self) -> String {
        let count = |which: fn(&Told) -> bool| self.told.iter().filter(|told| which(told)).count();
        format!(
            "{} decisions, {} lists ({} at a revision that was asked for), {} changes ({} revokes), \
             {} revokes not known to be in force everywhere, {} changes not known, {} calls refused",
            count(|told| matches!(told.call, Call::All(..))),
            count(|told| matches!(told.call, Call::Which(..))),
            count(|told| told.wanted > 0 && told.revision().is_some()),
            count(|told| told.is_change() && told.revision().is_some()),
            count(|told| told.is_revoke() && told.revision().is_some()),
            count(|told| matches!(told.fate, Fate::Here(_))),
            count(|told| told.fate == Fate::Unknown),
            count(|told| told.fate == Fate::Refused),
        )
    }

    /// Finds out whether all answers can be right, where that was promised.
    ///
    /// # Errors
    /// The text shows the answers that cannot.
    pub(super) fn check(&self, promised: Sharing) -> Result<(), String> {
        self.check_moments(promised)?;
        self.check_states()
    }

    /// Whether each answer is as new as it has to be.
    fn check_moments(&self, promised: Sharing) -> Result<(), String> {
        let acknowledged = Newest::of(self.changes());
        let strict = |told: &&Told| promised.strict_revokes && told.is_revoke();
        let revoked = Newest::of(self.changes().filter(strict));
        let instances: BTreeSet<_> = self.told.iter().map(|told| told.instance).collect();
        let at = |instance| Newest::of(self.told.iter().filter(|told| told.instance == instance));
        let seen: BTreeMap<_, _> = instances.into_iter().map(|one| (one, at(one))).collect();
        for told in &self.told {
            let Some(revision) = told.revision() else { continue };
            let old = told.asked.checked_sub(promised.max_staleness).unwrap_or_default();
            let order = if told.is_change() { acknowledged.before(told.asked) } else { 0 };
            for (least, why) in [
                (told.wanted, "was asked for"),
                (seen[&told.instance].before(told.asked), "was answered by this instance before"),
                (acknowledged.before(old), "was acknowledged longer ago than the bound"),
                (revoked.before(told.asked), "was acknowledged to be in force everywhere"),
                (order, "was acknowledged before this change was asked for"),
            ] {
                if revision < least {
                    return Err(format!("revision {least} {why}: {told:?}"));
                }
            }
        }
        Ok(())
    }

    /// The changes of which it is not known whether they happened, or when.
    ///
    /// One that happened came after all that was answered before it was asked for, and before all that
    /// was asked for after its answer: an instance that has given up does not try again.
    fn open(&self) -> Vec<Open> {
        let newest = Newest::of(self.told.iter());
        let mut later: Vec<_> =
            self.changes().filter_map(|told| Some((told.asked, told.revision()?))).collect();
        later.sort_unstable();
        let mut first = Revision::MAX;
        for (_, revision) in later.iter_mut().rev() {
            first = first.min(*revision);
            *revision = first;
        }
        let open = self.changes().filter_map(|told| {
            let (before, is_stored) = match told.fate {
                Fate::Here(last) => (last + 1, true),
                Fate::Unknown => {
                    let next = later.partition_point(|(asked, _)| *asked <= told.answered);
                    // A change that had nothing to do tells the revision of the one before.
                    let before = later.get(next).map_or(Revision::MAX, |(_, later)| later + 1);
                    (before, false)
                }
                Fate::At(_) | Fate::Refused => return None,
            };
            let after = newest.before(told.asked);
            Some(Open { call: told.call, after, before, is_stored })
        });
        open.collect()
    }

    /// Whether the answers of each revision agree with one state, which differs from that of the
    /// revision before by one change at most: one that was acknowledged, or may have happened.
    fn check_states(&self) -> Result<(), String> {
        let open = self.open();
        let mut answers = BTreeMap::<Revision, Vec<&Told>>::new();
        for told in &self.told {
            if let Some(revision) = told.revision() {
                answers.entry(revision).or_default().push(told);
            }
        }
        let last = answers.keys().next_back().copied().unwrap_or(self.began);
        let mut worlds = HashSet::<World>::from([(0, BTreeSet::new())]);
        for revision in self.began..=last {
            let told = answers.get(&revision).map_or(&[][..], Vec::as_slice);
            // What repeats is looked at once.
            let calls: BTreeSet<_> = told.iter().map(|told| told.call).collect();
            if revision > self.began {
                let mut after = worlds.clone();
                for (state, happened) in &worlds {
                    let set = calls.iter().filter(|call| matches!(call, Call::Set(..)));
                    let done = set.filter_map(|call| call.apply(*state));
                    after.extend(done.map(|state| (state, happened.clone())));
                    for (number, change) in open.iter().enumerate() {
                        let may = change.after < revision && revision < change.before;
                        // Whether what changes nothing has happened matters only where it has.
                        let tells = |next: &State| next != state || change.is_stored;
                        let next = change.call.apply(*state).filter(tells);
                        if may
                            && !happened.contains(&number)
                            && let Some(next) = next
                        {
                            let happened = happened.iter().copied().chain([number]).collect();
                            after.insert((next, happened));
                        }
                    }
                }
                worlds = after;
            }
            // A change that was acknowledged is in force: made once more it changes nothing.
            worlds.retain(|(state, _)| calls.iter().all(|call| call.apply(*state) == Some(*state)));
            let due = |change: &Open| change.is_stored && change.before == revision + 1;
            let due = || open.iter().enumerate().filter(|(_, change)| due(change));
            worlds.retain(|(_, happened)| due().all(|(number, _)| happened.contains(&number)));
            if worlds.is_empty() {
                let near = answers.range(revision.saturating_sub(3)..=revision);
                let near = near.flat_map(|(_, told)| told).map(|told| format!("{told:?}"));
                let near = near.collect::<Vec<_>>().join("\n");
                return Err(format!("no state explains revision {revision}:\n{near}"));
            }
            // Whatever cannot happen any more makes no difference.
            let closed = |number: usize| open[number].before <= revision + 1;
            if worlds.iter().any(|(_, happened)| happened.iter().any(|one| closed(*one))) {
                let forget = |(state, mut happened): World| {
                    happened.retain(|number| !closed(*number));
                    (state, happened)
                };
                worlds = worlds.into_iter().map(forget).collect();
            }
        }
        Ok(())
    }
}

const PROMISED: Sharing =
    Sharing { max_staleness: Duration::from_millis(100), strict_revokes: false };
const STRICT: Sharing = Sharing { strict_revokes: true, ..PROMISED };

/// A call at an instance between two moments, in milliseconds.
fn told(instance: usize, (asked, answered): (u64, u64), call: Call, fate: Fate) -> Told {
    let (asked, answered) = (Duration::from_millis(asked), Duration::from_millis(answered));
    Told { instance, asked, answered, wanted: 0, call, fate }
}

fn check(told: &[Told], promised: Sharing) -> Result<(), String> {
    History { began: 10, told: told.to_vec() }.check(promised)
}

use Call::{All, Set, Which};
use Fate::{At, Here, Refused, Unknown};

#[test]
fn histories_that_can_be_right() {
    let set = told(0, (0, 5), Set(1, true), At(11));
    for rest in [
        vec![told(0, (6, 7), Which(3, 1), At(11)), told(1, (6, 7), All(1, true), At(11))],
        // Old, within the bound.
        vec![told(1, (100, 101), Which(3, 0), At(10))],
        // While it is under way, and already seen.
        vec![told(1, (1, 2), All(1, true), At(11))],
        // There was nothing to do.
        vec![told(1, (6, 7), Set(1, true), At(11)), told(1, (8, 9), All(1, true), At(12))],
        // A change of which nobody knows, that happened; or did not.
        vec![told(1, (6, 7), Set(2, true), Unknown), told(0, (8, 9), Which(3, 3), At(12))],
        vec![told(1, (6, 7), Set(2, true), Unknown), told(0, (8, 9), Which(3, 1), At(12))],
        // Its answer is late.
        vec![
            told(1, (6, 50), Set(2, true), Unknown),
            told(0, (8, 9), Set(4, true), At(12)),
            told(0, (10, 11), Which(7, 5), At(12)),
            told(0, (30, 31), Which(7, 7), At(13)),
        ],
        vec![told(1, (6, 7), Set(1, false), Refused), told(0, (8, 9), All(1, true), At(12))],
        // Taken back and given again between two answers.
        vec![
            told(1, (6, 7), Set(1, false), Unknown),
            told(1, (8, 9), Set(1, true), At(13)),
            told(0, (10, 11), All(1, false), At(12)),
        ],
        // A revoke is old elsewhere, within the bound.
        vec![told(0, (6, 7), Set(1, false), At(12)), told(1, (8, 9), All(1, true), At(11))],
    ] {
        let all = [vec![set], rest].concat();
        check(&all, PROMISED).unwrap_or_else(|e| panic!("{all:#?}: {e}"));
    }
}

#[test]
fn histories_that_cannot_be_right() {
    let set = told(0, (0, 5), Set(1, true), At(11));
    for (why, rest) in [
        ("longer ago", vec![told(1, (106, 107), Which(3, 0), At(10))]),
        // A lost change.
        ("no state", vec![told(1, (6, 7), All(1, false), At(12))]),
        ("no state", vec![told(0, (6, 7), Which(3, 0), At(11))]),
        // One that was refused, or that nobody made.
        (
            "no state",
            vec![told(0, (6, 7), Set(2, true), Refused), told(0, (8, 9), Which(3, 3), At(12))],
        ),
        ("no state", vec![told(0, (1, 2), Which(1, 1), At(10))]),
        // A revision given to two changes.
        ("no state", vec![told(1, (1, 2), Set(2, true), At(11))]),
        // Two instances that do not agree on a revision.
        ("no state", vec![told(1, (1, 2), All(1, false), At(11))]),
        // There, and then not any more; or made twice.
        (
            "no state",
            vec![
                told(1, (6, 7), Set(2, true), Unknown),
                told(0, (8, 9), Which(3, 3), At(12)),
                told(0, (10, 11), Which(3, 1), At(13)),
            ],
        ),
        (
            "no state",
            vec![
                told(1, (6, 7), Set(2, true), Unknown),
                told(0, (6, 9), Which(3, 3), At(12)),
                told(0, (6, 11), Set(2, false), At(13)),
                told(0, (12, 13), Which(3, 3), At(14)),
            ],
        ),
        // Made after it was given up; or at a revision that was told before.
        (
            "no state",
            vec![
                told(1, (6, 7), Set(2, true), Unknown),
                told(0, (8, 9), Set(4, true), At(12)),
                told(0, (10, 11), Which(7, 7), At(13)),
            ],
        ),
        (
            "no state",
            vec![
                told(0, (6, 7), Which(1, 1), At(12)),
                told(1, (8, 9), Set(2, true), Unknown),
                told(1, (10, 11), Which(3, 3), At(12)),
            ],
        ),
        ("by this instance before", vec![told(0, (6, 7), Which(3, 0), At(10))]),
        ("before this change", vec![told(1, (6, 7), Set(1, false), At(10))]),
        ("asked for", vec![Told { wanted: 11, ..told(1, (6, 7), Which(3, 0), At(10)) }]),
    ] {
        let all = [vec![set], rest].concat();
        let refused = check(&all, PROMISED).expect_err(&format!("{why}: {all:#?}"));
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn strict_histories() {
    let set = told(0, (0, 5), Set(1, true), At(11));
    let revoke = told(0, (6, 20), Set(1, false), At(12));
    let here = told(0, (6, 20), Set(1, false), Here(13));
    for (wrong, rest) in [
        (None, vec![revoke, told(1, (21, 22), All(1, false), At(12))]),
        // Asked before it was acknowledged.
        (None, vec![revoke, told(1, (19, 22), All(1, true), At(11))]),
        (None, vec![revoke, told(1, (21, 22), All(1, true), Refused)]),
        // What gives something is not waited for.
        (None, vec![told(0, (6, 7), Set(2, true), At(12)), told(1, (8, 9), Which(2, 0), At(11))]),
        // In force at one alone.
        (None, vec![here, told(1, (21, 22), All(1, true), At(11))]),
        (None, vec![here, told(1, (21, 22), All(1, false), At(13))]),
        // It was gone already, and given again.
        (
            None,
            vec![
                told(1, (6, 7), Set(1, false), At(12)),
                told(0, (8, 20), Set(1, false), Here(13)),
                told(0, (21, 22), Set(1, true), At(14)),
                told(0, (23, 24), All(1, true), At(14)),
            ],
        ),
        (Some("in force everywhere"), vec![revoke, told(1, (21, 22), All(1, true), At(11))]),
        (Some("in force everywhere"), vec![revoke, told(1, (21, 22), Which(2, 0), At(11))]),
        (
            Some("in force everywhere"),
            vec![
                revoke,
                told(1, (21, 22), Set(1, true), Refused),
                told(2, (21, 99), Which(1, 1), At(11)),
            ],
        ),
        // Stored, and nowhere; or too late.
        (Some("no state"), vec![here, told(1, (21, 22), All(1, true), At(13))]),
        (
            Some("no state"),
            vec![
                here,
                told(0, (7, 8), Set(2, true), At(12)),
                told(0, (9, 10), Set(4, true), At(13)),
            ],
        ),
    ] {
        let all = [vec![set], rest].concat();
        match (check(&all, STRICT), wrong) {
            (Ok(()), None) => {}
            (Err(refused), Some(why)) if refused.contains(why) => {}
            (found, _) => panic!("{wrong:?}: {all:#?}: {found:?}"),
        }
    }
}
