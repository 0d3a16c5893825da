//! The contract of a store, and the stores.
//!
//! A store is a durable, ordered log of changes, not a query engine: it is read once, when it is
//! loaded, and every decision and listing afterwards comes from memory.

pub mod codec;
#[cfg(test)]
mod codec_fuzz;
#[cfg(test)]
mod conformance;
pub mod copy;
pub mod etcd;
pub mod follow;
mod login;
pub mod memory;
pub mod records;
pub mod sled;
pub mod trail;

use std::fmt;
use std::time::Instant;

pub use self::login::Login;
use self::trail::Page;
use crate::model::event::Event;
use crate::model::state::{Change, State};

/// Counts the changes that were ever committed; one command is one revision.
pub type Revision = u64;

/// Tells the commits of a store apart, whatever became of their answers.
pub type BatchId = u128;

/// What a store held when it was loaded.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// All records.
    pub state: State,
    /// The revision of the last commit; 0 for a store that is new.
    pub revision: Revision,
    /// The last commit.
    pub batch: Option<BatchId>,
    /// When that was the newest, if it was before the reading began.
    pub as_of: Option<Instant>,
}

/// Changes to be committed as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision before.
    pub expected: Revision,
    /// The revision after.
    pub revision: Revision,
    /// Unique for each attempt.
    pub id: BatchId,
    /// The changes in order. Later ones win.
    pub changes: Vec<Change>,
    /// What is to be known of them later: the events of each revision after the one before, in order.
    /// A copy has none but for its last batch.
    pub events: Vec<Event>,
    /// Whether those who share the store are to tell when they have it in force.
    pub strict: bool,
}

/// What a store that others write to tells of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A commit, of whoever. Changes that another program made in the records themselves come so
    /// too: they keep the revision and have no batch.
    Committed {
        /// The revision after.
        revision: Revision,
        /// The commit.
        batch: Option<BatchId>,
        /// The changes in order.
        changes: Vec<Change>,
    },
    /// At that moment everything that was committed had been told.
    UpToDate(Instant),
    /// Those who wait for this instance do not see it any more: nothing is to be decided until it is
    /// up to date again.
    Unseen,
    /// Everybody who may decide still has the last strict commit up to this revision in force.
    InForce(Revision),
    /// What comes next cannot be told (compacted, broken, contradictory): load again.
    Lost(StoreError),
}

/// A durable log of changes, used by one thread.
///
/// * `load` returns all records and the revision, as one snapshot.
/// * `commit` writes all changes of a batch together with its revision and id, or nothing; and
///   only if the store is still at the expected revision. It returns once the batch would survive
///   a loss of power. Revisions never repeat.
/// * What a failure means is told by [`StoreError`]; after [`StoreError::Unknown`] the caller loads
///   again and looks for its batch id.
/// * The events of a batch are kept in the same write as its changes, in one chain of hashes
///   ([`trail`]), whoever commits. The oldest go where there are too many, some with each commit;
///   those that are kept, from the mark that the trail begins with to the one of its end, verify.
/// * `audit` reads them in their order, some at a time, at the moment of the call.
/// * Names that differ in a byte are different names, whatever the bytes.
/// * `store_id` stays over restarts and differs for every store that was ever created.
/// * After `close`, or when it is dropped, the store can be opened again.
pub trait Store: Send + fmt::Debug {
    /// Reads everything.
    ///
    /// # Errors
    /// The records cannot be read, or are not ones that this version understands.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Writes a batch durably.
    ///
    /// # Errors
    /// See [`StoreError`]: only `Unknown` may have changed something.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Tells `news` of everything that is committed after what the last `load` returned, own
    /// commits included, in order, until the store is dropped or loaded again. Returns false where
    /// nobody else can write to the store: then nothing is told, and a commit is in force when it
    /// returns.
    ///
    /// # Errors
    /// The watch cannot be started.
    fn watch(&mut self, news: Box<dyn Fn(News) + Send>) -> Result<bool, StoreError> {
        drop(news);
        Ok(false)
    }

    /// Takes in that decisions rest on that revision from now on, or on a later one.
    fn in_force(&mut self, revision: Revision) {
        let _ = revision;
    }

    /// The audit trail, and some of its events: those that come after the one with that number.
    ///
    /// # Errors
    /// They cannot be read, or there is no trail here.
    fn audit(&mut self, after: u64) -> Result<Page, StoreError> {
        let _ = after;
        Err(StoreError::Unfit("there is no audit trail here".to_owned()))
    }

    /// Which store this is.
    fn store_id(&self) -> String;

    /// Gives back what the store holds: files, locks, connections.
    ///
    /// # Errors
    /// Something could not be written; no committed change is concerned.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// Why a store failed. The texts are for logs: they name files and hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Somebody else holds the store.
    InUse(String),
    /// The store is not at the expected revision. Nothing changed.
    Conflict,
    /// The batch has more changes than the store takes, which the text tells to callers too. Nothing
    /// changed.
    TooLarge(String),
    /// The store has no place for a record like one of these. Nothing changed.
    Refused(String),
    /// The store takes no changes from here. Nothing changed.
    ReadOnly,
    /// The store could not be reached or written. Nothing changed.
    Unavailable(String),
    /// The batch may or may not have been committed.
    Unknown(String),
    /// There is no store, or none for what is asked of it. Nothing changed.
    Unfit(String),
    /// What is stored cannot be understood: damage, or a newer version's records.
    Damaged(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(text) => write!(f, "the store is in use: {text}"),
            Self::Conflict => f.write_str("the store has moved on"),
            Self::ReadOnly => f.write_str("the store takes no changes from here"),
            Self::TooLarge(text) => {
                write!(f, "the change is larger than the store takes at once: {text}")
            }
            Self::Unfit(text) => f.write_str(text),
            Self::Refused(text) => write!(f, "the store cannot hold it: {text}"),
            Self::Unavailable(text) => write!(f, "the store is unavailable: {text}"),
            Self::Unknown(text) => write!(f, "the store did not confirm a commit: {text}"),
            Self::Damaged(text) => {
                write!(f, "the store is damaged or from a newer version: {text}")
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// A random id for a new store or batch.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn random_id() -> Result<u128, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    Ok(u128::from_le_bytes(bytes))
}
