//! WatchChanges: what this instance tells those who follow it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::Access;
use crate::engine::{self, Beginning, Engine, Forgotten};
use crate::gate::{Gate, Identity};
use crate::listener::Leaving;
use crate::rpc::proto::access::watch_changes_request::Request as Asked;
use crate::rpc::proto::access::watch_changes_response::Answer;
use crate::rpc::proto::access::*;
use crate::rpc::status;
use crate::telemetry::{self, Shed};

/// The method, for which a stream must be admitted as long as it goes on.
const WATCH_CHANGES: &str = "/milvus_rbac.v1.AccessService/WatchChanges";
/// Streams at a time.
pub(super) const FOLLOWERS: usize = 5_000;
/// Answers that wait for the connection to take them; each has at most some MiB, most have some bytes.
const QUEUE: usize = 2;
/// How long a follower may take to begin, to take an answer, and to ping.
const START: Duration = Duration::from_secs(10);
const TAKE: Duration = Duration::from_secs(30);
const PING: Duration = Duration::from_secs(60);
/// The longest id of a store that a follower may name.
const MAX_STORE_ID: usize = 64;

pub(super) async fn watch_changes(
    access: &Access,
    request: Request<Streaming<WatchChangesRequest>>,
) -> Result<Response<BoxStream<WatchChangesResponse>>, Status> {
    let (_, extensions, requests) = request.into_parts();
    let identity = extensions.get::<Identity>().cloned().ok_or_else(status::unguarded)?;
    let leaving = extensions.get::<Leaving>().cloned().ok_or_else(status::unguarded)?;
    let place = access.places.clone().try_acquire_owned().map_err(|_| {
        status::overloaded(Shed::Followers, "too many follow this instance, try again later")
    })?;
    let (answers, taken) = mpsc::channel(QUEUE);
    let (engine, gate) = (access.engine().clone(), access.gate.clone());
    let telling = Telling { engine, gate, identity, requests, answers };
    tokio::spawn(telling.run(leaving, place));
    Ok(Response::new(Box::pin(ReceiverStream::new(taken))))
}

/// One stream. It has a task of its own, since a connection that takes nothing does not ask for more.
struct Telling {
    engine: Engine,
    gate: Arc<Gate>,
    identity: Identity,
    requests: Streaming<WatchChangesRequest>,
    answers: mpsc::Sender<Result<WatchChangesResponse, Status>>,
}

impl Telling {
    async fn run(mut self, mut leaving: Leaving, _place: OwnedSemaphorePermit) {
        let _counted = telemetry::follower();
        let answers = self.answers.clone();
        let ended = tokio::select! {
            ended = self.tell() => ended,
            () = leaving.told() => {
                Err(status::unavailable("the connection is to end, open another one".to_owned()))
            }
            () = answers.closed() => return,
        };
        if let Err(status) = ended {
            // One who does not take it will see the end all the same.
            let _ = answers.send_timeout(Err(status), START).await;
        }
    }

    /// Tells everything, or what is new, until the follower ends that.
    async fn tell(&mut self) -> Result<(), Status> {
        let Start { after_revision, store_id } = self.start().await?;
        let begun = self.engine.follow(&store_id, after_revision).await;
        let (mut follower, beginning) =
            begun.map_err(|e| status::unavailable(format!("nothing can be told: {e}")))?;
        let mut upheld = None;
        self.uphold(&mut upheld).await?;
        match beginning {
            Beginning::Resumed => self.answer(Answer::Resumed(Resumed {})).await?,
            Beginning::Everything(everything) => {
                let chunks = everything.chunks.iter().enumerate();
                for (index, records) in chunks {
                    let snapshot = Snapshot {
                        store_id: everything.store_id.to_string(),
                        revision: everything.revision,
                        records: records.clone(),
                        last: index + 1 == everything.chunks.len(),
                    };
                    self.uphold(&mut upheld).await?;
                    self.answer(Answer::Snapshot(snapshot)).await?;
                }
            }
        }
        let mut pong: Option<(Pong, u64)> = None;
        let mut pinged = Instant::now();
        loop {
            // INVARIANT: whoever may not follow any more is told nothing that came after. Defended
            // by `tests/it/follow/refused.rs`.
            let next = follower.take().map_err(|Forgotten| {
                status::unavailable("more has changed than is remembered, begin again".to_owned())
            })?;
            // After it was taken: what can be taken has been published.
            self.uphold(&mut upheld).await?;
            if let Some(commit) = next {
                let (revision, records) = (commit.revision, commit.records);
                self.answer(Answer::Commit(Commit { revision, records })).await?;
                continue;
            }
            if let Some((pong, _)) = pong.take_if(|(_, end)| follower.position() >= *end) {
                self.answer(Answer::Pong(pong)).await?;
                continue;
            }
            tokio::select! {
                () = follower.more() => {}
                asked = tokio::time::timeout_at((pinged + PING).into(), self.requests.message()),
                    if pong.is_none() =>
                {
                    let asked = asked.map_err(|_| {
                        status::too_late("there was no ping for too long".to_owned())
                    })?;
                    let Some(asked) = asked? else { return Ok(()) };
                    let Some(Asked::Ping(ping)) = asked.request else {
                        return Err(status::malformed(&"it is no ping"));
                    };
                    pinged = Instant::now();
                    // Before the end is looked for: what is known to be so old is told by then.
                    let staleness = self.engine.staleness().unwrap_or_default().as_millis() + 1;
                    let staleness_ms = u64::try_from(staleness).unwrap_or(u64::MAX);
                    pong = Some((Pong { ping, staleness_ms }, follower.end()));
                }
            }
        }
    }

    /// Checks anew whether the stream may go on, where something has changed since `upheld`.
    async fn uphold(&self, upheld: &mut Option<Arc<engine::Snapshot>>) -> Result<(), Status> {
        let now = self.engine.snapshot();
        if !upheld.as_ref().is_some_and(|before| Arc::ptr_eq(before, &now)) {
            self.gate.uphold(&self.identity, WATCH_CHANGES).await?;
            *upheld = Some(now);
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<Start, Status> {
        let first = tokio::time::timeout(START, self.requests.message()).await;
        let first = first.map_err(|_| status::too_late("nothing was asked for".to_owned()))??;
        match first.and_then(|first| first.request) {
            Some(Asked::Start(start)) if start.store_id.len() <= MAX_STORE_ID => Ok(start),
            _ => Err(status::malformed(&"it does not begin with `start`")),
        }
    }

    async fn answer(&self, answer: Answer) -> Result<(), Status> {
        let answer = WatchChangesResponse { answer: Some(answer) };
        self.answers
            .send_timeout(Ok(answer), TAKE)
            .await
            .map_err(|_| status::too_late("what is told is not taken".to_owned()))
    }
}
