//! Answers as they leave: held within bounds until their readers have taken them.

use axum::body::Body;
use axum::response::Response;
use http_body_util::{BodyExt, Full};
use tonic::Status;

use super::{Gate, Identity};
use crate::rpc::status;

impl Gate {
    /// Takes room for an answer that was made here, until its reader has taken it: some take
    /// nothing.
    ///
    /// # Errors
    /// There is no room left, for all or for this caller.
    pub async fn hold(&self, caller: &Identity, answer: Response) -> Result<Response, Status> {
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| status::unavailable(e.to_string()))?;
        let trailers = body.trailers().cloned();
        let bytes = body.to_bytes();
        let mut room = self.answers.of(&caller.user);
        room.add(bytes.len()).map_err(|_| {
            status::overloaded("too many answers are not taken yet, try again later")
        })?;
        let body = Full::new(bytes).with_trailers(async move { trailers.map(Ok) });
        Ok(Response::from_parts(parts, keeping(body, room)))
    }
}

/// A body that keeps something until it ends.
pub(super) fn keeping<B, T>(body: B, kept: T) -> Body
where
    B: http_body::Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync>
        + Send
        + 'static,
    T: Send + 'static,
{
    Body::new(body.map_frame(move |frame| {
        let _kept = &kept;
        frame
    }))
}
