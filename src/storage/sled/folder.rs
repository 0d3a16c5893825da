//! The folder of a store, and its data file where sled does not look after it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::super::StoreError;

/// The file that holds all of sled's data, as long as values are small enough: others would go to
/// files of their own, which sled never syncs. The codec refuses them.
pub(super) const DATA: &str = "db";

/// What a store keeps in its folder, its data file and sled's snapshots apart.
const OF_STORE: [&str; 5] = ["db.new", "conf", "head", "head.new", DOUBT];

/// There as long as the data file is in doubt.
const DOUBT: &str = "doubt";

/// There as long as a copy that goes into the folder is not whole.
const COPYING: &str = "copying";

/// How long sled's own threads may hold the lock of the data file after its store was closed.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Creates the folder, for its owner alone: whoever can read the hashes can guess at them
/// undisturbed. Every folder that got a new entry is synced.
pub(super) fn create(folder: &Path) -> Result<(), StoreError> {
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

pub(super) fn is_marked(folder: &Path) -> io::Result<bool> {
    folder.join(COPYING).try_exists()
}

/// Marks the folder for good, if it is not marked already.
pub(super) fn mark(folder: &Path) -> io::Result<()> {
    File::create(folder.join(COPYING))?;
    File::open(folder)?.sync_all()
}

/// Takes the mark away; for good only once the folder was synced.
pub(super) fn unmark(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(COPYING))
}

/// Removes what a copy that was broken off has left. The mark stays, and so does the data file,
/// empty: whoever waits for its lock waits for the same file as everybody.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    let data = File::options().write(true).create(true).truncate(false).open(folder.join(DATA))?;
    let lock = lock(folder)?;
    // That copy may have come to its end meanwhile.
    if !is_marked(folder)? {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == "blobs" {
            fs::remove_dir_all(entry.path())?;
        } else if OF_STORE.contains(&&*name) || name.starts_with("snap.") {
            fs::remove_file(entry.path())?;
        }
    }
    data.set_len(0)?;
    data.sync_all()?;
    File::open(folder)?.sync_all()?;
    drop(lock);
    Ok(())
}

/// Makes a folder ready to be opened. Removes what sled would take for damage: unfinished
/// snapshots, and, as long as nothing was ever stored, the file `conf`, which sled does not sync
/// and writes anew. Writes a data file anew that is in doubt.
pub(super) fn tidy(folder: &Path) -> io::Result<()> {
    let data = folder.join(DATA);
    // Whoever holds the lock may be about to finish a snapshot.
    let lock = if data.exists() { Some(lock(folder)?) } else { None };
    let doubt = folder.join(DOUBT);
    if let Some(lock) = lock.as_ref().filter(|_| doubt.exists()) {
        rewrite(folder, lock)?;
        fs::remove_file(doubt)?;
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_unfinished(&path) {
            fs::remove_file(path)?;
        }
    }
    let (conf, head) = (folder.join("conf"), folder.join(super::head::FILE));
    if size(folder) == 0 && conf.exists() && !head.exists() {
        fs::remove_file(conf)?;
    }
    drop(lock);
    Ok(())
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "generating")
}

/// Whether there is a snapshot of sled's.
pub(super) fn has_snapshot(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"snap.")
            && !is_unfinished(&entry.path())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The size of the data file, 0 without one.
pub(super) fn size(folder: &Path) -> u64 {
    folder.join(DATA).metadata().map_or(0, |data| data.len())
}

/// Waits until nobody writes the data file any more: sled's threads hold its lock as long as they
/// live. The lock goes with the returned handle.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let file = File::open(folder.join(DATA))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if started.elapsed() < LINGER => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Notes that a sync has failed, for whoever opens the folder next, another process included. The
/// note is not synced: it has to last as long as the system remembers what it warns of.
pub(super) fn doubt(folder: &Path) -> io::Result<()> {
    File::create(folder.join(DOUBT)).map(drop)
}

/// Writes the data file anew. After a failed sync the system may show what never reached the disk,
/// and say that all is well from then on; of a copy that was synced all is on the disk.
fn rewrite(folder: &Path, mut data: &File) -> io::Result<()> {
    let new = folder.join("db.new");
    let written = File::create(&new).and_then(|mut copy| {
        io::copy(&mut data, &mut copy)?;
        copy.sync_all()
    });
    if let Err(e) = written {
        // The room is worth more than what was written so far.
        let _ = fs::remove_file(new);
        return Err(e);
    }
    fs::rename(new, folder.join(DATA))?;
    File::open(folder)?.sync_all()
}
