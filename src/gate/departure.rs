//! Answers as they leave: held within bounds until their readers have taken them.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tonic::Status;

use super::{Gate, Identity};
use crate::rpc::status;
use crate::telemetry::Shed;

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
            status::overloaded(Shed::Answers, "too many answers are not taken yet, try again later")
        })?;
        Ok(Response::from_parts(parts, keeping(whole(bytes, trailers), room)))
    }
}

/// A body that is all here.
pub(super) fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Body {
    match trailers {
        Some(trailers) => Body::new(Full::new(bytes).with_trailers(async { Some(Ok(trailers)) })),
        // A status that stands in the head ends the answer there: no frame may follow it.
        None => Body::from(bytes),
    }
}

/// A body that keeps something until it is dropped.
pub(super) fn keeping<T: Send + Unpin + 'static>(body: Body, kept: T) -> Body {
    Body::new(Keeping { body, _kept: kept })
}

struct Keeping<T> {
    body: Body,
    _kept: T,
}

impl<T: Unpin> HttpBody for Keeping<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
