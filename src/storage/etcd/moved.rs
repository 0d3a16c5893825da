//! Stores that are read to be copied, and those that a copy goes into.

use tracing::info;

use super::client::Failure;
use super::layout::{COPYING, HEAD, Head, RECORDS, TRAIL, Write};
use super::proto::TxnRequest;
use super::{EtcdStore, Target};
use crate::model::state::State;
use crate::storage::copy::{self, check_empty, nothing_at};
use crate::storage::{Store as _, StoreError, random_id};

impl EtcdStore {
    /// The store in an etcd as it is; nothing is written to it. Of a Milvus alone will do.
    ///
    /// # Errors
    /// There is none, or what [`Self::open`] tells.
    pub fn open_source(target: Target) -> Result<Self, StoreError> {
        let mut store = Self::connect(target, None)?;
        let copy = store.read()?;
        if copy.head.is_none() && copy.loaded()?.state == State::default() {
            return Err(nothing_at(&store.target));
        }
        store.know(copy)?;
        Ok(store)
    }

    /// A store for a copy to go into. What one that was broken off has left goes.
    ///
    /// # Errors
    /// There are records that no broken copy has left, or what [`Self::open`] tells.
    pub fn open_target(target: Target) -> Result<Self, StoreError> {
        let mut store = Self::connect(target, None)?;
        store.filling = true;
        let copy = store.read()?;
        // Whoever uses the place until now, or copies into it as well, finds another store there.
        let head = Head { store_id: random_id()?, revision: 0, batch: None, strict: 0 };
        let put = |key: &str, value| Write::Put { key: key.to_owned(), value };
        // That store has an audit trail of its own.
        let untold = Write::Delete { key: TRAIL.to_owned() };
        let mut writes = vec![put(HEAD, head.encode()), put(COPYING, Vec::new()), untold];
        let mut compare = vec![store.place.head_is(copy.head.clone())];
        if copy.is_marked {
            // A copy that comes to its end meanwhile changes nothing else.
            compare.push(store.place.is_there(COPYING));
            info!(target = %store.target, "what a copy that was broken off has left is removed");
            let delete = |prefix: &str| Write::DeletePrefix { prefix: prefix.to_owned() };
            writes.extend(RECORDS.map(delete));
        } else {
            check_empty(&copy.loaded()?)?;
        }
        let begin = TxnRequest {
            compare,
            success: writes.into_iter().map(|write| store.place.op(write)).collect(),
            failure: Vec::new(),
        };
        let begun = store.runtime.block_on(store.client.txn(begin));
        if !begun.map_err(Failure::of_writing)?.succeeded {
            let why = format!("{}: somebody else has begun to use it", store.target);
            return Err(StoreError::InUse(why));
        }
        let copy = store.read()?;
        store.know(copy)?;
        Ok(store)
    }
}

impl copy::Target for EtcdStore {
    fn complete(mut self: Box<Self>) -> Result<(), StoreError> {
        let head = self.copy()?.lock().head.clone();
        let unmark = TxnRequest {
            compare: vec![self.place.head_is(head)],
            success: vec![self.place.op(Write::Delete { key: COPYING.to_owned() })],
            failure: Vec::new(),
        };
        let done = self.runtime.block_on(self.client.txn(unmark));
        match done.map_err(Failure::of_writing) {
            Ok(done) if done.succeeded => {}
            Ok(_) => return Err(StoreError::Conflict),
            // Its answer got lost. What is still on its way may be done later.
            Err(StoreError::Unknown(_)) if self.read().is_ok_and(|copy| !copy.is_marked) => {}
            Err(e) => return Err(e),
        }
        self.close()
    }
}
