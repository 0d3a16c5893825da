//! Passwords: hashing, verifying, and remembering logins that were verified.
//!
//! bcrypt is slow on purpose. It runs on few threads of its own, to which all others are preferred,
//! and a login that was verified once is remembered by a keyed digest for as long as the user's stored hash stays the
//! same: a password change or a deletion forgets it at once.

mod given;

pub use self::given::{Given, given, read_file};

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bcrypt::Version;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, oneshot};
use tracing::warn;

use crate::model::error::{Error, ErrorKind};
use crate::model::name::MAX_PASSWORD;
use crate::model::state::{Name, State};
use crate::telemetry::{self, Shed};

/// Logins that are remembered at most.
const CACHE: u64 = 10_000;
/// Passwords that may wait to be hashed; more are refused.
const QUEUE: usize = 128;
/// How nice the threads are that hash: with this they get a tenth of a core that others want too.
const NICE: i32 = 10;

/// Whoever is not in a hurry asks again after that long.
const PAUSE: Duration = Duration::from_millis(50);

type Job = Box<dyn FnOnce() + Send>;

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
    jobs: mpsc::Sender<Job>,
    queue: Arc<Semaphore>,
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
    /// The operating system gives no random bytes, or no thread.
    pub fn new(cost: u32) -> Result<Self, String> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| e.to_string())?;
        // Half the cores at most, so that a storm of logins leaves some for everything else.
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        let jobs = start_workers((cores / 2).max(1)).map_err(|e| e.to_string())?;
        Ok(Self(Arc::new(Inner {
            cost,
            key,
            verified: Cache::new(CACHE),
            jobs,
            queue: Arc::new(Semaphore::new(QUEUE)),
        })))
    }

    /// bcrypt's cost for new hashes.
    pub fn cost(&self) -> u32 {
        self.0.cost
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
            telemetry::login_known(true);
            return Ok(Some(verified.hash));
        }
        telemetry::login_known(false);
        let stored = found.map(|(_, user)| user.password_hash.clone());
        let (given, cost) = (password.to_vec(), self.0.cost);
        let matches = self.work(move || matches(&given, stored.as_deref(), cost)).await?;
        let Some((name, user)) = found.filter(|_| matches) else {
            return Ok(None);
        };
        let hash = user.password_hash.clone();
        self.remember(name.clone(), password, hash.clone());
        Ok(Some(hash))
    }

    /// Spares a login its verification: the caller knows that `hash` is of `password`. It counts
    /// only while a user has this hash.
    pub fn remember(&self, user: Name, password: &[u8], hash: Name) {
        let digest = self.digest(&user, password);
        self.0.verified.insert(user, Verified { digest, hash });
    }

    /// Passwords that wait to be hashed or are being hashed, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        (QUEUE - self.0.queue.available_permits(), QUEUE)
    }

    /// Logins that are remembered.
    pub fn remembered(&self) -> u64 {
        self.0.verified.entry_count()
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

    /// Runs bcrypt on a thread of its own. A caller who goes away while waiting does not start it;
    /// once started it keeps its place until it is done, since it cannot be stopped.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let failed = |text: &dyn fmt::Display| Error::new(ErrorKind::Unavailable, text);
        let place = self.0.queue.clone().try_acquire_owned().map_err(|_| {
            telemetry::shed(Shed::Passwords, 1);
            Error::verbatim(
                ErrorKind::Overloaded,
                "too many passwords are being checked, try again later",
            )
        })?;
        let (reply, answer) = oneshot::channel();
        let job = move || {
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
            drop(place);
        };
        self.0.jobs.send(Box::new(job)).map_err(|e| failed(&e))?;
        answer.await.map_err(|e| failed(&e))
    }
}

/// Threads that do jobs in turn, until nobody can send more.
fn start_workers(number: usize) -> std::io::Result<mpsc::Sender<Job>> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..number {
        let queue = queue.clone();
        let run = move || {
            // Of this thread alone, on Linux.
            if let Err(e) = rustix::process::setpriority_process(None, NICE) {
                warn!(error = %e, "passwords are hashed as if that were urgent");
            }
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            while let Ok(job) = next() {
                // Whoever waits for a job that panics is told that there is no answer.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        std::thread::Builder::new().name("passwords".to_owned()).spawn(run)?;
    }
    Ok(jobs)
}

/// INVARIANT: the work of a failure does not tell an unknown user from a wrong password. Defended
/// by `tests/it/login.rs`.
fn matches(password: &[u8], stored: Option<&str>, cost: u32) -> bool {
    // bcrypt looks at no more than that, so a longer password would pass for its beginning.
    let fits = password.len() <= MAX_PASSWORD;
    // A hash that cannot be read is as good as none.
    let checked =
        stored.and_then(|hash| Some((bcrypt::verify(password, hash).ok()?, cost_of(hash)?)));
    let missing = match checked {
        Some((true, _)) => 0..0,
        // A cheaper hash took 2^stored of the 2^cost steps; these take the others.
        Some((false, stored_cost)) => stored_cost..cost,
        None => cost..cost + 1,
    };
    for step in missing {
        let nobody = format!("$2a${step:02}${}", ".".repeat(53));
        let _ = bcrypt::verify(password, &nobody);
    }
    fits && matches!(checked, Some((true, _)))
}

fn cost_of(hash: &str) -> Option<u32> {
    hash.split('$').nth(2)?.parse().ok()
}
