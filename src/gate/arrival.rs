//! Requests as they arrive: read whole, within bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::{Gate, Identity, frame};
use crate::rpc::status;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long the end of a request may take after its one message: a client that repeats a call may
/// never tell the end (Node's does not), and Milvus does not wait for it.
const END: Duration = Duration::from_millis(20);

/// What a piece of a request takes beside its bytes.
const PIECE: usize = 64;
/// Users whose share of the room is remembered.
const SHARES: u64 = 100_000;

/// A place where requests are held: so many bytes at a time in all, and a third of them for one
/// user, so that nobody keeps the others out.
#[derive(Debug)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    share: usize,
    shares: Cache<String, Arc<Semaphore>>,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct Held {
    rooms: [Arc<Semaphore>; 2],
    bytes: Vec<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        let shares = Cache::builder().max_capacity(SHARES).time_to_idle(2 * ARRIVAL).build();
        Self { all: Arc::new(Semaphore::new(bytes)), share: bytes / 3, shares }
    }

    /// Nothing yet, of the room that is left for `user`.
    pub(super) fn of(&self, user: &str) -> Held {
        let share = self.shares.get_with_by_ref(user, || Arc::new(Semaphore::new(self.share)));
        Held { rooms: [share, self.all.clone()], bytes: Vec::new() }
    }
}

impl Held {
    /// Takes so many bytes more.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Status> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        for (place, room) in self.rooms.iter().enumerate() {
            let more = room.clone().try_acquire_many_owned(bytes).map_err(|_| {
                status::overloaded("too many large requests at once, try again later")
            })?;
            match self.bytes.get_mut(place) {
                Some(held) => held.merge(more),
                None => self.bytes.push(more),
            }
        }
        Ok(())
    }
}

impl Gate {
    /// Reads a request of one message, within its limit and the room that is left for `user`.
    ///
    /// # Errors
    /// It is too large, for itself or beside the others, breaks off, or takes too long.
    pub(super) async fn read(
        &self,
        user: &str,
        body: Body,
        limit: usize,
    ) -> Result<(Vec<Bytes>, Held), Status> {
        self.read_until(user, body, limit, frame::HEAD, frame::is_whole).await
    }

    /// Reads a request of whatever kind, to its end.
    ///
    /// # Errors
    /// The same.
    pub async fn read_all(
        &self,
        identity: &Identity,
        body: Body,
        limit: usize,
    ) -> Result<(Bytes, Held), Status> {
        let (pieces, room) = self.read_until(&identity.user, body, limit, 0, |_, _| false).await?;
        Ok((frame::joined(pieces), room))
    }

    async fn read_until(
        &self,
        user: &str,
        mut body: Body,
        limit: usize,
        head: usize,
        complete: fn(&[Bytes], usize) -> bool,
    ) -> Result<(Vec<Bytes>, Held), Status> {
        let mut room = self.room.of(user);
        let mut pieces = Vec::new();
        let mut length = 0;
        let arrive = async {
            loop {
                let part = if complete(&pieces, length) {
                    tokio::time::timeout(END, body.frame()).await.unwrap_or_default()
                } else {
                    body.frame().await
                };
                let Some(part) = part else { break };
                let part = part.map_err(|e| status::malformed(&e))?;
                let Ok(data) = part.into_data() else { continue };
                // The end of a request may come alone.
                if data.is_empty() {
                    continue;
                }
                length += data.len();
                if length > limit + head {
                    return Err(status::too_large(limit));
                }
                room.add(data.len() + PIECE)?;
                pieces.push(data);
            }
            Ok(())
        };
        match tokio::time::timeout(ARRIVAL, arrive).await {
            Ok(arrived) => arrived?,
            Err(_) => {
                return Err(status::too_late(format!(
                    "the request did not arrive within {} s",
                    ARRIVAL.as_secs()
                )));
            }
        }
        Ok((pieces, room))
    }
}
