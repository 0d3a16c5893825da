//! Stores that are read to be copied, and those that a copy goes into.
//!
//! The lock of the data file guards the mark as well.
//!
//! INVARIANT: whoever marks a folder, takes its mark away or removes what is in it holds that lock,
//! and whoever serves from it has seen no mark since the lock is his. Defended by
//! `tests/it/etcd/broken_off.rs`.

use std::fs::File;
use std::path::Path;

use super::folder::{self, DATA};
use super::{SledStore, guarded, located, lock_error, unavailable};
use crate::storage::StoreError;
use crate::storage::copy::{self, check_empty, nothing_at};

impl SledStore {
    /// The store in `folder`, which must be there.
    ///
    /// # Errors
    /// There is none, or what [`Self::open`] tells.
    pub fn open_source(folder: &Path) -> Result<Self, StoreError> {
        if !folder.join(DATA).exists() {
            return Err(nothing_at(folder.display()));
        }
        Self::open(folder)
    }

    /// A store for a copy to go into. What one that was broken off has left goes.
    ///
    /// # Errors
    /// There are records that no broken copy has left, or what [`Self::open`] tells.
    pub fn open_target(folder: &Path) -> Result<Self, StoreError> {
        folder::create(folder)?;
        Self::begin(folder).map_err(|e| located(folder, e))
    }

    fn begin(folder: &Path) -> Result<Self, StoreError> {
        if folder::is_marked(folder).map_err(unavailable)? {
            folder::clear(folder).map_err(lock_error)?;
        }
        let mut store = Self::open_files(folder)?;
        check_empty(&guarded(|| store.read()).flatten()?)?;
        folder::mark(folder).map_err(unavailable)?;
        store.filling = true;
        Ok(store)
    }
}

impl copy::Target for SledStore {
    fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let folder = &self.folder;
        self.settle()?;
        folder::unmark(folder).map_err(|e| located(folder, unavailable(e)))?;
        let unknown = |e| StoreError::Unknown(format!("{}: {e}", folder.display()));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(unknown)
    }
}
