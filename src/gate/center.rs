//! The central instance of a follower: changes that were allowed here are made there, by the caller's
//! own credentials, and answered once they are in force here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use tonic::{Code, Status};

use super::connections::Content;
use super::forward::Answer;
use super::{REVISION_WAIT, Upstream, filter};
use crate::engine::Engine;
use crate::rpc::status;
use crate::storage::Revision;

/// How long the centre may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Where a follower has changes made.
#[derive(Debug)]
pub struct Center {
    engine: Engine,
    instance: Arc<Upstream>,
}

impl Center {
    /// `engine` follows `instance`, which is shown the credentials of the callers.
    pub fn new(engine: Engine, instance: Arc<Upstream>) -> Self {
        Self { engine, instance }
    }

    /// The centre's answer to a change, once what it tells of holds here.
    ///
    /// INVARIANT: a change that is acknowledged here is in force here. Defended by
    /// `tests/it/follow/mod.rs`.
    ///
    /// # Errors
    /// The centre does not answer, or its change has not been heard of in time.
    pub(super) async fn change(
        &self,
        mut parts: Parts,
        connection: &str,
        deadline: Option<Instant>,
        message: Vec<Bytes>,
    ) -> Result<Response, Status> {
        let limit = Instant::now() + ANSWER;
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        // It is read here, so it must not come compressed.
        parts.headers.remove("grpc-accept-encoding");
        let content = Content::Whole(message);
        let asked = async {
            let answer = self.instance.forward(&parts, connection, Some(until), content).await?;
            Answer::read(answer).await
        };
        let answer = Upstream::within(Some(until), asked).await.flatten();
        let answer = answer.map_err(|e| match e.code() {
            Code::Unavailable => status::unavailable(
                "changes are made by the central instance, which does not answer; whether this \
                 one was made is not known"
                    .to_owned(),
            ),
            Code::DeadlineExceeded => status::too_late(
                "changes are made by the central instance, which did not answer in time; whether \
                 this one was made is not known"
                    .to_owned(),
            ),
            _ => e,
        })?;
        let told = answer.head.headers.get(status::REVISION).and_then(|told| told.to_str().ok());
        let changed = answer.status.as_ref().is_some_and(|status| status.code() == Code::Ok);
        match told.and_then(|told| told.parse::<Revision>().ok()) {
            Some(revision) => {
                let limit = until.saturating_duration_since(Instant::now()).min(REVISION_WAIT);
                self.engine.wait_for(revision, limit).await.map_err(|reached| {
                    status::too_late(format!(
                        "the central instance answered at revision {revision}, and this one has \
                         heard of {reached} alone: what was changed there is not in force here yet"
                    ))
                })?;
            }
            None if changed => {
                let why = "the central instance does not tell at which revision it answered";
                return Err(status::unavailable(why.to_owned()));
            }
            None => {}
        }
        Ok(filter::whole(answer))
    }
}
