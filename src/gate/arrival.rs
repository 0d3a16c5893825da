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
        self.read_until(body, limit, frame::HEAD, frame::is_whole).await
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
        self.read_until(body, limit, 0, |_| false).await
    }

    async fn read_until(
        &self,
        mut body: Body,
        limit: usize,
        head: usize,
        complete: fn(&[u8]) -> bool,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        let no_room = |_| status::overloaded("too many large requests at once, try again later");
        let mut room = self.room.clone().try_acquire_many_owned(0).map_err(no_room)?;
        let mut read = BytesMut::new();
        let arrive = async {
            loop {
                let part = if complete(&read) {
                    tokio::time::timeout(END, body.frame()).await.unwrap_or_default()
                } else {
                    body.frame().await
                };
                let Some(part) = part else { break };
                let part = part.map_err(|e| status::malformed(&e))?;
                let Ok(data) = part.into_data() else { continue };
                if read.len() + data.len() > limit + head {
                    return Err(status::too_large(limit));
                }
                let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                room.merge(self.room.clone().try_acquire_many_owned(bytes).map_err(no_room)?);
                read.extend_from_slice(&data);
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
        Ok((read.freeze(), room))
    }
}
