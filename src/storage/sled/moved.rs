//! Stores that are read to be copied, and those that a copy goes into.

use std::fs::File;
use std::io;
use std::path::Path;

use super::folder::{self, COPYING, DATA};
use super::{SledStore, in_use, located, lock_error, unavailable};
use crate::storage::copy::{self, check_empty, nothing_at};
use crate::storage::{Store as _, StoreError};

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
        let mark = mark(folder).map_err(|e| located(folder, e))?;
        let mut store = Self::open_files(folder).map_err(|e| located(folder, e))?;
        store.mark = Some(mark);
        Ok(store)
    }
}

/// The mark, held, in a folder where nothing is stored.
fn mark(folder: &Path) -> Result<File, StoreError> {
    let file = folder.join(COPYING);
    if file.exists() {
        let mark = File::open(file).map_err(unavailable)?;
        mark.try_lock().map_err(|e| lock_error(e.into()))?;
        folder::clear(folder).map_err(unavailable)?;
        return Ok(mark);
    }
    if folder.join(DATA).exists() {
        check_empty(&SledStore::open(folder)?.load()?)?;
    }
    let mark = File::create_new(file).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => in_use(),
        _ => unavailable(e),
    })?;
    mark.try_lock().map_err(|e| lock_error(e.into()))?;
    // Before anything is stored.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unavailable)?;
    Ok(mark)
}

impl copy::Target for SledStore {
    fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let folder = self.folder.clone();
        self.close()?;
        folder::remove(&folder, COPYING).map_err(|e| located(&folder, unavailable(e)))
    }
}
