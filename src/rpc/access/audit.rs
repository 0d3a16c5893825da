//! `ListAuditEvents`: the audit trail, as far as it is asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::Access;
use crate::engine::Engine;
use crate::gate::{Gate, Identity};
use crate::model::error::ErrorKind;
use crate::model::event::{Event, Step};
use crate::rpc::proto::access::*;
use crate::rpc::status;
use crate::storage::trail::{Entry, Mark, Page, decode};
use crate::telemetry::Shed;

const LIST_AUDIT_EVENTS: &str = "/milvus_rbac.v1.AccessService/ListAuditEvents";
/// Listings at a time: each has the writer read now and then.
pub(super) const LISTINGS: usize = 8;
/// Answers that wait for the connection to take them.
const QUEUE: usize = 2;
/// An answer with events of so many bytes is full.
const ANSWER: usize = 64 << 10;
/// How long a caller may take to take one.
const TAKE: Duration = Duration::from_secs(30);

type Listed = Result<Response<BoxStream<ListAuditEventsResponse>>, Status>;

pub(super) async fn list(access: &Access, request: Request<ListAuditEventsRequest>) -> Listed {
    let (_, extensions, request) = request.into_parts();
    let identity = extensions.get::<Identity>().cloned().ok_or_else(status::unguarded)?;
    let place = access.listings.clone().try_acquire_owned().map_err(|_| {
        status::overloaded(
            Shed::AuditListings,
            "the audit trail is listed too often at once, try again later",
        )
    })?;
    let (answers, taken) = mpsc::channel(QUEUE);
    let (engine, gate) = (access.engine().clone(), access.gate.clone());
    let mut stopping = access.stopping.clone();
    let listing = Listing { engine, gate, identity, request, answers };
    tokio::spawn(async move {
        let answers = listing.answers.clone();
        let ended = tokio::select! {
            ended = listing.run(place) => ended,
            _ = stopping.wait_for(|stop| *stop) => {
                Err(status::unavailable("the server is stopping".to_owned()))
            }
            () = answers.closed() => return,
        };
        if let Err(refusal) = ended {
            // One who does not take it will see the end all the same.
            let _ = answers.send_timeout(Err(refusal), TAKE).await;
        }
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(taken))))
}

struct Listing {
    engine: Engine,
    gate: Arc<Gate>,
    identity: Identity,
    request: ListAuditEventsRequest,
    answers: mpsc::Sender<Result<ListAuditEventsResponse, Status>>,
}

impl Listing {
    /// Tells where the trail begins and ends, then the events up to there.
    async fn run(self, _place: OwnedSemaphorePermit) -> Result<(), Status> {
        let mut after = self.request.from_number.saturating_sub(1);
        let mut left = if self.request.limit == 0 { u64::MAX } else { self.request.limit };
        let mut page = self.page(after).await?;
        let tip = page.trail.last;
        after = after.max(page.trail.first.number);
        self.answer(ListAuditEventsResponse {
            beginning: Some(mark(&page.trail.first)),
            tip: Some(mark(&tip)),
            revision: page.revision,
            ..ListAuditEventsResponse::default()
        })
        .await?;
        loop {
            if page.entries.is_empty() {
                return Ok(());
            }
            if page.trail.first.number > after {
                return Err(status::unavailable(
                    "the oldest events went while they were read, ask again".to_owned(),
                ));
            }
            let (mut events, mut bytes) = (Vec::new(), 0);
            for entry in page.entries {
                if entry.number > tip.number || left == 0 {
                    left = 0;
                    break;
                }
                after = entry.number;
                let Some(event) = wanted(&self.request, entry) else { continue };
                bytes += event.record.len();
                events.push(event);
                left -= 1;
                if bytes >= ANSWER {
                    bytes = 0;
                    self.tell(std::mem::take(&mut events)).await?;
                }
            }
            self.tell(events).await?;
            if left == 0 || after >= tip.number {
                return Ok(());
            }
            page = self.page(after).await?;
        }
    }

    /// Whoever may not see the trail any more is told no further page of it. `tests/it/audit/mod.rs` holds
    /// the admission to the first page, not yet that of later ones.
    async fn page(&self, after: u64) -> Result<Page, Status> {
        self.gate.admit(&self.identity, "", LIST_AUDIT_EVENTS, &[]).await?;
        self.engine.audit(after).await.map_err(|e| match e.kind() {
            ErrorKind::NotSupported => status::unimplemented(e.to_string()),
            _ => status::unavailable(e.to_string()),
        })
    }

    async fn tell(&self, events: Vec<AuditEvent>) -> Result<(), Status> {
        if events.is_empty() {
            return Ok(());
        }
        self.answer(ListAuditEventsResponse { events, ..ListAuditEventsResponse::default() }).await
    }

    async fn answer(&self, answer: ListAuditEventsResponse) -> Result<(), Status> {
        let late = |_| status::too_late("the events were not taken in time".to_owned());
        self.answers.send_timeout(Ok(answer), TAKE).await.map_err(late)
    }
}

fn mark(mark: &Mark) -> AuditMark {
    let Mark { number, hash, revision } = mark;
    AuditMark { number: *number, hash: hash.0.to_vec().into(), revision: *revision }
}

/// The event for the wire, if it is asked for. One that cannot be read is always told: it was
/// damaged, and whoever verifies it is to find that.
fn wanted(asked: &ListAuditEventsRequest, entry: Entry) -> Option<AuditEvent> {
    let Entry { number, previous, hash, record } = entry;
    let event = decode(&record).ok().map(|(_, event)| event);
    if event.as_ref().is_some_and(|event| !is_asked_for(asked, event)) {
        return None;
    }
    let mut told = event.map(told).unwrap_or_default();
    told.number = number;
    told.previous_hash = previous.0.to_vec().into();
    told.hash = hash.0.to_vec().into();
    told.record = record.into();
    Some(told)
}

fn is_asked_for(asked: &ListAuditEventsRequest, event: &Event) -> bool {
    let ListAuditEventsRequest { since_ms, until_ms, actor, target, kind, .. } = asked;
    event.time >= *since_ms
        && (*until_ms == 0 || event.time < *until_ms)
        && (actor.is_empty() || event.origin.user == *actor)
        && (target.is_empty() || event.steps.iter().any(|step| step.concerns(target)))
        && (kind.is_empty() || event.steps.iter().any(|step| step.kind() == kind))
}

fn told(event: Event) -> AuditEvent {
    let Event { revision, time, origin, command, steps, .. } = event;
    AuditEvent {
        time_ms: time,
        revision,
        actor: origin.user,
        peer: origin.peer,
        command,
        request_id: origin.request_id,
        comment: origin.comment,
        changes: steps.iter().map(change).collect(),
        ..AuditEvent::default()
    }
}

fn change(step: &Step) -> AuditChange {
    let (kind, name) = (step.kind().to_owned(), step.name());
    AuditChange { kind, name, before: step.before(), after: step.after() }
}
