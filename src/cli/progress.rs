//! What those hear who wait for long work.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// Shorter work needs no word.
const SILENT: Duration = Duration::from_secs(1);
/// The next word comes so much later.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells on standard error how far something is.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    next: Instant,
}

impl Progress {
    /// Begins now.
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, next: Instant::now() + SILENT }
    }

    /// So many of so many are done.
    pub(super) fn tell(&mut self, done: usize, all: usize) {
        let now = Instant::now();
        if now >= self.next && done < all {
            self.next = now + PAUSE;
            let _ = writeln!(std::io::stderr(), "{}: {done} of {all}", self.what);
        }
    }
}
