//! The stores under the engine: sled's folder, filled by a process of its own so that this one's
//! memory is that of the product; and one that takes every change without a disk.

use std::path::Path;
use std::process::Command;

use milvus_rbac::storage::sled::SledStore;
use milvus_rbac::storage::{Batch, Loaded, Store, StoreError, codec};

use crate::data::{self, Size};

/// Fills a folder.
pub(crate) fn fill(folder: &Path, size: Size) {
    let mut store = SledStore::open(folder).unwrap();
    let mut revision = 0;
    let mut payload = 0;
    for changes in data::changes(size) {
        for change in &changes {
            let codec::Entry { key, value } = codec::encode(change).unwrap();
            payload += key.len() + value.map_or(0, |value| value.len());
        }
        let expected = revision;
        revision += 1;
        let id = u128::from(revision);
        store
            .commit(&Batch { expected, revision, id, changes, events: vec![], strict: false })
            .unwrap();
    }
    Box::new(store).close().unwrap();
    println!("{payload}");
}

/// Lets another process fill a folder; returns the bytes of all keys and values.
pub(crate) fn filled(folder: &Path, size: Size) -> u64 {
    let sizes = [size.grants, size.roles, size.users].map(|n| n.to_string());
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--fill")
        .arg(folder)
        .args(sizes)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Keeps nothing.
#[derive(Debug)]
pub(crate) struct Prepared(pub(crate) Loaded);

impl Store for Prepared {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(std::mem::take(&mut self.0))
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Ok(())
    }

    fn store_id(&self) -> String {
        "prepared".to_owned()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
