//! Places for connections. When all are taken, those that have been silent longest make room for
//! newcomers: strangers can hold connections that cost them nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::telemetry::{self, Shed};

/// How many make room at a time: one could take its time.
const LEAVING: usize = 100;

/// So many places.
#[derive(Debug)]
pub(super) struct Places {
    all: u32,
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    seat: Arc<Seat>,
    number: u64,
    taken: Arc<Mutex<Taken>>,
    _permit: OwnedSemaphorePermit,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Instant,
    /// Calls that are not answered yet.
    calls: AtomicUsize,
    /// When bytes moved last, in milliseconds from the beginning.
    moved: AtomicU64,
    told_to_leave: AtomicBool,
    leave: Notify,
}

/// A call that is not answered yet, until this is dropped.
#[derive(Debug)]
pub(super) struct Calling(Arc<Seat>);

impl Places {
    pub(super) fn new(all: u32) -> Self {
        let free = Arc::new(Semaphore::new(all as usize));
        Self { all, free, taken: Arc::default() }
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(&self) -> Option<Place> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.make_room();
                self.free.clone().acquire_owned().await.ok()?
            }
        };
        let seat = Arc::new(Seat::new());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, seat.clone());
        drop(taken);
        Some(Place { seat, number, taken: self.taken.clone(), _permit: permit })
    }

    /// Ends when nobody has a place any more.
    pub(super) async fn emptied(&self) {
        // It fails if the places are gone altogether.
        let _ = self.free.acquire_many(self.all).await;
    }

    /// Tells those without a call who have been silent longest to leave, unless some are leaving.
    fn make_room(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let leaving = |seat: &&Arc<Seat>| seat.told_to_leave.load(Ordering::Relaxed);
        if taken.seats.values().any(|seat| leaving(&seat)) {
            return;
        }
        let idle = taken.seats.values().filter(|seat| seat.calls.load(Ordering::Relaxed) == 0);
        let mut idle: Vec<_> = idle.map(|seat| (seat.silent_since(), seat)).collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        idle.truncate(LEAVING.min(taken.seats.len().div_ceil(LEAVING)));
        warn!(places = self.all, leaving = idle.len(), "all connections are taken");
        telemetry::shed(Shed::Connections, idle.len() as u64);
        for (_, seat) in idle {
            seat.told_to_leave.store(true, Ordering::Relaxed);
            seat.leave.notify_one();
        }
    }
}

impl Place {
    pub(super) fn seat(&self) -> Arc<Seat> {
        self.seat.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.seats.remove(&self.number);
    }
}

impl Seat {
    pub(super) fn new() -> Self {
        Self {
            taken: Instant::now(),
            calls: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            told_to_leave: AtomicBool::new(false),
            leave: Notify::new(),
        }
    }

    /// Bytes came or went.
    pub(super) fn moved(&self) {
        let now = u64::try_from(self.taken.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    pub(super) fn call(self: &Arc<Self>) -> Calling {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Calling(self.clone())
    }

    /// Ends when others need the place more.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    fn silent_since(&self) -> Instant {
        let moved = std::time::Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.taken.checked_add(moved).unwrap_or(self.taken)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn told(place: &Place) -> bool {
        let told = place.seat.told_to_leave();
        tokio::time::timeout(Duration::from_millis(10), told).await.is_ok()
    }

    #[tokio::test]
    async fn the_silent_make_room_and_those_with_calls_stay() {
        let places = Places::new(3);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(places.take().await.unwrap());
        }
        let calling = taken[0].seat().call();
        tokio::time::sleep(Duration::from_millis(5)).await;
        taken[1].seat.moved();
        let mut newcomer = Box::pin(places.take());
        let wait = Duration::from_millis(10);
        assert!(tokio::time::timeout(wait, &mut newcomer).await.is_err());
        let mut leaving = Vec::new();
        for place in &taken {
            leaving.push(told(place).await);
        }
        assert_eq!(leaving, [false, false, true]);
        // One is leaving already, so nobody else has to.
        let _another = tokio::time::timeout(wait, places.take()).await.unwrap_err();
        assert!(!told(&taken[1]).await);
        taken.pop();
        let newcomer = newcomer.await.unwrap();
        drop(calling);
        drop((newcomer, taken));
        places.emptied().await;
    }
}
