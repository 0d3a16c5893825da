//! A store that forgets everything with the process: for tests and trials.

use super::{Batch, Loaded, Store, StoreError, random_id};

/// Keeps the state itself.
#[derive(Debug)]
pub struct MemoryStore {
    id: u128,
    loaded: Loaded,
}

impl MemoryStore {
    /// A new, empty store.
    ///
    /// # Errors
    /// The operating system gives no random bytes for its id.
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self { id: random_id()?, loaded: Loaded::default() })
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(self.loaded.clone())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.loaded.revision != batch.expected {
            return Err(StoreError::Conflict);
        }
        let mut state = self.loaded.state.clone();
        for change in &batch.changes {
            state.apply(change).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        }
        self.loaded =
            Loaded { state, revision: batch.revision, batch: Some(batch.id), as_of: None };
        Ok(())
    }

    fn store_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
