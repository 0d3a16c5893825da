//! Looks after the writer: tells when the store does not answer, and has a failed one tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::WeakSender;
use tracing::error;

use super::writer::Message;
use super::{Health, Published};

/// A writer that is this long about one thing waits for the store.
const SILENCE: Duration = Duration::from_secs(5);
/// A failed store is tried again after this long, then after twice as long each time, …
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// … up to this. Each try may copy the whole store.
const LAST_RETRY: Duration = Duration::from_secs(60);
/// How often a turn that is under way, or a failed store, is looked at.
const TICK: Duration = Duration::from_millis(250);

/// What the writer is at: its turns counted at their begin and at their end, so odd in between.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU64);

impl Turns {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What the writer tells its keeper. Dropped, it tells everybody that the writer has ended.
pub(super) struct Kept {
    published: Arc<Published>,
    keeper: Thread,
}

impl Kept {
    pub(super) fn start(
        published: Arc<Published>,
        queue: WeakSender<Message>,
    ) -> std::io::Result<Self> {
        let watched = published.clone();
        let keeper = thread::Builder::new().name("keeper".to_owned());
        let keeper = keeper.spawn(move || keep(&watched, &queue))?.thread().clone();
        Ok(Self { published, keeper })
    }

    /// To be called at the begin and at the end of each turn.
    pub(super) fn count_turn(&self) {
        self.published.turns.0.fetch_add(1, Ordering::SeqCst);
        self.keeper.unpark();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.published.set_health(Health::Stopped);
        self.keeper.unpark();
    }
}

/// Ends with the writer.
fn keep(published: &Published, queue: &WeakSender<Message>) {
    let mut turn = (published.turns.now(), Instant::now());
    let mut retry = (FIRST_RETRY, Instant::now());
    loop {
        let now = published.turns.now();
        if turn.0 != now {
            turn = (now, Instant::now());
        }
        let health = *published.health.borrow();
        if health == Health::Stopped {
            return;
        }
        if health == Health::StoreFailed && retry.1.elapsed() >= retry.0 {
            if let Some(queue) = queue.upgrade() {
                // A full queue tries the store as well.
                let _ = queue.try_send(Message::Retry);
            }
            retry = ((retry.0 * 2).min(LAST_RETRY), Instant::now());
        }
        if now % 2 == 1 && turn.1.elapsed() >= SILENCE && health != Health::StoreSilent {
            error!("the store has not answered for {} s", SILENCE.as_secs());
            // The writer ends its turn before it tells how it went: it has the last word.
            published.health.send_if_modified(|health| {
                let silent = published.turns.now() == now && *health != Health::Stopped;
                if silent {
                    *health = Health::StoreSilent;
                }
                silent
            });
        }
        if health == Health::Healthy {
            // The store fails within turns only, and each wakes the keeper as it begins.
            if published.is_behind() {
                error!("nothing has been heard for too long of what others change in the store");
                published.set_health(Health::Behind);
            } else if now.is_multiple_of(2) && published.staleness().is_some() {
                thread::park_timeout(TICK);
            } else if now.is_multiple_of(2) {
                thread::park();
            } else {
                thread::sleep(TICK);
            }
            retry = (FIRST_RETRY, Instant::now());
        } else {
            thread::sleep(TICK);
        }
    }
}
