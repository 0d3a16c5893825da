//! The embedded store: one sled tree in a folder, held by one process.
//!
//! sled 0.34's `flush` writes and waits, but does not make the disk flush its cache, and its
//! `flush_async` deadlocks when called concurrently. So each commit is one atomic batch, one
//! `flush` from the writer's thread, and an `fdatasync` of our own on sled's file.
//!
//! Nor does sled notice every damage. What is loaded must therefore add up to what the last commit
//! says, and the last commit must not be behind the file `head`.

mod folder;
mod head;
mod moved;
mod rouse;
mod seal;
mod segments;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use self::folder::{DATA, LINGER};
use self::head::{Head, Note};
use self::rouse::Rouser;
use self::seal::{Commit, Sum};
use super::copy::not_whole;
use super::trail::{Keep, Page, Trail};
use super::{Batch, Loaded, Store, StoreError, codec, random_id};
use crate::clock::milliseconds;
use crate::model::load::Loader;

/// Everything is read once, at the start, and single records by commits: a small cache is enough.
const CACHE_BYTES: u64 = 8 << 20;

// Keys of this store itself; the codec uses letters only.
const FORMAT: &[u8] = b"\0format";
const ID: &[u8] = b"\0id";
const COMMIT: &[u8] = b"\0commit";
const TRAIL: &[u8] = b"\0trail";
/// All records sort behind our own keys.
const RECORDS: &[u8] = &[1];

/// Changes together with the format under which everything else was written.
const FORMAT_VERSION: &[u8] = b"milvus-rbac 3";
/// The same without an audit trail. It becomes the newer one with the next commit.
const FORMAT_WITHOUT_TRAIL: &[u8] = b"milvus-rbac 2";

/// A sled database in a folder.
pub struct SledStore {
    folder: PathBuf,
    id: u128,
    /// The last commit that is durable.
    last: Commit,
    /// The trail up to there.
    trail: Trail,
    keep: Keep,
    /// None after a failed write, until the folder has been opened again.
    db: Option<Arc<sled::Db>>,
    rouser: Rouser,
    data: File,
    head: Head,
    /// Set once a sync failed: what can be read may not be on the disk.
    doubtful: bool,
    /// Whether a copy goes into it, whose mark is then ours.
    filling: bool,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SledStore {
    /// Opens the store in `folder`, which is created if need be.
    ///
    /// # Errors
    /// Another process holds it, it cannot be read or written, or it is not what was committed.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        folder::create(folder)?;
        check_whole(folder)?;
        Self::open_whole(folder).map_err(|e| located(folder, e))
    }

    /// A copy may have begun while its lock was waited for; none begins while it is held.
    fn open_whole(folder: &Path) -> Result<Self, StoreError> {
        let store = Self::open_files(folder)?;
        check_whole(folder)?;
        Ok(store)
    }

    fn open_files(folder: &Path) -> Result<Self, StoreError> {
        let note = head::read(folder).map_err(unavailable)?;
        folder::tidy(folder).map_err(lock_error)?;
        check_snapshot(folder, &note)?;
        // If anything fails from here on, the database goes before its rouser.
        let (rouser, db) = open_sled(folder)?;
        let data = File::open(folder.join(DATA)).map_err(unavailable)?;
        // A process that was killed may have written what the disk does not hold yet.
        data.sync_all().map_err(unavailable)?;
        let (id, last, trail, head) = match identify(&db)? {
            Some((id, last, trail)) => {
                check_note(&note, id, last)?;
                let head = Head::create(folder, id, last.revision).map_err(unavailable)?;
                (id, last, trail, head)
            }
            None => {
                check_new(&note)?;
                let (id, last, head) = create(folder, &db, &rouser, &data)?;
                (id, last, Trail::default(), head)
            }
        };
        let folder = folder.to_owned();
        let (keep, db, doubtful, filling) = (Keep::default(), Some(db), false, false);
        Ok(Self { folder, id, last, trail, keep, db, rouser, data, head, doubtful, filling })
    }

    /// The same store, of whose trail so much is kept.
    #[must_use]
    pub fn keeping(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// How long opening and loading a store may take at most: sled has been seen to wait for ever
    /// on damaged files.
    pub fn patience(folder: &Path) -> Duration {
        /// A disk slower than this reads no more.
        const BYTES_PER_SECOND: u64 = 4 << 20;
        Duration::from_secs(60 + folder::size(folder) / BYTES_PER_SECOND)
    }

    /// Opens the folder again after a failed write.
    ///
    /// INVARIANT: what is read afterwards is on the disk, whatever the system remembers. Defended
    /// by `tests/it/faults.rs`.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let lock = folder::lock(&self.folder).map_err(lock_error)?;
        if self.doubtful || self.data.sync_data().is_err() {
            self.doubtful = true;
            folder::doubt(&self.folder).map_err(unavailable)?;
        }
        drop(lock);
        let open = if self.filling { Self::open_files } else { Self::open_whole };
        let mut again = open(&self.folder)?;
        if again.id != self.id {
            return Err(damaged("another store has been put into its place"));
        }
        (again.filling, again.keep) = (self.filling, self.keep);
        *self = again;
        info!(folder = %self.folder.display(), "the store was opened again after a failed write");
        Ok(())
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.as_deref().ok_or_else(|| unavailable("not opened again since a write failed"))
    }

    /// INVARIANT: returns only after the data would survive power loss. Defended by
    /// `tests/it/durability.rs`, which counts the syncs of a running server, and by
    /// `tests/it/power_loss/`.
    ///
    /// After a failure sled's memory, and the system's, may show what the disk does not hold, and
    /// a later sync would not tell. So sled is let go, and its files are opened anew.
    fn write(&mut self, batch: sled::Batch) -> Result<(), StoreError> {
        let db = self.db()?;
        let written = guarded(|| db.apply_batch(batch).and_then(|()| self.rouser.flush(db)));
        let written = written.map_err(|e| e.to_string());
        let written = written.and_then(|written| written.map_err(|e| e.to_string()));
        let synced = self.data.sync_data();
        if synced.is_err() {
            self.doubtful = true;
            // As far as possible; it is tried again before the store is opened.
            let _ = folder::doubt(&self.folder);
        }
        let Err(failure) = written.and(synced.map_err(|e| e.to_string())) else {
            return Ok(());
        };
        let db = self.db.take();
        let _ = guarded(|| drop(db));
        Err(StoreError::Unknown(failure))
    }

    /// Leaves nothing to the system's memory.
    fn settle(&self) -> Result<(), StoreError> {
        let db = self.db()?;
        guarded(|| self.rouser.flush(db))?.map_err(|e| unavailable(&e))?;
        self.data.sync_all().and_then(|()| self.head.sync()).map_err(unavailable)
    }

    fn read(&self) -> Result<Loaded, StoreError> {
        let db = self.db()?;
        let (send, records) = mpsc::sync_channel(4);
        // sled reads on while what it has read so far is taken in.
        thread::scope(|scope| {
            thread::Builder::new()
                .name("reader".to_owned())
                .spawn_scoped(scope, move || scan(db, &send))
                .map_err(unavailable)?;
            self.take_in(records)
        })
    }

    fn take_in(&self, records: mpsc::Receiver<Records>) -> Result<Loaded, StoreError> {
        let (mut loader, mut sum) = (Loader::default(), Sum::default());
        for some in records {
            for (key, value) in some? {
                sum.add(&key, &value);
                if sum.records > self.last.sum.records {
                    return Err(damaged("there are more records than were committed"));
                }
                let record = codec::decode(&key, &value, &mut loader.names)?;
                loader.add(record).map_err(damaged)?;
            }
        }
        // INVARIANT: what is served is what was committed, all of it and nothing else. Defended by
        // `tests/it/damage.rs`.
        if sum != self.last.sum {
            return Err(damaged("the records do not add up to what was committed"));
        }
        let revision = self.last.revision;
        let batch = (revision > 0).then_some(self.last.batch);
        Ok(Loaded { state: loader.state(), revision, batch, as_of: None })
    }
}

/// Records in the order of their keys, or why there are no more.
type Records = Result<Vec<(sled::IVec, sled::IVec)>, StoreError>;

/// Sends all records, until there are no more, or nobody wants them.
fn scan(db: &sled::Db, to: &mpsc::SyncSender<Records>) {
    const AT_ONCE: usize = 256;
    let mut entries = db.range(RECORDS..);
    loop {
        let some = guarded(|| entries.by_ref().take(AT_ONCE).collect::<sled::Result<Vec<_>>>())
            .and_then(|some| some.map_err(|e| read_error(&e)));
        let is_last = some.as_ref().map_or(true, Vec::is_empty);
        if to.send(some).is_err() || is_last {
            return;
        }
    }
}

impl Store for SledStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        if self.db.is_none() {
            self.reopen().map_err(|e| located(&self.folder, e))?;
        }
        guarded(|| self.read()).flatten().map_err(|e| located(&self.folder, e))
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.last.revision != batch.expected {
            return Err(StoreError::Conflict);
        }
        let mut entries = BTreeMap::new();
        for change in &batch.changes {
            let codec::Entry { key, value } = codec::encode(change)?;
            entries.insert(key, value);
        }
        let mut next = Commit { revision: batch.revision, batch: batch.id, sum: self.last.sum };
        let mut writes = sled::Batch::default();
        for (key, value) in entries {
            if let Some(old) = get(self.db()?, &key)? {
                next.sum.remove(&key, &old);
            }
            match value {
                Some(value) => {
                    next.sum.add(&key, &value);
                    writes.insert(key, value);
                }
                None => writes.remove(key),
            }
        }
        writes.insert(COMMIT, next.encode(self.id));
        let trail = self.extend(&batch.events, &mut writes)?;
        self.write(writes)?;
        (self.last, self.trail) = (next, trail);
        if let Err(e) = self.head.note(self.id, next.revision) {
            warn!(error = %e, "the commit is stored, but not noted in the file `{}`", head::FILE);
        }
        Ok(())
    }

    fn audit(&mut self, after: u64) -> Result<Page, StoreError> {
        let some = segments::after(self.db()?, after, segments::AT_ONCE)?;
        let entries: Vec<_> = some.iter().map(|s| s.entries(after)).collect::<Result<_, _>>()?;
        let (trail, revision) = (self.trail, self.last.revision);
        Ok(Page { trail, revision, entries: entries.concat() })
    }

    fn store_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.settle()
    }
}

fn check_whole(folder: &Path) -> Result<(), StoreError> {
    let is_marked = folder::is_marked(folder).map_err(|e| located(folder, unavailable(e)))?;
    if is_marked { Err(not_whole(folder.display())) } else { Ok(()) }
}

fn open_sled(folder: &Path) -> Result<(Rouser, Arc<sled::Db>), StoreError> {
    let open = || {
        sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            // Commits flush themselves.
            .flush_every_ms(None)
            .open()
    };
    let started = Instant::now();
    loop {
        match guarded(open)?.map_err(|e| read_error(&e)) {
            Err(StoreError::InUse(_)) if started.elapsed() < LINGER => {
                thread::sleep(Duration::from_millis(10));
            }
            opened => {
                let db = Arc::new(opened?);
                let rouser = Rouser::start(Arc::downgrade(&db)).map_err(unavailable)?;
                return Ok((rouser, db));
            }
        }
    }
}

/// The id, the last commit and the trail of a store of ours; none if sled holds nothing.
fn identify(db: &sled::Db) -> Result<Option<(u128, Commit, Trail)>, StoreError> {
    let Some(format) = get(db, FORMAT)? else {
        return if guarded(|| db.is_empty())? {
            Ok(None)
        } else {
            Err(damaged("it holds a sled database of something else"))
        };
    };
    if ![FORMAT_VERSION, FORMAT_WITHOUT_TRAIL].contains(&&*format) {
        let format = String::from_utf8_lossy(&format).into_owned();
        // Nothing is damaged: to begin anew, as after damage, would lose everything.
        return Err(StoreError::Unfit(format!(
            "store format `{format}` is of another version of milvus-rbac: run that one, and leave the folder as \
             it is"
        )));
    }
    let id = get(db, ID)?.and_then(|id| Some(u128::from_be_bytes((*id).try_into().ok()?)));
    let id = id.ok_or_else(|| damaged("no store id"))?;
    let commit = get(db, COMMIT)?.and_then(|commit| Commit::decode(&commit, id));
    let commit = commit.ok_or_else(|| damaged("no sound record of the last commit"))?;
    let trail = match get(db, TRAIL)? {
        Some(trail) => {
            let trail = seal::sealed(&trail, id).map(Trail::decode).and_then(Result::ok);
            trail.ok_or_else(|| damaged("no sound record of the audit trail's ends"))?
        }
        None if &*format == FORMAT_WITHOUT_TRAIL => Trail::default(),
        None => return Err(damaged("no record of the audit trail's ends")),
    };
    Ok(Some((id, commit, trail)))
}

/// Makes an empty sled database a store. The folder and `head` come first: a store that has taken
/// a commit always has both.
fn create(
    folder: &Path,
    db: &sled::Db,
    rouser: &Rouser,
    data: &File,
) -> Result<(u128, Commit, Head), StoreError> {
    let (id, last) = (random_id()?, Commit::default());
    // sled never syncs its `conf` file nor the folder.
    File::open(folder.join("conf")).and_then(|conf| conf.sync_all()).map_err(unavailable)?;
    let head = Head::create(folder, id, 0).map_err(unavailable)?;
    let mut batch = sled::Batch::default();
    batch.insert(FORMAT, FORMAT_VERSION);
    batch.insert(ID, &id.to_be_bytes());
    batch.insert(COMMIT, last.encode(id));
    batch.insert(TRAIL, seal::seal(Trail::default().encode(), id));
    let written = guarded(|| db.apply_batch(batch).and_then(|()| rouser.flush(db)))?;
    written.map_err(|e| read_error(&e))?;
    data.sync_all().map_err(unavailable)?;
    Ok((id, last, head))
}

/// INVARIANT: a store whose snapshot is lost is refused before sled overwrites its log. Defended by
/// `tests/it/damage.rs`.
fn check_snapshot(folder: &Path, note: &Note) -> Result<(), StoreError> {
    /// One segment of sled's: starts that were broken off leave no more, and from one alone sled
    /// reads what is there without a snapshot.
    const SEGMENT: u64 = 512 << 10;
    let missing = match note {
        Note::Reached { snapshot: true, .. } => {
            "sled's newest file `snap.*` is missing; nothing was touched. If you have it, put it \
             back. Otherwise"
        }
        Note::Missing if folder::size(folder) > SEGMENT => {
            "the file `head` is missing, and there is no file `snap.*` of sled's; nothing was \
             touched. If you have them, put them back. If not, copy the folder, then put an empty \
             file `head` into it to try without. Otherwise"
        }
        _ => return Ok(()),
    };
    let found = folder::has_snapshot(folder).map_err(unavailable)?;
    if found { Ok(()) } else { Err(damaged(missing)) }
}

/// INVARIANT: a store that has lost everything is not taken for a new one, whose root would have
/// the default password. Defended by `tests/it/damage.rs`.
fn check_new(note: &Note) -> Result<(), StoreError> {
    match note {
        // With 0, a start that was broken off.
        Note::Missing | Note::Reached { revision: 0, .. } => Ok(()),
        Note::Reached { revision, .. } => Err(behind(0, *revision)),
        Note::Empty | Note::Damaged => Err(nothing_left(note)),
    }
}

/// INVARIANT: a store that has lost commits is not served. Defended by `tests/it/damage.rs`.
fn check_note(note: &Note, id: u128, last: Commit) -> Result<(), StoreError> {
    match note {
        Note::Reached { id: noted, .. } if *noted != id => {
            Err(damaged(format_args!("the file `{}` is that of another store", head::FILE)))
        }
        Note::Reached { revision, .. } if *revision > last.revision => {
            Err(behind(last.revision, *revision))
        }
        Note::Reached { .. } => Ok(()),
        _ if last.revision == 0 => Err(nothing_left(note)),
        Note::Empty => {
            warn!(
                revision = last.revision,
                "`{}` is empty: going on with what is there",
                head::FILE
            );
            Ok(())
        }
        Note::Damaged => Err(damaged_note()),
        Note::Missing => Err(damaged(format_args!(
            "the file `{0}` is missing; if everything else is there, copy the folder first, then \
             put an empty file `{0}` into it to go on at revision {1}. Otherwise",
            head::FILE,
            last.revision
        ))),
    }
}

fn behind(found: u64, noted: u64) -> StoreError {
    if found == 0 {
        return damaged(format_args!("revision {noted} was stored, and nothing of it is left"));
    }
    damaged(format_args!(
        "revision {noted} was stored, {found} is all that is left. First copy the folder. To give \
         up all changes after revision {found} for good (revoked grants, removed users and old \
         passwords are in force again), put an empty file `{}` into the place of the one that is \
         there. Otherwise",
        head::FILE
    ))
}

/// There is neither a commit, nor a note that says that there was none.
fn nothing_left(note: &Note) -> StoreError {
    let state = match note {
        Note::Missing => "missing",
        Note::Empty => "empty",
        Note::Damaged | Note::Reached { .. } => "damaged",
    };
    let file = head::FILE;
    damaged(format_args!("the file `{file}` is {state}, and there is nothing to go on with"))
}

fn damaged_note() -> StoreError {
    damaged(format_args!(
        "the file `{0}` is damaged; if everything else is well, copy the folder first, then put an \
         empty file `{0}` into its place. Otherwise",
        head::FILE
    ))
}

fn get(db: &sled::Db, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
    guarded(|| db.get(key))?.map_err(|e| read_error(&e))
}

/// sled panics on some damaged files.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| damaged("sled panicked; its message is above"))
}

fn unavailable(error: impl fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn damaged(what: impl fmt::Display) -> StoreError {
    StoreError::Damaged(what.to_string())
}

fn in_use() -> StoreError {
    StoreError::InUse("another process holds it; a folder serves one at a time".to_owned())
}

fn lock_error(error: std::io::Error) -> StoreError {
    if error.kind() == ErrorKind::WouldBlock { in_use() } else { unavailable(error) }
}

fn read_error(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => in_use(),
        // The system's own errors have a number; the others are files that end too early.
        sled::Error::Io(e) if e.raw_os_error().is_some() => unavailable(e),
        sled::Error::Corruption { .. } => damaged(format_args!(
            "its log is damaged. What came before the damage may be read on a copy of the folder, \
             without its files `snap.*` and with an empty file `{}` in place of the one that is \
             there (revoked grants, removed users and old passwords of then are in force again). \
             Otherwise",
            head::FILE
        )),
        other => damaged(other),
    }
}

/// Names the folder, and the way on.
fn located(folder: &Path, error: StoreError) -> StoreError {
    let folder = folder.display();
    match error {
        StoreError::InUse(what) => StoreError::InUse(format!("{folder}: {what}")),
        StoreError::Unavailable(what) => StoreError::Unavailable(format!("{folder}: {what}")),
        StoreError::Unfit(what) => StoreError::Unfit(format!("{folder}: {what}")),
        StoreError::Damaged(what) => StoreError::Damaged(format!(
            "{folder}: {what}: move the folder away, start anew, with --root-password-file, since \
             root is new too, and restore a backup (README, Operations)"
        )),
        other => other,
    }
}
