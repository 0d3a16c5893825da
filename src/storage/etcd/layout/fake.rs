//! An etcd of keys and values alone, for the tests.

use std::collections::BTreeMap;

use super::{Mirror, ROOTS, Write};
use crate::model::state::{Change, State};
use crate::storage::StoreError;

/// What an etcd holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fake(pub(super) BTreeMap<String, Vec<u8>>);

impl Fake {
    /// A mirror of all that it holds.
    pub(super) fn mirror(&self) -> Mirror {
        let mut mirror = Mirror::default();
        let known = self.0.iter().filter(|(key, _)| ROOTS.iter().any(|root| key.starts_with(root)));
        known.for_each(|(key, value)| mirror.put(key, value));
        mirror
    }

    /// What is visible of it.
    pub(super) fn state(&self) -> Result<State, StoreError> {
        let mut state = State::default();
        let changes = self.mirror().changes(&state)?;
        apply(&mut state, &changes);
        Ok(state)
    }

    /// One transaction, told to the mirror as a watch would.
    pub(super) fn commit(&mut self, writes: &[Write], mirror: &mut Mirror) {
        let touches = |write: &Write, key: &str| match write {
            Write::DeletePrefix { prefix } => key.starts_with(prefix),
            Write::Delete { key: other } | Write::Put { key: other, .. } => key == other,
        };
        for (at, write) in writes.iter().enumerate() {
            let (Write::DeletePrefix { prefix: key }
            | Write::Delete { key }
            | Write::Put { key, .. }) = write;
            let twice = writes.iter().enumerate().find(|(i, w)| *i != at && touches(w, key));
            assert_eq!(twice, None, "{write:?}");
        }
        for write in writes {
            match write {
                Write::Put { key, value } => {
                    self.0.insert(key.clone(), value.clone());
                    mirror.put(key, value);
                }
                removal => {
                    let gone = |key: &String, _: &mut Vec<u8>| touches(removal, key);
                    self.0.extract_if(.., gone).for_each(|(key, _)| mirror.delete(&key));
                }
            }
        }
    }

    /// Commits those changes, and returns what was written.
    pub(super) fn change(
        &mut self,
        changes: &[Change],
        now: u64,
    ) -> Result<Vec<Write>, StoreError> {
        let mut mirror = self.mirror();
        let writes = mirror.writes(changes, now)?;
        self.commit(&writes, &mut mirror);
        Ok(writes)
    }
}

pub(super) fn apply(state: &mut State, changes: &[Change]) {
    for change in changes {
        state.apply(change).unwrap_or_else(|e| panic!("{e}: {changes:?}"));
    }
}
