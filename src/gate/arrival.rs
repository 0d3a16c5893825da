//! Requests as they arrive: read whole, within bounds.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::{Gate, frame};
use crate::rpc::status;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long the end of a request may take after its one message: a client that repeats a call may
/// never tell the end (Node's does not), and Milvus does not wait for it.
const END: Duration = Duration::from_millis(20);

/// How many times the size of what has arrived is made room for.
const GROWTH: usize = 16;

impl Gate {
    /// Reads a request of one message, within its limit and the room that is left.
    ///
    /// # Errors
    /// It is too large, for itself or beside the others, breaks off, or takes too long.
    pub(super) async fn read(
        &self,
        body: Body,
        limit: usize,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        self.read_until(body, limit + frame::HEAD, frame::is_whole).await
    }

    /// Reads a request of whatever kind, to its end.
    ///
    /// # Errors
    /// The same.
    pub async fn read_all(
        &self,
        body: Body,
        limit: usize,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        self.read_until(body, limit, |_| false).await
    }

    async fn read_until(
        &self,
        mut body: Body,
        limit: usize,
        complete: fn(&[u8]) -> bool,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        let no_room = |_| status::overloaded("too many large requests at once, try again later");
        let mut room = self.room.clone().try_acquire_many_owned(0).map_err(no_room)?;
        let mut read = Arrived::default();
        let arrive = async {
            loop {
                let part = if complete(read.bytes()) {
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
                if read.bytes().len() + data.len() > limit {
                    return Err(status::too_large(limit));
                }
                let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                room.merge(self.room.clone().try_acquire_many_owned(bytes).map_err(no_room)?);
                read.add(data, limit);
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
        Ok((read.into_bytes(), room))
    }
}

/// What has arrived so far. What comes in one piece, as most requests do, is not copied.
#[derive(Default)]
struct Arrived {
    first: Bytes,
    /// Everything, as soon as there are several pieces.
    all: BytesMut,
}

impl Arrived {
    fn bytes(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }

    fn add(&mut self, data: Bytes, limit: usize) {
        if self.bytes().is_empty() {
            self.first = data;
            return;
        }
        if self.all.capacity() - self.all.len() < data.len() {
            // As much as the head tells, which keeps a large message from being copied again and
            // again; but a head alone does not make room for what may never come.
            let arrived = self.bytes().len();
            let told = frame::announced(self.bytes()).saturating_sub(self.all.len());
            self.all.reserve(told.min(GROWTH * arrived).min(limit).max(arrived + data.len()));
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&data);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
