//! Wakes a flush that sleeps through an error.
//!
//! When a write fails on one of sled's threads, some of them keep the error without waking whoever
//! waits for that write. Another flush finds the error, and wakes everybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(200);
/// A flush is helped after this long, then after twice as long each time: the helper may have to
/// wait as well, and sleep through the same error.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks after the flushes of one database, which one thread makes.
#[derive(Debug, Default)]
pub(super) struct Rouser(Arc<AtomicBool>);

impl Rouser {
    pub(super) fn start(db: Weak<sled::Db>) -> std::io::Result<Self> {
        let flushing = Arc::new(AtomicBool::new(false));
        let watched = flushing.clone();
        thread::Builder::new().name("rouser".to_owned()).spawn(move || watch(&db, &watched))?;
        Ok(Self(flushing))
    }

    pub(super) fn flush(&self, db: &sled::Db) -> sled::Result<()> {
        self.0.store(true, Ordering::SeqCst);
        let flushed = db.flush();
        self.0.store(false, Ordering::SeqCst);
        flushed.map(drop)
    }
}

/// Ends with the database. Helpers keep that, so that they are helped themselves.
fn watch(db: &Weak<sled::Db>, flushing: &AtomicBool) {
    let mut next = (Instant::now() + PATIENCE, PATIENCE);
    let helping = Arc::new(());
    while db.strong_count() > 0 {
        thread::sleep(TICK);
        if !flushing.load(Ordering::SeqCst) && Arc::strong_count(&helping) == 1 {
            next = (Instant::now() + PATIENCE, PATIENCE);
        } else if Instant::now() >= next.0 {
            let Some(db) = db.upgrade() else { return };
            // Without a thread to be had there is another try.
            let helper = helping.clone();
            let _ = thread::Builder::new().spawn(move || {
                drop(db.flush());
                drop(helper);
            });
            next = (Instant::now() + next.1 * 2, next.1 * 2);
        }
    }
}
