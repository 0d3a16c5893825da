//! Wakes a flush that sleeps through an error.
//!
//! When a write fails on one of sled's threads, some of them keep the error without waking whoever
//! waits for that write. Another flush finds the error, and wakes everybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often a flush that is under way is looked at.
const TICK: Duration = Duration::from_millis(200);
/// A flush is helped after this long, then after twice as long each time: the helper may have to
/// wait as well, and sleep through the same error.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks after the flushes of one database, which one thread makes. To be dropped after its
/// database, with which it ends.
#[derive(Debug)]
pub(super) struct Rouser {
    flushing: Arc<AtomicBool>,
    watcher: Thread,
}

impl Rouser {
    pub(super) fn start(db: Weak<sled::Db>) -> std::io::Result<Self> {
        let flushing = Arc::new(AtomicBool::new(false));
        let watched = flushing.clone();
        let watcher = thread::Builder::new().name("rouser".to_owned());
        let watcher = watcher.spawn(move || watch(&db, &watched))?.thread().clone();
        Ok(Self { flushing, watcher })
    }

    pub(super) fn flush(&self, db: &sled::Db) -> sled::Result<()> {
        self.flushing.store(true, Ordering::SeqCst);
        self.watcher.unpark();
        let flushed = db.flush();
        self.flushing.store(false, Ordering::SeqCst);
        flushed.map(drop)
    }
}

impl Drop for Rouser {
    fn drop(&mut self) {
        self.watcher.unpark();
    }
}

/// Ends with the database. Helpers keep that, so that they are helped themselves.
fn watch(db: &Weak<sled::Db>, flushing: &AtomicBool) {
    let helping = Arc::new(());
    let mut next = (Instant::now() + PATIENCE, PATIENCE);
    loop {
        let quiet = !flushing.load(Ordering::SeqCst) && Arc::strong_count(&helping) == 1;
        // Asked after the helpers: what the last of them leaves behind belongs to the store alone.
        if db.strong_count() == 0 {
            return;
        }
        if quiet {
            // Until the next flush begins, or the store is gone.
            thread::park();
            next = (Instant::now() + PATIENCE, PATIENCE);
        } else if Instant::now() >= next.0 {
            let Some(db) = db.upgrade() else { return };
            // Without a thread to be had there is another try.
            let helper = helping.clone();
            let _ = thread::Builder::new().spawn(move || {
                drop(db.flush());
                drop(db);
                drop(helper);
            });
            next = (Instant::now() + next.1 * 2, next.1 * 2);
        }
        thread::sleep(TICK);
    }
}
