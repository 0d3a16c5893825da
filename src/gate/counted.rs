//! Answers on their way out: a call is counted by its status, which may come last.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::Code;
use tracing::debug;

use crate::telemetry::{self, Call, Ended};

const STATUS: &str = "grpc-status";

/// Counts the call when its status is known. `took` is how long the answer took to begin: how fast
/// its reader takes it says nothing about the call.
pub(super) fn counted(
    method: &'static str,
    took: Duration,
    call: Arc<Call>,
    answer: Response,
) -> Response {
    match code(answer.headers()) {
        Some(code) => {
            count(method, took, &call, code);
            answer
        }
        None => answer.map(|body| Body::new(Counted { body, call: Some((method, took, call)) })),
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

fn count(method: &'static str, took: Duration, call: &Arc<Call>, code: Code) {
    call.on_now(|| debug!(method, ?code, "answered"));
    call.end(Ended::Grpc(code));
    telemetry::called(method, code as i32, took);
}

/// The rest of an answer to a call that is not counted yet.
struct Counted {
    body: Body,
    call: Option<(&'static str, Duration, Arc<Call>)>,
}

impl Counted {
    fn ends_with(&mut self, code: Code) {
        if let Some((method, took, call)) = self.call.take() {
            count(method, took, &call, code);
        }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.ends_with(code(trailers).unwrap_or(Code::Unknown));
                }
            }
            Poll::Ready(Some(Err(_)) | None) => self.ends_with(Code::Unknown),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whoever asked went away before the end.
impl Drop for Counted {
    fn drop(&mut self) {
        self.ends_with(Code::Cancelled);
    }
}
