//! `reset-root-password`.

use super::{beside, end, person};
use crate::config::{Reset, StoreUrl};
use crate::engine::{Engine, Order, Sharing};
use crate::model::command::{Command, Rules};
use crate::model::origin::Origin;
use crate::passwords::Passwords;
use crate::storage::etcd::EtcdStore;
use crate::storage::sled::SledStore;
use crate::storage::trail::Keep;
use crate::storage::{Store, StoreError, random_id};

/// Gives `root` a new password where the store is, and tells the revision; a password that nobody
/// gave, too. A folder must not be served meanwhile. Instances that share an etcd follow.
///
/// # Errors
/// A text that says what could not be opened or written.
pub async fn reset(Reset { store, password }: Reset) -> Result<(), String> {
    let given = password.is_some();
    let password = match password {
        Some(password) => password,
        None => format!("{:032x}", random_id().map_err(|e| e.to_string())?).into_bytes(),
    };
    // The usual cost: whoever changes it again takes that of his server.
    let passwords = Passwords::new(COST)?;
    let hash = passwords.hash(password.clone()).await.map_err(|e| e.to_string())?;
    let opened = beside(move || {
        let store = open(store)?;
        Engine::start(store, Rules::default(), Sharing::default())
    });
    let (engine, writer) = opened.await?.map_err(|e| format!("--store: {e}"))?;
    let command = Command::ResetRootPassword { password_hash: hash.into() };
    let origin = Origin { peer: person::person(), ..Origin::own("offline") };
    let done = engine.execute(Order { origin, ..command.into() }).await;
    let ended = end(engine, writer).await;
    let revision = done.map_err(|e| e.to_string())?;
    ended?;
    println!("root has a new password, revision {revision}");
    if !given {
        println!("password: {}", String::from_utf8_lossy(&password));
    }
    Ok(())
}

const COST: u32 = 10;

/// How much of the trail is kept is for whoever serves the store to say.
const ALL: Keep = Keep { max_age: None, max_bytes: 0 };

/// One that is there: a wrong place is not to become a store.
fn open(store: StoreUrl) -> Result<Box<dyn Store>, StoreError> {
    match store {
        StoreUrl::Sled(folder) => Ok(Box::new(SledStore::open_source(&folder)?.keeping(ALL))),
        StoreUrl::Etcd(target) => {
            drop(EtcdStore::open_source(target.clone())?);
            let store = EtcdStore::open(target, Sharing::default().max_staleness)?;
            Ok(Box::new(store.keeping(ALL)))
        }
        StoreUrl::Memory | StoreUrl::Follow(_) => Err(StoreError::ReadOnly),
    }
}
