//! The embedded store: one sled tree in a folder, held by one process.
//!
//! sled 0.34's `flush` writes and waits, but does not make the disk flush its cache, and its
//! `flush_async` deadlocks when called concurrently. So each commit is one atomic batch, one
//! `flush` from the writer's thread, and an `fdatasync` of our own on sled's file.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::{Batch, BatchId, Loaded, Revision, Store, StoreError, codec, random_id};
use crate::model::load::Loader;

/// The file of the folder that holds all of sled's data, as long as values are small enough: others
/// would go to files of their own, which sled never syncs. The codec refuses them.
const DATA_FILE: &str = "db";
/// State is read from memory after the start, so a small cache is enough.
const CACHE_BYTES: u64 = 32 << 20;
/// How long sled's own threads may hold the lock of a folder after its store was closed.
const LINGER: Duration = Duration::from_secs(1);

// Keys of this store itself; the codec uses letters only.
const FORMAT: &[u8] = b"\0format";
const ID: &[u8] = b"\0id";
const REVISION: &[u8] = b"\0revision";
const BATCH: &[u8] = b"\0batch";

/// Changes together with the format under which they were written.
const FORMAT_VERSION: &[u8] = b"milvus-rbac 1";

/// A sled database in a folder.
pub struct SledStore {
    db: sled::Db,
    data: File,
    id: String,
    /// Set once a write failed on its way to the disk.
    failed: bool,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SledStore {
    /// Opens the store in `folder`, which is created if need be.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        create_folder(folder)?;
        let open = || {
            sled::Config::new()
                .path(folder)
                .cache_capacity(CACHE_BYTES)
                // Commits flush themselves.
                .flush_every_ms(None)
                .open()
        };
        let started = Instant::now();
        let db = loop {
            match guarded(open)?.map_err(|e| open_error(folder, &e)) {
                Err(StoreError::InUse(_)) if started.elapsed() < LINGER => {
                    thread::sleep(Duration::from_millis(10));
                }
                opened => break opened?,
            }
        };
        let data = File::open(folder.join(DATA_FILE)).map_err(unavailable)?;
        let mut store = Self { db, data, id: String::new(), failed: false };
        store.id = store.identify(folder)?;
        Ok(store)
    }

    /// Checks the format of a used store, or makes a new one ours.
    fn identify(&mut self, folder: &Path) -> Result<String, StoreError> {
        let format = self.get(FORMAT)?;
        if let Some(format) = format {
            if &*format != FORMAT_VERSION {
                let format = String::from_utf8_lossy(&format).into_owned();
                return Err(StoreError::Damaged(format!("store format `{format}`")));
            }
            let id = self.get(ID)?.ok_or_else(|| StoreError::Damaged("no store id".to_owned()))?;
            return Ok(String::from_utf8_lossy(&id).into_owned());
        }
        if !self.db.is_empty() {
            return Err(StoreError::Damaged(format!(
                "{} holds a sled database of something else",
                folder.display()
            )));
        }
        let id = format!("{:032x}", random_id()?);
        let mut batch = sled::Batch::default();
        batch.insert(FORMAT, FORMAT_VERSION);
        batch.insert(ID, id.as_bytes());
        self.write(batch)?;
        // sled never syncs its `conf` file nor the folder, and both must outlive the first commit.
        for path in [folder.join("conf"), folder.to_owned()] {
            File::open(path).and_then(|file| file.sync_all()).map_err(unavailable)?;
        }
        Ok(id)
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        guarded(|| self.db.get(key))?.map_err(|e| read_error(&e))
    }

    /// INVARIANT: returns only after the data would survive power loss. Defended by
    /// `tests/it/durability.rs`, which counts the syncs of a running server.
    ///
    /// After a failure sled's memory, and the system's, may show what the disk does not hold, and
    /// a later sync would not tell. So this process neither reads nor writes the store again.
    fn write(&mut self, batch: sled::Batch) -> Result<(), StoreError> {
        let written = guarded(|| {
            self.db.apply_batch(batch).and_then(|()| self.db.flush())?;
            self.data.sync_data().map_err(sled::Error::from)
        });
        let failure = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.to_string(),
        };
        self.failed = true;
        Err(StoreError::Unknown(failure))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.failed {
            return Err(unavailable(
                "a write to the disk failed; start the process again once the disk is well",
            ));
        }
        Ok(())
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        self.get(REVISION)?.map_or(Ok(0), |bytes| Ok(Revision::from_be_bytes(array(&bytes)?)))
    }
}

impl Store for SledStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.check()?;
        let mut loader = Loader::default();
        guarded(|| {
            for entry in self.db.iter() {
                let (key, value) = entry.map_err(|e| read_error(&e))?;
                if key.first() != Some(&0) {
                    let record = codec::decode(&key, &value, &mut loader.names)?;
                    loader.add(record).map_err(|e| StoreError::Damaged(e.to_string()))?;
                }
            }
            Ok(())
        })??;
        let batch = self.get(BATCH)?.map(|b| Ok(BatchId::from_be_bytes(array(&b)?))).transpose()?;
        Ok(Loaded { state: loader.state(), revision: self.revision()?, batch })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.check()?;
        if self.revision()? != batch.expected {
            return Err(StoreError::Conflict);
        }
        let mut writes = sled::Batch::default();
        for change in &batch.changes {
            let codec::Entry { key, value } = codec::encode(change)?;
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        writes.insert(REVISION, &batch.revision.to_be_bytes());
        writes.insert(BATCH, &batch.id.to_be_bytes());
        self.write(writes)
    }

    fn max_changes(&self) -> usize {
        usize::MAX
    }

    fn store_id(&self) -> String {
        self.id.clone()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.check()?;
        guarded(|| self.db.flush())?.map_err(|e| unavailable(&e))?;
        self.data.sync_all().map_err(unavailable)
    }
}

/// Creates the folder, for its owner alone: whoever can read the hashes can guess at them
/// undisturbed. Every folder that got a new entry is synced.
fn create_folder(folder: &Path) -> Result<(), StoreError> {
    let name = |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", folder.display()));
    let above = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new(".").to_owned(),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    if folder.exists() {
        let mode = fs::metadata(folder).map_err(name)?.permissions().mode();
        if mode & 0o077 != 0 {
            warn!(folder = %folder.display(), "others than its owner may read the store");
        }
        return Ok(());
    }
    let changed: Vec<_> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .map(above)
        .collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(name)?;
    for parent in changed {
        File::open(parent).and_then(|file| file.sync_all()).map_err(name)?;
    }
    Ok(())
}

/// sled panics on some damaged files.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| StoreError::Damaged("sled panicked; its message is above".to_owned()))
}

fn unavailable(error: impl fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn read_error(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(e) => unavailable(e),
        other => StoreError::Damaged(other.to_string()),
    }
}

fn open_error(folder: &Path, error: &sled::Error) -> StoreError {
    if error.to_string().contains("could not acquire lock") {
        return StoreError::InUse(format!(
            "another process holds {}; a folder serves one process at a time",
            folder.display()
        ));
    }
    match read_error(error) {
        StoreError::Unavailable(text) => {
            StoreError::Unavailable(format!("{}: {text}", folder.display()))
        }
        other => other,
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged("a counter has the wrong length".to_owned()))
}
