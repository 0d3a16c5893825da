//! Whether a history of concurrent calls can be put in an order, each call between its question and
//! its answer, in which every answer is right.
//!
//! All orders are followed at once (after G. Lowe, "Testing for Linearizability"): what is kept is
//! what the state may be, and whose open call has had its effect by then.

use std::collections::{HashMap, HashSet};

/// What roles hold, bit by bit.
pub(crate) type State = u16;

/// A call, with its answer once that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    /// Sets a bit, or clears it.
    Set(State, bool),
    /// A question that was not answered.
    Ask,
    /// Whether all of these bits are set.
    All(State, bool),
    /// Which of these bits are set.
    Which(State, State),
}

impl Call {
    /// The state after it; none if its answer cannot come from this state.
    pub(crate) fn apply(self, state: State) -> Option<State> {
        let right = match self {
            Self::Set(bit, true) => return Some(state | bit),
            Self::Set(bit, false) => return Some(state & !bit),
            Self::Ask => true,
            Self::All(bits, answer) => (state & bits == bits) == answer,
            Self::Which(bits, answer) => state & bits == answer,
        };
        right.then_some(state)
    }
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    Asked,
    Answered,
    /// From here on it has no effect that it has not had.
    Lost,
}

/// Calls on one state in the order in which they were asked and answered. A client has one call at
/// a time; clients are numbered from 0 to 63.
#[derive(Debug, Default)]
pub(super) struct History {
    calls: Vec<(u32, Call)>,
    moments: Vec<(Moment, usize)>,
}

impl History {
    /// Returns the call's number.
    pub(super) fn asked(&mut self, client: u32, call: Call) -> usize {
        self.calls.push((client, call));
        self.moments.push((Moment::Asked, self.calls.len() - 1));
        self.calls.len() - 1
    }

    /// With what is known of the call now.
    pub(super) fn answered(&mut self, number: usize, call: Call) {
        self.calls[number].1 = call;
        self.moments.push((Moment::Answered, number));
    }

    /// Nobody knows whether it had its effect.
    pub(super) fn lost(&mut self, number: usize) {
        self.moments.push((Moment::Lost, number));
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Looks for an order that begins with nothing set.
    ///
    /// # Errors
    /// There is none; the text shows the last calls up to the answer that no order explains.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut possible = HashSet::from([(0, 0)]);
        let mut open = HashMap::new();
        for (at, (moment, number)) in self.moments.iter().enumerate() {
            let (client, call) = self.calls[*number];
            if matches!(moment, Moment::Asked) {
                assert_eq!(open.insert(client, call), None, "one call at a time");
                continue;
            }
            possible = effects(possible, &open);
            if matches!(moment, Moment::Answered) {
                possible.retain(|(_, had)| had & 1 << client != 0);
            }
            possible = possible.into_iter().map(|(s, had)| (s, had & !(1 << client))).collect();
            open.remove(&client);
            if possible.is_empty() {
                let last = &self.moments[at.saturating_sub(20)..=at];
                let told = |(moment, number): &(Moment, usize)| {
                    let (client, call) = self.calls[*number];
                    format!("client {client} {moment:?} {call:?}")
                };
                let told: Vec<_> = last.iter().map(told).collect();
                return Err(format!("no order explains the last answer:\n{}", told.join("\n")));
            }
        }
        Ok(())
    }
}

/// Whatever open calls may have had their effect by now, in every order.
fn effects(from: HashSet<(State, u64)>, open: &HashMap<u32, Call>) -> HashSet<(State, u64)> {
    let mut left: Vec<_> = from.iter().copied().collect();
    let mut all = from;
    while let Some((state, had)) = left.pop() {
        for (client, call) in open {
            if had & 1 << client == 0
                && let Some(next) = call.apply(state)
                && all.insert((next, had | 1 << client))
            {
                left.push((next, had | 1 << client));
            }
        }
    }
    all
}

/// A history in writing: `a?` client `a` asks, `a.` is answered, `a!` is lost.
fn history(script: &str, calls: &[(char, Call)]) -> History {
    let (mut history, mut left, mut open) = (History::default(), calls.iter(), HashMap::new());
    let mut chars = script.chars().filter(|c| *c != ' ');
    while let (Some(name), Some(moment)) = (chars.next(), chars.next()) {
        let client = u32::from(name) - u32::from('a');
        match moment {
            '?' => {
                let (whose, call) = left.next().unwrap();
                assert_eq!(*whose, name);
                open.insert(name, (history.asked(client, *call), *call));
            }
            '.' => {
                let (number, call) = open.remove(&name).unwrap();
                history.answered(number, call);
            }
            _ => history.lost(open.remove(&name).unwrap().0),
        }
    }
    history
}

use Call::{All, Ask, Set, Which};

#[test]
fn histories_with_an_order() {
    for (script, calls) in [
        ("a? a. b? b.", &[('a', Set(1, true)), ('b', Which(3, 1))][..]),
        // While a change is under way, both answers are right.
        ("a? b? b. c? c. a.", &[('a', Set(1, true)), ('b', All(1, false)), ('c', All(1, true))]),
        ("a? b? c? a. b. c.", &[('a', Set(1, true)), ('b', Set(1, false)), ('c', Which(1, 1))]),
        // A call of which nothing was heard may have had its effect, or not.
        ("a? a! b? b.", &[('a', Set(1, true)), ('b', All(1, true))]),
        ("a? a! b? b.", &[('a', Set(1, true)), ('b', All(1, false))]),
        ("a? b? b! a.", &[('a', Which(1, 0)), ('b', Ask)]),
        // One that has not been given up may still have it after others.
        ("a? b? b. c? c.", &[('a', Set(1, true)), ('b', All(1, false)), ('c', All(1, true))]),
    ] {
        history(script, calls).check().unwrap();
    }
}

#[test]
fn histories_without_an_order() {
    for (script, calls) in [
        // An old state.
        ("a? a. b? b.", &[('a', Set(1, true)), ('b', Which(1, 0))][..]),
        ("a? a. a? a. b? b.", &[('a', Set(1, true)), ('a', Set(1, false)), ('b', All(1, true))]),
        // A change that was seen, and then not any more.
        ("a? b? b. c? c. a.", &[('a', Set(1, true)), ('b', All(1, true)), ('c', All(1, false))]),
        // Two readers who saw two changes in different orders.
        (
            "a? b? c? c. c? c. d? d. a. b.",
            &[
                ('a', Set(1, true)),
                ('b', Set(2, true)),
                ('c', Which(3, 1)),
                ('c', Which(3, 3)),
                ('d', Which(3, 2)),
            ],
        ),
        // A change that had no effect while it was under way, and has one after it was given up.
        ("a? a! b? b. b? b.", &[('a', Set(1, true)), ('b', All(1, false)), ('b', All(1, true))]),
        // Something that nobody did.
        ("a? a.", &[('a', Which(1, 1))]),
    ] {
        let refused = history(script, calls).check();
        assert!(refused.is_err(), "{script} {calls:?}");
    }
}
