//! `store copy`.

use super::person;
use crate::config::{Ends, StoreUrl};
use crate::model::origin::Origin;
use crate::storage::etcd::EtcdStore;
use crate::storage::sled::SledStore;
use crate::storage::{Store, StoreError, copy};

/// Copies all records of a store into an empty one, where they are read again and compared. Blocks.
///
/// # Errors
/// A text that says what could not be opened, read or written.
pub fn copy(Ends { from, to }: Ends) -> Result<(), String> {
    let source = open_source(from).map_err(|e| format!("--from: {e}"))?;
    let target = || open_target(to).map_err(|e| format!("--to: {e}"));
    let origin = Origin { peer: person::person(), ..Origin::own("copy") };
    let copied =
        copy::copy(source, target, origin, |done, all| eprintln!("{done} of {all} records"))?;
    println!("{} records copied and checked, revision {}", copied.records, copied.revision);
    Ok(())
}

fn open_source(from: StoreUrl) -> Result<Box<dyn Store>, StoreError> {
    match from {
        StoreUrl::Sled(folder) => Ok(Box::new(SledStore::open_source(&folder)?)),
        StoreUrl::Etcd(target) => Ok(Box::new(EtcdStore::open_source(target)?)),
        StoreUrl::Memory | StoreUrl::Follow(_) => Err(StoreError::ReadOnly),
    }
}

fn open_target(to: StoreUrl) -> Result<Box<dyn copy::Target>, StoreError> {
    match to {
        StoreUrl::Sled(folder) => Ok(Box::new(SledStore::open_target(&folder)?)),
        StoreUrl::Etcd(target) => Ok(Box::new(EtcdStore::open_target(target)?)),
        StoreUrl::Memory | StoreUrl::Follow(_) => Err(StoreError::ReadOnly),
    }
}
