//! Requests as they arrive: read whole, within bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::{Gate, Identity, frame};
use crate::rpc::status;
use crate::telemetry::Shed;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long the end of a request may take after its one message: a client that repeats a call may
/// never tell the end (Node's does not), and Milvus does not wait for it.
const END: Duration = Duration::from_millis(20);

/// Pieces of a request that are smaller are put together: each takes memory beside its bytes, here
/// and upstream.
const PIECE: usize = 16 << 10;
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
                status::overloaded(
                    Shed::Requests,
                    "too many large requests at once, try again later",
                )
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
        self.read_until(user, body, limit, frame::HEAD, Arrived::is_whole).await
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
        let (pieces, room) = self.read_until(&identity.user, body, limit, 0, |_| false).await?;
        Ok((frame::joined(pieces), room))
    }

    async fn read_until(
        &self,
        user: &str,
        mut body: Body,
        limit: usize,
        head: usize,
        complete: fn(&Arrived) -> bool,
    ) -> Result<(Vec<Bytes>, Held), Status> {
        let mut room = self.room.of(user);
        let mut arrived = Arrived::default();
        let arrive = async {
            loop {
                let part = if complete(&arrived) {
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
                if arrived.length + data.len() > limit + head {
                    return Err(status::too_large(limit));
                }
                room.add(data.len())?;
                arrived.add(data);
            }
            Ok(())
        };
        match tokio::time::timeout(ARRIVAL, arrive).await {
            Ok(whole) => whole?,
            Err(_) => {
                return Err(status::too_late(format!(
                    "the request did not arrive within {} s",
                    ARRIVAL.as_secs()
                )));
            }
        }
        Ok((arrived.into_pieces(), room))
    }
}

/// What has arrived of a request: pieces of which only the last may be small.
#[derive(Debug, Default)]
struct Arrived {
    pieces: Vec<Bytes>,
    /// Behind the pieces, where small ones have come.
    small: BytesMut,
    length: usize,
}

impl Arrived {
    fn add(&mut self, data: Bytes) {
        self.length += data.len();
        if self.small.is_empty() {
            match self.pieces.pop_if(|last| last.len() < PIECE) {
                Some(last) => self.small.extend_from_slice(&last),
                None => return self.pieces.push(data),
            }
        }
        self.small.extend_from_slice(&data);
        if self.small.len() >= PIECE {
            self.pieces.push(self.small.split().freeze());
        }
    }

    /// Whether it is the frame of a message, to its end.
    fn is_whole(&self) -> bool {
        let beginning = self.pieces.iter().flatten().chain(&self.small);
        frame::announced(beginning).is_some_and(|length| length <= self.length)
    }

    fn into_pieces(self) -> Vec<Bytes> {
        let Self { mut pieces, small, .. } = self;
        if !small.is_empty() {
            pieces.push(small.freeze());
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_put_together_and_large_ones_are_not_copied() {
        let large = Bytes::from(vec![7; PIECE]);
        for sizes in [&[1; 40_000][..], &[5, PIECE], &[PIECE, 1, PIECE, 1], &[3, 1, 20], &[]] {
            let all =
                Bytes::from_iter((0_u32..).map(|n| n.to_le_bytes()[0]).take(sizes.iter().sum()));
            let (mut arrived, mut left) = (Arrived::default(), all.clone());
            for size in sizes {
                arrived.add(left.split_to(*size));
            }
            let pieces = arrived.into_pieces();
            assert_eq!(pieces.concat(), all);
            let (_, but_last) = pieces.split_last().unwrap_or((&large, &[]));
            assert!(but_last.iter().all(|piece| (PIECE..=2 * PIECE).contains(&piece.len())));
        }
        let mut arrived = Arrived::default();
        arrived.add(large.clone());
        arrived.add(large.clone());
        assert!(arrived.into_pieces().iter().all(|piece| piece.as_ptr() == large.as_ptr()));
    }
}
