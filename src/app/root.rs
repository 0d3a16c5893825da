//! The first user: it comes with a new store, and everybody knows its password where nobody gave one.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Clock;
use crate::engine::{Engine, Order};
use crate::model::command::Command;
use crate::model::origin::Origin;
use crate::model::state::{Name, ROOT};
use crate::passwords::Passwords;

/// Milvus' own default.
const DEFAULT_PASSWORD: &[u8] = b"Milvus";
/// A hash of it. A salt of its own would hide nothing, and cost each first start a bcrypt.
const DEFAULT_HASH: &str = "$2a$10$VSPur1WzZN0uFHHQE9xLR..I/xnDLohsJBndEszWNCspP6VxZrI8u";
/// The cost of that hash.
const DEFAULT_HASH_COST: u32 = 10;
/// When a start looks whether some other hash is of the default password: after the first logins,
/// which would wait for it. Where too many of them wait then, as much later again.
const LATER: Duration = Duration::from_secs(10);

/// Brings a new store to its first state, and warns of the default password.
///
/// # Errors
/// A text that says why there is no root.
pub(super) async fn prepare(
    engine: &Engine,
    passwords: &Passwords,
    clock: &Clock,
    given: Option<Vec<u8>>,
) -> Result<(), String> {
    let stored = engine.snapshot().state.users.get(ROOT).map(|root| root.password_hash.clone());
    let (password, hash) = match stored {
        Some(hash) => {
            if given.is_some() {
                info!(
                    "root exists already and keeps its password; --root-password-file is not used"
                );
            }
            if *hash != *DEFAULT_HASH {
                tokio::spawn(look_later(engine.clone(), passwords.clone(), LATER));
                return Ok(());
            }
            (DEFAULT_PASSWORD.to_vec(), hash)
        }
        None => {
            let password = given.unwrap_or_else(|| DEFAULT_PASSWORD.to_vec());
            let hash = seed(engine, passwords, clock, &password).await?;
            (password, hash)
        }
    };
    passwords.remember(ROOT.into(), &password, hash);
    if password == DEFAULT_PASSWORD {
        warn_of_default();
    }
    Ok(())
}

/// Returns the hash of the password, once root is stored.
async fn seed(
    engine: &Engine,
    passwords: &Passwords,
    clock: &Clock,
    password: &[u8],
) -> Result<Name, String> {
    let hash: Name = if password == DEFAULT_PASSWORD && passwords.cost() == DEFAULT_HASH_COST {
        DEFAULT_HASH.into()
    } else {
        passwords.hash(password.to_vec()).await.map_err(|e| e.to_string())?.into()
    };
    let (root_password_hash, created) = (hash.clone(), clock.timestamp());
    let seeded = engine
        .execute(Order {
            origin: Origin::own("start"),
            ..Command::Seed { root_password_hash, created }.into()
        })
        .await;
    seeded.map(|_| hash).map_err(|e| e.to_string())
}

/// Returns whether root has the default password.
async fn look_later(engine: Engine, passwords: Passwords, later: Duration) -> bool {
    loop {
        tokio::time::sleep(later).await;
        let login = passwords.verify(&engine.snapshot().state, ROOT, DEFAULT_PASSWORD).await;
        if let Ok(login) = login {
            if login.is_some() {
                warn_of_default();
            }
            return login.is_some();
        }
    }
}

fn warn_of_default() {
    warn!("root has Milvus' default password: change it with update_password");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Task;
    use crate::engine::Sharing;
    use crate::model::command::Rules;
    use crate::storage::memory::MemoryStore;

    #[tokio::test]
    async fn a_default_password_is_found_after_a_storm_of_logins_and_no_other() {
        for (password, is_default) in [(DEFAULT_PASSWORD, true), (b"another one", false)] {
            let (engine, _writer) = Engine::start(
                Box::new(MemoryStore::new().unwrap()),
                Rules::default(),
                Sharing::default(),
            )
            .unwrap();
            let passwords = Passwords::new(4).unwrap();
            seed(&engine, &passwords, &Clock::default(), password).await.unwrap();
            // More than may wait; those who are refused ask again until they are heard.
            for _ in 0..200 {
                let passwords = passwords.clone();
                tokio::spawn(async move {
                    while passwords.hash(b"some other".to_vec()).await.is_err() {
                        tokio::task::yield_now().await;
                    }
                });
            }
            let looked = look_later(engine, passwords, Duration::from_millis(1));
            let limit = Duration::from_secs(60);
            assert_eq!(tokio::time::timeout(limit, looked).await, Ok(is_default));
        }
    }

    #[test]
    fn the_default_hash_is_of_the_default_password_at_the_default_cost() {
        assert!(bcrypt::verify(DEFAULT_PASSWORD, DEFAULT_HASH).unwrap());
        let cli = <crate::config::Cli as clap::Parser>::parse_from(["milvus-rbac"]);
        let Task::Serve(config) = cli.try_into().unwrap() else { panic!("it serves") };
        assert_eq!(config.bcrypt_cost, DEFAULT_HASH_COST);
        let cost: bcrypt::HashParts = DEFAULT_HASH.parse().unwrap();
        assert_eq!(cost.get_cost(), DEFAULT_HASH_COST);
    }
}
