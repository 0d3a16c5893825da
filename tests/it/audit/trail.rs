//! The trail of a store, read and held against its records.

use milvus_rbac::model::event::Event;
use milvus_rbac::model::state::{Name, State};
use milvus_rbac::storage::Store;
use milvus_rbac::storage::trail::Chain;

/// All events of a store that nobody else writes to.
///
/// # Errors
/// They do not verify, or do not lead to what the store holds.
pub(crate) fn check(store: &mut dyn Store) -> Result<Vec<Event>, String> {
    let loaded = store.load().map_err(|e| e.to_string())?;
    let first = store.audit(0).map_err(|e| e.to_string())?;
    let mut chain = Chain::from(first.trail.first);
    let mut events = Vec::new();
    loop {
        let page = store.audit(chain.at().number).map_err(|e| e.to_string())?;
        if page.entries.is_empty() {
            break;
        }
        for entry in page.entries {
            events.push(chain.add(&entry).map_err(|e| e.to_string())?);
        }
    }
    chain.end(&first.trail.last).map_err(|e| e.to_string())?;
    if events.is_empty() {
        return Ok(events);
    }
    if first.trail.last.revision != loaded.revision {
        let (last, revision) = (first.trail.last.revision, loaded.revision);
        return Err(format!("the events end with revision {last}, the store with {revision}"));
    }
    if first.trail.first.revision == 0 && folded(&events)? != without_secrets(loaded.state) {
        return Err("the events do not lead to what the store holds".to_owned());
    }
    Ok(events)
}

/// What events lead to, each step from what was there before.
pub(crate) fn folded(events: &[Event]) -> Result<State, String> {
    let mut state = State::default();
    for step in events.iter().flat_map(|event| &event.steps) {
        let before = milvus_rbac::model::event::Step::of(&step.change, &state).before;
        if before != step.before {
            return Err(format!("before {step:?} there was {before:?}"));
        }
        state.apply(&step.change).map_err(|e| e.to_string())?;
    }
    Ok(state)
}

pub(crate) fn without_secrets(mut state: State) -> State {
    for user in state.users.clone().keys() {
        state.users.get_mut(user).unwrap().password_hash = Name::new();
    }
    state
}
