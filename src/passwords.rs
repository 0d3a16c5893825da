//! Passwords: hashing, verifying, and remembering logins that were verified.
//!
//! bcrypt is slow on purpose. It runs off the async workers, few at a time, and a login that was
//! verified once is remembered by a keyed digest for as long as the user's stored hash stays the
//! same: a password change or a deletion forgets it at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bcrypt::Version;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::model::error::{Error, ErrorKind};
use crate::model::name::MAX_PASSWORD;
use crate::model::state::{Name, State};

/// Logins that are remembered at most.
const CACHE: u64 = 10_000;
/// Passwords that may wait to be hashed; more are refused.
const QUEUE: usize = 512;

/// A login that was verified.
#[derive(Clone)]
struct Verified {
    /// Keyed digest of user and password.
    digest: [u8; 32],
    /// The stored hash that the password matched.
    hash: Name,
}

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    cost: u32,
    key: [u8; 32],
    verified: Cache<Name, Verified>,
    workers: Semaphore,
    queued: AtomicUsize,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("cost", &self.0.cost).finish_non_exhaustive()
    }
}

impl Passwords {
    /// `cost` is bcrypt's, for new hashes.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn new(cost: u32) -> Result<Self, String> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| e.to_string())?;
        // Half the cores at most, so that a storm of logins leaves some for everything else.
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Ok(Self(Arc::new(Inner {
            cost,
            key,
            verified: Cache::new(CACHE),
            workers: Semaphore::new((cores / 2).max(1)),
            queued: AtomicUsize::new(0),
        })))
    }

    /// The hash to be stored for a password, in the form that Go writes.
    ///
    /// # Errors
    /// Too many passwords are waiting.
    pub async fn hash(&self, password: Vec<u8>) -> Result<String, Error> {
        let cost = self.0.cost;
        self.work(move || {
            bcrypt::hash_with_result(password, cost).map(|h| h.format_for_version(Version::TwoA))
        })
        .await?
        .map_err(|e| Error::verbatim(ErrorKind::Unavailable, e.to_string()))
    }

    /// Hashes without waiting for others; blocks. For the start of the process.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn hash_blocking(&self, password: &[u8]) -> Result<String, String> {
        bcrypt::hash_with_result(password, self.0.cost)
            .map(|hash| hash.format_for_version(Version::TwoA))
            .map_err(|e| e.to_string())
    }

    /// Checks a login. Returns the stored hash that the password matches; none for a wrong password
    /// and for an unknown user, after the same work.
    ///
    /// # Errors
    /// Too many passwords are waiting.
    pub async fn verify(
        &self,
        state: &State,
        user: &str,
        password: &[u8],
    ) -> Result<Option<Name>, Error> {
        let digest = self.digest(user, password);
        let found = state.users.get_key_value(user);
        if let Some((name, user)) = found
            && let Some(verified) = self.0.verified.get(name)
            && verified.hash == user.password_hash
            && bool::from(verified.digest.ct_eq(&digest))
        {
            return Ok(Some(verified.hash));
        }
        let stored = found.map(|(_, user)| user.password_hash.clone());
        let (password, cost) = (password.to_vec(), self.0.cost);
        let matches = self.work(move || matches(&password, stored.as_deref(), cost)).await?;
        let Some((name, user)) = found.filter(|_| matches) else {
            return Ok(None);
        };
        let hash = user.password_hash.clone();
        self.0.verified.insert(name.clone(), Verified { digest, hash: hash.clone() });
        Ok(Some(hash))
    }

    fn digest(&self, user: &str, password: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.0.key)
            .chain_update(user.len().to_le_bytes())
            .chain_update(user)
            .chain_update(password)
            .finalize()
            .into()
    }

    /// Runs bcrypt off the async workers, few at a time. A caller who goes away does not start it.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let inner = &self.0;
        let _place = Place::take(&inner.queued)?;
        let failed = |text: &dyn fmt::Display| Error::new(ErrorKind::Unavailable, text);
        let _permit = inner.workers.acquire().await.map_err(|e| failed(&e))?;
        tokio::task::spawn_blocking(work).await.map_err(|e| failed(&e))
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(queued: &'a AtomicUsize) -> Result<Self, Error> {
        let place = Self(queued);
        if queued.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            return Err(Error::verbatim(
                ErrorKind::Overloaded,
                "too many passwords are being checked, try again later",
            ));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// INVARIANT: the work of a failure does not tell an unknown user from a wrong password. Defended
/// by `tests/it/login.rs`.
fn matches(password: &[u8], stored: Option<&str>, cost: u32) -> bool {
    // bcrypt looks at no more than that, so a longer password would pass for its beginning.
    let fits = password.len() <= MAX_PASSWORD;
    let matches =
        stored.is_some_and(|hash| bcrypt::verify(password, hash).unwrap_or(false)) && fits;
    if !matches && stored.and_then(cost_of).is_none_or(|stored| stored < cost) {
        let nobody = format!("$2a${cost:02}${}", ".".repeat(53));
        let _ = bcrypt::verify(password, &nobody);
    }
    matches
}

fn cost_of(hash: &str) -> Option<u32> {
    hash.split('$').nth(2)?.parse().ok()
}
