//! Looks after the writer: tells when the store does not answer, and has a failed one tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
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
const TICK: Duration = Duration::from_millis(250);

/// What the writer is at: its turns counted at their begin and at their end, so odd in between.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU64);

impl Turns {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Ends with the writer, or when nobody is left to ask it for anything.
pub(super) fn keep(published: &Arc<Published>, queue: &WeakSender<Message>) {
    let mut turn = (published.turns.now(), Instant::now());
    let mut retry = (FIRST_RETRY, Instant::now());
    loop {
        thread::sleep(TICK);
        let Some(queue) = queue.upgrade() else { return };
        let now = published.turns.now();
        if turn.0 != now {
            turn = (now, Instant::now());
        }
        let health = *published.health.borrow();
        match health {
            Health::Stopped => return,
            Health::StoreFailed if retry.1.elapsed() >= retry.0 => {
                // A full queue tries the store as well.
                let _ = queue.try_send(Message::Retry);
                retry = ((retry.0 * 2).min(LAST_RETRY), Instant::now());
            }
            Health::Healthy => retry = (FIRST_RETRY, Instant::now()),
            Health::StoreFailed | Health::StoreSilent => {}
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
    }
}
